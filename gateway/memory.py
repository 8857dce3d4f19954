"""The store port without a disk: for tests, simulations and gateways that are thrown away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.core.books import KEYS, SCAN_MAX, Books, Conflict, Found, R, Span, T
from gateway.core.records import Charge, Claim, Obligation, Record
from gateway.core.search import Query, matches
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
        return [row for row in rows if all(_fits(getattr(row, name), wanted) for name, wanted in where.items())]

    def page(self, kind: type[R], where: Mapping[str, Any], span: Span) -> list[R]:
        """Return at most `span.limit` rows, newest first."""
        is_timed = span.created_from is not None or span.created_to is not None
        places = {row[0]: index for index, row in enumerate(self.rows[kind.__name__].values())}

        def place(row: Any) -> tuple[int, int]:
            return row.created if is_timed else 0, places[row[0]]

        cursor = span.after or span.before
        if cursor is not None and cursor not in places:
            return []
        at = None if cursor is None else place(self.rows[kind.__name__][cursor,])
        rows: list[R] = []
        for row in sorted(self.find(kind, where), key=place):
            created = getattr(row, "created")  # noqa: B009 - not every record has it, those of lists do
            if span.created_from is not None and created < span.created_from:
                continue
            if span.created_to is not None and created > span.created_to:
                continue
            if at is not None and (place(row) >= at if span.after else place(row) <= at):
                continue
            rows.append(row)
        return rows[: span.limit][::-1] if span.before else rows[::-1][: span.limit]

    def search(self, kind: type[R], where: Mapping[str, Any], query: Query, below: int | None, limit: int) -> Found[R]:
        """Return rows that a query asks for, newest first."""
        fitting = set(self.find(kind, where))
        numbered: list[tuple[int, Any]] = list(enumerate(self.rows[kind.__name__].values(), 1))
        stretch = [(number, row) for number, row in reversed(numbered) if row in fitting]
        stretch = [(number, row) for number, row in stretch if below is None or number < below]
        found = [(number, row) for number, row in stretch[:SCAN_MAX] if matches(query, row)][:limit]
        if len(found) == limit:
            return Found(found, found[-1][0])
        return Found(found, stretch[SCAN_MAX - 1][0] if len(stretch) >= SCAN_MAX else None)

    def forget_claims(self, before: int, limit: int) -> int:
        """Delete old claims that have their answer."""
        old = [row for row in self.find(Claim, {}) if row.claimed_at < before and row.status]
        chosen = sorted(old, key=lambda row: row.claimed_at)[:limit]
        for row in chosen:
            kind, key = _key(row)
            self._undo.append((kind, key, self.rows[kind].pop(key)))
        return len(chosen)

    def due(self, now: int, limit: int) -> list[Obligation]:
        """Return open obligations that are due and free at `now`."""
        first: dict[str, Obligation] = {}
        for row in self.find(Obligation, {"state": OPEN}):
            first.setdefault(row.charge, row)
        rows = [
            row for row in first.values() if row.due_at <= now and (row.leased_until is None or row.leased_until <= now)
        ]
        return sorted(rows, key=lambda row: row.due_at)[:limit]

    def expiring(self, now: int, limit: int) -> list[Charge]:
        """Return charges whose hold is over at `now`."""
        rows = [row for row in self.find(Charge, {}) if row.expires_at is not None and row.expires_at <= now]
        return sorted(rows, key=lambda row: row.expires_at or 0)[:limit]

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


def _fits(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, tuple) else bool(value == wanted)


def _key(record: Record) -> tuple[str, _Key]:
    kind = type(record).__name__
    return kind, tuple(getattr(record, name) for name in KEYS[kind])
