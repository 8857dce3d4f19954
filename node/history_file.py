"""A SQLite file of what is only history: messages on links, requests of shops. Nobody's money rests on it.

It has one writer and outlives `kill -9`, but waits for no disk: a loss of power may leave something that is no database
any more, and then it is begun anew, as it is when its layout is another.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.journal_sqlite import lock_database


class HistoryFile:
    """An open history.

    Parameters
    ----------
    path
        The file, which a lock keeps every other writer out of.
    layout
        Number of the layout of its tables.
    table
        The statement that makes its table.

    Raises
    ------
    StoreError
        Another process writes this file.
    sqlite3.OperationalError
        It cannot be opened now; nothing of it was changed.
    """

    def __init__(self, path: Path, layout: int, table: str) -> None:
        self._lock = lock_database(path)
        try:
            self.database = _opened(path, layout, table)
        except BaseException:
            os.close(self._lock)
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Keep all that is done within, or nothing of it if SQLite refuses."""
        database = self.database
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
            database.execute("COMMIT")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let go of the file; a second time changes nothing."""
        self.database.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _opened(path: Path, layout: int, table: str) -> sqlite3.Connection:
    try:
        return _begun(path, layout, table)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return _begun(path, layout, table)


def _begun(path: Path, layout: int, table: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        # Waiting for the disk would stop the node's loop.
        database.execute("PRAGMA synchronous=OFF")
        database.execute("PRAGMA busy_timeout=0")
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found != layout:
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                database.execute(f'DROP TABLE "{name}"')
            database.execute(table)
            database.execute(f"PRAGMA user_version={layout}")
    except BaseException:
        database.close()
        raise
    return database
