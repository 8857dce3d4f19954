"""The banks as running nodes: in virtual time over memory pipes, and on asyncio over sockets and files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from trio.testing import MockClock

from banks.acquirer.config import AcquirerConfig, MerchantConfig
from banks.acquirer.node import AcquirerNode
from banks.acquirer.node import open_journal as open_acquirer_journal
from banks.issuer.config import IssuerConfig, shipped_cards
from banks.issuer.node import IssuerNode, open_journal
from banks.issuer.settings import ScriptSection
from hsm_sim.client import LocalClient
from hsm_sim.node import HsmNode
from iso import CardrailsError, Message, dialect
from node.core.link import LinkMachine
from node.core.steps import Silence
from node.journal import Journal, MemoryJournal
from node.link import LinkConfig
from node.pipes import Pipes
from node.runtime import Runtime
from tests.hsm_sim.nodes import hsm_node
from tests.support.banks import PAN, at_acquirer, at_issuer, reversal_at_acquirer, reversal_at_issuer
from tests.support.nodes import METADATA, Answerer, PlainHost, fixed_clock
from tests.support.time import let_pass


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


class Peer:
    """The other end of a bank's listening link."""

    def __init__(self, pipes: Pipes, address: str, speaks: str) -> None:
        self.host = PlainHost([LinkMachine("bank", dialect(speaks))])
        link = LinkConfig("bank", "dial", address, dialect(speaks))
        self.runtime = Runtime("peer", self.host, MemoryJournal(METADATA), fixed_clock(), pipes, [link])

    async def ask(self, message: Message, timeout_s: float = 30.0) -> Message | Silence:
        return await self.runtime.call(lambda: self.host.desk.request("bank", message, timeout_s))


def issuer_node(
    pipes: Pipes, hsm: HsmNode, journal: Journal | None = None, address: str = "memory://a", **rules: Any
) -> IssuerNode:
    config = IssuerConfig(name="issuer-a", address=address, dialect="ascii87", bins=("4", "990001"), **rules)
    client = LocalClient(hsm, "issuer-a")
    return IssuerNode(config, shipped_cards(), journal or open_journal(None), fixed_clock(), pipes, client)


def acquirer_node(pipes: Pipes, journal: Journal | None = None) -> AcquirerNode:
    shop = MerchantConfig(
        merchant="MERCHANT0000001", name="The Shop", mcc="5999", country="US", city="Here", terminals=("TERM0001",)
    )
    config = AcquirerConfig(
        address="memory://acquirer",
        dialect="pos-bcd87",
        network_address="memory://network",
        network_dialect="ascii87",
        institution="400001",
        merchants=(shop,),
    )
    return AcquirerNode(config, journal or open_acquirer_journal(None), fixed_clock(), pipes)


def network_node(pipes: Pipes) -> tuple[Runtime, Answerer]:
    host = Answerer(dialect("ascii87"))
    link = LinkConfig("asker", "listen", "memory://network", dialect("ascii87"))
    return Runtime("network", host, MemoryJournal(METADATA), fixed_clock(), pipes, [link]), host


@asynccontextmanager
async def running(*nodes: Any) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        for node in nodes:
            await tasks.start(node.run)
        yield
        tasks.cancel_scope.cancel()


def held(node: IssuerNode) -> int:
    return sum(account["held_minor"] for account in node.view()["accounts"])


@pytest.mark.trio
class TestIssuerNode:
    """The shell issues its cards before it is ready, and answers what its host decides."""

    async def test_it_is_ready_with_its_cards_and_approves(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        hsm = hsm_node(pipes)
        issuer, network = issuer_node(pipes, hsm), Peer(pipes, "memory://a", "ascii87")

        async with running(hsm, issuer, network.runtime):
            await let_pass(1)
            cvv2 = await issuer.cvv2_of(PAN, "3012")
            answer = await network.ask(at_issuer(cvv2=cvv2 or ""))

        assert issuer.is_ready
        assert isinstance(answer, Message)
        assert answer.response_code == "00"
        assert held(issuer) == 4_200

    async def test_a_card_can_be_changed_while_it_runs(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        hsm = hsm_node(pipes)
        issuer, network = issuer_node(pipes, hsm), Peer(pipes, "memory://a", "ascii87")

        async with running(hsm, issuer, network.runtime):
            await let_pass(1)
            await issuer.change_card(PAN, status="stolen")
            answer = await network.ask(at_issuer())
            with pytest.raises(CardrailsError, match=r"990001\*{6}9991"):
                await issuer.change_card("9900019999999991", status="stolen")

        assert isinstance(answer, Message)
        assert answer.response_code == "43"

    async def test_its_settings_script_what_it_answers(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        hsm = hsm_node(pipes)
        script = ScriptSection(when='mcc == "5999"', code="58", times=1)
        issuer, network = issuer_node(pipes, hsm, scripts=(script,)), Peer(pipes, "memory://a", "ascii87")

        async with running(hsm, issuer, network.runtime):
            await let_pass(1)
            answers = [await network.ask(at_issuer(stan)) for stan in ("000001", "000002")]
            places = issuer.host.books.pin_places(False)

        assert [answer.response_code for answer in answers if isinstance(answer, Message)] == ["58", "00"]
        assert places == issuer.keys.pin_places("network") != ()

    async def test_without_its_hsm_it_does_not_start(self, mock_clock: MockClock) -> None:
        class NoHsm:
            async def call_many(self, requests: Any, timeout_s: float) -> list[None]:
                await let_pass(timeout_s)
                return [None for _ in requests]

        config = IssuerConfig(name="issuer-a", address="memory://a", dialect="ascii87", bins=("990001",))
        issuer = IssuerNode(config, shipped_cards(), open_journal(None), fixed_clock(), Pipes(), NoHsm())

        with pytest.raises(BaseExceptionGroup) as caught:
            async with running(issuer):
                pass

        assert caught.group_contains(CardrailsError, match="the HSM does not answer")


@pytest.mark.trio
class TestAcquirerNode:
    """The shell passes on, answers by its deadline, and reverses what it never heard of."""

    async def test_an_approval_goes_through(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        there, network = network_node(pipes)
        acquirer, gateway = acquirer_node(pipes), Peer(pipes, "memory://acquirer", "pos-bcd87")

        async with running(there, acquirer, gateway.runtime):
            await let_pass(1)
            answer = await gateway.ask(at_acquirer())

        assert acquirer.is_ready
        assert isinstance(answer, Message)
        assert (answer.response_code, answer.stan) == ("00", "000001")
        assert [message.mti for message in network.seen] == ["0100"]

    async def test_a_restart_in_flight_reverses_at_the_network(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        there, network = network_node(pipes)
        journal = open_acquirer_journal(None)
        gateway = Peer(pipes, "memory://acquirer", "pos-bcd87")
        seen: list[Message] = []

        async def silent(arrival: Any) -> Message | None:
            seen.append(arrival.message)
            return arrival.message.reply("00") if arrival.message.mti_class == "4" else None

        network.handler = silent
        async with running(there, gateway.runtime):
            async with running(acquirer_node(pipes, journal)):
                await let_pass(1)
                lost = await gateway.ask(at_acquirer(), timeout_s=5.0)
            async with running(acquirer_node(pipes, journal)):
                await let_pass(10)
                answer = await gateway.ask(reversal_at_acquirer(at_acquirer()))

        assert isinstance(lost, Silence)
        assert [message.mti for message in seen] == ["0100", "0420"]
        assert isinstance(answer, Message)
        assert answer.response_code == "00"


class TestOnAsyncio:
    """The same shell on asyncio, real sockets and a real file: what was answered before a stop is true after it."""

    def test_a_hold_survives_a_restart_and_can_still_be_undone(self, tmp_path: Path) -> None:
        async def first_life(hsm: HsmNode) -> int:
            pipes = Pipes()
            journal = open_journal(tmp_path / "issuer.db")
            issuer = issuer_node(pipes, hsm, journal, "tcp://127.0.0.1:0")
            async with running(issuer):
                network = Peer(pipes, issuer.address, "ascii87")
                async with running(network.runtime):
                    await up(network)
                    answer = await network.ask(at_issuer())
            await journal.aclose()
            assert isinstance(answer, Message)
            assert answer.response_code == "00"
            return held(issuer)

        async def second_life(hsm: HsmNode) -> tuple[int, int]:
            pipes = Pipes()
            journal = open_journal(tmp_path / "issuer.db")
            issuer = issuer_node(pipes, hsm, journal, "tcp://127.0.0.1:0")
            async with running(issuer):
                before = held(issuer)
                network = Peer(pipes, issuer.address, "ascii87")
                async with running(network.runtime):
                    await up(network)
                    await network.ask(reversal_at_issuer(at_issuer()))
            await journal.aclose()
            return before, held(issuer)

        async def both() -> tuple[int, tuple[int, int]]:
            hsm = hsm_node(Pipes())
            async with running(hsm):
                return await first_life(hsm), await second_life(hsm)

        assert anyio.run(both) == (4_200, (4_200, 0))


async def up(peer: Peer) -> None:
    """Wait until the peer is signed on."""
    with anyio.fail_after(10):
        while not peer.host.links["bank"].is_up:
            await anyio.lowlevel.checkpoint()
