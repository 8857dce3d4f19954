"""What is true of a journal on a PostgreSQL server alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import asyncpg
import pytest
import trio

from iso import ConfigError
from node.core.find import Find
from node.database_url import DatabaseUrl
from node.journal import StoreError
from node.journal_postgres import PostgresJournal
from node.migrate import MigrationError
from tests.node.test_journal import METADATA, saf_row
from tests.support.migrations import write_migrations
from tests.support.postgres import PASSWORD, PostgresServer, session_of


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return write_migrations(tmp_path, monkeypatch, "tests.node.test_journal")


@pytest.fixture
def place(postgres: PostgresServer) -> DatabaseUrl:
    return postgres.place()


async def opened(place: DatabaseUrl, migrations: str) -> PostgresJournal:
    journal = PostgresJournal(place, METADATA, migrations, writer_gone_s=0.2)
    await journal.load()
    return journal


class TestOneWriter:
    """A schema has one writer; it is gone when its session is."""

    def test_a_second_writer_is_refused(self, place: DatabaseUrl, migrations: str) -> None:
        async def scenario() -> None:
            first = await opened(place, migrations)
            try:
                with pytest.raises(StoreError, match="another process is writing"):
                    await opened(place, migrations)
            finally:
                await first.aclose()
            await (await opened(place, migrations)).aclose()

        anyio.run(scenario)

    def test_writers_of_two_schemas_do_not_meet(self, postgres: PostgresServer, migrations: str) -> None:
        async def scenario() -> None:
            journals = [await opened(postgres.place(), migrations) for _ in range(2)]
            for number, journal in enumerate(journals):
                await journal.commit({"marks": [(f"of {number}",)]})

            assert [(await journal.load())["marks"] for journal in journals] == [[("of 0",)], [("of 1",)]]
            for journal in journals:
                await journal.aclose()

        anyio.run(scenario)

    def test_a_writer_whose_session_was_ended_commits_nothing_more(self, place: DatabaseUrl, migrations: str) -> None:
        async def scenario() -> list[object]:
            journal = await opened(place, migrations)
            await journal.commit({"marks": [("kept",)]})
            other = await session_of(place)
            await other.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'")
            with pytest.raises(StoreError, match="commit refused"):
                await journal.commit({"marks": [("lost",)]})
            with pytest.raises(StoreError):
                await journal.commit({"marks": [("lost again",)]})
            with pytest.raises(StoreError):
                await journal.find(Find("history", {"rrn": "1"}))
            await journal.aclose()
            found = [tuple(record) for record in await other.fetch("SELECT name FROM marks")]
            await other.close()
            return found

        assert anyio.run(scenario) == [("kept",)]

    def test_a_commit_survives_kill_9_and_the_next_start_waits_for_the_dead(
        self, place: DatabaseUrl, migrations: str, tmp_path: Path
    ) -> None:
        program = (
            "import anyio, os, signal, sys\n"
            "from node.database_url import DatabaseUrl; from node.journal import open_journal\n"
            "from tests.node.test_journal import METADATA, saf_row\n"
            "async def live():\n"
            f"    journal = open_journal(DatabaseUrl.parse(sys.stdin.read()), METADATA, {migrations!r})\n"
            "    await journal.load()\n"
            "    await journal.commit({'saf': [saf_row('kept')]})\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            "anyio.run(live)\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}

        async def scenario() -> object:
            journal = PostgresJournal(place, METADATA, migrations)
            rows = await journal.load()
            await journal.aclose()
            return rows["saf"]

        url = f"{place.dsn}?schema={place.schema}"
        killed = subprocess.run([sys.executable, "-c", program], input=url, text=True, env=environment, check=False)
        saved = anyio.run(scenario)

        assert killed.returncode == -signal.SIGKILL
        assert saved == [saf_row("kept")]


class TestSuspension:
    """A commit suspends the turn, not the loop; a node that is stopped meanwhile does not tear it."""

    def test_the_loop_goes_on_while_the_server_works(self, place: DatabaseUrl, migrations: str) -> None:
        async def scenario() -> list[str]:
            journal, other, order = await opened(place, migrations), await session_of(place), list[str]()

            async def commit() -> None:
                await journal.commit({"marks": [("slow",)]})
                order.append("committed")

            await other.execute("BEGIN; LOCK TABLE marks IN ACCESS EXCLUSIVE MODE")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(commit)
                await _waits_for_a_lock(other)
                order.append("meanwhile")
                await other.execute("COMMIT")
            await journal.aclose()
            await other.close()
            return order

        assert anyio.run(scenario) == ["meanwhile", "committed"]

    def test_a_cancelled_turn_is_committed_whole(self, place: DatabaseUrl, migrations: str) -> None:
        async def scenario() -> list[object]:
            journal, other = await opened(place, migrations), await session_of(place)
            await other.execute("BEGIN; LOCK TABLE marks IN ACCESS EXCLUSIVE MODE")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(journal.commit, {"marks": [("a",)], "saf": [saf_row("b")]})
                await _waits_for_a_lock(other)
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await other.execute("COMMIT")
            await other.close()
            rows = await journal.load()
            await journal.aclose()
            return [rows["marks"], rows["saf"]]

        assert anyio.run(scenario) == [[("a",)], [saf_row("b")]]

    def test_somebody_beside_the_loop_may_ask_meanwhile(self, place: DatabaseUrl, migrations: str) -> None:
        async def scenario() -> int:
            journal, found = await opened(place, migrations), list[object]()

            async def ask() -> None:
                found.extend(await journal.find(Find("history", {"rrn": "same"}, limit=100)))

            async with anyio.create_task_group() as tasks:
                for number in range(10):
                    tasks.start_soon(journal.commit, {"history": [(str(number), "same")]})
                    tasks.start_soon(ask)
            await journal.aclose()
            return len(found)

        assert anyio.run(scenario) == sum(range(1, 11))


async def _waits_for_a_lock(other: asyncpg.Connection) -> None:
    """Wait until the server says that somebody waits for a lock on a table."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'relation'"
    with anyio.fail_after(20):
        while not await other.fetchval(waiting):
            pass


class TestRefusals:
    """What cannot be opened is said in one line, without a password and without a row."""

    def test_a_wrong_password_is_not_repeated(self, postgres: PostgresServer, migrations: str) -> None:
        place = DatabaseUrl.parse(postgres.url(password="mistaken-secret"))

        with pytest.raises(StoreError) as refused:
            anyio.run(opened, place, migrations)

        assert "password authentication failed" in str(refused.value)
        assert "mistaken-secret" not in str(refused.value)
        assert refused.value.__context__ is None

    def test_nobody_listens_there(self, migrations: str) -> None:
        place = DatabaseUrl.parse(f"postgresql://bank:{PASSWORD}@127.0.0.1:1/none")

        with pytest.raises(StoreError) as refused:
            anyio.run(opened, place, migrations)

        assert "postgresql://127.0.0.1:1/none?schema=public: cannot be opened" in str(refused.value)
        assert PASSWORD not in str(refused.value)

    def test_a_refused_row_is_not_quoted(self, place: DatabaseUrl, migrations: str) -> None:
        async def scenario() -> StoreError:
            journal = await opened(place, migrations)
            try:
                with pytest.raises(StoreError) as refused:
                    await journal.commit({"odd": [("key", "a secret where a number belongs", None, None)]})
            finally:
                await journal.aclose()
            return refused.value

        refused = anyio.run(scenario)
        assert "secret" not in str(refused)
        assert refused.__context__ is None

    def test_a_schema_of_a_newer_version_is_left_alone(self, place: DatabaseUrl, migrations: str) -> None:
        async def scenario() -> None:
            await (await opened(place, migrations)).aclose()
            other = await session_of(place)
            await other.execute("UPDATE alembic_version SET version_num = '9999'")
            with pytest.raises(MigrationError, match="9999"):
                await opened(place, migrations)
            await other.execute("UPDATE alembic_version SET version_num = '0001'")
            await (await opened(place, migrations)).aclose()
            await other.close()

        anyio.run(scenario)

    def test_a_node_on_trio_is_told_so(self, place: DatabaseUrl, migrations: str) -> None:
        with pytest.raises(ConfigError, match="asyncio"):
            trio.run(opened, place, migrations)
