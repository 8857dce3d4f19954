"""What the gateway gets, and which requests cannot even be looked at."""

from __future__ import annotations

import json

from banks.core import intents
from banks.core.intents import Intent
from banks.core.kinds import Kind, kind_of
from iso import Message, RemoteProtocolError
from iso.masks import mask_text
from iso.original import OriginalData
from iso.private import without_secrets
from iso.replacement import ReplacementAmounts

APPROVING = frozenset({"00", "08", "10", "11"})
"""DE 39 values that approve. Source: shared facts, iso8583 3.4."""
NOTHING_AGAINST_IT = "85"
"""Approves where nothing was asked for but a verification."""

OK, NO_ORIGINAL, FORMAT_ERROR = "00", "25", "30"
INVALID, INVALID_AMOUNT, NOT_ALLOWED, WRONG_AMOUNT = "12", "13", "58", "64"
NO_ACTION, UNSUPPORTED, UNAVAILABLE, MALFUNCTION = "21", "40", "91", "96"
LATER = frozenset({"09", "19", "68", "90", "91", "92", "96"})
"""DE 39 of a network that cannot take an advice now: it is to be told again. Source: shared facts, iso8583 3.7."""

_IDENTITY = (3, 7, 11, 12, 13, 41, 42)
_NEEDED = {
    "10": (*_IDENTITY, 49),
    "12": (*_IDENTITY, 4, 39, 49),
    "20": (*_IDENTITY, 49),
    "22": (*_IDENTITY, 4, 49),
    "40": (7, 11, 41, 90),
    "42": (7, 11, 41, 90),
    "50": (7, 11, 41),
    "52": (7, 11, 41),
}
_WITHOUT_AMOUNT = frozenset({Kind.BALANCE, Kind.VERIFICATION, Kind.PIN_CHANGE, Kind.PIN_UNBLOCK})
_BACK = (44, 54)
_ADVICES = frozenset({"0120", "0220"})


def unacceptable(request: Message) -> str | None:
    """Return the DE 39 for a request that cannot even be looked at, or None if it can.

    40: a function that this acquirer does not have; 12: an unknown MTI; 30: an element is missing or unreadable.
    """
    needed = _NEEDED.get(request.mti[1:3])
    if needed is None:
        return UNSUPPORTED if request.mti_class in ("1", "2", "5") else INVALID
    if request.lacks(needed) is not None:
        return FORMAT_ERROR
    if request.mti[2] == "0" and request.mti_class in ("1", "2") and _lacks_its_subject(request):
        return FORMAT_ERROR
    try:
        if 90 in request:
            OriginalData.from_de90(request[90])
        if 95 in request:
            ReplacementAmounts.from_de95(request[95])
    except RemoteProtocolError:
        return FORMAT_ERROR
    return None


def _lacks_its_subject(request: Message) -> bool:
    """Whether a request says neither whose card it is about nor which payment, or not how much."""
    if 2 in request and 4 in request:
        return False
    kind = kind_of(request)
    if 4 not in request and (kind not in _WITHOUT_AMOUNT or request.processing_code[:2] == "00"):
        return True
    return not (2 in request or 35 in request or (kind is Kind.REFUND and (90 in request or 37 in request)))


def approves(code: str, amount_minor: int) -> bool:
    """Whether DE 39 approves a request for an amount."""
    return code in APPROVING or (code == NOTHING_AGAINST_IT and not amount_minor)


def reply(intent: Intent, request: Message) -> Message:
    """Build the response of a settled intent: the request's own trace numbers come back by `Message.reply`."""
    row = intent.row
    if row.state in (intents.UNKNOWN, intents.REVERSED):
        # Undone, or about to be: whoever asks again must never see an approval.
        return request.reply(NO_ACTION if row.mti in _ADVICES else UNAVAILABLE, {37: row.rrn or None})
    extra: dict[int, str | None] = {
        15: row.settlement_date or None,
        37: row.rrn or None,
        38: row.authorisation_code or None,
        48: row.private or None,
    }
    if intent.chip:
        extra[55] = intent.chip
    if row.extra:
        extra |= {int(element): value for element, value in json.loads(row.extra).items()}
    if row.state == intents.APPROVED and 4 in request:
        extra[4] = f"{row.amount_minor:012d}"
    return request.reply(UNAVAILABLE if row.state == intents.WAITING else row.code, extra)


def kept_of(outcome: Message) -> dict[str, str]:
    """Return the columns of an intent that the network's answer fills: what may be stored of it, without secrets."""
    back = {element: mask_text(value) for element, value in outcome.only(_BACK).items()}
    return {
        "private": _storable(outcome.get(48)),
        "settlement_date": outcome.get(15) or "",
        "extra": json.dumps(back, separators=(",", ":")) if back else "",
    }


def _storable(private: str | None) -> str:
    """Return DE 48 without what must not be stored; a foreign layout is dropped."""
    try:
        return without_secrets(private or "")
    except RemoteProtocolError:
        return ""
