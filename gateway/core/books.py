"""The store port: what the gateway asks of whatever keeps its rows.

A unit of work is a plain function of `Books`. It may be run again from the start if a neighbour in the same transaction
failed, so it must touch nothing but the books and what it was handed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from gateway.core.records import Charge, Obligation, Record
from gateway.core.search import Query
from iso.errors import CardrailsError

R = TypeVar("R", bound=Record)
T = TypeVar("T")

KEYS: dict[str, tuple[str, ...]] = {
    "Customer": ("id",),
    "Method": ("id",),
    "Intent": ("id",),
    "Charge": ("id",),
    "SendRecord": ("id",),
    "Obligation": ("send",),
    "Claim": ("account", "key"),
    "Terminal": ("terminal",),
    "Event": ("id",),
    "AccountRow": ("id",),
    "ApiKey": ("id",),
    "Refund": ("id",),
    "BalanceTransaction": ("id",),
    "Token": ("id",),
    "SetupIntent": ("id",),
    "SetupAttempt": ("id",),
}
"""Primary key of each kind of record."""


class Conflict(CardrailsError):
    """A row with this key exists already: somebody else was first."""


class Span(NamedTuple):
    """Which part of a list: `created` bounds are inclusive Unix seconds, `after` / `before` are ids.

    `before` lists towards newer rows, `after` towards older ones; the page is always newest first.
    """

    limit: int = 10
    after: str | None = None
    before: str | None = None
    created_from: int | None = None
    created_to: int | None = None


SCAN_MAX = 20_000
"""Rows of an account that one search looks at before it lets others have the store."""


class Found(NamedTuple, Generic[R]):
    """What one step of a search found: rows with their places, newest first, and where it stopped.

    `below` is the place below which to go on; None if there is nothing older.
    """

    rows: list[tuple[int, R]]
    below: int | None


class Books(Protocol):
    """The rows, within one transaction."""

    def get(self, kind: type[R], *key: str) -> R | None:
        """Return the row with this primary key."""

    def add(self, record: Record) -> None:
        """Insert a row; Conflict if its key exists."""

    def put(self, record: Record) -> None:
        """Replace the row with this record's key."""

    def find(self, kind: type[R], where: Mapping[str, Any]) -> list[R]:
        """Return all rows whose columns equal the given values, oldest first."""

    def page(self, kind: type[R], where: Mapping[str, Any], span: Span) -> list[R]:
        """Return at most `span.limit` rows, newest first. A cursor that names no row gives the empty list.

        One value of `where` may be a tuple: any of them will do. A page that is bounded by time goes by time, and
        within a second by the order of insertion; any other goes by the order of insertion alone.
        """

    def search(self, kind: type[R], where: Mapping[str, Any], query: Query, below: int | None, limit: int) -> Found[R]:
        """Return at most `limit` rows that fit both `where` and `query`, older than the place `below`.

        It looks at `SCAN_MAX` rows that fit `where` at most, so that it may find less than there is.
        """

    def forget_claims(self, before: int, limit: int) -> int:
        """Delete at most `limit` answered claims made before `before` (Unix microseconds); return how many."""

    def due(self, now: int, limit: int) -> list[Obligation]:
        """Return open obligations that are due and not leased at `now` (Unix microseconds), the longest due first.

        Of each charge only the oldest open one counts: the others wait for it.
        """

    def expiring(self, now: int, limit: int) -> list[Charge]:
        """Return charges of which something is held and whose `expires_at` is not after `now` (Unix seconds)."""


class Store(Protocol):
    """Runs units of work."""

    async def write(self, work: Callable[[Books], T]) -> T:
        """Run `work` in a transaction; return its result once that is durable.

        An exception of `work` undoes what it did and is raised here; other units of work do not notice.
        """

    async def read(self, work: Callable[[Books], T]) -> T:
        """Run `work`, which only reads, on committed rows."""

    async def aclose(self) -> None:
        """Let go of the rows."""
