"""The store port without a disk: for tests, simulations and gateways that are thrown away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.core.books import KEYS, Books, Conflict, R, Span, T
from gateway.core.records import Obligation, Record
from node.core.duty import OPEN

_Key = tuple[Any, ...]
_Rows = dict[_Key, Record]


class MemoryBooks:
    """Rows in dicts, in the order in which they were inserted; every change can be taken back."""

    def __init__(self) -> None:
        self.rows: dict[str, _Rows] = {kind: {} for kind in KEYS}
        self._undo: list[tuple[str, _Key, Record | None]] = []

    def get(self, kind: type[R], *key: str) -> R | None:
        """Return the row with this primary key."""
        return self.rows[kind.__name__].get(key)  # type: ignore[return-value]

    def add(self, record: Record) -> None:
        """Insert a row; Conflict if its key exists."""
        kind, key = _key(record)
        if key in self.rows[kind]:
            raise Conflict(f"{kind}: the key exists")
        self._set(kind, key, record)

    def put(self, record: Record) -> None:
        """Insert or replace a row."""
        self._set(*_key(record), record)

    def find(self, kind: type[R], where: Mapping[str, Any]) -> list[R]:
        """Return all matching rows, oldest first."""
        rows: list[R] = list(self.rows[kind.__name__].values())  # type: ignore[arg-type]
        return [row for row in rows if all(getattr(row, name) == value for name, value in where.items())]

    def page(self, kind: type[R], where: Mapping[str, Any], span: Span) -> list[R]:
        """Return at most `span.limit` rows, newest first."""
        cursor = span.after or span.before
        names: list[Any] = [row[0] for row in self.rows[kind.__name__].values()]
        if cursor is not None and cursor not in names:
            return []
        place = {name: index for index, name in enumerate(names)}
        at = place[cursor] if cursor else 0
        rows: list[R] = []
        for row in self.find(kind, where):
            created = getattr(row, "created")  # noqa: B009 - not every record has it, those of lists do
            if span.created_from is not None and created < span.created_from:
                continue
            if span.created_to is not None and created > span.created_to:
                continue
            if (span.after and place[row[0]] >= at) or (span.before and place[row[0]] <= at):
                continue
            rows.append(row)
        return rows[: span.limit][::-1] if span.before else rows[::-1][: span.limit]

    def due(self, now: int, limit: int) -> list[Obligation]:
        """Return open obligations that are due and free at `now`."""
        rows = [
            row
            for row in self.find(Obligation, {"state": OPEN})
            if row.due_at <= now and (row.leased_until is None or row.leased_until <= now)
        ]
        return sorted(rows, key=lambda row: row.due_at)[:limit]

    def _set(self, kind: str, key: _Key, record: Record) -> None:
        self._undo.append((kind, key, self.rows[kind].get(key)))
        self.rows[kind][key] = record

    def _keep(self) -> None:
        self._undo.clear()

    def _take_back(self) -> None:
        for kind, key, before in reversed(self._undo):
            if before is None:
                del self.rows[kind][key]
            else:
                self.rows[kind][key] = before
        self._undo.clear()


class MemoryStore:
    """Runs units of work on dicts. It never suspends, so that handlers can be stepped without an event loop."""

    def __init__(self) -> None:
        self.books = MemoryBooks()

    async def write(self, work: Callable[[Books], T]) -> T:
        """Run `work`; an exception undoes it."""
        try:
            result = work(self.books)
        except BaseException:
            self.books._take_back()
            raise
        self.books._keep()
        return result

    async def read(self, work: Callable[[Books], T]) -> T:
        """Run `work`, which only reads."""
        return work(self.books)

    async def aclose(self) -> None:
        """Do nothing: there is no file."""


def _key(record: Record) -> tuple[str, _Key]:
    kind = type(record).__name__
    return kind, tuple(getattr(record, name) for name in KEYS[kind])
