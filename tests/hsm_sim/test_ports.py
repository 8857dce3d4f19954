"""Host ports: who may listen where, who a peer is, and what a peer that misbehaves costs the others: nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from hsm_sim.client import TcpClient
from hsm_sim.core.slots import OPEN_PARTY
from hsm_sim.node import HsmNode
from hsm_sim.ports import FRAMED_MAX, HostPort, Write
from hsm_sim.requests import Diagnostics
from hsm_sim.store import metadata
from iso.errors import ConfigError
from node.journal import MemoryJournal
from node.pipes import PipeError, Pipes
from tests.hsm_sim.nodes import config, everything_from, hsm_node, serving
from tests.support.certificates import Authority
from tests.support.hsm import CVC, MASTER, PAN, seeded
from tests.support.nodes import fixed_clock
from tests.support.time import let_pass

ECHO = b"\x00\x0bABCDB20001x"
ECHOED = b"\x00\x09ABCDB300x"


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


def frame(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


async def exchange(pipes: Pipes, address: str, content: bytes) -> bytes:
    async with await pipes.dial(address) as stream:
        await stream.send(frame(content))
        return (await stream.receive())[2:]


@pytest.mark.trio
class TestHeaders:
    """A header of any length from 1 to 255 comes back as it was, and so does a trailer."""

    @pytest.mark.parametrize("length", [1, 4, 255])
    async def test_the_header_is_echoed(self, length: int, mock_clock: MockClock) -> None:
        pipes, header = Pipes(), bytes(range(length))

        async with serving(hsm_node(pipes, header_length=length)):
            answer = await exchange(pipes, "memory://hsm-gateway", header + b"B20001x")

        assert answer == header + b"B300x"

    async def test_the_trailer_is_echoed(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with serving(hsm_node(pipes)):
            answer = await exchange(pipes, "memory://hsm-gateway", b"ABCDB20001x\x19trailer")

        assert answer == b"ABCDB300x\x19trailer"


@pytest.mark.trio
class TestSlowPeers:
    """A peer that stops in the middle, says nothing, or does not read is cut off; a party that is quiet is not."""

    async def test_a_frame_that_is_never_finished_ends_the_connection(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with serving(hsm_node(pipes)), await pipes.dial("memory://hsm-gateway") as slow:
            started = anyio.current_time()
            for byte in ECHO[:-1]:
                await let_pass(2.0)
                await slow.send(bytes((byte,)))
            assert await everything_from(slow, 30) == b""
            took_s = anyio.current_time() - started

        assert took_s == pytest.approx(2.0 + 30.0)

    async def test_a_party_may_be_quiet_for_hours(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with serving(hsm_node(pipes)), await pipes.dial("memory://hsm-gateway") as quiet:
            await let_pass(10_000)
            await quiet.send(ECHO)

            assert await quiet.receive() == ECHOED

    async def test_unless_the_settings_say_otherwise(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with serving(hsm_node(pipes, idle_timeout_s=60)), await pipes.dial("memory://hsm-gateway") as quiet:
            assert await everything_from(quiet, 61) == b""

    async def test_a_stranger_may_not(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with (
            serving(hsm_node(pipes, open_address="memory://hsm-open")),
            await pipes.dial("memory://hsm-open") as quiet,
        ):
            assert await everything_from(quiet, 601) == b""

    async def test_a_peer_that_does_not_read_is_cut_off_and_holds_up_nobody(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with (
            serving(hsm_node(pipes)),
            await pipes.dial("memory://hsm-gateway") as deaf,
            await pipes.dial("memory://hsm-gateway") as bystander,
        ):
            for _ in range(100):
                await deaf.send(ECHO)
            await bystander.send(ECHO)
            answered = await bystander.receive()
            await let_pass(11)
            received = await everything_from(deaf)

        assert answered == ECHOED
        assert received == ECHOED * (len(received) // len(ECHOED))
        assert len(received) < 100 * len(ECHOED)


@pytest.mark.trio
class TestLongAnswers:
    """An answer that two length bytes cannot announce ends its connection, and nothing else."""

    async def test_the_connection_is_closed_and_the_port_goes_on(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async def serve(party: str, frames: Sequence[bytes], write: Write) -> bool:
            await write([bytes(int(content)) for content in frames])
            return True

        async with anyio.create_task_group() as tasks:
            port = HostPort("gateway", "memory://hsm-gateway", config(), pipes, serve)
            listener = await pipes.listen(port.address)
            tasks.start_soon(listener.serve, port.handle)
            await anyio.wait_all_tasks_blocked()
            async with await pipes.dial(port.address) as culprit:
                await culprit.send(frame(b"%d" % (FRAMED_MAX + 1)))
                assert await everything_from(culprit) == b""

            assert await exchange(pipes, port.address, b"%d" % 9) == bytes(9)
            tasks.cancel_scope.cancel()


@pytest.mark.trio
class TestTheOpenPort:
    """Anybody may use it, under the public test LMKs; nothing of the house can be reached from it."""

    async def test_it_answers_without_a_role(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes, open_address="memory://hsm-open")

        async with serving(node):
            assert await exchange(pipes, "memory://hsm-open", b"ABCDB20001x") == b"ABCDB300x"
            diagnosed = await exchange(pipes, "memory://hsm-open", b"ABCDNC")
            own = await exchange(pipes, "memory://hsm-gateway", b"ABCDNC")

        assert node.addresses[OPEN_PARTY] == "memory://hsm-open"
        assert diagnosed[:8] == own[:8] == b"ABCDND00"
        assert diagnosed != own

    async def test_the_vault_and_the_houses_keys_cannot_be_reached(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        store = b"ABCDZA" + f"{PAN};3012{CVC};".encode()

        async with serving(hsm_node(pipes, open_address="memory://hsm-open")):
            vault = await exchange(pipes, "memory://hsm-open", store)
            key = await exchange(pipes, "memory://hsm-open", f"ABCDCWKF00{PAN};3012201".encode())

        assert vault == b"ABCDZB68"
        assert key == b"ABCDCX12"

    async def test_without_the_setting_there_is_none(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with serving(node):
            assert OPEN_PARTY not in node.addresses
            with pytest.raises(PipeError):
                await pipes.dial("memory://hsm-open")


def node_at(pipes: Pipes, address: str, **settings: Any) -> HsmNode:
    """Build an HSM whose gateway port listens at an address; the other parties' ports are in memory."""
    whole = config(**settings).model_dump()
    whole["parties"][0]["address"] = address
    return HsmNode(
        type(config()).model_validate(whole), MemoryJournal(metadata), MASTER, fixed_clock(), pipes, seeded()
    )


class TestWhereItListens:
    """A port that cannot know its peers listens on loopback only."""

    @pytest.mark.parametrize("address", ["tcp://0.0.0.0:0", "tcp://[::]:0", "tcp://hsm.example:1500"])
    def test_a_plain_port_elsewhere_is_refused(self, address: str) -> None:
        with pytest.raises(ConfigError, match=r"nodes\.hsm\.gateway"):
            anyio.run(node_at(Pipes(), address).run)

    def test_an_open_port_elsewhere_is_refused_also_with_tls(self, tmp_path: Path) -> None:
        pipes = Pipes(Authority(tmp_path).settings("hsm", mutual=True))

        with pytest.raises(ConfigError, match=r"nodes\.hsm\.open = .* must be a loopback address$"):
            anyio.run(node_at(pipes, "memory://g", open_address="tls://0.0.0.0:0").run)

    def test_tls_without_client_certificates_is_no_better(self, tmp_path: Path) -> None:
        pipes = Pipes(Authority(tmp_path).settings("hsm"))

        with pytest.raises(ConfigError, match="mutual TLS"):
            anyio.run(node_at(pipes, "tls://0.0.0.0:0").run)

    @pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "tls://127.0.0.1:0"])
    def test_a_shared_port_needs_mutual_tls(self, tmp_path: Path, address: str) -> None:
        pipes = Pipes(Authority(tmp_path).settings("hsm"))

        with pytest.raises(ConfigError, match=r"nodes\.hsm\.shared"):
            anyio.run(node_at(pipes, "memory://g", shared_address=address).run)


class TestCertificates:
    """With mutual TLS the certificate names the party, on real sockets."""

    def ask(self, folder: Path, client_name: str, port: str) -> str | None:
        """Return the LMK check value that a client with a certificate sees, None if it is not served."""
        authority = Authority(folder)
        pipes = Pipes(authority.settings("hsm", mutual=True))
        node = node_at(pipes, "tls://127.0.0.1:0", shared_address="tls://127.0.0.1:0")

        async def main() -> str | None:
            async with anyio.create_task_group() as tasks:
                await tasks.start(node.run)
                client = TcpClient(Pipes(authority.settings(client_name)), node.addresses[port])
                await tasks.start(client.run)
                about = await client.call(Diagnostics(), 1.0)
                tasks.cancel_scope.cancel()
            return about.lmk_check if about is not None else None

        return anyio.run(main)

    def test_the_party_is_served_on_its_own_port(self, tmp_path: Path) -> None:
        assert self.ask(tmp_path, "gateway", "gateway") is not None

    def test_another_party_is_not(self, tmp_path: Path) -> None:
        assert self.ask(tmp_path, "switch", "gateway") is None

    def test_a_node_of_the_hsms_own_process_is_served_on_its_port_but_has_no_name_on_the_shared_one(
        self, tmp_path: Path
    ) -> None:
        authority = Authority(tmp_path)
        house = Pipes(authority.settings("house", mutual=True))
        node = node_at(house, "tls://127.0.0.1:0", shared_address="tls://127.0.0.1:0")

        async def main() -> list[bool]:
            served = []
            async with anyio.create_task_group() as tasks:
                await tasks.start(node.run)
                for port in ("gateway", "shared"):
                    client = TcpClient(house, node.addresses[port])
                    await tasks.start(client.run)
                    served.append(await client.call(Diagnostics(), 1.0) is not None)
                tasks.cancel_scope.cancel()
            return served

        assert anyio.run(main) == [True, False]

    def test_on_the_shared_port_everybody_is_who_he_is(self, tmp_path: Path) -> None:
        as_gateway = self.ask(tmp_path, "gateway", "shared")
        as_switch = self.ask(tmp_path, "switch", "shared")

        assert as_gateway == self.ask(tmp_path, "gateway", "gateway")
        assert as_switch is not None
        assert as_switch != as_gateway

    @pytest.mark.parametrize("name", ["nobody", "vault", "open"])
    def test_a_name_that_is_no_party_is_not_served(self, tmp_path: Path, name: str) -> None:
        assert self.ask(tmp_path, name, "shared") is None


class TestAnyBytes:
    """Whatever comes, the port answers or closes, and goes on serving others."""

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.binary(max_size=80),
                st.binary(max_size=40).map(lambda tail: frame(b"HEAD" + tail)),
                st.tuples(
                    st.sampled_from(
                        ["NC", "B2", "CW", "CY", "M6", "M8", "A0", "CA", "KQ", "BU", "DC", "GM", "LG", "QQ"]
                    ),
                    st.binary(max_size=60),
                ).map(lambda command: frame(b"HEAD" + command[0].encode() + command[1])),
                st.just(ECHO),
            ),
            max_size=8,
        ),
        st.sampled_from(["memory://hsm-issuer-a", "memory://hsm-open"]),
    )
    def test_an_answer_or_a_close(self, pieces: list[bytes], address: str) -> None:
        async def main() -> None:
            pipes = Pipes()
            async with serving(hsm_node(pipes, open_address="memory://hsm-open", idle_timeout_s=600)):
                async with await pipes.dial(address) as culprit:
                    for piece in pieces:
                        try:
                            await culprit.send(piece)
                        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                            break
                    answers = await everything_from(culprit, 700)
                assert await exchange(pipes, "memory://hsm-gateway", b"ABCDB20001x") == b"ABCDB300x"
            while answers:
                length = int.from_bytes(answers[:2], "big")
                assert len(answers) >= 2 + length >= 2 + 8
                answers = answers[2 + length :]

        trio.run(main, clock=MockClock(autojump_threshold=0))
