"""Which amounts and currencies a payment may have."""

from __future__ import annotations

from gateway.core.errors import ApiError, excerpt
from iso.errors import IsoError
from iso.money import Currency, currency, format_amount

AMOUNT_MAX = 99_999_999
"""Minor units; eight digits, as on Stripe."""

SMALLEST = {
    "AED": 200,
    "AUD": 50,
    "BGN": 100,
    "BRL": 50,
    "CAD": 50,
    "CHF": 50,
    "CZK": 1500,
    "DKK": 250,
    "EUR": 50,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17500,
    "INR": 50,
    "JPY": 50,
    "MXN": 1000,
    "MYR": 200,
    "NOK": 300,
    "NZD": 50,
    "PLN": 200,
    "RON": 200,
    "SEK": 300,
    "SGD": 50,
    "THB": 1000,
    "USD": 50,
}
"""Smallest charge per currency in minor units; others take any positive amount.

Source: Stripe's published table of minimum charge amounts.
"""

_THREE_DECIMALS = 3
_LEAST_STEP = 10
"""Three-decimal amounts end in 0, as on Stripe: card networks settle two decimals of them."""


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
        raise ApiError(400, f"Invalid currency: {excerpt(code, 20)}", param="currency")
    return found


def check_amount(amount: int, money: Currency) -> None:
    """Refuse an amount that is too small or too large for a charge, or that the currency's cards cannot carry.

    Raises
    ------
    ApiError
        400 `amount_too_small`, `amount_too_large` or `parameter_invalid_integer`.
    """
    least = SMALLEST.get(money.alpha, 1)
    if amount < least:
        message = f"Amount must be at least {format_amount(least, money.alpha)}"
        raise ApiError(400, message, code="amount_too_small", param="amount")
    if amount > AMOUNT_MAX:
        message = f"Amount must be no more than {format_amount(AMOUNT_MAX, money.alpha)}"
        raise ApiError(400, message, code="amount_too_large", param="amount")
    check_multiple(amount, money)


def check_multiple(amount: int, money: Currency, param: str = "amount") -> None:
    """Refuse an amount of a three-decimal currency whose last digit is not 0.

    Raises
    ------
    ApiError
        400 `parameter_invalid_integer`.
    """
    if money.exponent == _THREE_DECIMALS and amount % _LEAST_STEP:
        message = (
            f"Invalid integer: {amount}. Amounts in {money.alpha} have three decimals, the last of which must be 0: "
            f"use a multiple of {_LEAST_STEP}."
        )
        raise ApiError(400, message, code="parameter_invalid_integer", param=param)
