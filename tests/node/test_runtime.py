"""Two nodes joined by a link, in virtual time over memory pipes; the same shells on asyncio over sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
import trio
from trio.testing import MockClock

from iso import Message
from node.core.faults import Fault
from node.core.find import Find
from node.core.link import LinkProfile
from node.core.saf import SafEntry
from node.core.steps import NOT_SENT, UNKNOWN, Silence
from node.journal import MemoryJournal, Stores
from node.pipes import Pipes
from node.runtime import Runtime
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


async def signed_on(host: PlainHost) -> None:
    await let_pass(1)
    assert all(link.is_up for link in host.links.values())


async def ask(node: Runtime, host: PlainHost, message: Message, timeout_s: float = 10.0) -> Message | Silence:
    return await node.call(lambda: host.desk.request("answerer", message, timeout_s))


@pytest.mark.trio
class TestAnExchange:
    """A request is answered over whatever pipe joins two nodes, and silence has two names."""

    async def test_a_request_is_answered(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, _), (here, host) = answerer(pipes), asker(pipes)

        async with running(there, here):
            await signed_on(host)
            answer = await ask(here, host, authorisation())

        assert isinstance(answer, Message)
        assert (answer.mti, answer.response_code, answer.stan) == ("0110", "00", "000001")

    async def test_a_link_that_is_down_sends_nothing(self, mock_clock: MockClock) -> None:
        here, host = asker(Pipes())

        async with running(here):
            answer = await ask(here, host, authorisation())

        assert answer is NOT_SENT

    async def test_a_dropped_answer_is_unknown_at_the_deadline(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, _), (here, host) = answerer(pipes), asker(pipes)

        async with running(there, here):
            await signed_on(host)
            there.faults.add(Fault("asker", "out", "0110", "drop"))
            asked_at = trio.current_time()
            answer = await ask(here, host, authorisation(), timeout_s=7.0)
            waited_s = trio.current_time() - asked_at

        assert answer is UNKNOWN
        assert waited_s == pytest.approx(7.0)

    @pytest.mark.parametrize(
        ("direction_at", "mti", "outcome", "was_seen"),
        [
            (("asker", "out"), "0100", NOT_SENT, False),
            (("answerer", "in"), "0100", UNKNOWN, False),
            (("answerer", "out"), "0110", UNKNOWN, True),
            (("asker", "in"), "0110", UNKNOWN, True),
        ],
    )
    async def test_only_a_cut_before_the_write_leaves_nothing_to_reverse(
        self, mock_clock: MockClock, direction_at: tuple[str, str], mti: str, outcome: Silence, was_seen: bool
    ) -> None:
        pipes = Pipes()
        (there, other), (here, host) = answerer(pipes), asker(pipes)
        node = {"asker": here, "answerer": there}[direction_at[0]]
        link = {"asker": "answerer", "answerer": "asker"}[direction_at[0]]

        async with running(there, here):
            await signed_on(host)
            node.faults.add(Fault(link, direction_at[1], mti, "close"))  # type: ignore[arg-type]
            answer = await ask(here, host, authorisation())
            await signed_on(host)
            after = await ask(here, host, authorisation("000002"))

        assert answer is outcome
        assert bool([seen for seen in other.seen if seen.stan == "000001"]) is was_seen
        assert isinstance(after, Message)


@pytest.mark.trio
class TestTheSession:
    """An idle line is probed; one that stays silent is closed and dialled again."""

    async def test_an_idle_link_stays_up_for_a_day(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, _), (here, host) = answerer(pipes), asker(pipes)

        async with running(there, here):
            await signed_on(host)
            await let_pass(86_400)
            answer = await ask(here, host, authorisation())

        assert isinstance(answer, Message)
        assert host.links["answerer"].counters["timeouts"] == 0

    async def test_a_line_that_answers_no_echo_is_closed_and_dialled_again(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        profile = LinkProfile(echo_idle_s=30, echo_timeout_s=5, echoes_missed_max=3)
        (there, _), (here, host) = answerer(pipes, profile=LinkProfile(echo_idle_s=1e9)), asker(pipes, profile=profile)

        async with running(there, here):
            await signed_on(host)
            first = next(iter(host.links["answerer"].connections))
            there.faults.add(Fault("asker", "in", "0800", "drop", times=3))
            await let_pass(300)
            second = next(iter(host.links["answerer"].connections))

        assert first != second
        assert len(there.faults.fired) == 3


@pytest.mark.trio
class TestStoreAndForward:
    """What has to arrive waits durably and is sent, as a repeat, until it is acknowledged."""

    async def test_a_reversal_is_delivered_when_the_peer_comes_up(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        here, host = asker(pipes)
        there, other = answerer(pipes)
        reversal = authorisation().with_fields({90: "0" * 42}, mti="0420")

        async def owe() -> None:
            host.desk.put_saf(SafEntry("r1", "answerer", "4242", reversal, "now"))

        async with running(here) as tasks:
            await here.call(owe)
            await let_pass(100)
            await tasks.start(there.run)
            there.faults.add(Fault("asker", "out", "0430", "drop"))
            await let_pass(100)

        assert [seen.mti for seen in other.seen] == ["0420", "0421"]
        assert len(host.saf) == 0
        assert (await here.journal.find(Find("saf", {"identifier": "r1"})))[0][5] == "done"


class SlowJournal(MemoryJournal):
    """A journal whose commits take a second, as those of a database server may."""

    async def commit(self, stores: Stores) -> None:
        """Wait, then keep all rows."""
        await let_pass(1)
        await super().commit(stores)


@pytest.mark.trio
class TestASlowCommit:
    """While a commit is under way nothing leaves the node, and whoever looks at it from outside can wait for it."""

    async def test_readers_wait_until_what_they_see_is_durable(self, mock_clock: MockClock) -> None:
        journal = SlowJournal(METADATA)
        here, host = asker(Pipes(), journal=journal)
        entry = SafEntry("r1", "answerer", "4242", authorisation(), "now")
        seen: list[int] = []

        async def owe() -> None:
            host.desk.put_saf(entry)

        async def look() -> None:
            await here.settled()
            seen.append(len(journal.rows["saf"]))

        async with running(here) as tasks:
            tasks.start_soon(here.call, owe)
            await let_pass(0.5)
            for _ in range(3):
                tasks.start_soon(look)
            await let_pass(0.25)
            assert (len(host.saf), len(journal.rows["saf"]), seen) == (1, 0, [])
            await let_pass(1)

        assert seen == [1, 1, 1]

    async def test_a_node_that_has_stopped_keeps_no_reader_waiting(self, mock_clock: MockClock) -> None:
        here, _ = asker(Pipes())

        async with running(here):
            await let_pass(1)
        await here.settled()


class TestOnAsyncio:
    """The same shells run on asyncio over real sockets."""

    def test_a_request_is_answered_over_tcp(self) -> None:
        async def scenario() -> Message | Silence:
            pipes = Pipes()
            there, _ = answerer(pipes, address="tcp://127.0.0.1:0")
            async with anyio.create_task_group() as tasks:
                await tasks.start(there.run)
                here, host = asker(pipes, address=there.links["asker"].address)
                await tasks.start(here.run)
                with anyio.fail_after(10):
                    while not host.links["answerer"].is_up:
                        await anyio.lowlevel.checkpoint()
                    answer = await ask(here, host, authorisation())
                tasks.cancel_scope.cancel()
            return answer

        answer = anyio.run(scenario)

        assert isinstance(answer, Message)
        assert answer.response_code == "00"
