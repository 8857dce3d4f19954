"""What an issuer refuses unseen, and how an answer is made from the row of a request: the same one every time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from banks.core.billing import billed
from banks.core.identity import original_name
from banks.core.reasons import CODES, Reason
from banks.core.requests import REVERSED, RequestRow
from banks.ledger.book import Account
from iso import Message, RemoteProtocolError
from iso.amounts import (
    AVAILABLE_BALANCE,
    LEDGER_BALANCE,
    ORIGINAL_AMOUNT,
    AdditionalAmount,
    build_amounts,
    parse_amounts,
)
from iso.private import CAPTURE
from iso.replacement import ReplacementAmounts

APPROVING = frozenset({"00", "08", "10", "11"})
"""DE 39 values that approve. Source: shared facts, iso8583 3.4."""

_NEEDED = {
    "10": (2, 3, 4, 7, 11, 49),
    "12": (2, 3, 4, 7, 11, 39, 49),
    "20": (2, 3, 4, 7, 11, 49),
    "22": (2, 3, 4, 7, 11, 39, 49),
    "40": (7, 11),
    "42": (7, 11),
}
_FORMAT_ERROR, _INVALID = "30", "12"
_GREATEST_SHOWN = 10**12 - 1


def unacceptable(request: Message) -> str | None:
    """Return the DE 39 for a request that cannot even be looked at, or None if it can.

    12: an MTI that an issuer does not serve; 30: an element is missing or unreadable. A balance inquiry needs no DE 4.
    """
    needed = _NEEDED.get(request.mti[1:3])
    if needed is None:
        return _INVALID
    absent = request.lacks(needed)
    if absent is not None and not (absent == 4 and request.processing_code[:2] in ("31", "38", "92", "93")):
        return _FORMAT_ERROR
    is_reversal = request.mti_class == "4"
    names_original = True
    try:
        tags = request.private
        if is_reversal or 90 in request:
            names_original = bool(original_name(request))
        if 54 in request:
            parse_amounts(request[54])
        remains_of(request)
    except RemoteProtocolError:
        return _FORMAT_ERROR
    capture = tags.get(CAPTURE)
    if capture is not None and not (len(capture) == 3 and capture[:2].isdigit() and capture[2] in "FP"):
        return _FORMAT_ERROR
    return _FORMAT_ERROR if is_reversal and not names_original else None


def remains_of(request: Message) -> int:
    """Return how much a reversal lets stand, as the cardholder is billed: DE 95, or 0.

    Raises
    ------
    RemoteProtocolError
        DE 95 is not two amounts and two fees.
    """
    value = request.get(95)
    if value is None:
        return 0
    remains_minor = ReplacementAmounts.from_de95(value).transaction_minor
    if 4 not in request or not request.amount_minor:
        return remains_minor
    # DE 95 is in the merchant's currency; the cardholder's part is in proportion.
    return remains_minor * billed(request)[0] // request.amount_minor


def asks_for_another(row: RequestRow, request: Message, card: str) -> bool:
    """Whether a 0100 or 0200 is none of the repeats of the one that has its business key: other money, or another card.

    Parameters
    ----------
    card
        The fingerprint of the request's card; "" if the number cannot be one.
    """
    if row.card and card != row.card:
        return True
    if row.merchant_amount:
        return row.merchant_amount != f"{request.currency}/{request.amount_minor}"
    if row.reason == Reason.PARTLY_APPROVED.name:
        (asked,) = parse_amounts(_stored_answer(row.answer)[54])
        return (asked.currency, asked.amount_minor) != (request.currency, request.amount_minor)
    return (row.amount_minor, row.currency) != billed(request)


def reply(row: RequestRow, request: Message) -> Message:
    """Build the answer to a request or a repeat of it from its row."""
    if row.state == REVERSED and not row.is_advice:
        # Its approval has been undone: a late repeat must not bring it back to life.
        return request.reply(CODES[Reason.OVERTAKEN])
    extra: dict[int, str | None] = {**_stored_answer(row.answer)} if row.answer else {}
    if row.authorisation_code:
        extra[38] = row.authorisation_code
    return request.reply(row.code, extra)


@lru_cache(maxsize=1024)
def _stored_answer(text: str) -> Mapping[int, str]:
    """Read what `answer_text` has written; nearly all answers carry one of a few results and nothing else."""
    return {int(element): value for element, value in json.loads(text).items()}


def answer_text(extra: Mapping[int, str]) -> str:
    """Return what an answer carries beyond the echo as it is stored; "" for nothing."""
    if not extra:
        return ""
    return "{" + ",".join([f'"{element}":{encode_basestring_ascii(value)}' for element, value in extra.items()]) + "}"


def partly(request: Message, approved_minor: int) -> dict[int, str]:
    """Return DE 4, 6 and 54 of a partial approval.

    Parameters
    ----------
    request
        What was asked for.
    approved_minor
        In the currency of the account.
    """
    asked_minor, currency = billed(request)
    merchant_minor = request.amount_minor * approved_minor // asked_minor
    block = AdditionalAmount(_account_type(request), ORIGINAL_AMOUNT, request.currency, request.amount_minor)
    elements = {4: f"{merchant_minor:012d}", 54: build_amounts([block])}
    if currency != request.currency:
        elements[6] = f"{approved_minor:012d}"
    return elements


def balances(request: Message, account: Account) -> dict[int, str]:
    """Return DE 54 of a balance inquiry: what is posted, and what is available."""
    kind = _account_type(request)
    shown = ((LEDGER_BALANCE, account.posted_minor), (AVAILABLE_BALANCE, account.available_minor))
    blocks = [
        AdditionalAmount(kind, amount_type, account.currency, max(-_GREATEST_SHOWN, min(_GREATEST_SHOWN, minor)))
        for amount_type, minor in shown
    ]
    return {54: build_amounts(blocks)}


def _account_type(request: Message) -> str:
    return request.processing_code[2:4] or "00"
