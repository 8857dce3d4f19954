"""The rows as SQL: each unit of work is handed one `SqlBooks` on the connection of its transaction.

The hot path's statements are compiled once and go to the driver as text and plain tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    bindparam,
    delete,
    exists,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.sql import Executable

from gateway import store_lists
from gateway.core.books import KEYS, Conflict, Found, R, Span
from gateway.core.records import Charge, Claim, Obligation, Record
from gateway.core.search import Query
from gateway.store_tables import TABLES
from node.core.duty import OPEN


class _Question:
    """A statement compiled once: SQL for the driver, the names of its parameters, and what those are by themselves."""

    __slots__ = ("_given", "names", "sql")

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self.sql = str(compiled)
        self.names = [name.removeprefix("key_") for name in compiled.positiontup or ()]
        self._given = compiled.params

    def values(self, wanted: Mapping[str, Any]) -> list[Any]:
        given = {**self._given, **wanted}
        return [given[name] for name in self.names]


class Statement(_Question):
    """A statement about one row: with what takes its parameters out of a record of its kind, in order."""

    __slots__ = ("pick",)

    def __init__(self, statement: Executable, dialect: Dialect, kind: type[Record]) -> None:
        super().__init__(statement, dialect)
        self.pick: Callable[[Any], Any] = tuple if self.names == list(kind._fields) else attrgetter(*self.names)


class _Statements:
    """The statements of one table that the hot path uses."""

    def __init__(self, kind: type[Record], dialect: Dialect) -> None:
        table = TABLES[kind]
        fields, key = kind._fields, KEYS[kind.__name__]
        own_row = [table.columns[name] == bindparam(f"key_{name}") for name in key]
        self.get = Statement(select(*(table.columns[name] for name in fields)).where(*own_row), dialect, kind)
        self.add = Statement(insert(table).values({name: bindparam(name) for name in fields}), dialect, kind)
        changed: dict[str, Any] = {name: bindparam(name) for name in fields if name not in key}
        self.put = Statement(update(table).where(*own_row).values(changed), dialect, kind)


_COMPILED: dict[tuple[Any, Any], _Statements] = {}


def statements(kind: Any, dialect: Dialect) -> _Statements:
    """Return what is asked and told about one row of a kind, compiled once."""
    compiled = _COMPILED.get((kind, dialect))
    if compiled is None:
        compiled = _COMPILED[kind, dialect] = _Statements(kind, dialect)
    return compiled


@cache
def _finding(kind: Any, names: tuple[str, ...], dialect: Dialect) -> _Question:
    """Compile the question for all rows of a kind with given values."""
    table = TABLES[kind]
    wanted = [table.columns[name] == bindparam(name) for name in names]
    query = select(*(table.columns[name] for name in kind._fields)).where(*wanted).order_by(table.columns["seq"])
    return _Question(query, dialect)


@cache
def _dues(dialect: Dialect) -> _Question:
    """Compile the question for what is due; see `Books.due`."""
    table = TABLES[Obligation]
    now = bindparam("now", type_=BigInteger())
    is_open: ColumnElement[str] = literal_column(f"'{OPEN}'")
    leased, earlier = table.columns["leased_until"], table.alias()
    is_behind = (
        (earlier.columns["charge"] == table.columns["charge"])
        & (earlier.columns["state"] == is_open)
        & (earlier.columns["seq"] < table.columns["seq"])
    )
    query = (
        select(*(table.columns[name] for name in Obligation._fields))
        .where(table.columns["state"] == is_open, table.columns["due_at"] <= now)
        .where(leased.is_(None) | (leased <= now))
        .where(~exists().where(is_behind))
        .order_by(table.columns["due_at"], table.columns["seq"])
        .limit(bindparam("limit", type_=BigInteger()))
    )
    return _Question(query, dialect)


class SqlBooks:
    """The rows, through one SQLAlchemy connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect
        # Compiled SQL and plain tuples go to the driver: SQLAlchemy's result objects cost three times the statement.
        self._cursor = connection.connection.cursor()
        self.writes = 0

    def get(self, kind: type[R], *key: str) -> R | None:
        """Return the row with this primary key."""
        statement = statements(kind, self._dialect).get
        self._cursor.execute(statement.sql, key)
        row = self._cursor.fetchone()
        return None if row is None else _record(kind, row)

    def add(self, record: Record) -> None:
        """Insert a row; Conflict if its key exists."""
        self.writes += 1
        statement = statements(type(record), self._dialect).add
        try:
            self._cursor.execute(statement.sql, statement.pick(record))
        except self._dialect.loaded_dbapi.IntegrityError:
            pass
        else:
            return
        # Raised here: the driver's error carries the row.
        raise Conflict(f"{type(record).__name__}: the key exists")

    def put(self, record: Record) -> None:
        """Insert or replace a row."""
        self.writes += 1
        statement = statements(type(record), self._dialect).put
        self._cursor.execute(statement.sql, statement.pick(record))
        if self._cursor.rowcount == 0:
            SqlBooks.add(self, record)

    def find(self, kind: type[R], where: Mapping[str, Any]) -> list[R]:
        """Return all matching rows, oldest first."""
        question = _finding(cast("Any", kind), tuple(where), self._dialect)
        return [_record(kind, row) for row in self._asked(question, where)]

    def page(self, kind: type[R], where: Mapping[str, Any], span: Span) -> list[R]:
        """Return at most `span.limit` rows, newest first."""
        return store_lists.page(self._connection, kind, where, span)

    def search(self, kind: type[R], where: Mapping[str, Any], query: Query, below: int | None, limit: int) -> Found[R]:
        """Return rows that a query asks for, newest first."""
        return store_lists.search(self._connection, kind, where, query, below, limit)

    def forget_claims(self, before: int, limit: int) -> int:
        """Delete old claims that have their answer."""
        self.writes += 1
        table = TABLES[Claim]
        old = (table.columns["claimed_at"] < before) & (table.columns["status"] != 0)
        chosen = select(table.columns["seq"]).where(old).order_by(table.columns["claimed_at"]).limit(limit)
        done = self._connection.execute(delete(table).where(table.columns["seq"].in_(chosen)))
        return done.rowcount

    def due(self, now: int, limit: int) -> list[Obligation]:
        """Return open obligations that are due and free at `now`."""
        return [_record(Obligation, row) for row in self._asked(_dues(self._dialect), {"now": now, "limit": limit})]

    def expiring(self, now: int, limit: int) -> list[Charge]:
        """Return charges whose hold is over at `now`."""
        table = TABLES[Charge]
        expires_at = table.columns["expires_at"]
        query = select(*table.columns[1:]).where(expires_at <= now).order_by(expires_at, table.columns["seq"])
        return [_record(Charge, row) for row in self._connection.execute(query.limit(limit))]

    def flush(self) -> None:
        """Do nothing: every row was written when it was told."""

    def _asked(self, question: _Question, wanted: Mapping[str, Any]) -> Sequence[Any]:
        self._cursor.execute(question.sql, question.values(wanted))
        rows: Sequence[Any] = self._cursor.fetchall()
        return rows


def _record(kind: type[R], row: Any) -> R:
    return cast("R", kind._make(row))
