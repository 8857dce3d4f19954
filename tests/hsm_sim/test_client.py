"""The client port: both adapters keep one contract; over TCP a stream may break at any time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import pytest
from anyio.abc import ByteStream
from trio.testing import MockClock

from hsm_sim.client import HsmClient, LocalClient, TcpClient
from hsm_sim.core import indexes
from hsm_sim.core.faults import HsmFault
from hsm_sim.node import HsmNode
from hsm_sim.protect import HsmProtector
from hsm_sim.requests import CardStored, CvvMade, Diagnostics, Echo, Echoed, MakeCvv, MakeMac, StoreCard, VerifyMac
from iso.errors import LocalProtocolError
from node.core.turn import Row
from node.journal import MemoryJournal
from node.pipes import Pipes
from tests.hsm_sim.nodes import hsm_node
from tests.support.hsm import CVC, PAN
from tests.support.time import let_pass

Connect = Callable[[Pipes, HsmNode, str], AbstractAsyncContextManager[HsmClient]]


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@asynccontextmanager
async def local(pipes: Pipes, node: HsmNode, party: str) -> AsyncIterator[HsmClient]:
    yield LocalClient(node, party)


@asynccontextmanager
async def remote(pipes: Pipes, node: HsmNode, party: str) -> AsyncIterator[HsmClient]:
    client = TcpClient(pipes, node.addresses[party])
    async with anyio.create_task_group() as tasks:
        await tasks.start(client.run)
        yield client
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def running(node: HsmNode) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        await tasks.start(node.run)
        yield
        tasks.cancel_scope.cancel()


class StuckJournal(MemoryJournal):
    """A disk that never finishes writing cards."""

    async def commit(self, stores: dict[str, list[Row]]) -> None:  # type: ignore[override]
        """Keep keys; never come back for anything else."""
        if "hsm_keys" not in stores:
            await anyio.sleep_forever()
        await super().commit(stores)


@pytest.mark.trio
@pytest.mark.parametrize("connect", [local, remote])
class TestContract:
    """In process or over its port, the HSM is the same."""

    async def test_a_batch_is_answered_in_order(self, connect: Connect, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with running(node), connect(pipes, node, "acquirer") as client:
            answers = await client.call_many([Echo(b"%d" % number) for number in range(300)], 2.0)

        assert [answer and answer.data for answer in answers] == [b"%d" % number for number in range(300)]

    async def test_different_requests_share_a_batch(self, connect: Connect, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with running(node), connect(pipes, node, "issuer-a") as client:
            made, about = await client.call_many([MakeCvv(indexes.CVK, PAN, "3012", "000"), Diagnostics()], 2.0)
            refused = await client.call(StoreCard(PAN, "3012", CVC, "m"), 2.0)

        assert isinstance(made, CvvMade)
        assert about is not None
        assert about.code == "00"
        assert refused == CardStored("68")

    async def test_answers_before_a_silent_one_are_kept_and_those_behind_a_delay_are_unknown(
        self, connect: Connect, mock_clock: MockClock
    ) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with running(node), connect(pipes, node, "acquirer") as client:
            node.provoke(HsmFault("silence", commands=frozenset(("NC",))))
            node.provoke(HsmFault("delay", commands=frozenset(("M6",)), delay_s=10.0))
            batch = [Echo(b"1"), Diagnostics(), Echo(b"2"), MakeMac(indexes.zak("switch"), b"body"), Echo(b"3")]
            answers = await client.call_many(batch, 2.0)

        assert answers == [Echoed("00", b"1"), None, Echoed("00", b"2"), None, None]

    async def test_a_dropped_connection_leaves_the_rest_unknown(self, connect: Connect, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with running(node), connect(pipes, node, "acquirer") as client:
            node.provoke(HsmFault("close", commands=frozenset(("NC",)), times=1))
            dropped = await client.call_many([Echo(b"1"), Diagnostics(), Echo(b"2")], 2.0)
            after = await client.call(Echo(b"3"), 2.0)

        assert dropped == [Echoed("00", b"1"), None, None]
        assert after == Echoed("00", b"3")

    async def test_an_empty_batch_has_no_answers(self, connect: Connect, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with running(node), connect(pipes, node, "gateway") as client:
            assert await client.call_many([], 2.0) == []

    async def test_many_callers_at_once_get_their_own_answers(self, connect: Connect, mock_clock: MockClock) -> None:
        pipes, got = Pipes(), dict[int, bytes]()
        node = hsm_node(pipes)

        async with running(node), connect(pipes, node, "switch") as client:

            async def caller(number: int) -> None:
                answer = await client.call(Echo(b"%d" % number), 2.0)
                assert answer is not None
                got[number] = answer.data

            async with anyio.create_task_group() as callers:
                for number in range(50):
                    callers.start_soon(caller, number)

        assert got == {number: b"%d" % number for number in range(50)}

    async def test_no_answer_leaves_before_its_rows_are_durable(self, connect: Connect, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes, StuckJournal)

        async with running(node), connect(pipes, node, "gateway") as client:
            started = anyio.current_time()
            answer = await client.call(StoreCard(PAN, "3012", CVC, "m"), 2.0)

            assert answer is None
            assert anyio.current_time() - started == pytest.approx(2.0)

    async def test_a_value_that_does_not_fit_sends_nothing(self, connect: Connect, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with running(node), connect(pipes, node, "gateway") as client:
            turns = node.turns
            with pytest.raises(LocalProtocolError):
                await client.call_many([Echo(b"x"), StoreCard("x", "3012", CVC, "m")], 2.0)

            assert node.turns == turns


@pytest.mark.trio
class TestTheRemoteClient:
    """A lost or silent connection is Unknown, never an exception and never somebody else's answer."""

    async def test_calls_wait_for_the_hsm_to_come_up(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        client = TcpClient(pipes, "memory://hsm-gateway")

        async with anyio.create_task_group() as tasks:
            await tasks.start(client.run)
            early = await client.call(Diagnostics(), 1.0)
            await tasks.start(hsm_node(pipes).run)
            late = await client.call(Diagnostics(), 5.0)
            tasks.cancel_scope.cancel()

        assert early is None
        assert late is not None

    async def test_a_lost_connection_ends_every_call_and_the_next_one_works(self, mock_clock: MockClock) -> None:
        pipes, lives = Pipes(), 0

        async def peer(stream: ByteStream) -> None:
            nonlocal lives
            lives += 1
            async with stream:
                data = await stream.receive()
                if lives > 1:
                    await stream.send(b"\x00\x0e" + data[2:6] + b"B300second")

        client = TcpClient(pipes, "memory://peer")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon((await pipes.listen("memory://peer")).serve, peer)
            await tasks.start(client.run)
            started = anyio.current_time()
            first = await client.call_many([Echo(b"first"), Echo(b"first")], 30.0)
            lost_after_s = anyio.current_time() - started
            second = await client.call(Echo(b"second"), 30.0)
            tasks.cancel_scope.cancel()

        assert first == [None, None]
        assert lost_after_s < 1
        assert second is not None
        assert second.data == b"second"

    @pytest.mark.parametrize("nonsense", [b"\xff\xff", b"\x00\x08HEADXX00", b"\x00\x02ok", b"\x00\x00"])
    async def test_nonsense_from_the_peer_is_unknown(self, nonsense: bytes, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async def peer(stream: ByteStream) -> None:
            async with stream:
                header = (await stream.receive())[2:6]
                await stream.send(nonsense.replace(b"HEAD", header))
                await anyio.sleep_forever()

        client = TcpClient(pipes, "memory://peer")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon((await pipes.listen("memory://peer")).serve, peer)
            await tasks.start(client.run)
            answer = await client.call(Echo(b"x"), 3.0)
            tasks.cancel_scope.cancel()

        assert answer is None

    async def test_a_late_answer_is_given_to_nobody(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async def peer(stream: ByteStream) -> None:
            async with stream:
                late = (await stream.receive())[2:6]
                await let_pass(5)
                await stream.send(b"\x00\x0c" + late + b"B300late")
                header = (await stream.receive())[2:6]
                await stream.send(b"\x00\x0d" + header + b"B300fresh")
                await anyio.sleep_forever()

        client = TcpClient(pipes, "memory://peer")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon((await pipes.listen("memory://peer")).serve, peer)
            await tasks.start(client.run)
            first = await client.call(Echo(b"x"), 1.0)
            await let_pass(10)
            second = await client.call(Echo(b"y"), 1.0)
            tasks.cancel_scope.cancel()

        assert first is None
        assert second is not None
        assert second.data == b"fresh"


@pytest.mark.trio
class TestShortHeaders:
    """A header numbers a request: what it cannot count waits, and a number that was lost is not given to another."""

    @pytest.mark.parametrize("length", [1, 2, 3, 5, 255])
    async def test_a_batch_of_any_size_crosses(self, length: int, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes, header_length=length)

        async with running(node), anyio.create_task_group() as tasks:
            client = TcpClient(pipes, node.addresses["gateway"], header_length=length)
            await tasks.start(client.run)
            answers = await client.call_many([Echo(b"%d" % number) for number in range(5000)], 5.0)
            tasks.cancel_scope.cancel()

        assert [answer and answer.data for answer in answers] == [b"%d" % number for number in range(5000)]

    async def test_many_callers_share_few_numbers(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node, answered = hsm_node(pipes, header_length=1), dict[int, list[Echoed | None]]()

        async with running(node), anyio.create_task_group() as tasks:
            client = TcpClient(pipes, node.addresses["gateway"], header_length=1)
            await tasks.start(client.run)

            async def caller(number: int) -> None:
                answered[number] = await client.call_many([Echo(b"%d" % number)] * 20, 5.0)

            async with anyio.create_task_group() as callers:
                for number in range(30):
                    callers.start_soon(caller, number)
            tasks.cancel_scope.cancel()

        assert answered == {number: [Echoed("00", b"%d" % number)] * 20 for number in range(30)}

    async def test_lost_answers_use_up_numbers_until_the_connection_is_replaced(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes, header_length=1)

        async with running(node), anyio.create_task_group() as tasks:
            client = TcpClient(pipes, node.addresses["gateway"], header_length=1)
            await tasks.start(client.run)
            node.provoke(HsmFault("silence", times=40))
            lost = [await client.call(Echo(b"lost"), 1.0) for _ in range(40)]
            found = await client.call(Echo(b"found"), 1.0)
            tasks.cancel_scope.cancel()

        assert lost == [None] * 40
        assert found == Echoed("00", b"found")

    async def test_a_command_that_was_not_sent_in_time_is_never_sent(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes, header_length=1)

        async with running(node), anyio.create_task_group() as tasks:
            client = TcpClient(pipes, node.addresses["gateway"], header_length=1)
            await tasks.start(client.run)
            node.provoke(HsmFault("delay", delay_s=5.0, times=1))
            async with anyio.create_task_group() as callers:
                callers.start_soon(client.call_many, [Echo(b"first")] * 36, 20.0)
                await anyio.wait_all_tasks_blocked()
                late = await client.call(StoreCard(PAN, "3012", CVC, "m"), 1.0)
            await client.call(Echo(b"after"), 20.0)
            tasks.cancel_scope.cancel()

        assert late is None
        assert isinstance(node.journal, MemoryJournal)
        assert not node.journal.rows["hsm_cards"]

    async def test_a_command_that_is_too_long_is_not_sent(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with running(node), anyio.create_task_group() as tasks:
            client = TcpClient(pipes, node.addresses["gateway"])
            await tasks.start(client.run)
            with pytest.raises(LocalProtocolError):
                await client.call_many([Echo(b"short"), Echo(bytes(0xFFFF))], 1.0)
            fine = await client.call(Echo(b"short"), 1.0)
            tasks.cancel_scope.cancel()

        assert fine == Echoed("00", b"short")


@pytest.mark.trio
class TestTheProtector:
    """A frame sealed by one end of a link fits at the other end, unchanged and whole only."""

    async def test_frames_cross_and_changes_are_seen(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)
        frames = [b"message %d" % number + bytes(8) for number in range(20)]

        async with running(node):
            acquirer = HsmProtector(LocalClient(node, "acquirer"), indexes.zak("switch"))
            switch = HsmProtector(LocalClient(node, "switch"), indexes.zak("acquirer"))
            sealed = await acquirer.seal(frames)
            assert sealed is not None
            verdicts = await switch.verify([*sealed, b"short", b"", sealed[0][:-1] + b"\x00", b"!" + sealed[1][1:]])
            nothing = await switch.verify([])

        assert [frame[:-8] for frame in sealed] == [frame[:-8] for frame in frames]
        assert verdicts == [True] * 20 + [False] * 4
        assert nothing == []

    async def test_without_the_right_key_there_is_no_verdict(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with running(node):
            protector = HsmProtector(LocalClient(node, "acquirer"), indexes.zak("switch", 7))

            assert await protector.seal([b"message" + bytes(8)]) is None
            assert await protector.verify([b"message" + bytes(8)]) is None

    async def test_a_silent_hsm_gives_no_verdict(self, mock_clock: MockClock) -> None:
        protector = HsmProtector(TcpClient(Pipes(), "memory://nobody"), indexes.zak("switch"))

        assert await protector.seal([b"message" + bytes(8)]) is None
        assert await protector.verify([b"message" + bytes(8)]) is None

    async def test_its_mac_is_the_one_that_m6_makes(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)
        key = indexes.zak("switch")

        async with running(node):
            client = LocalClient(node, "acquirer")
            made = await client.call(MakeMac(key, b"body"), 2.0)
            assert made is not None
            sealed = await HsmProtector(client, key).seal([b"body" + bytes(8)])
            checked = await client.call(VerifyMac(key, b"body", made.mac), 2.0)

        assert sealed == [b"body" + bytes.fromhex(made.mac)]
        assert checked is not None
        assert checked.code == "00"
