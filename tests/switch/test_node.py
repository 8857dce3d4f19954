"""The switch as a running node, between an acquirer with MACs and an issuer, with a real HSM, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from pydantic import ValidationError
from trio.testing import MockClock

from hsm_sim.client import LocalClient
from hsm_sim.core import indexes
from hsm_sim.node import HsmNode
from hsm_sim.protect import HsmProtector
from hsm_sim.requests import MakeCryptogram, StoreCard
from iso import Message, dialect
from iso.private import build_private
from node.core.faults import Fault
from node.core.link import LinkMachine
from node.core.steps import Silence
from node.journal import Journal, MemoryJournal
from node.link import LinkConfig
from node.pipes import Pipes
from node.runtime import Runtime
from switch.config import IssuerLink, SwitchConfig
from switch.node import SwitchNode, open_journal
from tests.hsm_sim.nodes import hsm_node
from tests.support.nodes import METADATA, Answerer, PlainHost, fixed_clock
from tests.support.switch import request
from tests.support.time import let_pass

PAN = "4242424242424242"


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


def switch_config(**changes: Any) -> SwitchConfig:
    fields: dict[str, Any] = {
        "address": "memory://switch",
        "dialect": "net-bin87",
        "issuers": (IssuerLink(name="issuer-a", address="memory://issuer-a", dialect="ascii87", bins=("4",)),),
    }
    return SwitchConfig(**{**fields, **changes})


class House:
    """HSM, issuer, switch and an acquirer that asks."""

    def __init__(self, journal: Journal | None = None) -> None:
        pipes = Pipes()
        self.hsm: HsmNode = hsm_node(pipes)
        self.issuer_host = Answerer(dialect("ascii87"))
        issuer_link = LinkConfig("asker", "listen", "memory://issuer-a", dialect("ascii87"))
        self.issuer = Runtime(
            "issuer-a", self.issuer_host, MemoryJournal(METADATA), fixed_clock(), pipes, [issuer_link]
        )
        client = LocalClient(self.hsm, "switch")
        self.switch = SwitchNode(switch_config(), journal or open_journal(None), fixed_clock(), pipes, client)
        self.host = PlainHost([LinkMachine("switch", dialect("net-bin87"))])
        link = LinkConfig("switch", "dial", "memory://switch", dialect("net-bin87"))
        zone = HsmProtector(LocalClient(self.hsm, "acquirer"), indexes.zak("switch"))
        self.acquirer = Runtime(
            "acquirer", self.host, MemoryJournal(METADATA), fixed_clock(), pipes, [link], protectors={"switch": zone}
        )

    async def pay(self, stan: str = "000001") -> Message | Silence:
        gateway = LocalClient(self.hsm, "gateway")
        card = await gateway.call(StoreCard(PAN, "3012", "737", "acct_1"), 2.0)
        assert card is not None
        made = await gateway.call(MakeCryptogram(card.token, 4_200, "840", "MERCHANT0000001"), 2.0)
        assert made is not None
        private = build_private({"05": made.cryptogram + made.atc + made.un})
        message = request(stan, de2=card.token, de48=private)
        return await self.acquirer.call(lambda: self.host.desk.request("switch", message, 15.0))


@asynccontextmanager
async def running(house: House) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        for node in (house.hsm, house.issuer, house.switch, house.acquirer):
            await tasks.start(node.run)
        await let_pass(1)
        yield
        tasks.cancel_scope.cancel()


@pytest.mark.trio
class TestSwitchNode:
    """The shell opens cards at its HSM, seals the acquirer's link, and keeps what it owes."""

    async def test_a_request_crosses_with_its_card_opened_and_comes_back_with_its_token(
        self, mock_clock: MockClock
    ) -> None:
        house = House()

        async with running(house):
            assert house.switch.is_ready
            answer = await house.pay()

        assert isinstance(answer, Message)
        assert answer.response_code == "00"
        assert answer.pan.startswith("9999")
        assert [message.pan for message in house.issuer_host.seen] == [PAN]

    async def test_a_silent_issuer_is_answered_for_and_gets_its_reversal(self, mock_clock: MockClock) -> None:
        house = House()

        async with running(house):
            house.issuer.faults.add(Fault("asker", "out", "0110", "drop"))
            answer = await house.pay()
            await let_pass(5)

        assert isinstance(answer, Message)
        assert answer.response_code == "91"
        assert [message.mti for message in house.issuer_host.seen] == ["0100", "0420"]
        assert house.switch.view()["saf"] == []

    async def test_what_it_owed_when_it_stopped_it_pays_when_it_starts(self, mock_clock: MockClock) -> None:
        journal = open_journal(None)
        before = House(journal)
        async with running(before):
            before.issuer.faults.add(Fault("asker", "in", "0100", "drop"))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(before.pay)
                await let_pass(1)
                tasks.cancel_scope.cancel()

        after = House(journal)
        assert [row[5] for row in (await journal.load())["legs"]] == ["forwarded"]
        async with anyio.create_task_group() as tasks:
            await tasks.start(after.switch.run)
            tasks.cancel_scope.cancel()

        assert [entry["attempts"] for entry in after.switch.view()["saf"]] == [0]


class TestSwitchConfig:
    """A configuration that routes a prefix twice, or lets the HSM take longer than the leg, is refused."""

    def test_a_prefix_belongs_to_one_issuer(self) -> None:
        twice = tuple(
            IssuerLink(name=name, address=f"memory://{name}", dialect="ascii87", bins=("4",)) for name in ("a", "b")
        )

        with pytest.raises(ValidationError, match="no prefix is routed to two issuers"):
            switch_config(issuers=twice)

    def test_a_prefix_is_digits(self) -> None:
        with pytest.raises(ValidationError, match="1 to 11 digits"):
            IssuerLink(name="a", address="memory://a", dialect="ascii87", bins=("4x",))

    def test_the_hsm_is_quicker_than_the_leg(self) -> None:
        with pytest.raises(ValidationError, match="must be shorter than leg_timeout_s"):
            switch_config(hsm_timeout_s=10.0)

    def test_no_issuer_is_called_acquirer(self) -> None:
        issuer = IssuerLink(name="acquirer", address="memory://a", dialect="ascii87", bins=("4",))

        with pytest.raises(ValidationError, match="a name of its own"):
            switch_config(issuers=(issuer,))
