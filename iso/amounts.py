"""Additional amounts (DE 54): balances, cashback, and what was asked for where less was approved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from iso.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "AVAILABLE_BALANCE",
    "CASHBACK",
    "LEDGER_BALANCE",
    "ORIGINAL_AMOUNT",
    "AdditionalAmount",
    "build_amounts",
    "parse_amounts",
]

LEDGER_BALANCE = "01"
AVAILABLE_BALANCE = "02"
CASHBACK = "40"
ORIGINAL_AMOUNT = "57"
"""Of a partial approval: what the request asked for. Networks differ; the house's value."""

_WIDTH = 20
_MOST = 6
_GREATEST = 10**12 - 1


class AdditionalAmount(NamedTuple):
    """One block of DE 54.

    Attributes
    ----------
    account_type
        str[2], as in DE 3 ("00" default, "10" savings, "20" current, "30" credit).
    amount_type
        str[2].
    currency
        str[3], ISO 4217 numeric.
    amount_minor
        In minor units of `currency`; negative is written as D.
    """

    account_type: str
    amount_type: str
    currency: str
    amount_minor: int


def parse_amounts(value: str) -> tuple[AdditionalAmount, ...]:
    """Read DE 54.

    Parameters
    ----------
    value
        Up to six blocks of account type (2), amount type (2), currency (3), C or D, amount (12).

    Returns
    -------
    tuple[AdditionalAmount, ...]

    Raises
    ------
    RemoteProtocolError
        Not such blocks; the offset counts characters of the value.

    Examples
    --------
    >>> parse_amounts("0002840D000000001999")
    (AdditionalAmount(account_type='00', amount_type='02', currency='840', amount_minor=-1999),)

    Source
    ------
    Common practice: shared facts, iso8583 3.12; the standard itself was not read.
    """
    if len(value) % _WIDTH or len(value) > _WIDTH * _MOST:
        raise RemoteProtocolError(f"DE 54: up to {_MOST} blocks of {_WIDTH} characters expected", element=54, offset=0)
    amounts: list[AdditionalAmount] = []
    for at in range(0, len(value), _WIDTH):
        block = value[at : at + _WIDTH]
        sign, digits = block[7], block[8:]
        if sign not in "CD" or not (digits.isascii() and digits.isdigit()):
            raise RemoteProtocolError("DE 54: C or D and twelve digits expected", element=54, offset=at + 7)
        amount = int(digits)
        amounts.append(AdditionalAmount(block[:2], block[2:4], block[4:7], amount if sign == "C" else -amount))
    return tuple(amounts)


def build_amounts(amounts: Iterable[AdditionalAmount]) -> str:
    """Write DE 54.

    Parameters
    ----------
    amounts
        At most six.

    Returns
    -------
    str
        20 characters a block.

    Raises
    ------
    LocalProtocolError
        Too many, or a part does not fit.

    Examples
    --------
    >>> build_amounts([AdditionalAmount("00", CASHBACK, "978", 2000)])
    '0040978C000000002000'
    """
    blocks: list[str] = []
    for amount in amounts:
        head = amount.account_type + amount.amount_type + amount.currency
        widths = (len(amount.account_type), len(amount.amount_type), len(amount.currency))
        if widths != (2, 2, 3) or not head.isascii() or abs(amount.amount_minor) > _GREATEST:
            raise LocalProtocolError("DE 54: a part does not fit", element=54)
        blocks.append(f"{head}{'D' if amount.amount_minor < 0 else 'C'}{abs(amount.amount_minor):012d}")
    if len(blocks) > _MOST:
        raise LocalProtocolError(f"DE 54: at most {_MOST} amounts", element=54)
    return "".join(blocks)
