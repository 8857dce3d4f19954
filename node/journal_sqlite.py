"""A journal in one SQLite file, committed inline.

It commits in the loop's thread: the node is the file's only writer, and a worker thread would starve for the
interpreter lock under load (seconds, measured) where the inline commit takes microseconds.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.dialects import sqlite

from node.core.find import Find
from node.core.turn import Row
from node.journal_port import Rows, StoreError, Stores, is_loaded, key_of, last_words, open_filter
from node.journal_rows import CHUNK_ROWS, Sharing
from node.journal_sql import look_up_sql, select_sql
from node.migrate import upgrade

CHECKPOINT_PAGES = 4_000
"""Pages of the log after which they go into the file (16 MiB): the loop waits for the disk at each such moment."""

_DIALECT = sqlite.dialect()


class SqliteJournal:
    """A journal in one SQLite file.

    Parameters
    ----------
    path
        The file; its folder exists. A lock file beside it keeps every other writer out.
    metadata
        The room's tables.
    migrations
        The room's migration package, such as "switch.migrations".
    power_safe
        True: `synchronous=FULL`, which survives a power loss. False: NORMAL, which survives `kill -9`.

    Raises
    ------
    StoreError
        Another process writes this file.
    """

    def __init__(self, path: Path, metadata: MetaData, migrations: str, *, power_safe: bool = False) -> None:
        self.path = path
        self._tables = metadata.tables
        self._lock = lock_database(path)
        try:
            upgrade(path, migrations)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except BaseException:
            os.close(self._lock)
            raise
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(f"PRAGMA synchronous={'FULL' if power_safe else 'NORMAL'}")
        self._database.execute("PRAGMA busy_timeout=0")
        self._database.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        self._inserts = {name: _insert_sql(table) for name, table in self._tables.items()}
        self._keys = {name: key_of(table) for name, table in self._tables.items() if not table.info.get("append_only")}
        self._queries: dict[tuple[Any, ...], str] = {}

    async def commit(self, stores: Stores) -> None:
        """Write all rows in one transaction; never suspends."""
        database, keys = self._database, self._keys
        try:
            database.execute("BEGIN IMMEDIATE")
            for table, rows in stores.items():
                # A row that this very turn replaces need not be written first.
                key = keys.get(table)
                database.executemany(self._inserts[table], rows if key is None else last_words(rows, key))
            database.execute("COMMIT")
        except (sqlite3.Error, KeyError) as error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            failure = f"{self.path.name}: commit refused: {type(error).__name__}"
        else:
            return
        raise StoreError(failure)

    async def load(self) -> Rows:
        """Return open rows in the order in which they were first written."""
        return {name: self._all(table) for name, table in self._tables.items() if is_loaded(table)}

    async def find(self, find: Find) -> list[Row]:
        """Return rows by an indexed look-up, inline."""
        table = self._tables[find.table]
        shape = (find.table, *find.where, "newest")
        sql = self._queries.get(shape)
        if sql is None:
            where = {name: (value,) for name, value in find.where.items()}
            sql = self._queries[shape] = select_sql(table, where, _DIALECT, "?")
        return self._database.execute(sql, (*find.where.values(), find.limit)).fetchall()[::-1]

    def select(self, table: str, where: Mapping[str, Any], limit: int, order: str = "") -> list[Row]:
        """Return rows by an indexed look-up, inline."""
        shape = (table, *where, order)
        sql = self._queries.get(shape)
        if sql is None:
            sql = self._queries[shape] = look_up_sql(self._tables[table], where, order, _DIALECT)
        return self._database.execute(sql, (*where.values(), limit)).fetchall()

    async def aclose(self) -> None:
        """Close the file and release its lock; a second time changes nothing."""
        self._database.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _all(self, table: Table) -> list[Row]:
        where, gathered = open_filter(table), Sharing(table)
        found = self._database.execute(
            select_sql(table, where, _DIALECT), [value for values in where.values() for value in values]
        )
        while chunk := found.fetchmany(CHUNK_ROWS):
            gathered.add(chunk)
        return gathered.rows


def lock_database(path: Path) -> int:
    """Keep every other writer out of a database file; return the descriptor whose closing ends that.

    Raises
    ------
    StoreError
        Another process holds the lock.
    """
    lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StoreError(f"{path}: another process is writing this database") from None
    return lock


def _insert_sql(table: Table) -> str:
    insert = sqlite.insert(table)
    if not table.info.get("append_only"):
        key = [item.name for item in table.primary_key]
        values = {item.name: insert.excluded[item.name] for item in table.columns if not item.primary_key}
        if values:
            insert = insert.on_conflict_do_update(index_elements=key, set_=values)
        else:
            insert = insert.on_conflict_do_nothing(index_elements=key)
    return str(insert.compile(dialect=_DIALECT))
