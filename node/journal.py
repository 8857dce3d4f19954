"""The journal: what a turn changed, committed in one transaction before anything of it leaves the node.

SQLAlchemy Core describes the tables and compiles each statement once; the journal hands compiled SQL and plain tuples
to the driver. On SQLite it commits inline, in the loop's thread: the node is the file's only writer, and a worker
thread would starve for the interpreter lock under load (seconds, measured) where the inline commit takes microseconds.

A row replaces the row with its primary key, except in a table declared `append_only`. After a failed commit the node
must stop: its memory is ahead of its disk.

Table hints (`Table.info`): `append_only: bool`; `open: None | (column, values)` says which rows a restart loads (None:
none; absent: all).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Column, ColumnClause, Integer, MetaData, Table, Text, bindparam, column, select
from sqlalchemy.dialects import sqlite

from iso.errors import CardrailsError
from node.core.find import Find
from node.core.turn import Row
from node.migrate import upgrade

Stores = Mapping[str, Sequence[Row]]
Rows = dict[str, list[Row]]
_Places = dict[tuple[Any, ...], dict[tuple[Any, ...], None]]


class StoreError(CardrailsError):
    """The store could not take or give what it must. A node that gets this from a commit stops."""


class Journal(Protocol):
    """Where a node's truth is."""

    async def commit(self, stores: Stores) -> None:
        """Make all rows durable together, or raise StoreError and change nothing."""

    async def load(self) -> Rows:
        """Return the rows a restart needs, per table, in the order in which they were first written."""

    async def find(self, find: Find) -> list[Row]:
        """Return rows of the node's history."""

    def select(self, table: str, where: Mapping[str, Any], limit: int, order: str = "") -> list[Row]:
        """Return at most `limit` committed rows whose columns equal `where`, the lowest `order` column first.

        For a core that keeps its working set small: it does not suspend, so `where` must have an index.
        """

    async def aclose(self) -> None:
        """Let go of the file."""


def saf_table(metadata: MetaData) -> Table:
    """Declare the store-and-forward table; columns in the order of `SafEntry.row()`."""
    return Table(
        "saf",
        metadata,
        Column("identifier", Text, primary_key=True),
        Column("link", Text, nullable=False),
        Column("card", Text, nullable=False),
        Column("mti", Text, nullable=False),
        Column("fields", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("stored_at", Text, nullable=False),
        info={"open": ("state", ("waiting", "dead"))},
    )


def zone_keys_table(metadata: MetaData) -> Table:
    """Declare the record of the keys that a node shares with its neighbours: their states, never a key."""
    return Table(
        "zone_keys",
        metadata,
        Column("identifier", Text, primary_key=True),
        Column("link", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("generation", Integer, nullable=False),
        Column("kcv", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("made_at", Text, nullable=False),
        Column("changed_at", Text, nullable=False),
        info={"open": ("state", ("offered", "received", "current", "old"))},
    )


class SqliteJournal:
    """A journal in one SQLite file, committed inline.

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
        self._inserts = {name: _insert_sql(table) for name, table in self._tables.items()}
        self._queries: dict[tuple[Any, ...], str] = {}

    async def commit(self, stores: Stores) -> None:
        """Write all rows in one transaction; never suspends."""
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            for table, rows in stores.items():
                database.executemany(self._inserts[table], rows)
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
        return {name: self._select(table, _open_filter(table)) for name, table in self._tables.items() if _loads(table)}

    async def find(self, find: Find) -> list[Row]:
        """Return rows by an indexed look-up, inline."""
        table = self._tables[find.table]
        return self._select(table, {name: (value,) for name, value in find.where.items()}, find.limit)

    def select(self, table: str, where: Mapping[str, Any], limit: int, order: str = "") -> list[Row]:
        """Return rows by an indexed look-up, inline."""
        shape = (table, *where, order)
        sql = self._queries.get(shape)
        if sql is None:
            sql = self._queries[shape] = _look_up_sql(self._tables[table], where, order)
        return self._database.execute(sql, (*where.values(), limit)).fetchall()

    async def aclose(self) -> None:
        """Close the file and release its lock; a second time changes nothing."""
        self._database.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _select(self, table: Table, where: Mapping[str, Sequence[Any]], limit: int | None = None) -> list[Row]:
        shape = (table.name, *((name, len(values)) for name, values in where.items()), limit is None)
        sql = self._queries.get(shape)
        if sql is None:
            sql = self._queries[shape] = _select_sql(table, where, newest_first=limit is not None)
        parameters = [value for values in where.values() for value in values]
        if limit is None:
            return self._database.execute(sql, parameters).fetchall()
        return self._database.execute(sql, [*parameters, limit]).fetchall()[::-1]


class MemoryJournal:
    """A journal without a disk, with the same contract: for simulations and ephemeral nodes in tests."""

    def __init__(self, metadata: MetaData) -> None:
        self._tables = metadata.tables
        self.rows: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in self._tables}
        self._names = {
            name: {item.name: index for index, item in enumerate(table.columns)} for name, table in self._tables.items()
        }
        self._keys = {
            name: [index for index, item in enumerate(table.columns) if item.primary_key]
            for name, table in self._tables.items()
        }
        self._places: dict[str, dict[tuple[str, ...], _Places]] = {name: {} for name in self._tables}

    def write(self, stores: Stores) -> None:
        """Commit, for callers without an event loop."""
        staged = []
        for name, rows in stores.items():
            table, key = self._tables[name], self._keys[name]
            for row in rows:
                if len(row) != len(table.columns):
                    raise StoreError(f"{name}: a row of {len(row)} values for {len(table.columns)} columns")
                staged.append((name, tuple(row[index] for index in key), row))
                if table.info.get("append_only") and staged[-1][1] in self.rows[name]:
                    raise StoreError(f"{name} is append-only: the key exists")
        for name, key_values, row in staged:
            self.rows[name][key_values] = row
            for columns, places in self._places[name].items():
                places.setdefault(self._values(name, columns, row), {})[key_values] = None

    def read(self) -> Rows:
        """Load, for callers without an event loop."""
        return {
            name: [row for row in self.rows[name].values() if _matches(table, row, _open_filter(table))]
            for name, table in self._tables.items()
            if _loads(table)
        }

    def look_up(self, find: Find) -> list[Row]:
        """Find, for callers without an event loop."""
        table = self._tables[find.table]
        where = {name: (value,) for name, value in find.where.items()}
        rows = [row for row in self.rows[find.table].values() if _matches(table, row, where)]
        return rows[-find.limit :]

    def select(self, table: str, where: Mapping[str, Any], limit: int, order: str = "") -> list[Row]:
        """Return rows by what they were last written with; the first question about columns makes their index."""
        columns = tuple(where)
        values, rows, places = tuple(where.values()), self.rows[table], self._places[table]
        if columns not in places:
            index: _Places = {}
            for key, row in rows.items():
                index.setdefault(self._values(table, columns, row), {})[key] = None
            places[columns] = index
        candidates = [rows[key] for key in places[columns].get(values, ()) if key in rows]
        # A row that was replaced is still listed under its former values.
        found = [row for row in candidates if self._values(table, columns, row) == values]
        if order:
            found.sort(key=lambda row: self._values(table, (order,), row))
        return found[:limit]

    def _values(self, table: str, columns: tuple[str, ...], row: Row) -> tuple[Any, ...]:
        names = self._names[table]
        return tuple([row[names[column]] for column in columns])

    async def commit(self, stores: Stores) -> None:
        """Keep all rows, or raise StoreError and keep none."""
        self.write(stores)

    async def load(self) -> Rows:
        """Return open rows in the order in which they were first written."""
        return self.read()

    async def find(self, find: Find) -> list[Row]:
        """Return rows of the history."""
        return self.look_up(find)

    async def aclose(self) -> None:
        """Do nothing: there is no file."""


def open_journal(path: Path | None, metadata: MetaData, migrations: str, *, power_safe: bool = False) -> Journal:
    """Return a room's journal in a file, or in memory if `path` is None.

    Raises
    ------
    StoreError
        Another process writes this file.
    """
    if path is None:
        return MemoryJournal(metadata)
    return SqliteJournal(path, metadata, migrations, power_safe=power_safe)


_DIALECT = sqlite.dialect()


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
        insert = insert.on_conflict_do_update(index_elements=key, set_=values) if values else insert
    return str(insert.compile(dialect=_DIALECT))


def _select_sql(table: Table, where: Mapping[str, Sequence[Any]], *, newest_first: bool) -> str:
    """Compile a query once; its parameters are the values of `where`, in order, then the limit if newest first."""
    query = select(*table.columns)
    for name, values in where.items():
        query = query.where(table.columns[name].in_(list(values)))
    order: ColumnClause[int] = column("rowid")
    query = query.order_by(order.desc() if newest_first else order)
    sql = str(query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True}))
    return f"{sql} LIMIT ?" if newest_first else sql


def _look_up_sql(table: Table, where: Mapping[str, Any], order: str) -> str:
    """Compile a look-up; its parameters are the values of `where`, in order, then the limit."""
    query = select(*table.columns).where(*[table.columns[name] == bindparam(None) for name in where])
    if order:
        query = query.order_by(table.columns[order])
    return f"{query.compile(dialect=_DIALECT)} LIMIT ?"


def _loads(table: Table) -> bool:
    return table.info.get("open", ()) is not None


def _open_filter(table: Table) -> dict[str, Sequence[Any]]:
    hint = table.info.get("open")
    return {hint[0]: hint[1]} if hint else {}


def _matches(table: Table, row: Row, where: Mapping[str, Sequence[Any]]) -> bool:
    names = table.columns.keys()
    return all(row[names.index(name)] in values for name, values in where.items())
