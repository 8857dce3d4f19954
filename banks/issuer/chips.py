"""Chip data at the issuer: the cryptogram checked by the HSM, and what the answer brings back to the card."""

from __future__ import annotations

from typing import Any

from banks.core.cards import Card
from banks.core.decide import MATCH, NO_MATCH, UNAVAILABLE
from banks.issuer.proof import Proof
from hsm_sim.core.indexes import MK_AC
from hsm_sim.requests import VerifyArqc
from iso import LocalProtocolError, Message, RemoteProtocolError
from iso.subfields.bertlv import BerTlv
from iso.subfields.node import Node

_LAYOUT = BerTlv()
_ARQC, _ATC, _AMOUNT, _CURRENCY, _PSN, _KIND = "9F26", "9F36", "9F02", "5F2A", "5F34", "9F27"
_KIND_MASK, _WANTS_ANSWER = 0xC0, 0x80
"""Of a cryptogram: 0 declined by the chip, 40 approved by it, 80 a question to the issuer."""
_ISSUER_DATA = "91"
_ARQC_BYTES, _ATC_BYTES = 8, 2
_METHOD_1 = 1
_APPROVED = b"00"
_UPDATE = bytes.fromhex("00820000")
"""Card status update of method 2: approved online, counters set back. General knowledge; no document was seen."""
_OK, _MISMATCH, _NO_KEY = "00", "01", "12"


def chip_proof(card: Card, request: Message) -> Proof:
    """Return the proof of a chip: its cryptogram over what DE 55 says, which must be about the amount of DE 4 and 49.

    A chip that has decided by itself asks for nothing, and what it says is no proof for a request.

    A card without a chip on file cannot have made one, and one that cannot be read is none: both fail.
    """
    tags = _tags(request[55])
    arqc, atc = tags.get(_ARQC, b""), tags.get(_ATC, b"")
    if (
        not card.scheme
        or len(arqc) != _ARQC_BYTES
        or len(atc) != _ATC_BYTES
        or not _is_same_payment(card, request, tags)
    ):
        return Proof("arqc", NO_MATCH)
    question = VerifyArqc(card.mk_ac or MK_AC, request.pan, card.psn or "00", card.scheme, tags, arqc, b"")
    try:
        method = question.version.answer
        question = question._replace(response=_APPROVED if method == _METHOD_1 else _UPDATE)
        # Chip data that cannot have been signed are found out here, and not in the batch with the other questions.
        question.encode()
    except LocalProtocolError:
        return Proof("arqc", NO_MATCH)
    counter, response = int.from_bytes(atc, "big"), question.response

    def read(answer: Any) -> Proof:
        result = {_OK: MATCH, _MISMATCH: NO_MATCH, _NO_KEY: NO_MATCH}.get(answer.code, UNAVAILABLE)
        arpc = _answer(answer.arpc + response) if result == MATCH and answer.arpc else ""
        return Proof("arqc", result, atc=counter, arpc=arpc)

    return Proof("arqc", question=question, read=read)


def _answer(issuer_data: bytes) -> str:
    return _LAYOUT.build([Node(_ISSUER_DATA, issuer_data)]).hex().upper()


def _tags(text: str) -> dict[str, bytes]:
    try:
        return {node.tag: node.raw for node in _LAYOUT.parse(bytes.fromhex(text))}
    except (ValueError, RemoteProtocolError):
        return {}


def _is_same_payment(card: Card, request: Message, tags: dict[str, bytes]) -> bool:
    amount = tags.get(_AMOUNT, b"").hex()
    is_amount = amount.isdigit() and int(amount) == request.amount_minor
    is_currency = tags.get(_CURRENCY, b"").hex() in ("", f"0{request.currency}")
    kind = tags.get(_KIND, bytes((_WANTS_ANSWER,)))
    is_question = len(kind) == 1 and kind[0] & _KIND_MASK == _WANTS_ANSWER
    psn = request[23][-2:] if 23 in request else tags.get(_PSN, b"").hex()
    return is_amount and is_currency and is_question and (not psn or psn == (card.psn or "00"))
