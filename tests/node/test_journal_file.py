"""What is true of a journal in a file alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from node.journal import CHECKPOINT_PAGES, SqliteJournal, StoreError
from tests.node.test_journal import METADATA, saf_row
from tests.support.migrations import write_migrations


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return write_migrations(tmp_path, monkeypatch, "tests.node.test_journal")


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


class TestTheLog:
    """Pages gather in the log before they go into the file: rarely, and never without end."""

    def test_it_holds_as_many_pages_as_are_promised_and_is_then_used_again(
        self, migrations: str, tmp_path: Path
    ) -> None:
        journal = SqliteJournal(tmp_path / "node.db", METADATA, migrations)
        log, page_bytes, sizes = tmp_path / "node.db-wal", 4096, []

        for number in range(3 * CHECKPOINT_PAGES // 100):
            rows = [saf_row(f"{number}/{one}" + "x" * page_bytes) for one in range(50)]
            anyio.run(journal.commit, {"saf": rows})
            sizes.append(log.stat().st_size // page_bytes)
        anyio.run(journal.aclose)

        assert CHECKPOINT_PAGES <= max(sizes) < 1.2 * CHECKPOINT_PAGES
        assert sizes[-1] == max(sizes)
