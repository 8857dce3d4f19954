"""Money that an operator of an acquirer has moved by hand, one row per order, so that none is done twice."""

from __future__ import annotations

from typing import NamedTuple

ADJUSTMENTS = "adjustments"


class AdjustmentRow(NamedTuple):
    """One adjustment.

    Attributes
    ----------
    reference
        Primary key: names it for ever.
    account
        Name in the ledger, with its currency.
    amount_minor
        Credited to the account; debited if negative.
    caller
        Who wanted it.
    at
        Business time, ISO 8601.
    """

    reference: str
    account: str
    amount_minor: int
    caller: str
    at: str


def adjustments_account(currency: str) -> str:
    """Return the account on the other side of adjustments in a currency (ISO 4217 numeric)."""
    return f"adjustments/{currency}"
