"""Messages as they cross: waiting for them, and verdicts that come as soon as they can, in virtual time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import trio
from trio.testing import MockClock

from node.control_messages import SHOWN_MAX, judged
from node.core.verify import parse
from node.message_store import MessageRow, Query
from node.pipes import Pipes
from node.runtime import Runtime
from node.trace import LAG_S
from tests.support.nodes import PlainHost, answerer, asker, authorisation
from tests.support.time import let_pass


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@asynccontextmanager
async def pair(file: Path | None = None) -> AsyncIterator[tuple[Runtime, PlainHost]]:
    """Run an asker that keeps its messages, and who answers it; signed on."""
    pipes = Pipes()
    (there, _), (here, host) = answerer(pipes), asker(pipes)
    if file is not None:
        here.trace.keep_in(file)
    async with anyio.create_task_group() as tasks:
        await tasks.start(there.run)
        await tasks.start(here.run)
        await let_pass(1)
        yield here, host
        tasks.cancel_scope.cancel()


async def ask(node: Runtime, host: PlainHost, stan: str, after_s: float = 0.0) -> None:
    await let_pass(after_s)
    await node.call(lambda: host.desk.request("answerer", authorisation(stan), 10.0))


@pytest.mark.trio
class TestVerdicts:
    """A verdict counts what crossed before the call and until its time is over, and waits no longer than it must."""

    @pytest.mark.parametrize(
        ("assertion", "holds", "waited_s", "count"),
        [
            ('exactly 1 on asker/answerer out where stan == "000002" within 5s', True, 5.0, 1),
            ('exactly 1 on asker where mti == "0100" within 5s', False, 2.0, 2),
            ('at least 1 on asker in where mti == "0110" and code == "00"', True, 0.0, 1),
            ('at least 2 on asker in where mti == "0110" within 5s', True, 2.0, 2),
            ('at least 3 on asker in where mti == "0110" within 5s', False, 5.0, 2),
            ('none on asker where mti == "0420" within 5s', True, 5.0, 0),
            ('none on asker where stan == "000002" within 5s', False, 2.0, 1),
            ('none on asker where stan == "000002" within 1s', True, 1.0, 0),
            ('at most 2 on asker/answerer out where mti == "0100" within 3 s', True, 3.0, 2),
            ("none on asker/elsewhere within 1s", True, 1.0, 0),
            (
                'in order on asker where stan == "000001" then stan == "000002" then code == "00" within 5s',
                True,
                2.0,
                3,
            ),
        ],
    )
    async def test_what_came_and_what_comes(
        self, mock_clock: MockClock, assertion: str, holds: bool, waited_s: float, count: int
    ) -> None:
        async with pair() as (node, host), anyio.create_task_group() as tasks:
            await ask(node, host, "000001")
            tasks.start_soon(ask, node, host, "000002", 2.0)
            verdict = await judged(parse(assertion), node.trace, 0)
            tasks.cancel_scope.cancel()

        assert (verdict["holds"], verdict["count"]) == (holds, count)
        assert verdict["waited_s"] == pytest.approx(waited_s, abs=0.1)

    async def test_only_what_crossed_after_a_sequence_counts(self, mock_clock: MockClock) -> None:
        async with pair() as (node, host):
            await ask(node, host, "000001")
            mark = node.trace.last
            await ask(node, host, "000002")

            verdict = await judged(parse('exactly 1 on asker out where mti == "0100"'), node.trace, mark)

        assert verdict["holds"]
        assert [message["fields"]["11"] for message in verdict["messages"]] == ["000002"]

    async def test_a_verdict_shows_only_some_of_many_messages(self, mock_clock: MockClock) -> None:
        async with pair() as (node, host):
            for number in range(1, 2 * SHOWN_MAX):
                await ask(node, host, f"{number:06}")

            verdict = await judged(parse('at least 30 on asker out where mti == "0100"'), node.trace, 0)

        assert (verdict["holds"], verdict["count"], len(verdict["messages"])) == (True, 2 * SHOWN_MAX - 1, SHOWN_MAX)


@pytest.mark.trio
class TestAsTheyCross:
    """Readers see everything at once; the file has it after a short while, without anybody reading."""

    async def test_a_reader_waits_for_the_next_message(self, mock_clock: MockClock) -> None:
        async with pair() as (node, host), anyio.create_task_group() as tasks:
            before, started = node.trace.last, trio.current_time()
            tasks.start_soon(ask, node, host, "000001", 3.0)

            await node.trace.wait_beyond(before)

            assert trio.current_time() - started == pytest.approx(3.0, abs=0.1)
            assert [found.mti for found in node.trace.find(Query(after=before))] == ["0100"]

    async def test_they_are_in_the_file_after_the_lag(self, mock_clock: MockClock, tmp_path: Path) -> None:
        async with pair(tmp_path / "asker.messages.db") as (node, host):
            await ask(node, host, "000001")
            await let_pass(2 * LAG_S)
            other = sqlite3.connect(f"file:{tmp_path / 'asker.messages.db'}?mode=ro", uri=True)
            packs = other.execute("SELECT columns FROM packs").fetchall()
            other.close()

        found = [MessageRow(*columns[:-1], b"") for (pack,) in packs for columns in json.loads(pack)]
        crossed = [(row.direction, row.mti, row.code) for row in found if row.stan == "000001" and row.mti[1] == "1"]
        assert crossed == [("out", "0100", ""), ("in", "0110", "00")]
