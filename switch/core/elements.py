"""What passes from one leg to the other, what is dropped on the way, and what may be kept.

DE 7 is new on each leg and DE 15 is the switch's; the card is opened for the issuer and closed for the acquirer. CVV2
and cryptogram live for one authorisation: the switch takes the cryptogram out, puts the CVV2 in, and keeps neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
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
from iso.stan import transmission_time
from switch.core.currencies import OWN
from switch.core.routing import is_token

MANDATORY: Final = (2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49)
"""Elements without which a request cannot be forwarded, named later or reversed."""

MANDATORY_IN_REVERSALS: Final = (7, 11, 32, 90)
"""A reversal needs to name its original and itself; whatever else it says is taken, or taken from the original."""

KEPT: Final = (3, 4, 7, 11, 12, 13, 15, 18, 19, 22, 25, 28, 30, 32, 33, 37, 41, 42, 43, 49, *OWN)
"""Elements of the issuer's request that are stored, because a reversal says them again."""

_ADVISED: Final = (*KEPT, 23, 26, 38, 39, 54, 60, 90)
"""Elements of an acquirer's advice that its issuer gets, beside DE 48: no track, no PIN, no chip data."""

_RETURNED = (4, 38, 44, 54, 55, 62, 63)
_WITHOUT_MACS: Final = {64: None, 128: None}

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

REFUND: Final = "20"
"""First two digits of DE 3 of a refund."""

NO_PIN: Final = frozenset({"20", "24"})
"""Codes of the HSM for a PIN block without valid digits, and for a PIN of a wrong length."""

SEALED_PREFIX: Final = "sealed:"
"""Begins the card of a leg whose request brought a card number and no token."""


def missing(message: Message, elements: tuple[int, ...]) -> int | None:
    """Return the first of `elements` that the message does not have."""
    return message.lacks(elements)


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


def card_question(message: Message) -> Detokenise | SealPan | None:
    """Return the question that opens the card of a request or advice, or makes it fit to be stored.

    A follow-up (an advice, or a refund) may come without a cryptogram: its payment has been opened before.

    Returns
    -------
    Detokenise | SealPan | None
        None if a first authorisation with a token brings no cryptogram.

    Raises
    ------
    RemoteProtocolError
        DE 48 or DE 4 cannot be read.
    """
    if not is_token(message.pan):
        return seal_request(message)
    question = detokenise_request(message)
    if question is None and (message.mti[2] == "2" or message.processing_code[:2] == REFUND):
        return Detokenise(message.pan, reference_of(message))
    return question


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


def pin_refusal_code(hsm_code: str) -> str:
    """Return DE 39 for an answer of the HSM that translated no PIN.

    A block that holds no PIN under the acquirer's key looks as one does that a wrong PIN was typed into: 55. Whatever
    else the HSM refuses is ours to mend: 96. Networks have codes of their own for both; those are dialect data.
    """
    return "55" if hsm_code in NO_PIN else "96"


def cvv2_of(request: Message) -> str:
    """Return the CVV2 that a request with a card number brings, or ""; raises as `parse_private`."""
    return parse_private(request.get(48) or "").get(CVV2, "")


def issuer_times(at: datetime, settled: str) -> dict[int, str]:
    """Return what the switch sets on each leg: DE 7 of the sending, and DE 15."""
    return {7: transmission_time(at), 15: settled}


def sending_time(message: Message, at: datetime) -> str:
    """Return DE 7 for a stored message that is sent now.

    An advice may carry the STAN of its original. Sent in the same second it would have the original's name on the
    wire, and a late answer to that would be taken for its own: then it says a second later.
    """
    now = transmission_time(at)
    if (message.get(90) or "")[10:20] == now:
        return transmission_time(at + timedelta(seconds=1))
    return now


def advised(advice: Message, pan: str) -> dict[int, str]:
    """Return the elements of an acquirer's advice that go to the issuer, safe to store.

    Parameters
    ----------
    pan
        The card number: an element or tag that says it stays here.
    """
    elements = {element: value for element, value in advice.only(_ADVISED).items() if pan not in value}
    try:
        tags = parse_private(advice.get(48) or "")
    except RemoteProtocolError:
        return elements
    if private := build_private(_shown(tags, pan)):
        elements[48] = private
    return elements


def issuer_request(request: Message, pan: str, cvv2: str, at: datetime, settled: str, pin: str = "") -> Message:
    """Return the request as the issuer gets it.

    Parameters
    ----------
    pan, cvv2
        What the HSM handed out; "" for no CVV2.
    at
        Business time of the sending.
    settled
        DE 15.
    pin
        DE 52 under the issuer's key; "" if there is no PIN.
    """
    changes: dict[int, str | None] = {2: pan, 7: transmission_time(at), 15: settled, **_WITHOUT_MACS}
    if pin:
        changes[52] = pin
    tags = parse_private(request.get(48) or "")
    if cvv2 or TOKEN_CRYPTOGRAM in tags:
        tags.pop(TOKEN_CRYPTOGRAM, None)
        tags.pop(CVV2, None)
        changes[48] = build_private({CVV2: cvv2, **tags} if cvv2 else tags) or None
    return request.with_fields(changes, header="")


def kept(message: Message) -> dict[int, str]:
    """Return the elements of an issuer's request that may be stored."""
    return message.only(KEPT)


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
    elements = {element: value for element, value in answer.only(_RETURNED).items() if pan not in value}
    elements[15] = settled
    elements[48] = _private(answer.get(48) or "", pan, network_id)
    return elements


def _private(text: str, pan: str, network_id: str) -> str:
    try:
        tags: Mapping[str, str] = parse_private(text)
    except RemoteProtocolError:
        tags = {}
    return build_private({**_shown(tags, pan), NETWORK_TRANSACTION_ID: network_id})


def _shown(tags: Mapping[str, str], pan: str) -> dict[str, str]:
    return {tag: value for tag, value in tags.items() if tag not in SECRET_TAGS and pan not in value}
