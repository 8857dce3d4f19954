"""The kept messages of one node: a SQLite file of its own, or memory, with one contract.

Rows hold masked wire bytes and key columns; a message is decoded when it is read. The file is no part of a node's
truth: losing it loses history, never money. So it is written apart from the turns' journal, a file of another layout is
begun anew instead of migrated, and rows are written in groups: their key columns as one JSON text, their bytes as one
blob. Each column of a table costs every message something (a row by itself 4 us, in a group 1), and there are searches
once in a while: SQLite finds the groups in whose text a value stands, and only those are read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from pydantic_core import from_json, to_json

from node.history_file import HistoryFile

LAYOUT = 2
"""Of the file; another one is begun anew."""
LIMIT_MAX = 10_000
"""Messages that one query returns at most."""
PACKED = 64
"""Rows of a group at most."""

Direction = Literal["in", "out", "note"]


class MessageRow(NamedTuple):
    """One message, or one remark, at a link of a node.

    Attributes
    ----------
    at
        Business time, microseconds since 1970 UTC.
    mti, stan, transmitted, acquirer, terminal, rrn, code, amount, currency
        MTI and DE 11, 7, 32, 41, 37, 39, 4, 49 as they stand on the wire; "" where absent. A remark has at most `stan`.
    trace
        DE 48.13 of the message, or of the request that it answers.
    latency_us
        Of a response: microseconds since its request crossed the same link the other way.
    kind, detail
        Of a remark; of a message that does not decode, `detail` is a masked window of its bytes.
    length
        Bytes on the wire, without the length prefix.
    frame
        The masked bytes; empty if they do not decode.
    """

    sequence: int
    at: int
    link: str
    direction: Direction
    connection: int
    dialect: str
    mti: str
    stan: str
    transmitted: str
    acquirer: str
    terminal: str
    rrn: str
    code: str
    amount: str
    currency: str
    trace: str
    latency_us: int | None
    kind: str
    detail: str
    length: int
    frame: bytes


class Query(NamedTuple):
    """Which messages are wanted; what is None does not matter.

    Attributes
    ----------
    after
        Only sequences above this.
    limit
        How many at most: the oldest, or the newest if `newest` is set; in either case oldest first.
    since, until
        Business time, microseconds since 1970 UTC, both inclusive.
    """

    after: int = 0
    limit: int = 1000
    newest: bool = False
    rrn: str | None = None
    stan: str | None = None
    trace: str | None = None
    mti: str | None = None
    link: str | None = None
    direction: str | None = None
    since: int | None = None
    until: int | None = None


class Retention(NamedTuple):
    """What is kept: the newest `rows` that are no older than `age_us` microseconds of business time."""

    rows: int = 100_000
    age_us: int = 7 * 86_400 * 1_000_000


_EQUAL = ("rrn", "stan", "trace", "mti", "link", "direction")
_TABLE = (
    "CREATE TABLE packs (last INTEGER PRIMARY KEY, first INTEGER, at INTEGER, columns TEXT NOT NULL, "
    "frames BLOB NOT NULL)"
)
"""Sequences of a group's rows and `at` of the last one; its rows without their frames, each with its frame's length;
and all frames."""
_INSERT = "INSERT INTO packs VALUES (?, ?, ?, ?, ?)"
_record = tuple.__new__
"""Makes a named tuple at half the price of calling its class."""


class MessageStore(Protocol):
    """Rows in the order of their sequence, oldest dropped by retention."""

    @property
    def last(self) -> int:
        """The newest sequence that is kept; 0 if there is none."""

    def append(self, rows: Sequence[MessageRow]) -> None:
        """Keep rows together, and drop what retention no longer covers."""

    def find(self, query: Query) -> list[MessageRow]:
        """Return the rows that a query asks for, oldest first."""

    def close(self) -> None:
        """Let go of what holds them; a second time changes nothing."""


class MemoryMessages:
    """Messages without a disk."""

    def __init__(self, retention: Retention | None = None) -> None:
        self.retention = retention or Retention()
        self._rows: deque[MessageRow] = deque(maxlen=self.retention.rows)

    @property
    def last(self) -> int:
        """The newest sequence that is kept; 0 if there is none."""
        return self._rows[-1].sequence if self._rows else 0

    def append(self, rows: Sequence[MessageRow]) -> None:
        """Keep rows together, and drop what retention no longer covers."""
        kept = self._rows
        kept.extend(rows)
        while kept and kept[0].at < kept[-1].at - self.retention.age_us:
            kept.popleft()

    def find(self, query: Query) -> list[MessageRow]:
        """Return the rows that a query asks for, oldest first."""
        return _asked_for(query, reversed(self._rows) if query.newest else self._rows)

    def close(self) -> None:
        """Do nothing: there is no file."""


class SqliteMessages:
    """Messages in one SQLite file.

    Parameters
    ----------
    path
        The file, which a lock keeps every other writer out of.
    retention
        What is kept.

    Raises
    ------
    StoreError
        Another process writes this file.
    """

    def __init__(self, path: Path, retention: Retention | None = None) -> None:
        self.retention = retention or Retention()
        self._file = HistoryFile(path, LAYOUT, _TABLE)
        self._database = self._file.database
        try:
            newest = self._database.execute("SELECT last, at FROM packs ORDER BY last DESC LIMIT 1").fetchone()
        except BaseException:
            self._file.close()
            raise
        self._last: int
        self._last_at: int
        self._last, self._last_at = newest or (0, 0)

    @property
    def last(self) -> int:
        """The newest sequence that is kept; 0 if there is none."""
        return self._last

    def append(self, rows: Sequence[MessageRow]) -> None:
        """Keep rows in one transaction, and drop what retention no longer covers.

        Raises
        ------
        sqlite3.Error
            The file cannot be written; nothing was kept.
        """
        if not rows:
            return
        newest = rows[-1]
        with self._file.transaction() as database:
            database.executemany(_INSERT, [_packed(rows[at : at + PACKED]) for at in range(0, len(rows), PACKED)])
            # Business time never runs backwards, so the groups that are too old are the first ones.
            young = database.execute(
                "SELECT first FROM packs WHERE at >= ? ORDER BY last LIMIT 1", (newest.at - self.retention.age_us,)
            ).fetchone()
            oldest = max(newest.sequence - self.retention.rows + 1, young[0])
            database.execute("DELETE FROM packs WHERE last < ?", (oldest,))
        self._last, self._last_at = newest.sequence, newest.at

    def find(self, query: Query) -> list[MessageRow]:
        """Return the rows that a query asks for, oldest first."""
        # Of the oldest group some rows may be too old already.
        after = max(query.after, self._last - self.retention.rows)
        since = max(query.since or 0, self._last_at - self.retention.age_us)
        query = query._replace(after=after, since=since)
        return _asked_for(query, self._rows(query))

    def _rows(self, query: Query) -> Iterator[MessageRow]:
        """Yield the rows of all groups that may have what a query asks for, in its order."""
        conditions, values = ["last > ?", "at >= ?"], list[Any]((query.after, query.since))
        for name in _EQUAL:
            wanted = getattr(query, name)
            if wanted is not None:
                conditions.append("instr(columns, ?)")
                values.append(to_json(wanted).decode())
        order = "DESC" if query.newest else "ASC"
        sql = f"SELECT columns, frames FROM packs WHERE {' AND '.join(conditions)} ORDER BY last {order}"
        for columns, frames in self._database.execute(sql, values):
            rows = _unpacked(columns, frames)
            yield from reversed(rows) if query.newest else rows

    def close(self) -> None:
        """Let go of the file; a second time changes nothing."""
        self._file.close()


def _asked_for(query: Query, rows: Iterable[MessageRow]) -> list[MessageRow]:
    """Return what a query asks for of rows in its order, oldest first."""
    wanted = [(name, value) for name in _EQUAL if (value := getattr(query, name)) is not None]
    since, until = query.since or 0, query.until if query.until is not None else inf
    found = (
        row
        for row in rows
        if row.sequence > query.after
        and since <= row.at <= until
        and all(getattr(row, name) == value for name, value in wanted)
    )
    chosen = list(islice(found, min(query.limit, LIMIT_MAX)))
    return chosen[::-1] if query.newest else chosen


def _packed(rows: Sequence[MessageRow]) -> tuple[int, int, int, str, bytes]:
    """Return the group of some rows, as its table has it."""
    last, frames = rows[-1], [row.frame for row in rows]
    columns = to_json([(*row[:-1], len(row.frame)) for row in rows]).decode()
    return last.sequence, rows[0].sequence, last.at, columns, b"".join(frames)


def _unpacked(columns: str, frames: bytes) -> list[MessageRow]:
    """Return the rows of a group."""
    rows, end = [], 0
    for *values, length in from_json(columns):
        start, end = end, end + length
        rows.append(_record(MessageRow, (*values, frames[start:end])))
    return rows
