"""A reset of everything: a node is as it was, or it is empty; never between, and never somebody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from emulator.emptying import empty_wanted, want_empty
from node.journal import StoreError
from node.journal_sqlite import lock_database

KEPT = ("api-keys.json", "operator.key", "control.key", "hsm.lmk", "gateway.pepper", "switch.db", "switch.clock")
GONE = (
    *(f"gateway.{kept}{part}" for kept in ("db", "messages.db", "requests.db") for part in ("", "-wal", "-shm")),
    "gateway.clock",
    "hsm.db",
)
NODES = ("hsm", "switch", "gateway")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*KEPT, *GONE):
        (tmp_path / name).write_text("x")
    return tmp_path


def there(folder: Path, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if (folder / name).exists()]


class TestEmptying:
    """What is wanted is done once, at the next start, before any file is opened."""

    def test_nothing_goes_before_the_next_start(self, folder: Path) -> None:
        want_empty(folder, ["gateway", "hsm"])

        assert there(folder, GONE) == list(GONE)

    def test_the_nodes_that_are_meant_are_empty_and_keys_stay(self, folder: Path) -> None:
        want_empty(folder, ["gateway", "hsm"])

        assert empty_wanted(folder, NODES) == ["hsm", "gateway"]
        assert there(folder, GONE) == []
        assert there(folder, KEPT) == list(KEPT)
        assert empty_wanted(folder, NODES) == []

    def test_what_was_broken_off_is_finished(self, folder: Path) -> None:
        want_empty(folder, ["gateway", "hsm"])
        (folder / "gateway.db").unlink()
        (folder / "gateway.requests.db-wal").unlink()

        empty_wanted(folder, NODES)

        assert there(folder, GONE) == []

    def test_a_node_that_another_process_runs_is_not_touched(self, folder: Path) -> None:
        want_empty(folder, ["gateway"])
        lock = lock_database(folder / "gateway.db")

        with pytest.raises(StoreError):
            empty_wanted(folder, NODES)

        os.close(lock)
        assert there(folder, GONE) == list(GONE)
        assert empty_wanted(folder, NODES) == ["gateway"]

    def test_a_house_that_nobody_wants_empty_keeps_everything(self, folder: Path) -> None:
        assert empty_wanted(folder, NODES) == []
        assert there(folder, GONE) == list(GONE)
