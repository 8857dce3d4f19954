"""The store port on SQLAlchemy Core: one SQLite file, written inline, read beside the loop.

Units of work that wait at the same moment share one transaction. SQLite takes it in the loop's thread: the gateway is
the file's only writer, and a worker thread would starve for the interpreter lock under load. Reads that nobody's
decision rests on go through aiosqlite, read-only, and never wait for a writer (WAL).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic

import anyio
import anyio.lowlevel
from sqlalchemy import MetaData, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from gateway.core.books import Books, T
from gateway.store_books import SqlBooks
from gateway.store_pending import PendingBooks, UnwrittenError
from node.journal import CHECKPOINT_PAGES, StoreError, lock_database
from node.migrate import upgrade

MIGRATIONS = "gateway.migrations"
NO_TABLES = MetaData()
"""For a runtime whose journal has nothing to keep: the gateway's rows are here."""


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
    """One unit of work of a group failed after it had written, or a row could not be kept: each runs again alone."""


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

    _PRAGMAS: ClassVar[Sequence[str]] = (
        "journal_mode=WAL",
        "busy_timeout=0",
        "foreign_keys=ON",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    )

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
            # The driver must not open transactions by itself.
            connection.isolation_level = None
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")

        # Transactions are begun and ended in `_run`; SQLAlchemy's own would cost as much as a row.
        self._writer = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._driver: Any = self._writer.connection.dbapi_connection
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
        """Run `work`, which only reads, on the committed rows of one moment, outside the loop's thread."""
        async with self._readers.connect() as connection:
            # The driver begins no transaction for questions, and two of them would see two moments.
            await connection.exec_driver_sql("BEGIN")
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
            self._run(jobs, PendingBooks)
        except _Again:
            for job in jobs:
                job.error = _broken()
            for job in jobs:
                self._run([job], SqlBooks)
        finally:
            # Whatever broke, nobody may wait for ever.
            for job in jobs:
                job.done.set()

    def _run(self, jobs: Sequence[_Job[Any]], kind: type[SqlBooks]) -> None:
        """Run jobs in one transaction; `_Again` if it has to be split, or has to write row by row."""
        refusal: Exception | None = None
        try:
            self._driver.execute("BEGIN IMMEDIATE")
            books = kind(self._writer)
            if all(self._ran(job, books) for job in jobs):
                books.flush()
                self._commit()
            elif len(jobs) > 1:
                raise _Again
        except UnwrittenError:
            raise _Again from None
        except _STORE_ERRORS as error:
            refusal = error
        finally:
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK")
        if refusal is not None and len(jobs) > 1:
            raise _Again
        if refusal is not None:
            cause = refusal.orig if isinstance(refusal, DBAPIError) else refusal
            jobs[0].error = StoreError(f"commit refused: {type(cause).__name__}")

    def _commit(self) -> None:
        self._driver.execute("COMMIT")

    def _ran(self, job: _Job[Any], books: SqlBooks) -> bool:
        """Run one job. False if it failed and left something in the transaction that must go."""
        before, job.error = books.writes, None
        try:
            job.result = job.work(books)
        except (*_STORE_ERRORS, UnwrittenError):
            raise
        except Exception as error:
            job.error = error
            return books.writes == before
        return True
