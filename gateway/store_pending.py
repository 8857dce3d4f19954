"""The rows of one transaction, written together at its end.

A payment's row is made, confirmed and described by several functions of one transaction. Here it is read at most once,
and it is written once: new rows of a table by one statement, and of a row that was read only what has changed, so that
no index is rewritten for a value that stays. Whoever asks for more than a row by its key is asked of the file, so what
is still to be written of that table goes there first.

That a row cannot be kept, because its key exists or for any other reason, is noticed only then. The store runs the
units of work again, each alone on `SqlBooks`, which says at once whose row it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeAlias, cast

from sqlalchemy import Connection, Dialect, bindparam, update

from gateway.core.books import KEYS, Conflict, Found, R, Span
from gateway.core.records import Charge, Claim, Obligation, Record
from gateway.core.search import Query
from gateway.store_books import SqlBooks, Statement, statements
from gateway.store_tables import TABLES

_Key: TypeAlias = tuple[str, ...]


class UnwrittenError(Exception):
    """A row could not be written: the transaction must be undone, and its units of work run again on `SqlBooks`."""


@cache
def _place_of_key(kind: Any) -> slice:
    names: tuple[str, ...] = KEYS[kind.__name__]
    first = kind._fields.index(names[0])
    place = slice(first, first + len(names))
    assert kind._fields[place] == names, "the parts of a key stand together"
    return place


@cache
def _changing(kind: Any, places: tuple[int, ...], dialect: Dialect) -> Statement:
    """Compile the change of some columns of a row."""
    table = TABLES[kind]
    own_row = [table.columns[name] == bindparam(f"key_{name}") for name in KEYS[kind.__name__]]
    changed: dict[str, Any] = {kind._fields[place]: bindparam(kind._fields[place]) for place in places}
    return Statement(update(table).where(*own_row).values(changed), dialect, kind)


class PendingBooks(SqlBooks):
    """The rows as the units of work of one transaction see them; `flush` before its commit."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._seen: defaultdict[type, dict[_Key, Any]] = defaultdict(dict)
        self._added: defaultdict[type, dict[_Key, Any]] = defaultdict(dict)
        # The rows that were read and put, as the file has them.
        self._before: defaultdict[type, dict[_Key, Any]] = defaultdict(dict)

    def get(self, kind: type[R], *key: str) -> R | None:
        """Return the row with this primary key."""
        rows = self._seen[kind]
        if key not in rows:
            rows[key] = super().get(kind, *key)
        return cast("R | None", rows[key])

    def add(self, record: Record) -> None:
        """Insert a row; Conflict now if its key was read and exists, at the end if nobody read it."""
        kind, key = type(record), key_of(record)
        rows = self._seen[kind]
        if rows.get(key) is not None:
            raise Conflict(f"{kind.__name__}: the key exists")
        self.writes += 1
        rows[key] = self._added[kind][key] = record

    def put(self, record: Record) -> None:
        """Insert or replace a row."""
        kind, key = type(record), key_of(record)
        rows, added = self._seen[kind], self._added[kind]
        if key not in rows:
            # Nobody has read it: only the file knows whether it is a new row, and then it stands behind the others.
            self._write(kind)
            super().put(record)
        else:
            self.writes += 1
            if key in added or rows[key] is None:
                added[key] = record
            else:
                self._before[kind].setdefault(key, rows[key])
        rows[key] = record

    def find(self, kind: type[R], where: Mapping[str, Any]) -> list[R]:
        """Return all matching rows, oldest first."""
        self._write(kind)
        return super().find(kind, where)

    def page(self, kind: type[R], where: Mapping[str, Any], span: Span) -> list[R]:
        """Return at most `span.limit` rows, newest first."""
        self._write(kind)
        return super().page(kind, where, span)

    def search(self, kind: type[R], where: Mapping[str, Any], query: Query, below: int | None, limit: int) -> Found[R]:
        """Return rows that a query asks for, newest first."""
        self._write(kind)
        return super().search(kind, where, query, below, limit)

    def forget_claims(self, before: int, limit: int) -> int:
        """Delete old claims that have their answer."""
        self._write(Claim)
        self._seen[Claim].clear()
        return super().forget_claims(before, limit)

    def due(self, now: int, limit: int) -> list[Obligation]:
        """Return open obligations that are due and free at `now`."""
        self._write(Obligation)
        return super().due(now, limit)

    def expiring(self, now: int, limit: int) -> list[Charge]:
        """Return charges whose hold is over at `now`."""
        self._write(Charge)
        return super().expiring(now, limit)

    def flush(self) -> None:
        """Write what is still to be written.

        Raises
        ------
        UnwrittenError
            A row cannot be kept.
        """
        for kind in dict.fromkeys((*self._added, *self._before)):
            self._write(kind)

    def _write(self, kind: Any) -> None:
        try:
            self._tell(kind)
        except Exception:
            is_written = False
        else:
            is_written = True
        if not is_written:
            # Raised here: the driver's error carries the row, and it may be of another unit of work.
            raise UnwrittenError

    def _tell(self, kind: Any) -> None:
        if added := self._added[kind]:
            statement = statements(kind, self._dialect).add
            self._cursor.executemany(statement.sql, [statement.pick(record) for record in added.values()])
            added.clear()
        if not (held := self._before[kind]):
            return
        rows = self._seen[kind]
        for key, before in held.items():
            if places := _changed(before, rows[key]):
                statement = _changing(kind, places, self._dialect)
                self._cursor.execute(statement.sql, statement.pick(rows[key]))
        held.clear()


def key_of(record: Record) -> _Key:
    """Return the parts of a row's primary key."""
    return cast("_Key", record[_place_of_key(cast("Any", type(record)))])


def _changed(before: Record, after: Record) -> tuple[int, ...]:
    return tuple([place for place, value in enumerate(after) if value != before[place]])
