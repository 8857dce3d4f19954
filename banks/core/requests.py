"""What an issuer knows about a request that it has taken: its row, and its working copy in memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

REQUESTS, TOMBSTONES, COUNTERS = "requests", "tombstones", "counters"

DECIDING = "deciding"
"""In memory only: a decision that did not become durable was never taken."""
APPROVED, DECLINED, REVERSED, TAKEN = "approved", "declined", "reversed", "taken"
"""`taken`: a reversal or an advice that changed nothing."""


class RequestRow(NamedTuple):
    """One request with the answer it got. Neither PAN nor CVV2 nor cryptogram is in it.

    Attributes
    ----------
    key
        Business key, primary key.
    own
        Name by DE 32, 11 and 7.
    payment
        Name by DE 32, 37 and 41; "" without DE 37.
    original
        For an advice: the name of the request it is about; else "".
    reason
        Name of a `Reason`, or what was done.
    hold
        Identifier of its hold, or "".
    """

    key: str
    sequence: int
    mti: str
    own: str
    payment: str
    original: str
    card: str
    account: str
    amount_minor: int
    currency: str
    state: str
    code: str
    reason: str
    authorisation_code: str
    cvv2_result: str
    hold: str
    at: str


class TombstoneRow(NamedTuple):
    """The name of a request whose reversal or advice came before it: if it ever arrives, it is declined."""

    name: str
    at: str


class CounterRow(NamedTuple):
    """A number that never goes back."""

    name: str
    value: int


class TakenRequest:
    """A request at work, or settled and still remembered."""

    __slots__ = ("pinned", "row", "waiters")

    def __init__(self, row: RequestRow) -> None:
        self.row = row
        self.pinned: list[TakenRequest] = []
        """Requests that this one is about, kept in memory until it is settled."""
        self.waiters: list[Hashable] = []
        """Conversations of repeats that wait for this one's decision."""

    @property
    def key(self) -> str:
        """Its business key."""
        return self.row.key

    @property
    def is_deciding(self) -> bool:
        """Whether its answer is not known yet."""
        return self.row.state == DECIDING

    def names(self) -> Iterable[str]:
        """Return the names by which other messages refer to it."""
        return {name for name in (self.row.own, self.row.payment, self.row.original) if name}


def authorisation_code(number: int) -> str:
    """Return DE 38 for the nth approval: six digits that repeat only after a million approvals.

    Examples
    --------
    >>> authorisation_code(1), authorisation_code(2)
    ('487420', '874841')
    """
    # Odd and not a multiple of five, so coprime to a million: every value comes once per million.
    return f"{(number * 387_421 + 99_999) % 1_000_000:06d}"
