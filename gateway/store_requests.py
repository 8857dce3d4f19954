"""The request log's rows: a SQLite file of its own, or memory, with one contract.

It is history and no part of the gateway's truth, so it is apart from the payments' database, as messages are: a payment
never waits for it, a file of another layout is begun anew, and no column has an index: a write stays cheap, and a
search walks at most what is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gateway.core.request_rows import RequestRow
from node.history_file import HistoryFile

LAYOUT = 1
LIMIT_MAX = 500
"""Rows that one question returns at most."""
KEPT = 20_000

_NUMBERS = frozenset({"at", "took_us", "status"})
_COLUMNS = ", ".join(RequestRow._fields)
_TABLE = "CREATE TABLE requests (sequence INTEGER PRIMARY KEY, {})".format(
    ", ".join(f"{name} {'INTEGER' if name in _NUMBERS else 'TEXT'}" for name in RequestRow._fields[1:])
)
_INSERT = f"INSERT INTO requests ({_COLUMNS}) VALUES ({', '.join('?' * len(RequestRow._fields))})"
_EQUAL = ("id", "trace", "account", "method", "status", "subject")


class RequestQuery(NamedTuple):
    """Which requests are wanted, newest first; what is None does not matter. `below`: only sequences below this."""

    limit: int = 50
    below: int | None = None
    id: str | None = None
    trace: str | None = None
    account: str | None = None
    method: str | None = None
    status: int | None = None
    subject: str | None = None


class RequestStore(Protocol):
    """Rows in the order of their sequence, the oldest dropped."""

    @property
    def last(self) -> int:
        """The newest sequence that is kept; 0 if there is none."""

    def append(self, rows: Sequence[RequestRow]) -> None:
        """Keep rows together, and drop the oldest of those that are too many."""

    def find(self, query: RequestQuery) -> list[RequestRow]:
        """Return the rows that a query asks for, newest first."""

    def close(self) -> None:
        """Let go of what holds them."""


class MemoryRequests:
    """Rows without a disk."""

    def __init__(self, kept: int = KEPT) -> None:
        self._rows: deque[RequestRow] = deque(maxlen=kept)

    @property
    def last(self) -> int:
        """The newest sequence that is kept; 0 if there is none."""
        return self._rows[-1].sequence if self._rows else 0

    def append(self, rows: Sequence[RequestRow]) -> None:
        """Keep rows together, and drop the oldest of those that are too many."""
        self._rows.extend(rows)

    def find(self, query: RequestQuery) -> list[RequestRow]:
        """Return the rows that a query asks for, newest first."""
        wanted = _wanted(query)
        found = (
            row
            for row in reversed(self._rows)
            if (query.below is None or row.sequence < query.below)
            and all(getattr(row, name) == value for name, value in wanted.items())
        )
        return list(islice(found, min(query.limit, LIMIT_MAX)))

    def close(self) -> None:
        """Do nothing: there is no file."""


class SqliteRequests:
    """Rows in one SQLite file.

    Parameters
    ----------
    path
        The file, which a lock keeps every other writer out of.
    kept
        How many rows.

    Raises
    ------
    StoreError
        Another process writes this file.
    """

    def __init__(self, path: Path, kept: int = KEPT) -> None:
        self._kept = kept
        self._file = HistoryFile(path, LAYOUT, _TABLE)
        self._database = self._file.database

    @property
    def last(self) -> int:
        """The newest sequence that is kept; 0 if there is none."""
        (last,) = self._database.execute("SELECT max(sequence) FROM requests").fetchone()
        return last or 0

    def append(self, rows: Sequence[RequestRow]) -> None:
        """Keep rows in one transaction, and drop the oldest of those that are too many.

        Raises
        ------
        sqlite3.Error
            The file cannot be written; nothing was kept.
        """
        if not rows:
            return
        with self._file.transaction() as database:
            database.executemany(_INSERT, rows)
            database.execute("DELETE FROM requests WHERE sequence <= ?", (rows[-1].sequence - self._kept,))

    def find(self, query: RequestQuery) -> list[RequestRow]:
        """Return the rows that a query asks for, newest first."""
        conditions, values = ["1"], list[Any]()
        for name, value in _wanted(query).items():
            conditions.append(f"{name} = ?")
            values.append(value)
        if query.below is not None:
            conditions.append("sequence < ?")
            values.append(query.below)
        sql = f"SELECT {_COLUMNS} FROM requests WHERE {' AND '.join(conditions)} ORDER BY sequence DESC LIMIT ?"
        values.append(min(query.limit, LIMIT_MAX))
        return [RequestRow(*row) for row in self._database.execute(sql, values)]

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _wanted(query: RequestQuery) -> dict[str, Any]:
    return {name: value for name in _EQUAL if (value := getattr(query, name)) is not None}
