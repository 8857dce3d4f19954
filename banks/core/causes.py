"""What became of a message that is not decided but taken: one cause per outcome, stored as the reason of its row.

An advice, a completion or a reversal tells what has happened elsewhere; a bank refuses it only where its books would
otherwise say something that is not so.
"""

from __future__ import annotations

from enum import Enum


class Cause(Enum):
    """One value per outcome."""

    CONFIRMED = "its effect was there already"
    PROMISED = "booked as somebody else has promised it"
    COMPLETED = "taken from what its payment held"
    FORCED = "charged without an authorisation that is known here"
    DECLINED_ELSEWHERE = "it tells of a decline"
    UNDONE = "its reversal came before it"
    REVERSED = "taken back as a whole"
    LOWERED = "taken back in part"
    WITHOUT_EFFECT = "there was nothing to take back"
    EARLY = "came before its authorisation"
    EARLY_OTHER = "came before its original, which is no authorisation"
    PAYMENT_REVERSED = "its payment has been taken back"
    OVER_TOLERANCE = "more than was authorised, and than the merchant's kind may add"
    CURRENCY_DIFFERS = "another currency than its payment's"
    CAPTURE_DIFFERS = "this completion of the payment has been taken with another amount"
    ADDS_TO_NOTHING = "the payment that it adds to has been taken back or completed"


CAUSE_CODES: dict[Cause, str] = {
    Cause.PAYMENT_REVERSED: "25",
    Cause.OVER_TOLERANCE: "64",
    Cause.CURRENCY_DIFFERS: "12",
    Cause.CAPTURE_DIFFERS: "94",
    Cause.ADDS_TO_NOTHING: "25",
}
"""DE 39 of those that refuse; all others are "00". Source: codes from shared facts, iso8583 3.4; the choice is ours."""


def code_of(cause: Cause) -> str:
    """Return DE 39.

    Examples
    --------
    >>> code_of(Cause.COMPLETED), code_of(Cause.OVER_TOLERANCE)
    ('00', '64')
    """
    return CAUSE_CODES.get(cause, "00")
