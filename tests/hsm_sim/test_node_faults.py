"""Faults and the audit log at the running node: what is provoked strikes in order, and leaves a record."""

from __future__ import annotations

import anyio
import pytest
from trio.testing import MockClock

from hsm_sim.core.faults import HsmFault
from hsm_sim.node import FaultDesk, HsmNode
from node.control import Controlled, control_app, service_token
from node.core.turn import Row
from node.journal import MemoryJournal
from node.pipes import Pipes
from tests.hsm_sim.nodes import everything_from, hsm_node, serving
from tests.support.http import AppClient

ECHO = b"\x00\x0bABCDB20001x"
ECHOED = b"\x00\x09ABCDB300x"


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@pytest.mark.trio
class TestFaults:
    """What a tester provokes strikes where it was aimed, in order, and leaves a record."""

    async def test_a_delayed_answer_holds_back_the_later_ones_of_its_connection_only(
        self, mock_clock: MockClock
    ) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with (
            serving(node),
            await pipes.dial("memory://hsm-gateway") as delayed,
            await pipes.dial("memory://hsm-gateway") as bystander,
        ):
            node.provoke(HsmFault("delay", commands=frozenset(("NC",)), delay_s=3.0))
            started = anyio.current_time()
            await delayed.send(ECHO + b"\x00\x06ABCDNC" + ECHO)
            first = (await delayed.receive(), anyio.current_time() - started)
            await bystander.send(ECHO)
            other = (await bystander.receive(), anyio.current_time() - started)
            second = (await delayed.receive(), anyio.current_time() - started)

        assert first == (ECHOED, 0.0)
        assert other == (ECHOED, 0.0)
        assert second[0][2:8] == b"ABCDND"
        assert second[0].endswith(ECHOED)
        assert second[1] == 3.0

    async def test_the_delay_command_works_in_the_same_way(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with serving(hsm_node(pipes)), await pipes.dial("memory://hsm-gateway") as stream:
            started = anyio.current_time()
            await stream.send(b"\x00\x09ABCDLG500" + ECHO)
            answers = await stream.receive()
            took_s = anyio.current_time() - started

        assert answers == b"\x00\x08ABCDLH00" + ECHOED
        assert took_s == 0.5

    async def test_silence_leaves_out_one_answer(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with serving(node), await pipes.dial("memory://hsm-gateway") as stream:
            node.provoke(HsmFault("silence", commands=frozenset(("NC",)), times=1))
            await stream.send(ECHO + b"\x00\x06ABCDNC" + ECHO)

            assert await stream.receive() == ECHOED * 2

    async def test_a_dropped_connection_answers_what_came_before(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with serving(node), await pipes.dial("memory://hsm-gateway") as stream:
            node.provoke(HsmFault("close", commands=frozenset(("NC",))))
            await stream.send(ECHO + b"\x00\x06ABCDNC" + ECHO)

            assert await everything_from(stream) == ECHOED

    async def test_they_can_be_set_from_the_start_and_calmed(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes, faults=[{"action": "error", "code": "15", "party": "gateway"}])

        async with serving(node):
            struck = await node.submit("gateway", [ECHO[2:]])
            other = await node.submit("switch", [ECHO[2:]])
            node.calm()
            calm = await node.submit("gateway", [ECHO[2:]])

        assert struck == [b"ABCDB315"]
        assert other == calm == [ECHOED[2:]]

    async def test_setting_them_is_audited(self, mock_clock: MockClock) -> None:
        node = hsm_node(Pipes())

        async with serving(node):
            node.provoke(HsmFault("close", party="switch", commands=frozenset(("ZE",))))
            await anyio.wait_all_tasks_blocked()
            node.calm()
            await anyio.wait_all_tasks_blocked()

        assert [row[2:6] for row in audited(node)] == [
            ("(hsm)", "start", "00", "audit security"),
            ("(operator)", "fault", "00", "close switch ZE"),
            ("(operator)", "fault", "00", "none"),
            ("(hsm)", "stop", "00", ""),
        ]


class TestTheControlPort:
    """A running HSM takes faults of its own kind over the control port."""

    def test_a_fault_is_armed_listed_and_cleared(self) -> None:
        node, secret = hsm_node(Pipes()), "s" * 32
        desk = FaultDesk(node)
        controlled = Controlled("hsm", node.clock, is_ready=lambda: True, view=dict, fault_port=desk)
        client = AppClient(control_app({"hsm": controlled}, secret))
        headers = {"authorization": f"Bearer {service_token(secret, 'hsm', 'operate')}"}

        armed = client.request(
            "POST", "/nodes/hsm/faults", json={"action": "silence", "commands": ["CW"]}, headers=headers
        )
        wrong = client.request("POST", "/nodes/hsm/faults", json={"action": "error"}, headers=headers)
        alien = client.request(
            "POST", "/nodes/hsm/faults", json={"link": "network", "action": "close"}, headers=headers
        )
        node.faults.strike("issuer-a", "CW", has_key=True)
        fired = client.request("GET", "/nodes/hsm/faults", headers=headers)
        client.request("DELETE", "/nodes/hsm/faults", headers=headers)

        assert (armed.status_code, armed.json()["action"]) == (201, "silence")
        assert (wrong.status_code, alien.status_code) == (422, 422)
        assert fired.json()["fired"] == [{"action": "silence", "party": "issuer-a", "command": "CW"}]
        assert [(fault["action"], fault["commands"]) for fault in fired.json()["armed"]] == [("silence", ["CW"])]
        assert not node.faults.armed


def audited(node: HsmNode) -> list[Row]:
    assert isinstance(node.journal, MemoryJournal)
    return list(node.journal.rows["hsm_audit"].values())
