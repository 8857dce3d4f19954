"""A journal in one schema of a PostgreSQL database, reached through asyncpg.

A commit suspends the turn, not the loop. All rows of a turn travel as one statement, the tables of which are its parts
(`WITH ... INSERT`): one round trip, and atomic by itself. Rows travel as one array per column.

One session does everything. It holds an advisory lock, so that there is one writer per schema, and it is never opened a
second time: who has lost his session has lost his lock, and others may have written since. A node whose session is lost
stops with its next commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import anyio
import asyncpg
from sqlalchemy import MetaData, Table
from sqlalchemy.dialects import postgresql

from iso.errors import ConfigError
from node.core.find import Find
from node.core.turn import Row
from node.database_url import DatabaseUrl
from node.journal_port import Rows, StoreError, Stores, is_loaded, key_of, last_words, open_filter
from node.journal_rows import CHUNK_ROWS, Sharing
from node.journal_sql import select_sql
from node.migrate import upgrade_postgres

_DIALECT = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_REFUSED = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, KeyError, ValueError)

CONNECT_TIMEOUT_S = 10.0
WRITER_GONE_S = 10.0
"""How long a start waits for the writer before it to be gone: a server needs a moment to notice a killed client."""
COMMIT_TIMEOUT_S = 30.0
"""A server that is silent for so long is lost."""


class PostgresJournal:
    """A journal in one schema of a PostgreSQL database; `load` opens it.

    Parameters
    ----------
    url
        Where; the schema is made if absent.
    metadata
        The room's tables.
    migrations
        The room's migration package, such as "banks.issuer.migrations".
    power_safe
        True: a commit waits for the server's disk whatever the server's settings say. False: what they say.
    writer_gone_s
        Seconds that `load` waits for the writer before us to be gone.
    """

    def __init__(
        self,
        url: DatabaseUrl,
        metadata: MetaData,
        migrations: str,
        *,
        power_safe: bool = False,
        writer_gone_s: float = WRITER_GONE_S,
    ) -> None:
        self.url = url
        self._tables = metadata.tables
        self._migrations = migrations
        self._writer_gone_ms = round(writer_gone_s * 1000)
        self._settings = {
            "search_path": url.schema,
            "application_name": f"cardrails {migrations.removesuffix('.migrations')}",
        }
        if power_safe:
            self._settings["synchronous_commit"] = "on"
        self._parts = {name: _Part(table) for name, table in self._tables.items()}
        self._commits: dict[tuple[str, ...], str] = {}
        self._queries: dict[tuple[Any, ...], str] = {}
        self._session: Any = None
        # A session does one thing at a time; somebody beside the loop may read while a turn is being committed.
        self._turn = anyio.Lock()

    async def load(self) -> Rows:
        """Open the database if it is not, bring it up to date, and return open rows.

        Raises
        ------
        StoreError
            It cannot be reached, refuses us, or another process writes this schema.
        ConfigError
            The node does not run on asyncio.
        """
        if self._session is None:
            self._session = await self._open()
        async with self._turn:
            try:
                async with self._session.transaction(isolation="repeatable_read", readonly=True):
                    return {name: await self._all(table) for name, table in self._tables.items() if is_loaded(table)}
            except _REFUSED as error:
                failure = self._failure("cannot be read", error)
        raise StoreError(failure)

    async def commit(self, stores: Stores) -> None:
        """Write all rows in one statement; suspends until the server has made it durable."""
        # In one order: the same tables are the same statement.
        names = tuple(sorted(name for name, rows in stores.items() if rows))
        if not names:
            return
        try:
            sql = self._commits.get(names)
            if sql is None:
                sql = self._commits[names] = _commit_sql([self._parts[name] for name in names])
            columns: list[Any] = []
            for name in names:
                columns += self._parts[name].columns(stores[name])
            # A node that is being stopped does not leave its last turn half sent.
            with anyio.CancelScope(shield=True):
                async with self._turn:
                    await self._session.execute(sql, *columns, timeout=COMMIT_TIMEOUT_S)
        except _REFUSED as error:
            failure = self._failure("commit refused", error)
        else:
            return
        raise StoreError(failure)

    async def find(self, find: Find) -> list[Row]:
        """Return rows by an indexed look-up."""
        table, values = self._tables[find.table], tuple(find.where.values())
        shape = (find.table, *find.where)
        sql = self._queries.get(shape)
        if sql is None:
            where = {name: (value,) for name, value in find.where.items()}
            sql = self._queries[shape] = select_sql(table, where, _DIALECT, f"${len(where) + 1}")
        try:
            async with self._turn:
                found = await self._session.fetch(sql, *values, find.limit, timeout=COMMIT_TIMEOUT_S)
        except _REFUSED as error:
            failure = self._failure("cannot be read", error)
        else:
            return [tuple(record) for record in reversed(found)]
        raise StoreError(failure)

    async def aclose(self) -> None:
        """End the session, and the lock with it; a second time changes nothing."""
        session, self._session = self._session, None
        if session is not None and not session.is_closed():
            try:
                await session.close(timeout=CONNECT_TIMEOUT_S)
            except _REFUSED:
                session.terminate()

    async def _open(self) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            loop = "trio"
        else:
            loop = "asyncio"
        if loop != "asyncio":
            raise ConfigError("topology", "database", self.url.shown, "needs a node that runs on asyncio")
        session: Any = None
        problem = "not opened"
        try:
            session = await self._connect()
            await self._lock(session)
            await upgrade_postgres(session, self._connect, self._migrations, self._tables.values())
            problem = ""
        except asyncpg.LockNotAvailableError:
            problem = f"{self.url.shown}: another process is writing this database"
        except asyncpg.PostgresError as error:
            # The server's own words: they name a user, a database or a rule, never a password.
            problem = f"{self.url.shown}: {error}"
        except _REFUSED as error:
            problem = self._failure("cannot be opened", error)
        else:
            return session
        finally:
            if problem and session is not None:
                session.terminate()
        raise StoreError(problem)

    async def _connect(self, **_: Any) -> Any:
        return await asyncpg.connect(self.url.dsn, timeout=CONNECT_TIMEOUT_S, server_settings=self._settings)

    async def _lock(self, session: Any) -> None:
        await session.execute(f"SET lock_timeout = {self._writer_gone_ms}")
        await session.execute("SELECT pg_advisory_lock($1)", _lock_number(self.url.schema))
        await session.execute("SET lock_timeout = 0")
        await session.execute(f"CREATE SCHEMA IF NOT EXISTS {self.url.schema}")

    async def _all(self, table: Table) -> list[Row]:
        """Return open rows, a chunk at a time: drivers' records need not be in memory all at once."""
        where = open_filter(table)
        sql = select_sql(table, where, _DIALECT)
        gathered = Sharing(table)
        cursor = await self._session.cursor(sql, *[value for values in where.values() for value in values])
        while records := await cursor.fetch(CHUNK_ROWS):
            gathered.add(records)
        return gathered.rows

    def _failure(self, what: str, error: BaseException) -> str:
        """Say what failed without the error's own words, which may quote rows."""
        return f"{self.url.shown}: {what}: {type(error).__name__}"


class _Part:
    """How one table takes part in a commit."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.width = len(table.columns)
        self._key = None if table.info.get("append_only") else key_of(table)

    def columns(self, rows: Sequence[Row]) -> Sequence[Sequence[Any]]:
        """Return rows as columns; of rows with one key only the last: a statement cannot replace its own rows."""
        if self._key is not None:
            rows = last_words(rows, self._key)
        columns = list(zip(*rows, strict=True))
        if len(columns) != self.width:
            raise ValueError("a row of another length than its table")
        return columns

    def sql(self, first: int) -> str:
        """Return the INSERT whose parameters begin at number `first`."""
        quote = _DIALECT.identifier_preparer
        names = [quote.format_column(column) for column in self.table.columns]
        arrays = [
            f"${number}::{column.type.compile(_DIALECT)}[]"
            for number, column in enumerate(self.table.columns, start=first)
        ]
        into = f"{quote.format_table(self.table)} ({', '.join(names)})"
        sql = f"INSERT INTO {into} SELECT * FROM unnest({', '.join(arrays)})"
        if self._key is None:
            return sql
        key = [quote.format_column(column) for column in self.table.primary_key]
        values = [name for name in names if name not in key]
        change = f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in values)}" if values else "NOTHING"
        return f"{sql} ON CONFLICT ({', '.join(key)}) DO {change}"


def _commit_sql(parts: Sequence[_Part]) -> str:
    """Return one statement for the tables of a turn."""
    first, inserts = 1, []
    for number, part in enumerate(parts):
        inserts.append(f"t{number} AS ({part.sql(first)})")
        first += part.width
    return f"WITH {', '.join(inserts)} SELECT 1"


def _lock_number(schema: str) -> int:
    """Return the number of a schema's advisory lock; such locks are a database's own."""
    return int.from_bytes(sha256(f"cardrails journal {schema}".encode()).digest()[:8], "big", signed=True)
