"""How a payment stands: what its messages together have authorised, taken and given back.

Messages of one payment come in any order and more than once, so nothing here is a running total: everything follows
from the rows of the payment, and the holds of its account are brought to what follows (`due_holds`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from banks.core.requests import CHARGE, CREDIT, HOLD, REVERSED, UNDO, RequestRow

_PERCENT = 100


class Standing(NamedTuple):
    """Sums over one payment, in minor units of its account's currency.

    Attributes
    ----------
    authorised_minor
        Approved and not taken back.
    completed_minor
        Taken by completions that stand.
    posted_minor
        Posted to the account, by whatever message.
    refunded_minor
        Given back by refunds that stand.
    is_final
        A completion that stands said that it is the last one.
    is_reversed
        It had been authorised, and all of that has been taken back.
    """

    authorised_minor: int
    completed_minor: int
    posted_minor: int
    refunded_minor: int
    is_final: bool
    is_reversed: bool


def standing_of(rows: Iterable[RequestRow]) -> Standing:
    """Add up a payment.

    Parameters
    ----------
    rows
        All requests of one payment, in any order.
    """
    authorised = completed = posted = refunded = 0
    is_final = was_undone = False
    for row in rows:
        if row.effect == HOLD:
            authorised += row.left_minor
            was_undone = was_undone or row.state == REVERSED
        elif row.effect == CHARGE:
            posted += row.posted_minor
            if row.is_completion and row.state != REVERSED:
                completed += row.left_minor
                is_final = is_final or row.is_final
        elif row.effect == CREDIT:
            refunded += row.left_minor
        elif row.effect == UNDO and not row.left_minor:
            was_undone = was_undone or row.reason == EARLY
    return Standing(authorised, completed, posted, refunded, is_final, was_undone and not authorised)


EARLY = "EARLY"
"""Reason of a reversal of an authorisation that had not been seen when the reversal came: `Cause.EARLY`."""


def due_holds(rows: Sequence[RequestRow]) -> list[tuple[RequestRow, int]]:
    """Return how much each authorisation of a payment ought to hold, if its time is not up.

    Completions take from the oldest authorisation first; a final one leaves nothing.

    Examples
    --------
    >>> first, second = _row(HOLD, 60, "0100"), _row(HOLD, 40, "0100", sequence=2)
    >>> [due for _, due in due_holds([first, second, _row(CHARGE, 70, "0220", "01P")])]
    [0, 30]
    >>> [due for _, due in due_holds([first, second, _row(CHARGE, 70, "0220", "01F")])]
    [0, 0]
    """
    standing = standing_of(rows)
    taken = standing.completed_minor
    due: list[tuple[RequestRow, int]] = []
    for row in sorted((row for row in rows if row.effect == HOLD), key=_sequence):
        used = min(row.left_minor, taken)
        taken -= used
        due.append((row, 0 if standing.is_final else row.left_minor - used))
    return due


def may_complete(standing: Standing, amount_minor: int, tolerance_percent: int) -> bool:
    """Whether a further completion of this amount stays within what was authorised and the tolerance.

    Examples
    --------
    >>> payment = Standing(10_000, 0, 0, 0, False, False)
    >>> may_complete(payment, 10_000, 0), may_complete(payment, 12_001, 20), may_complete(payment, 12_000, 20)
    (True, False, True)
    """
    greatest = standing.authorised_minor + standing.authorised_minor * tolerance_percent // _PERCENT
    return standing.completed_minor + amount_minor <= greatest


def _sequence(row: RequestRow) -> int:
    return row.sequence


def _row(effect: str, left_minor: int, mti: str, capture: str = "", sequence: int = 1) -> RequestRow:
    texts = ("k", sequence, mti, "own", "payment", "", "card", "account", left_minor, "840", "approved", "00", "r")
    return RequestRow(*texts, "", "h", "at", effect, left_minor, 0, 0, capture)
