"""PINs at the issuer: verified, and changed, by the HSM alone.

A block comes under the zone key that the issuer shares with the network. While that key is changed its peer may use
the one before for a while: a block that does not open under one key is tried under the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from banks.core.cards import DECIMALISATION, IBM, Card
from banks.core.decide import EXCEEDED, MATCH, NO_MATCH, NOT_ON_FILE, UNAVAILABLE
from banks.core.kinds import Kind
from banks.issuer.proof import Proof
from hsm_sim.core.crypto.pinblocks import ISO_0, ISO_3, ISO_4
from hsm_sim.core.indexes import PVK, PVK_IBM
from hsm_sim.requests import ChangePinIbm, ChangePinPvv, VerifyPinIbm, VerifyPinPvv

_TDES_DIGITS, _AES_DIGITS = 16, 32
_OK, _WRONG, _WARNING, _BAD_BLOCK, _BAD_LENGTH, _FRAUD = "00", "01", "02", "20", "24", "39"
_RESULTS = {_OK: MATCH, _WARNING: MATCH, _WRONG: NO_MATCH, _FRAUD: EXCEEDED}


def pin_proof(card: Card, pan: str, block: str, new_block: str, kind: Kind, places: Callable[[bool], Any]) -> Proof:
    """Return the proof of a PIN: verified, or, for a change, verified and made into the new value.

    Parameters
    ----------
    block, new_block
        DE 52 and DE 48.18 in hex.
    places
        See `banks.issuer.proofs.Places`.
    """
    if not card.pin_method or not card.pin_value:
        return Proof("pin", NOT_ON_FILE)
    if card.pin_tries >= card.pin_tries_max:
        return Proof("pin", EXCEEDED)
    is_change = kind is Kind.PIN_CHANGE
    if not _is_block(block) or (is_change and (not _is_block(new_block) or len(block) != len(new_block))):
        return Proof("pin", NO_MATCH)
    # What the network may send in ISO 0 or ISO 3 is told apart by the HSM's refusal of the other.
    formats = (ISO_4,) if len(block) == _AES_DIGITS else (ISO_0, ISO_3)
    # One by one: nearly always the first attempt is the last.
    attempts = iter(product(places(len(block) == _AES_DIGITS), formats))
    return _attempt(card, pan, block, new_block if is_change else "", attempts)


def _attempt(card: Card, pan: str, block: str, new_block: str, attempts: Iterator[tuple[str, str]]) -> Proof:
    key, form = next(attempts, ("", ""))
    if not key:
        return Proof("pin", UNAVAILABLE)

    def read(answer: Any) -> Proof:
        if answer.code in (_BAD_BLOCK, _BAD_LENGTH):
            return _attempt(card, pan, block, new_block, attempts)
        result = _RESULTS.get(answer.code, UNAVAILABLE)
        made = getattr(answer, "pvv", "") or getattr(answer, "offset", "")
        return Proof("pin", result, new_pin=made if result == MATCH else "")

    return Proof("pin", question=_question(card, pan, block, new_block, key, form), read=read)


def _question(card: Card, pan: str, block: str, new_block: str, key: str, form: str) -> Any:
    if card.pin_method == IBM:
        pvk, table = card.pvk or PVK_IBM, card.pin_table or DECIMALISATION
        # Eleven digits of the account, and N, which stands for its last five.
        validation = card.pin_validation or pan[:11] + "N"
        if new_block:
            return ChangePinIbm(key, pvk, block, new_block, form, pan, card.pin_value, table, validation)
        return VerifyPinIbm(key, pvk, block, form, pan, card.pin_value, table, validation)
    pvk, pvki = card.pvk or PVK, card.pvki or "1"
    if new_block:
        return ChangePinPvv(key, pvk, block, new_block, form, pan, card.pin_value, pvki)
    return VerifyPinPvv(key, pvk, block, form, pan, pvki, card.pin_value)


def _is_block(block: str) -> bool:
    return len(block) in (_TDES_DIGITS, _AES_DIGITS) and not block.strip("0123456789ABCDEFabcdef")
