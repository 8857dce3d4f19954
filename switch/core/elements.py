"""What passes from one leg to the other, what is dropped on the way, and what may be kept.

DE 7 is new on each leg and DE 15 is the switch's; the card is opened for the issuer and closed for the acquirer. CVV2
and cryptogram live for one authorisation: the switch takes the cryptogram out, puts the CVV2 in, and keeps neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from hsm_sim.core import errors
from hsm_sim.requests import Detokenise, OpenPan, SealPan
from iso import Message, RemoteProtocolError
from iso.private import (
    CRYPTOGRAM_RESULT,
    CVV2,
    NETWORK_TRANSACTION_ID,
    NEW_PIN,
    SECRET_TAGS,
    TOKEN_CRYPTOGRAM,
    build_private,
)
from iso.stan import transmission_time
from switch.core.currencies import OWN
from switch.core.routing import is_token

MANDATORY: Final = (2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49)
"""Elements without which a request cannot be forwarded, named later or reversed."""

MANDATORY_IN_FOLLOW_UPS: Final = tuple(element for element in MANDATORY if element != 2)
"""What names a payment in DE 90 need not say its card again: an acquirer may not keep card numbers."""

MANDATORY_IN_REVERSALS: Final = (7, 11, 32, 90)
"""A reversal needs to name its original and itself; whatever else it says is taken, or taken from the original."""

KEPT: Final = (3, 4, 7, 11, 12, 13, 15, 18, 19, 22, 25, 28, 30, 32, 33, 37, 41, 42, 43, 49, *OWN)
"""Elements of the issuer's request that are stored, because a reversal says them again."""

OWN_ELEMENTS: Final = (7, 11, 15)
"""Those of them that the switch sets on the issuer's leg."""

_ADVISED: Final = (*KEPT, 23, 26, 38, 39, 54, 60, 90)
"""Elements of an acquirer's advice that its issuer gets, beside DE 48: no track, no PIN, no chip data."""

_HIDDEN_TAGS: Final = SECRET_TAGS | {CRYPTOGRAM_RESULT}
"""Tags that neither an answer nor an advice carries on: secrets, and what the network alone says, in requests."""

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

PIN_CHANGE: Final = "92"
"""First two digits of DE 3 of a PIN change, the only request that brings a new PIN."""

VERIFIED, NOT_BROUGHT = "V", "N"
"""DE 48.17: the cryptogram of a token was right; a token came without one."""

_NOT_PASSED: Final = frozenset({TOKEN_CRYPTOGRAM, CVV2, CRYPTOGRAM_RESULT, NEW_PIN})
"""Tags of an acquirer that never reach an issuer as they came: spent here, or the network's own to say."""

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
    proof = request.private.get(TOKEN_CRYPTOGRAM, "")
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

    A follow-up (an advice, a refund, or a request that adds to an authorisation) may come without a cryptogram: its
    payment has been opened before.

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
    if question is None and (message.mti[2] == "2" or message.processing_code[:2] == REFUND or 90 in message):
        return Detokenise(message.pan, reference_of(message))
    return question


def proof_of(question: Detokenise | SealPan | OpenPan) -> str:
    """Return DE 48.17 of a request whose card is opened so; "" for a card number, which has no such cryptogram."""
    if type(question) is not Detokenise:
        return ""
    return VERIFIED if question.cryptogram else NOT_BROUGHT


def is_increment(message: Message) -> bool:
    """Whether a request adds to an authorisation that it names in DE 90; a refund that names one does not."""
    return 90 in message and message.mti[2] == "0" and message.processing_code[:2] != REFUND


def seal_request(request: Message) -> SealPan:
    """Return the question that makes a card number fit to be stored."""
    return SealPan(request.pan, reference_of(request))


def reopen_request(message: Message, card: str = "") -> Detokenise | OpenPan:
    """Return the question that opens the card of a stored message again; or `card`, which a leg has kept."""
    card = card or message.pan
    if card.startswith(SEALED_PREFIX):
        return OpenPan(card.removeprefix(SEALED_PREFIX), reference_of(message))
    return Detokenise(card, reference_of(message))


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
    return request.private.get(CVV2, "")


def new_pin_of(request: Message) -> str:
    """Return the block with the PIN that a cardholder chooses, or ""; raises as `parse_private`, whatever it is for."""
    tags = request.private
    return tags.get(NEW_PIN, "") if request.processing_code[:2] == PIN_CHANGE else ""


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
    """Return the elements of an acquirer's advice, whose DE 48 can be read, that go to the issuer, safe to store.

    Parameters
    ----------
    pan
        The card number: an element or tag that says it stays here.
    """
    elements = {element: value for element, value in advice.only(_ADVISED).items() if pan not in value}
    if private := build_private(_shown(advice.private, pan)):
        elements[48] = private
    return elements


class Opened(NamedTuple):
    """What goes to the issuer in the place of what the acquirer sent. Memory only; no `repr` shows it.

    Attributes
    ----------
    pan, cvv2
        What the HSM handed out, or the acquirer sent with a card number; "" for no CVV2.
    pin, new_pin
        DE 52 and DE 48.18 under the issuer's key; "" if there is none.
    proof
        DE 48.17, or "".
    original
        DE 90, as the issuer's leg saw the original; "" if the request names none.
    is_reformatted
        Whether PIN blocks have another format than the acquirer's: what its DE 53 says of them is no longer true.
    """

    pan: str
    cvv2: str = ""
    pin: str = ""
    new_pin: str = ""
    proof: str = ""
    original: str = ""
    is_reformatted: bool = False

    def __repr__(self) -> str:
        return "Opened()"


def issuer_request(request: Message, opened: Opened, at: datetime, settled: str) -> Message:
    """Return the request as the issuer gets it.

    Parameters
    ----------
    at
        Business time of the sending.
    settled
        DE 15.
    """
    changes: dict[int, str | None] = {2: opened.pan, 7: transmission_time(at), 15: settled, **_WITHOUT_MACS}
    if opened.pin:
        changes[52] = opened.pin
        if opened.is_reformatted:
            changes[53] = None
    if opened.original:
        changes[90] = opened.original
    tags = request.private
    if opened.proof or not _NOT_PASSED.isdisjoint(tags):
        passed = {tag: value for tag, value in tags.items() if tag not in _NOT_PASSED}
        if opened.cvv2:
            passed = {CVV2: opened.cvv2, **passed}
        if opened.proof:
            passed[CRYPTOGRAM_RESULT] = opened.proof
        if opened.new_pin:
            passed[NEW_PIN] = opened.new_pin
        changes[48] = build_private(passed) or None
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
    elements = {}
    for element in _RETURNED:
        value = answer.get(element)
        if value is not None and pan not in value:
            elements[element] = value
    elements[15] = settled
    elements[48] = _private(answer, pan, network_id)
    return elements


def _private(answer: Message, pan: str, network_id: str) -> str:
    try:
        tags = answer.private
    except RemoteProtocolError:
        tags = {}
    return build_private({**_shown(tags, pan), NETWORK_TRANSACTION_ID: network_id})


def _shown(tags: Mapping[str, str], pan: str) -> dict[str, str]:
    return {tag: value for tag, value in tags.items() if tag not in _HIDDEN_TAGS and pan not in value}
