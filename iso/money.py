"""Currencies of ISO 4217: alphabetic and numeric codes, and how many digits follow the decimal point.

Amounts in this house are integers in minor units with a currency beside them; this table is the only place that knows
what a minor unit is.
"""

from __future__ import annotations

from typing import NamedTuple

from iso.errors import IsoError

__all__ = ["CURRENCIES", "Currency", "currency", "format_amount", "numeric_code"]


class Currency(NamedTuple):
    """One currency: `alpha` str[3] upper case, `numeric` str[3] decimal, `exponent` digits after the point."""

    alpha: str
    numeric: str
    exponent: int


_ROWS = """
AED 784 2  ARS 032 2  AUD 036 2  BGN 975 2  BHD 048 3  BRL 986 2  CAD 124 2  CHF 756 2  CLP 152 0  CNY 156 2
COP 170 2  CZK 203 2  DKK 208 2  EGP 818 2  EUR 978 2  GBP 826 2  HKD 344 2  HUF 348 2  IDR 360 2  ILS 376 2
INR 356 2  ISK 352 0  JOD 400 3  JPY 392 0  KES 404 2  KRW 410 0  KWD 414 3  MAD 504 2  MXN 484 2  MYR 458 2
NGN 566 2  NOK 578 2  NZD 554 2  OMR 512 3  PEN 604 2  PHP 608 2  PKR 586 2  PLN 985 2  PYG 600 0  QAR 634 2
RON 946 2  SAR 682 2  SEK 752 2  SGD 702 2  THB 764 2  TND 788 3  TRY 949 2  TWD 901 2  UAH 980 2  UGX 800 0
USD 840 2  UYU 858 2  VND 704 0  XAF 950 0  XOF 952 0  ZAR 710 2
"""
_TABLE = _ROWS.split()

CURRENCIES = tuple(
    Currency(alpha, numeric, int(exponent))
    for alpha, numeric, exponent in zip(_TABLE[::3], _TABLE[1::3], _TABLE[2::3], strict=True)
)
"""The currencies that the house knows."""

_BY_CODE = {code: entry for entry in CURRENCIES for code in (entry.alpha, entry.numeric)}


def currency(code: str) -> Currency:
    """Find a currency by either code.

    Parameters
    ----------
    code
        "usd", "USD" or "840".

    Returns
    -------
    Currency

    Raises
    ------
    IsoError
        Not in the table: refuse the payment, the house cannot carry it.

    Examples
    --------
    >>> currency("usd").numeric, currency("392").alpha, currency("KWD").exponent
    ('840', 'JPY', 3)

    Source
    ------
    ISO 4217 codes as published by its maintenance agency; a selection.
    """
    entry = _BY_CODE.get(code.upper())
    if entry is None:
        raise IsoError("a currency that is not in the table")
    return entry


def numeric_code(code: str) -> str | None:
    """Give the numeric form of either code (str[3] decimal), or None if the table does not have it."""
    entry = _BY_CODE.get(code.upper())
    return entry.numeric if entry else None


def format_amount(amount_minor: int, code: str) -> str:
    """Write an amount for people.

    Parameters
    ----------
    amount_minor
        In minor units; may be negative.
    code
        The currency, either code.

    Returns
    -------
    str
        Decimal point and alphabetic code.

    Examples
    --------
    >>> format_amount(1999, "840"), format_amount(-5, "EUR"), format_amount(500, "jpy")
    ('19.99 USD', '-0.05 EUR', '500 JPY')
    """
    entry = currency(code)
    sign = "-" if amount_minor < 0 else ""
    whole, rest = divmod(abs(amount_minor), 10**entry.exponent)
    point = f".{rest:0{entry.exponent}d}" if entry.exponent else ""
    return f"{sign}{whole}{point} {entry.alpha}"
