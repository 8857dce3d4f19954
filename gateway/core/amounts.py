"""Which amounts and currencies a payment may have."""

from __future__ import annotations

from gateway.core.errors import ApiError
from iso.errors import IsoError
from iso.money import Currency, currency, format_amount

AMOUNT_MAX = 99_999_999
"""Minor units; eight digits, as on Stripe."""

SMALLEST = {
    "USD": 50,
    "EUR": 50,
    "GBP": 30,
    "CHF": 50,
    "CAD": 50,
    "AUD": 50,
    "JPY": 50,
    "DKK": 250,
    "NOK": 300,
    "SEK": 300,
}
"""Smallest charge per currency in minor units; others take any positive amount.

Source: Stripe's published table of minimum charge amounts, a selection.
"""


def known_currency(code: str) -> Currency:
    """Find a currency by its alphabetic code.

    Raises
    ------
    ApiError
        400: the house cannot carry it.
    """
    try:
        found = currency(code)
    except IsoError:
        found = None
    if found is None or found.alpha != code.upper():
        raise ApiError(400, f"Invalid currency: {code[:20]}", param="currency")
    return found


def check_amount(amount: int, money: Currency) -> None:
    """Refuse an amount that is too small or too large for a charge.

    Raises
    ------
    ApiError
        400 `amount_too_small` or `amount_too_large`.
    """
    least = SMALLEST.get(money.alpha, 1)
    if amount < least:
        message = f"Amount must be at least {format_amount(least, money.alpha)}"
        raise ApiError(400, message, code="amount_too_small", param="amount")
    if amount > AMOUNT_MAX:
        message = f"Amount must be no more than {format_amount(AMOUNT_MAX, money.alpha)}"
        raise ApiError(400, message, code="amount_too_large", param="amount")
