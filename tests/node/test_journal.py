"""The journal's contract, on SQLite and in memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text

from node.core.find import Find
from node.journal import Journal, MemoryJournal, SqliteJournal, StoreError, saf_table

METADATA = MetaData()
saf_table(METADATA)
Table(
    "entries", METADATA, Column("number", Integer, primary_key=True), Column("text", Text), info={"append_only": True}
)
Table("history", METADATA, Column("id", Text, primary_key=True), Column("rrn", Text), info={"open": None})


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A migration package for the tables above, written for this test."""
    package = tmp_path / "sample_migrations"
    (package / "versions").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "versions" / "0001_initial.py").write_text(
        "from alembic import op\n"
        "from tests.node.test_journal import METADATA\n"
        'revision = "0001"\ndown_revision = None\n'
        "def upgrade():\n    METADATA.create_all(op.get_bind())\n"
        "def downgrade():\n    METADATA.drop_all(op.get_bind())\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "sample_migrations"


@pytest.fixture(params=["sqlite", "memory"])
def open_journal(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Journal]:
    if request.param == "memory":
        only = MemoryJournal(METADATA)
        return lambda: only
    package = request.getfixturevalue("migrations")
    return lambda: SqliteJournal(tmp_path / "node.db", METADATA, package)


def saf_row(identifier: str, state: str = "waiting", attempts: int = 0) -> tuple[object, ...]:
    return (identifier, "issuer-a", "card", "0420", "{}", state, attempts, "now")


class TestTheContract:
    """All rows of a turn become durable together; a row replaces its predecessor; history is found by its columns."""

    def test_a_restart_loads_open_rows_in_order_and_no_history(self, open_journal: Callable[[], Journal]) -> None:
        async def scenario() -> dict[str, list[tuple[object, ...]]]:
            journal = open_journal()
            await journal.commit({"saf": [saf_row("b"), saf_row("a"), saf_row("c")], "history": [("1", "rrn")]})
            await journal.commit({"saf": [saf_row("b", attempts=2), saf_row("c", state="done")]})
            await journal.aclose()
            again = open_journal()
            rows = await again.load()
            await again.aclose()
            return rows

        rows = anyio.run(scenario)

        assert rows["saf"] == [saf_row("b", attempts=2), saf_row("a")]
        assert "history" not in rows

    def test_history_is_found_by_its_columns_newest_last(self, open_journal: Callable[[], Journal]) -> None:
        async def scenario() -> list[tuple[object, ...]]:
            journal = open_journal()
            await journal.commit({"history": [(str(number), "same") for number in range(5)]})
            found = await journal.find(Find("history", {"rrn": "same"}, limit=2))
            await journal.aclose()
            return found

        assert anyio.run(scenario) == [("3", "same"), ("4", "same")]

    def test_an_append_only_row_is_never_replaced_and_its_turn_changes_nothing(
        self, open_journal: Callable[[], Journal]
    ) -> None:
        async def scenario() -> dict[str, list[tuple[object, ...]]]:
            journal = open_journal()
            await journal.commit({"entries": [(1, "first")]})
            with pytest.raises(StoreError):
                await journal.commit({"saf": [saf_row("x")], "entries": [(1, "forged")]})
            rows = await journal.load()
            await journal.aclose()
            return rows

        rows = anyio.run(scenario)

        assert rows["entries"] == [(1, "first")]
        assert rows["saf"] == []


class TestTheFile:
    """One writer per file; what was committed survives a killed process."""

    def test_a_second_writer_is_refused(self, migrations: str, tmp_path: Path) -> None:
        first = SqliteJournal(tmp_path / "node.db", METADATA, migrations)

        with pytest.raises(StoreError, match="another process is writing"):
            SqliteJournal(tmp_path / "node.db", METADATA, migrations)

        anyio.run(first.aclose)

    def test_a_commit_survives_kill_9(self, migrations: str, tmp_path: Path) -> None:
        program = (
            "import anyio, os, signal, sys; from pathlib import Path\n"
            "from node.journal import SqliteJournal; from tests.node.test_journal import METADATA, saf_row\n"
            f"journal = SqliteJournal(Path({str(tmp_path / 'node.db')!r}), METADATA, {migrations!r})\n"
            "anyio.run(journal.commit, {'saf': [saf_row('kept')]})\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}

        killed = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
        journal = SqliteJournal(tmp_path / "node.db", METADATA, migrations)
        rows = anyio.run(journal.load)
        anyio.run(journal.aclose)

        assert killed.returncode == -signal.SIGKILL
        assert rows["saf"] == [saf_row("kept")]
