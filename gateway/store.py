"""The store port on SQLAlchemy Core: one SQLite file, written inline, read beside the loop.

Units of work that wait at the same moment share one transaction. SQLite takes it in the loop's thread: the gateway is
the file's only writer, and a worker thread would starve for the interpreter lock under load. Reads that nobody's
decision rests on go through aiosqlite, read-only, and never wait for a writer (WAL).

Each record becomes a table by its annotations; the Alembic migrations say the same, and a test compares them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, Generic, cast, get_type_hints

import anyio
import anyio.lowlevel
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Dialect,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    create_engine,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql import Executable

from gateway.core.books import KEYS, Books, Conflict, R, Span, T
from gateway.core.records import (
    Charge,
    Claim,
    Customer,
    Intent,
    Method,
    Obligation,
    Record,
    SendRecord,
    Terminal,
)
from node.core.duty import OPEN
from node.journal import StoreError, lock_database
from node.migrate import upgrade

METADATA = MetaData()
MIGRATIONS = "gateway.migrations"
NO_TABLES = MetaData()
"""For a runtime whose journal has nothing to keep: the gateway's rows are here."""

_NAMES: dict[type[Record], str] = {
    Customer: "customers",
    Method: "payment_methods",
    Intent: "payment_intents",
    Charge: "charges",
    SendRecord: "sends",
    Obligation: "obligations",
    Claim: "claims",
    Terminal: "terminals",
}


def _table(kind: type[Record], name: str) -> Table:
    """Declare the table of a record: its fields, after a number that keeps the order of insertion."""
    columns = []
    for field, hint in get_type_hints(kind).items():
        is_text = str in (hint, *getattr(hint, "__args__", ()))
        is_nullable = type(None) in getattr(hint, "__args__", ())
        columns.append(Column(field, Text() if is_text else BigInteger(), nullable=is_nullable))
    number = Column("seq", Integer, primary_key=True, autoincrement=True)
    return Table(name, METADATA, number, *columns, UniqueConstraint(*KEYS[kind.__name__], name=f"{name}_key"))


TABLES: dict[Any, Table] = {kind: _table(kind, name) for kind, name in _NAMES.items()}

for _kind, _columns in (
    (Customer, ("account", "seq")),
    (Method, ("account", "seq")),
    (Method, ("customer",)),
    (Intent, ("account", "seq")),
    (Intent, ("customer",)),
    (Charge, ("account", "seq")),
    (Charge, ("intent",)),
    (SendRecord, ("result",)),
    (Obligation, ("state", "due_at")),
):
    _of = TABLES[_kind]
    Index(f"{_of.name}_by_{_columns[0]}", *(_of.columns[name] for name in _columns))


class _Statement:
    """A statement compiled once: SQL for the driver, and what takes its parameters out of a record, in order."""

    __slots__ = ("pick", "sql")

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self.sql = str(compiled)
        self.pick = attrgetter(*(name.removeprefix("key_") for name in compiled.positiontup or ()))


class _Statements:
    """The statements of one table that the hot path uses."""

    def __init__(self, kind: type[Record], dialect: Dialect) -> None:
        table = TABLES[kind]
        fields, key = kind._fields, KEYS[kind.__name__]
        own_row = [table.columns[name] == bindparam(f"key_{name}") for name in key]
        self.get = _Statement(select(*(table.columns[name] for name in fields)).where(*own_row), dialect)
        self.add = _Statement(insert(table).values({name: bindparam(name) for name in fields}), dialect)
        changed: dict[str, Any] = {name: bindparam(name) for name in fields if name not in key}
        self.put = _Statement(update(table).where(*own_row).values(changed), dialect)


_COMPILED: dict[tuple[Any, Any], _Statements] = {}


def _statements(kind: Any, dialect: Dialect) -> _Statements:
    compiled = _COMPILED.get((kind, dialect))
    if compiled is None:
        compiled = _COMPILED[kind, dialect] = _Statements(kind, dialect)
    return compiled


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
        statement = _statements(kind, self._dialect).get
        self._cursor.execute(statement.sql, key)
        row = self._cursor.fetchone()
        return None if row is None else _record(kind, row)

    def add(self, record: Record) -> None:
        """Insert a row; Conflict if its key exists."""
        self.writes += 1
        statement = _statements(type(record), self._dialect).add
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
        statement = _statements(type(record), self._dialect).put
        self._cursor.execute(statement.sql, statement.pick(record))
        if self._cursor.rowcount == 0:
            self.add(record)

    def find(self, kind: type[R], where: Mapping[str, Any]) -> list[R]:
        """Return all matching rows, oldest first."""
        table = TABLES[kind]
        query = select(*table.columns[1:]).where(*_equal(table, where)).order_by(table.columns["seq"])
        return [_record(kind, row) for row in self._connection.execute(query)]

    def page(self, kind: type[R], where: Mapping[str, Any], span: Span) -> list[R]:
        """Return at most `span.limit` rows, newest first."""
        table = TABLES[kind]
        seq = table.columns["seq"]
        query = select(*table.columns[1:]).where(*_equal(table, where)).limit(span.limit)
        if span.created_from is not None:
            query = query.where(table.columns["created"] >= span.created_from)
        if span.created_to is not None:
            query = query.where(table.columns["created"] <= span.created_to)
        cursor = span.after or span.before
        if cursor is not None:
            place = self._connection.execute(select(seq).where(table.columns["id"] == cursor)).scalar()
            if place is None:
                return []
            query = query.where(seq < place if span.after else seq > place)
        query = query.order_by(seq if span.before else seq.desc())
        rows = [_record(kind, row) for row in self._connection.execute(query)]
        return rows[::-1] if span.before else rows

    def due(self, now: int, limit: int) -> list[Obligation]:
        """Return open obligations that are due and free at `now`."""
        table = TABLES[Obligation]
        leased = table.columns["leased_until"]
        query = (
            select(*table.columns[1:])
            .where(table.columns["state"] == OPEN, table.columns["due_at"] <= now)
            .where(leased.is_(None) | (leased <= now))
            .order_by(table.columns["due_at"])
            .limit(limit)
        )
        return [_record(Obligation, row) for row in self._connection.execute(query)]


class _Job(Generic[T]):
    """A unit of work that waits for its transaction."""

    __slots__ = ("done", "error", "result", "work")
    result: T

    def __init__(self, work: Callable[[Books], T]) -> None:
        self.work = work
        self.done = anyio.Event()
        self.error: Exception | None = _broken()

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return self.result


def _broken() -> StoreError:
    return StoreError("the transaction broke before this unit of work")


_STORE_ERRORS = (SQLAlchemyError, sqlite3.Error)
"""What SQLAlchemy says, and what the driver says below it."""


class _Again(Exception):
    """One unit of work of a group failed after it had written: each runs again alone."""


class SqliteStore:
    """The gateway's rows in one SQLite file.

    Parameters
    ----------
    path
        The file; its folder exists. A lock file beside it keeps every other writer out.
    power_safe
        True: `synchronous=FULL`, which survives a power loss. False: NORMAL, which survives `kill -9`.

    Raises
    ------
    StoreError
        Another process writes this file.
    """

    _PRAGMAS: ClassVar[Sequence[str]] = ("journal_mode=WAL", "busy_timeout=0", "foreign_keys=ON")

    def __init__(self, path: Path, *, power_safe: bool = False) -> None:
        self._lock = lock_database(path)
        try:
            upgrade(path, MIGRATIONS)
        except BaseException:
            os.close(self._lock)
            raise
        self._engine = create_engine(f"sqlite:///{path}", poolclass=StaticPool, hide_parameters=True)
        pragmas = (*self._PRAGMAS, f"synchronous={'FULL' if power_safe else 'NORMAL'}")

        @event.listens_for(self._engine, "connect")
        def connected(connection: Any, _record: Any) -> None:
            # The driver must not open transactions by itself: BEGIN IMMEDIATE below does.
            connection.isolation_level = None
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(self._engine, "begin")
        def begun(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        self._writer = self._engine.connect()
        self._readers = create_async_engine(f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true", hide_parameters=True)
        self._jobs: list[_Job[Any]] = []

    async def write(self, work: Callable[[Books], T]) -> T:
        """Run `work` together with its neighbours in one transaction; return once that is durable.

        Raises
        ------
        StoreError
            The commit was refused; nothing of the group was kept.
        """
        job = _Job(work)
        self._jobs.append(job)
        if len(self._jobs) > 1:
            await job.done.wait()
            return job.outcome()
        try:
            # Whoever is ready at this moment joins the transaction; the first one commits for all.
            await anyio.lowlevel.checkpoint()
        finally:
            self._flush()
        return job.outcome()

    async def read(self, work: Callable[[Books], T]) -> T:
        """Run `work`, which only reads, on committed rows, outside the loop's thread."""
        async with self._readers.connect() as connection:
            return await connection.run_sync(lambda sync: work(SqlBooks(sync)))

    async def aclose(self) -> None:
        """Close the file and release its lock."""
        await self._readers.dispose()
        self._writer.close()
        self._engine.dispose()
        os.close(self._lock)

    def _flush(self) -> None:
        jobs, self._jobs = self._jobs, []
        try:
            self._run(jobs)
        except _Again:
            for job in jobs:
                job.error = _broken()
            for job in jobs:
                self._run([job])
        finally:
            # Whatever broke, nobody may wait for ever.
            for job in jobs:
                job.done.set()

    def _run(self, jobs: Sequence[_Job[Any]]) -> None:
        """Run jobs in one transaction; `_Again` if it has to be split."""
        refusal: Exception | None = None
        try:
            with self._writer.begin() as transaction:
                books = SqlBooks(self._writer)
                for job in jobs:
                    if self._ran(job, books):
                        continue
                    if len(jobs) > 1:
                        raise _Again
                    transaction.rollback()
        except _STORE_ERRORS as error:
            refusal = error
        if refusal is not None and len(jobs) > 1:
            raise _Again
        if refusal is not None:
            cause = refusal.orig if isinstance(refusal, DBAPIError) else refusal
            jobs[0].error = StoreError(f"commit refused: {type(cause).__name__}")

    def _ran(self, job: _Job[Any], books: SqlBooks) -> bool:
        """Run one job. False if it failed and left something in the transaction that must go."""
        before, job.error = books.writes, None
        try:
            job.result = job.work(books)
        except _STORE_ERRORS:
            raise
        except Exception as error:
            job.error = error
            return books.writes == before
        return True


def _record(kind: type[R], row: Any) -> R:
    return cast("R", kind._make(row))


def _equal(table: Table, where: Mapping[str, Any]) -> list[Any]:
    return [table.columns[name] == value for name, value in where.items()]
