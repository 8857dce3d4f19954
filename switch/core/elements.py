"""What passes from one leg to the other, what is dropped on the way, and what may be kept.

DE 7 is new on each leg and DE 15 is the switch's; the card is opened for the issuer and closed for the acquirer. CVV2
and cryptogram live for one authorisation: the switch takes the cryptogram out, puts the CVV2 in, and keeps neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from hsm_sim.core import errors
from hsm_sim.requests import Detokenise, OpenPan, SealPan
from iso import Message, RemoteProtocolError
from iso.private import (
    CVV2,
    NETWORK_TRANSACTION_ID,
    SECRET_TAGS,
    TOKEN_CRYPTOGRAM,
    build_private,
    parse_private,
)
from iso.stan import local_date, transmission_time

MANDATORY: Final = (2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49)
"""Elements without which a request cannot be forwarded, named later or reversed."""

MANDATORY_IN_REVERSALS: Final = (7, 11, 32, 90)
"""A reversal needs to name its original and itself; whatever else it says is taken, or taken from the original."""

KEPT: Final = (3, 4, 7, 11, 12, 13, 15, 18, 19, 22, 25, 32, 33, 37, 41, 42, 43, 49)
"""Elements of the issuer's request that are stored, because a reversal says them again."""

_RETURNED = (4, 5, 6, 38, 44, 54, 55, 62, 63)
_MACS = (64, 128)

_CRYPTOGRAM = slice(0, 16)
_ATC = slice(16, 20)
_UN = slice(20, 28)
_CRYPTOGRAM_LENGTH = 28


_REFUSALS: Final[dict[str, str]] = {
    **dict.fromkeys(errors.CRYPTOGRAM_REFUSALS, "63"),
    errors.REFERENCE_UNKNOWN: "63",
    errors.TOKEN_UNKNOWN: "14",
    errors.BAD_ACCOUNT: "14",
    errors.TOKEN_DELETED: "14",
    errors.TOKEN_SUSPENDED: "62",
    errors.TOKEN_EXPIRED: "54",
    errors.CHANNEL_REFUSED: "57",
    errors.MERCHANT_REFUSED: "57",
    errors.CURRENCY_REFUSED: "57",
    errors.MERCHANT_INITIATED_REFUSED: "57",
    errors.AMOUNT_REFUSED: "61",
}
"""Answers of the HSM that say something about the card; all others are malfunctions."""

SEALED_PREFIX: Final = "sealed:"
"""Begins the card of a leg whose request brought a card number and no token."""


def missing(message: Message, elements: tuple[int, ...]) -> int | None:
    """Return the first of `elements` that the message does not have."""
    return next((element for element in elements if element not in message), None)


def reference_of(message: Message) -> str:
    """Return what names the payment to the HSM for its whole life: DE 32 and DE 37."""
    return f"{message.acquirer_id}/{message.rrn}"


def detokenise_request(request: Message) -> Detokenise | None:
    """Return the question that opens the token of a first authorisation.

    Returns
    -------
    Detokenise | None
        None if the request brings no cryptogram: an empty one would be taken for a follow-up.

    Raises
    ------
    RemoteProtocolError
        DE 48 or DE 4 cannot be read.
    """
    proof = parse_private(request.get(48) or "").get(TOKEN_CRYPTOGRAM, "")
    if len(proof) != _CRYPTOGRAM_LENGTH:
        return None
    return Detokenise(
        request.pan,
        reference_of(request),
        proof[_CRYPTOGRAM],
        proof[_ATC],
        proof[_UN],
        request.amount_minor,
        request.currency,
        request.merchant,
    )


def seal_request(request: Message) -> SealPan:
    """Return the question that makes a card number fit to be stored."""
    return SealPan(request.pan, reference_of(request))


def reopen_request(message: Message) -> Detokenise | OpenPan:
    """Return the question that opens the card of a stored message again."""
    if message.pan.startswith(SEALED_PREFIX):
        return OpenPan(message.pan.removeprefix(SEALED_PREFIX), reference_of(message))
    return Detokenise(message.pan, reference_of(message))


def refusal_code(hsm_code: str) -> str:
    """Return DE 39 for an answer of the HSM that opened no card."""
    return _REFUSALS.get(hsm_code, "96")


def issuer_request(request: Message, pan: str, cvv2: str, at: datetime) -> Message:
    """Return the request as the issuer gets it.

    Parameters
    ----------
    pan, cvv2
        What the HSM handed out; "" for no CVV2.
    at
        Business time of the sending.
    """
    tags = parse_private(request.get(48) or "")
    tags.pop(TOKEN_CRYPTOGRAM, None)
    if cvv2:
        tags = {CVV2: cvv2, **tags}
    changes: dict[int, str | None] = dict.fromkeys(_MACS)
    changes |= {2: pan, 7: transmission_time(at), 15: local_date(at), 48: build_private(tags) or None}
    return request.with_fields(changes).with_header("")


def kept(message: Message) -> dict[int, str]:
    """Return the elements of an issuer's request that may be stored."""
    return {element: value for element in KEPT if (value := message.get(element)) is not None}


def returned(answer: Message, pan: str, settled: str, network_id: str) -> dict[int, str]:
    """Return what the answer to the acquirer has beyond the echo and DE 39, safe to store.

    Parameters
    ----------
    pan
        The card number that the issuer was asked about: an element or tag that says it stays here.
    settled
        DE 15 of the issuer's leg: the network sets the settlement date, no issuer does.
    network_id
        The network transaction id, for DE 48.
    """
    elements = {
        element: value for element in _RETURNED if (value := answer.get(element)) is not None and pan not in value
    }
    elements[15] = settled
    elements[48] = _private(answer.get(48) or "", pan, network_id)
    return elements


def _private(text: str, pan: str, network_id: str) -> str:
    try:
        tags: Mapping[str, str] = parse_private(text)
    except RemoteProtocolError:
        tags = {}
    kept_tags = {tag: value for tag, value in tags.items() if tag not in SECRET_TAGS and pan not in value}
    return build_private({**kept_tags, NETWORK_TRANSACTION_ID: network_id})
