"""What has to be cleared: one row per capture and per refund, from the moment at which it is due to the merchant.

A row is open until it has been presented to the card's issuer, or taken back before that. Open rows are duties: a
restart loads them, and they are kept in memory; the others are in the journal only.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

CLEARINGS = "clearings"
CAPTURE, REFUND = "capture", "refund"
OPEN, PRESENTED, REVERSED = "open", "presented", "reversed"

_BIN_DIGITS, _SEQUENCE_DIGITS = 6, 11
_FORMAT = "7"


class ClearingRow(NamedTuple):
    """One capture or refund.

    Attributes
    ----------
    identifier
        Primary key: that of the intent that it came with (0220, or 0200).
    arn
        Acquirer reference number, str[23] decimal.
    kind
        capture or refund.
    state
        open, presented or reversed. What is reversed after its presentment keeps `presented_at`.
    payment
        Identifier of the payment's first intent.
    rrn, terminal, merchant
        DE 37, 41 and 42 of the payment.
    stan
        DE 11 of the message that told the network of it.
    number
        Which capture, or refund, of its payment this is, from 1 on.
    interchange_minor, scheme_minor, acquirer_minor, reserve_minor
        What was taken from the merchant; a refund takes nothing of these and gives nothing of them back.
    is_final
        1: no other capture of the payment is to follow.
    at, presented_at
        Business time, ISO 8601; "" while it has not been presented.
    """

    identifier: int
    arn: str
    kind: str
    state: str
    payment: int
    rrn: str
    number: int
    terminal: str
    merchant: str
    stan: str
    amount_minor: int
    currency: str
    interchange_minor: int
    scheme_minor: int
    acquirer_minor: int
    reserve_minor: int
    is_final: int
    at: str
    presented_at: str


def arn(acquirer_id: str, at: datetime, sequence: int) -> str:
    """Compose an acquirer reference number.

    Parameters
    ----------
    acquirer_id
        DE 32; its first six digits, zero-filled on the left, stand for the acquirer's BIN.
    at
        When the capture was taken; aware.
    sequence
        Unique at this acquirer.

    Returns
    -------
    str
        str[23] decimal: format (1), BIN (6), last digit of the year and day of the year (4), sequence (11), check
        digit by Luhn over what stands before it (1).

    Examples
    --------
    >>> arn("400001", datetime(2026, 3, 14), 42)
    '74000016073000000000425'

    Source
    ------
    General knowledge of the layout; no network's manual was read.
    """
    day = at.strftime("%Y%j")[3:]
    body = f"{_FORMAT}{acquirer_id[:_BIN_DIGITS]:0>{_BIN_DIGITS}}{day}{sequence % 10**_SEQUENCE_DIGITS:011d}"
    return body + _check_digit(body)


def sequence_of(reference: str) -> int:
    """Return the sequence in an ARN; -1 if it is none.

    Examples
    --------
    >>> sequence_of("74000016073000000000425"), sequence_of("x")
    (42, -1)
    """
    if len(reference) != 23 or not (reference.isascii() and reference.isdigit()):
        return -1
    return int(reference[11:22])


def _check_digit(digits: str) -> str:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if index % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)
