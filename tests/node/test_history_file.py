"""Files of mere history are never in the way, and are not thrown away either."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.store_requests import SqliteRequests
from node.message_store import SqliteMessages


@pytest.mark.parametrize("opened", [SqliteMessages, SqliteRequests])
def test_a_file_that_somebody_looks_at_alone_is_not_begun_anew(tmp_path: Path, opened: Callable[[Path], Any]) -> None:
    file = tmp_path / "history.db"
    opened(file).close()
    with closing(sqlite3.connect(file)) as somebody:
        somebody.execute("CREATE TABLE mark (seen INTEGER)")
        somebody.commit()
    with closing(sqlite3.connect(file)) as somebody:
        somebody.execute("PRAGMA locking_mode=EXCLUSIVE")
        somebody.execute("BEGIN IMMEDIATE")

        with pytest.raises(sqlite3.OperationalError, match="locked"):
            opened(file)

    with closing(opened(file)), closing(sqlite3.connect(file)) as somebody:
        assert somebody.execute("SELECT count(*) FROM mark").fetchone() == (0,)
