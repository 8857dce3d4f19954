"""A bank's books as they are read without its node: in its file, or on a database server.

Either way it is one snapshot. Nothing is written, no lock is taken, and a running node is not disturbed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from iso.errors import CardrailsError, ConfigError
from node.database_url import DatabaseUrl


class BooksError(CardrailsError):
    """A file, or a schema of a server, cannot be read as a bank's books."""


class Books(Protocol):
    """One snapshot of a bank's tables.

    Attributes
    ----------
    place
        Where they are, as it may be shown.
    """

    place: str

    def columns(self, table: str) -> set[str]:
        """Return the columns of a table; none if there is no such table."""

    def read(self, query: str) -> Iterator[Sequence[Any]]:
        """Yield the rows of a query; they are never in memory all at once.

        Raises
        ------
        BooksError
            They cannot be read.
        """


@contextmanager
def open_books(place: Path | DatabaseUrl) -> Iterator[Books]:
    """Open the books in a file, or in a schema of a database server.

    Raises
    ------
    BooksError
        There is no database, or it does not let us in.
    ConfigError
        They are on a server, and the driver is not installed.
    """
    if isinstance(place, Path):
        with closing(_open(place)) as database:
            database.execute("BEGIN")
            yield _FileBooks(place, database)
        return
    try:
        from emulator.ledger_server import open_server
    except ImportError:
        rule = "needs the driver: pip install 'cardrails[postgresql]'"
        raise ConfigError("topology", "database", place.shown, rule) from None
    with open_server(place) as books:
        yield books


class _FileBooks:
    """Books in a SQLite file."""

    def __init__(self, file: Path, database: sqlite3.Connection) -> None:
        self.place = str(file)
        self._database = database

    def columns(self, table: str) -> set[str]:
        return {column[1] for column in self.read(f"PRAGMA table_info({table})")}

    def read(self, query: str) -> Iterator[Sequence[Any]]:
        try:
            yield from self._database.execute(query)
        except sqlite3.Error as error:
            failure = f"{self.place}: cannot be read: {type(error).__name__}"
        else:
            return
        raise BooksError(failure)


def _open(file: Path) -> sqlite3.Connection:
    """Open a file for reading.

    Beside a file that a node has open lies its write-ahead log, whose end is read too; without one nobody writes, and
    the file is taken as it lies, so that nothing appears beside it.
    """
    mode = "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "immutable=1"
    try:
        database = sqlite3.connect(f"{file.resolve().as_uri()}?{mode}", uri=True, isolation_level=None)
        try:
            database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except sqlite3.Error:
            database.close()
            raise
    except sqlite3.Error:
        failure = f"{file}: cannot be read as a database"
    else:
        return database
    raise BooksError(failure)
