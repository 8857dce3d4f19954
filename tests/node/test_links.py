"""The shells of links: several connections, back-off, limits, one write a turn, and a stop in good order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog
import trio
from anyio.abc import ByteStream
from anyio.streams.stapled import StapledByteStream
from trio.testing import MockClock

from iso import Message
from node.core.events import Disconnected
from node.core.faults import Fault
from node.core.find import Find
from node.core.link import Arrival, LinkProfile
from node.core.saf import SafEntry
from node.core.steps import NOT_SENT, UNKNOWN, Silence
from node.inbox import Inbox
from node.journal import MemoryJournal
from node.pipes import MEMORY_MAX, MemoryNetwork, PipeError, Pipes, closing
from node.runtime import Runtime
from tests.support.certificates import Authority
from tests.support.nodes import METADATA, PlainHost, answerer, asker, authorisation
from tests.support.time import let_pass


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@asynccontextmanager
async def running(*nodes: Runtime) -> AsyncIterator[anyio.abc.TaskGroup]:
    async with anyio.create_task_group() as tasks:
        for node in nodes:
            await tasks.start(node.run)
        yield tasks
        tasks.cancel_scope.cancel()


async def ask(node: Runtime, host: PlainHost, message: Message, timeout_s: float = 10.0) -> Message | Silence:
    return await node.call(lambda: host.desk.request("answerer", message, timeout_s))


async def ask_all(node: Runtime, host: PlainHost, count: int) -> dict[str, Message | Silence]:
    """Ask `count` questions at once; STAN to answer."""
    answers: dict[str, Message | Silence] = {}

    async def one(stan: str) -> None:
        answers[stan] = await ask(node, host, authorisation(stan))

    async with anyio.create_task_group() as tasks:
        for number in range(1, count + 1):
            tasks.start_soon(one, f"{number:06}")
    return answers


def notes(node: Runtime, kind: str) -> list[str]:
    return [crossing["detail"] for crossing in node.trace.read() if crossing.get("kind") == kind]


def connections_of_requests(node: Runtime) -> list[int]:
    """Return on which connection each 0100 left."""
    return [
        crossing["connection"]
        for crossing in node.trace.read()
        if crossing["direction"] == "out" and crossing["mti"] == "0100"
    ]


class CountingPipes(Pipes):
    """Counts dials and writes, and may let dialling fail."""

    def __init__(self) -> None:
        super().__init__()
        self.dialled_at: list[float] = []
        self.writes: list[int] = []
        self.is_broken = False

    async def dial(self, url: str, timeout_s: float = 5.0) -> ByteStream:
        self.dialled_at.append(trio.current_time())
        if self.is_broken:
            raise PipeError(f"{url}: no connection")
        stream = await super().dial(url, timeout_s)
        return StapledByteStream(_Counting(stream, self.writes), stream)


class _Counting(anyio.abc.ByteSendStream):
    def __init__(self, stream: ByteStream, writes: list[int]) -> None:
        self._stream = stream
        self._writes = writes

    async def send(self, item: bytes) -> None:
        self._writes.append(len(item))
        await self._stream.send(item)

    async def aclose(self) -> None:
        await self._stream.aclose()


@pytest.mark.trio
class TestSeveralConnections:
    """A dialling link keeps as many connections as it was told; requests go round, and a loss is that connection's."""

    async def test_requests_go_round(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, _), (here, host) = answerer(pipes), asker(pipes, options={"connections": 3})

        async with running(there, here):
            await let_pass(1)
            answers = await ask_all(here, host, 9)
            used = connections_of_requests(here)

        assert len(host.links["answerer"].connections) == 3
        assert sorted(used) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
        assert all(isinstance(answer, Message) for answer in answers.values())

    async def test_a_lost_connection_leaves_only_its_own_requests_unknown(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, _), (here, host) = answerer(pipes), asker(pipes, options={"connections": 2})

        async with running(there, here):
            await let_pass(1)
            there.faults.add(Fault("asker", "in", "0100", "close"))
            answers = await ask_all(here, host, 4)

        silent = sorted(stan for stan, answer in answers.items() if answer is UNKNOWN)
        assert len(silent) == 2
        assert all(isinstance(answer, Message) for stan, answer in answers.items() if stan not in silent)

    async def test_traffic_fails_over_and_the_lost_connection_comes_back(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, _), (here, host) = answerer(pipes), asker(pipes, options={"connections": 2})

        async with running(there, here):
            await let_pass(1)
            here.links["answerer"].close(1)
            await anyio.wait_all_tasks_blocked()
            answers = await ask_all(here, host, 4)
            await let_pass(1)

        assert all(isinstance(answer, Message) for answer in answers.values())
        assert sorted(host.links["answerer"].connections) == [2, 3]

    async def test_a_connection_that_misses_echoes_is_spared(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, _) = answerer(pipes, profile=LinkProfile(echo_idle_s=1e9))
        here, host = asker(pipes, options={"connections": 2})

        async with running(there, here):
            await let_pass(1)
            there.faults.add(Fault("asker", "in", "0800", "drop"))
            await let_pass(36)
            suspects = [number for number, one in host.links["answerer"].connections.items() if one.echoes_missed]
            await ask_all(here, host, 4)
            used = connections_of_requests(here)

        assert len(suspects) == 1
        assert len(used) == 4
        assert suspects[0] not in used


@pytest.mark.trio
class TestDiallingAgain:
    """Pauses double up to a limit and are never the same for two; a connection that lived makes them start anew."""

    async def test_pauses_grow_with_jitter_up_to_their_limit(self, mock_clock: MockClock) -> None:
        pipes = CountingPipes()
        pipes.is_broken = True
        here, _ = asker(pipes)

        async with running(here):
            await let_pass(120)

        pauses = [after - before for before, after in zip(pipes.dialled_at, pipes.dialled_at[1:], strict=False)]
        assert all(0.025 * 2**n <= pause <= 0.05 * 2**n for n, pause in enumerate(pauses[:6]))
        assert all(2.5 <= pause <= 5.0 for pause in pauses[8:])
        assert len(set(pauses)) == len(pauses)

    async def test_a_peer_that_only_accepts_and_drops_is_not_stormed(self, mock_clock: MockClock) -> None:
        pipes = CountingPipes()
        there, _ = answerer(pipes, options={"connections_max": 0})
        here, _ = asker(pipes)

        async with running(there, here):
            await let_pass(60)

        assert len(pipes.dialled_at) < 40

    async def test_after_a_connection_that_lived_the_first_pause_is_short_again(self, mock_clock: MockClock) -> None:
        pipes = CountingPipes()
        pipes.is_broken = True
        (there, _), (here, _) = answerer(pipes), asker(pipes)

        async with running(there, here):
            await let_pass(60)
            pipes.is_broken = False
            await let_pass(60)
            here.links["answerer"].close(1)
            lost_at = trio.current_time()
            await let_pass(1)

        assert pipes.dialled_at[-1] - lost_at <= 0.05

    async def test_the_trace_says_once_why_there_is_no_connection(self, mock_clock: MockClock) -> None:
        here, _ = asker(Pipes())

        async with running(here):
            await let_pass(60)

        assert notes(here, "unreachable") == ["memory://answerer: nobody listens"]


@pytest.mark.trio
class TestTls:
    """A link does not know whether its pipe is encrypted; a peer that is not who it should be never gets a frame."""

    async def test_a_request_is_answered(self, tmp_path: Path, mock_clock: MockClock) -> None:
        pipes = Pipes(Authority(tmp_path).settings("answerer", mutual=True))
        address = "tls+memory://answerer"
        (there, _), (here, host) = answerer(pipes, address), asker(pipes, address)

        async with running(there, here):
            await let_pass(1)
            answer = await ask(here, host, authorisation())

        assert isinstance(answer, Message)

    async def test_a_stranger_is_not_asked_and_the_trace_says_why(self, tmp_path: Path, mock_clock: MockClock) -> None:
        memory, address = MemoryNetwork(), "tls+memory://answerer"
        stranger = Pipes(Authority(tmp_path, "stranger").settings("answerer"), memory)
        there, other = answerer(stranger, address)
        here, host = asker(Pipes(Authority(tmp_path).only_trusting(), memory), address)

        with structlog.testing.capture_logs():
            async with running(there, here):
                await let_pass(60)
                answer = await ask(here, host, authorisation())

        assert (answer, other.seen) == (NOT_SENT, [])
        assert "TLS handshake failed: self-signed certificate" in notes(here, "unreachable")[-1]


@pytest.mark.trio
class TestWrites:
    """What one turn decides for a connection leaves in one write."""

    async def test_a_hundred_requests_of_a_turn_are_one_write(self, mock_clock: MockClock) -> None:
        pipes = CountingPipes()
        (there, _), (here, host) = answerer(pipes), asker(pipes)

        async with running(there, here):
            await let_pass(1)
            pipes.writes.clear()
            await ask_all(here, host, 100)

        assert len(pipes.writes) == 1


@pytest.mark.trio
class TestLimits:
    """Every queue has an end, and reaching it costs the peer that caused it, nobody else."""

    async def test_connections_beyond_the_limit_are_closed(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        there, other = answerer(pipes, options={"connections_max": 2})
        here, _ = asker(pipes, options={"connections": 5})

        async with running(there, here):
            await let_pass(10)

            assert len(other.links["asker"].connections) == 2

    @pytest.mark.parametrize("options", [{"outbox_max": 10}, {"outbox_max_bytes": 2_000}], ids=["frames", "bytes"])
    async def test_a_peer_that_reads_no_more_loses_its_connection(
        self, mock_clock: MockClock, options: dict[str, Any]
    ) -> None:
        pipes = Pipes()
        profile = LinkProfile(sign_on=False, in_flight_max=10_000)
        here, host = asker(pipes, profile=profile, options=options)
        listener, answers = await pipes.listen("memory://answerer"), list[Message | Silence]()

        async def never_read(stream: ByteStream) -> None:
            async with closing(stream):
                await anyio.sleep_forever()

        async def one(number: int) -> None:
            answers.append(await ask(here, host, authorisation(f"{number:06}")))

        async with running(here) as tasks:
            tasks.start_soon(listener.serve, never_read)
            await let_pass(5)
            async with anyio.create_task_group() as asking:
                for number in range(MEMORY_MAX + 60):
                    asking.start_soon(one, number)
                    await let_pass(0.01)
            assert 1 not in host.links["answerer"].connections

        assert set(answers) == {UNKNOWN, NOT_SENT}
        assert notes(here, "overflow")

    async def test_a_frame_beyond_the_limit_ends_the_connection(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        there, other = answerer(pipes, options={"frame_max_bytes": 100})
        here, host = asker(pipes)

        async with running(there, here):
            await let_pass(1)
            answer = await ask(here, host, authorisation(de48="x" * 200))

        assert answer is UNKNOWN
        assert other.seen == []
        assert len(notes(there, "malformed")) == 1

    async def test_a_peer_that_never_signs_on_does_not_keep_its_place(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        there, other = answerer(pipes, profile=LinkProfile(sign_on_wait_s=60.0))

        async with running(there):
            await let_pass(1)
            async with closing(await pipes.dial("memory://answerer")) as stream:
                with pytest.raises(anyio.EndOfStream):
                    await stream.receive()
            await let_pass(1)

            assert other.links["asker"].connections == {}
            assert 60.0 <= trio.current_time() < 70.0

    async def test_a_full_inbox_holds_readers_back_until_it_has_room(self, mock_clock: MockClock) -> None:
        inbox, read = Inbox(full_at=3), list[int]()

        async def reader() -> None:
            for number in range(10):
                await inbox.room()
                read.append(number)
                inbox.put(Disconnected("peer", number))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader)
            await anyio.wait_all_tasks_blocked()
            assert read == [0, 1, 2]
            inbox.take(2)
            await anyio.wait_all_tasks_blocked()
            assert read == [0, 1, 2, 3, 4]
            tasks.cancel_scope.cancel()

    async def test_more_conversations_than_the_limit_are_refused(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, other), (here, host) = answerer(pipes), asker(pipes)
        other.conversations_max = 0

        async with running(there, here):
            await let_pass(1)
            answer = await ask(here, host, authorisation())

        assert isinstance(answer, Message)
        assert answer.response_code == "91"


class SlowJournal(MemoryJournal):
    """A disk that takes its time."""

    COMMIT_S = 2.0

    async def commit(self, rows: Any) -> None:
        """Commit after a while."""
        await let_pass(self.COMMIT_S)
        await super().commit(rows)

    async def find(self, request: Find) -> Any:
        """Look up after a while."""
        await let_pass(self.COMMIT_S)
        return await super().find(request)


@pytest.mark.trio
class TestDraining:
    """A node that is asked to stop signs off, takes nothing new, waits for what it has under way, and closes."""

    async def test_it_signs_off_and_closes_its_connections(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, other), (here, host) = answerer(pipes), asker(pipes)

        async with running(there, here):
            await let_pass(1)
            was_drained = await here.drain()
            await let_pass(30)

        codes = [crossing["fields"]["70"] for crossing in here.trace.read() if crossing.get("mti") == "0800"]
        assert was_drained
        assert codes == ["001", "002"]
        assert (host.links["answerer"].connections, other.links["asker"].connections) == ({}, {})

    async def test_what_is_in_flight_is_awaited(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, _), (here, host) = answerer(pipes), asker(pipes)
        answers: list[Message | Silence] = []

        async def one() -> None:
            answers.append(await ask(here, host, authorisation(), timeout_s=4.0))

        async with running(there, here) as tasks:
            await let_pass(1)
            there.faults.add(Fault("asker", "out", "0110", "drop"))
            tasks.start_soon(one)
            await anyio.wait_all_tasks_blocked()
            began_at = trio.current_time()
            was_drained = await here.drain(within_s=10.0)
            waited_s = trio.current_time() - began_at

        assert was_drained
        assert answers == [UNKNOWN]
        assert waited_s == pytest.approx(4.0, abs=0.1)

    async def test_what_is_being_committed_still_leaves(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        plain = LinkProfile(sign_on=False)
        there, other = answerer(pipes, profile=plain, journal=SlowJournal(METADATA))
        here, host = asker(pipes, profile=plain)
        answers: list[Message | Silence] = []

        async def look_up_store_and_answer(arrival: Arrival) -> Message:
            await other.desk.ask("journal", Find("saf", {}), 10.0)
            reversal = arrival.message.with_fields({90: "0" * 42}, mti="0420")
            other.desk.put_saf(SafEntry("r1", "asker", "4242", reversal, "now"))
            return arrival.message.reply("00")

        async def one() -> None:
            answers.append(await ask(here, host, authorisation()))

        other.handler = look_up_store_and_answer
        async with running(there, here) as tasks:
            await let_pass(1)
            tasks.start_soon(one)
            await let_pass(SlowJournal.COMMIT_S / 2)
            assert await there.drain()
            await let_pass(1)

        assert [isinstance(answer, Message) and answer.response_code for answer in answers] == ["00"]

    async def test_the_wait_has_an_end(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, _), (here, host) = answerer(pipes), asker(pipes)

        async with running(there, here) as tasks:
            await let_pass(1)
            there.faults.add(Fault("asker", "out", "0110", "drop"))
            tasks.start_soon(ask, here, host, authorisation(), 60.0)
            await anyio.wait_all_tasks_blocked()
            began_at = trio.current_time()

            assert not await here.drain(within_s=10.0)
            assert trio.current_time() - began_at == pytest.approx(10.0)
            tasks.cancel_scope.cancel()

    async def test_the_peer_sends_it_nothing_new_and_gets_its_answers(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, other), (here, host) = answerer(pipes), asker(pipes)
        answers: list[Message | Silence] = []

        async def ask_on_and_on() -> None:
            for number in range(1, 40):
                answers.append(await ask(here, host, authorisation(f"{number:06}")))
                await let_pass(0.01)

        async with running(there, here) as tasks:
            await let_pass(1)
            tasks.start_soon(ask_on_and_on)
            await let_pass(0.2)
            assert await there.drain()
            await let_pass(1)

        outcomes = [one.response_code if isinstance(one, Message) else one for one in answers]
        assert outcomes.count("00") == len(other.seen) > 0
        assert set(outcomes) <= {"00", "91", NOT_SENT}
        assert outcomes[-1] is NOT_SENT

    async def test_nobody_signs_on_to_a_node_that_drains(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, _), (here, host) = answerer(pipes), asker(pipes)

        async with running(there, here):
            await let_pass(1)
            await there.drain()
            await let_pass(60)

            assert not host.links["answerer"].is_up
            assert host.links["answerer"].connections == {}

    async def test_what_has_to_arrive_waits_for_the_next_sign_on(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, other), (here, host) = answerer(pipes), asker(pipes)
        reversal = authorisation().with_fields({90: "0" * 42}, mti="0420")

        async def owe() -> None:
            host.desk.put_saf(SafEntry("r1", "answerer", "4242", reversal, "now"))

        async with running(there, here):
            await let_pass(1)
            await there.drain()
            await here.call(owe)
            await let_pass(600)

        assert other.seen == []
        assert host.saf.entries["r1"].attempts == 0


class TestOnAsyncio:
    """The same on asyncio, over sockets."""

    def test_three_connections_then_a_stop_in_good_order(self) -> None:
        async def scenario() -> tuple[int, set[type], bool, int]:
            pipes = Pipes()
            there, other = answerer(pipes, address="tcp://127.0.0.1:0")
            async with anyio.create_task_group() as tasks:
                await tasks.start(there.run)
                here, host = asker(pipes, address=there.links["asker"].address, options={"connections": 3})
                await tasks.start(here.run)
                link = host.links["answerer"]
                with anyio.fail_after(10):
                    await until(lambda: sum(one.carries_traffic for one in link.connections.values()) == 3)
                    open_before = len(link.connections)
                    answers = await ask_all(here, host, 30)
                    was_drained = await here.drain()
                    await until(lambda: not other.links["asker"].connections)
                tasks.cancel_scope.cancel()
            return open_before, {type(answer) for answer in answers.values()}, was_drained, len(other.seen)

        assert anyio.run(scenario) == (3, {Message}, True, 30)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await anyio.lowlevel.checkpoint()
