"""Over real shells, in virtual time: keys change while both sides send, and nothing is refused or lost."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from trio.testing import MockClock

from hsm_sim.client import LocalClient
from hsm_sim.node import HsmNode
from hsm_sim.zones.keeper import ZoneKeys
from hsm_sim.zones.kinds import KeyKind
from hsm_sim.zones.links import Neighbour, join_keys
from hsm_sim.zones.rules import Exchanged, ExchangeOutcome, ZoneRules
from iso import Message, dialect
from node.core.faults import Fault
from node.core.link import LinkMachine
from node.journal import MemoryJournal
from node.link import LinkConfig
from node.pipes import Pipes
from node.runtime import Runtime
from tests.hsm_sim.nodes import hsm_node
from tests.support.nodes import Answerer, PlainHost, authorisation, fixed_clock
from tests.support.time import let_pass
from tests.support.zones import METADATA

SPOKEN = dialect("net-bin87")
LINK = "asker"


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


class Side:
    """One end of the link as a running node."""

    def __init__(self, pipes: Pipes, hsm: HsmNode, name: str, neighbour: str, *, is_owner: bool) -> None:
        self.host: PlainHost = Answerer(SPOKEN) if is_owner else PlainHost([LinkMachine(LINK, SPOKEN)])
        client = LocalClient(hsm, name)
        rules = ZoneRules(is_owner=is_owner, grace_s=30.0)
        self.keys: ZoneKeys
        self.keys, protectors = join_keys(self.host, client, [Neighbour(LINK, neighbour, 0, KeyKind.MAC)], rules)
        link = LinkConfig(LINK, "listen" if is_owner else "dial", "memory://network", SPOKEN)
        journal, ports = MemoryJournal(METADATA), {"hsm": client}
        self.node = Runtime(name, self.host, journal, fixed_clock(), pipes, [link], ports, protectors)

    async def exchange(self, kind: KeyKind = KeyKind.MAC) -> Exchanged:
        return await self.node.call(lambda: self.keys.exchange(LINK, kind))

    async def pay(self, number: int) -> Any:
        return await self.node.call(lambda: self.host.desk.request(LINK, authorisation(f"{number:06}"), 10.0))

    def state(self, kind: str = "mac") -> tuple[int, bool]:
        key = next(key for key in self.keys.view() if key["kind"] == kind)
        return key["generation"], key["old_accepted"]


@pytest.mark.trio
class TestKeysOverShells:
    """The exchange and its traffic share one connection, and the batches of its protector."""

    async def test_payments_go_on_while_the_key_changes(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        hsm = hsm_node(pipes)
        owner = Side(pipes, hsm, "switch", "acquirer", is_owner=True)
        member = Side(pipes, hsm, "acquirer", "switch", is_owner=False)
        answers: list[Any] = []

        async def shop(first: int) -> None:
            for number in range(first, first + 40):
                answers.append(await member.pay(number))

        async with anyio.create_task_group() as tasks:
            for run in (hsm.run, owner.node.run, member.node.run):
                await tasks.start(run)
            await let_pass(1)
            async with anyio.create_task_group() as busy:
                for first in (1, 101, 201):
                    busy.start_soon(shop, first)
                result = await owner.exchange()
            during = (owner.state(), member.state())
            await let_pass(120)
            after = (owner.state(), member.state())
            counters = [side.host.links[LINK].counters["bad_mac"] for side in (owner, member)]
            tasks.cancel_scope.cancel()

        assert result.outcome is ExchangeOutcome.CHANGED
        assert [answer.response_code for answer in answers if isinstance(answer, Message)] == ["00"] * 120
        assert (during[0], after, counters) == ((2, True), ((2, False), (2, False)), [0, 0])

    async def test_an_answer_that_the_line_swallowed_is_asked_for_again(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        hsm = hsm_node(pipes)
        owner = Side(pipes, hsm, "switch", "acquirer", is_owner=True)
        member = Side(pipes, hsm, "acquirer", "switch", is_owner=False)

        async with anyio.create_task_group() as tasks:
            for run in (hsm.run, owner.node.run, member.node.run):
                await tasks.start(run)
            await let_pass(1)
            owner.node.faults.add(Fault(LINK, "in", "0810", "drop"))
            first = await owner.exchange()
            await let_pass(120)
            after = (owner.state(), member.state())
            tasks.cancel_scope.cancel()

        assert first.outcome is ExchangeOutcome.UNANSWERED
        assert after == ((2, False), (2, False))
