"""A bank's books in one schema of a PostgreSQL database, read in a session of our own.

The bank's own session goes on meanwhile: one read-only transaction sees its rows as they were when it began. An audit
reads from top to bottom, so the driver's loop runs only while it waits for the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from emulator.ledger_sources import BooksError
from node.database_url import DatabaseUrl
from node.journal_postgres import CONNECT_TIMEOUT_S
from node.journal_rows import CHUNK_ROWS

_BROKEN = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, KeyError, ValueError)


@contextmanager
def open_server(url: DatabaseUrl) -> Iterator[ServerBooks]:
    """Open a session on a schema, and its snapshot.

    Raises
    ------
    BooksError
        The server cannot be reached or refuses us.
    """
    with asyncio.Runner() as runner:
        books = ServerBooks(url, runner)
        try:
            books.begin()
            yield books
        finally:
            books.close()


class ServerBooks:
    """Books in one schema of a PostgreSQL database; see `emulator.ledger_sources.Books`."""

    def __init__(self, url: DatabaseUrl, runner: asyncio.Runner) -> None:
        self.place = url.shown
        self._url = url
        self._runner = runner
        self._session: Any = None

    def begin(self) -> None:
        """Connect, and take the snapshot."""
        settings = {"search_path": self._url.schema, "application_name": "cardrails ledger verify"}
        connecting = asyncpg.connect(self._url.dsn, timeout=CONNECT_TIMEOUT_S, server_settings=settings)
        self._session = self._wait(connecting)
        self._wait(self._session.transaction(isolation="repeatable_read", readonly=True).start())

    def close(self) -> None:
        """End the session, and the snapshot with it."""
        if self._session is None:
            return
        try:
            self._wait(self._session.close(timeout=CONNECT_TIMEOUT_S))
        except BooksError:
            self._session.terminate()

    def columns(self, table: str) -> set[str]:
        """Return the columns of a table; none if there is no such table."""
        where = f"table_schema = '{self._url.schema}' AND table_name = '{table}'"
        return {str(name) for (name,) in self.read(f"SELECT column_name FROM information_schema.columns WHERE {where}")}

    def read(self, query: str) -> Iterator[Sequence[Any]]:
        """Yield the rows of a query, a chunk at a time."""
        cursor = self._wait(self._session.cursor(query))
        while records := self._wait(cursor.fetch(CHUNK_ROWS)):
            yield from records

    def _wait(self, answer: Awaitable[Any]) -> Any:
        try:
            return self._runner.run(_answered(answer))
        except asyncpg.PostgresError as error:
            # The server's own words: they name a user, a database or a rule, never a password.
            failure = f"{self.place}: {error}"
        except _BROKEN as error:
            failure = f"{self.place}: cannot be read: {type(error).__name__}"
        raise BooksError(failure)


async def _answered(answer: Awaitable[Any]) -> Any:
    return await answer
