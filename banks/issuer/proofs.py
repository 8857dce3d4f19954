"""What a request brings to prove itself: CVV2, stripe, PIN, chip, authentication; each a `Proof`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping

from banks.core.cards import ANY, Card
from banks.core.decide import MATCH, NO_MATCH
from banks.core.kinds import Kind
from banks.core.tracks import read_track
from banks.issuer.chips import chip_proof
from banks.issuer.pins import pin_proof
from banks.issuer.proof import Proof, simple_proof
from hsm_sim.core.indexes import CVK
from hsm_sim.requests import VerifyCvv
from iso import Message
from iso.private import CAVV, CVV2, NEW_PIN, PIN_REST

Places = Callable[[bool], tuple[str, ...]]
"""Where the PIN keys lie that the network may use now, for TDES or (True) AES blocks; the one in use comes first."""

_CVV2_CODE, _ICVV_CODE = "000", "999"
"""In the place of the service code: what tells the values on the back, on the stripe and in the chip apart."""
_CHIP = ("05", "06", "07", "95")
_CAVV_BYTES = 20


def proofs_of(card: Card, request: Message, tags: Mapping[str, str], kind: Kind, places: Places) -> list[Proof]:
    """Return the proofs of a request: those that the HSM has to be asked about, and those that are settled already.

    Parameters
    ----------
    tags
        Of DE 48.
    """
    proofs = []
    if tags.get(CVV2):
        proofs.append(_cvv2(card, request, tags[CVV2]))
    if 35 in request:
        proofs.append(_stripe(card, request))
    if 52 in request and kind is not Kind.PIN_UNBLOCK:
        block = request[52] + tags.get(PIN_REST, "")
        proofs.append(pin_proof(card, request.pan, block, tags.get(NEW_PIN, ""), kind, places))
    if 55 in request:
        proofs.append(chip_proof(card, request))
    if CAVV in tags:
        proofs.append(_authentication(card, request.pan, tags[CAVV]))
    return proofs


def _cvv2(card: Card, request: Message, cvv2: str) -> Proof:
    if card.cvc_rule == ANY:
        return Proof("cvv2", MATCH)
    expiry = card.expiry or request.get(14) or ""
    if not (_is_number(cvv2, 3) and _is_number(expiry, 4)):
        return Proof("cvv2", NO_MATCH)
    return simple_proof("cvv2", VerifyCvv(card.cvk or CVK, request.pan, expiry, _CVV2_CODE, cvv2))


def _stripe(card: Card, request: Message) -> Proof:
    """Check track 2, of a stripe by its CVV, of a chip by its iCVV; a stripe with a chip's value is a copied chip."""
    track = read_track(request[35])
    if track is None or track.pan != request.pan:
        return Proof("cvv", NO_MATCH)
    if card.cvc_rule == ANY:
        return Proof("cvv", MATCH)
    is_chip = (request.get(22) or "")[:2] in _CHIP
    if not track.cvv or (card.service_code and track.service_code != card.service_code):
        return Proof("cvv", NO_MATCH)
    code = _ICVV_CODE if is_chip else track.service_code
    return simple_proof("cvv", VerifyCvv(card.cvk or CVK, request.pan, track.expiry, code, track.cvv))


def _authentication(card: Card, pan: str, cavv: str) -> Proof:
    """Check the proof of authentication (DE 48.07).

    It is 20 bytes, in hex or base64: results of the first and the second factor (a decimal digit and two), key
    indicator, three digits of CAVV and a zero, four digits that never come again, and what the issuer's server likes.
    The CAVV is a CVV with these four digits for the expiry and the results for the service code.

    Source
    ------
    General knowledge of one network's scheme; its document was not seen.
    """
    data = _bytes_of(cavv)
    if len(data) != _CAVV_BYTES:
        return Proof("cavv", NO_MATCH)
    digits = data[:7].hex()
    results, value, once = digits[1] + digits[2:4], digits[6:9], digits[10:14]
    if not _is_number(results + value + once, 10):
        return Proof("cavv", NO_MATCH)
    return simple_proof("cavv", VerifyCvv(card.cvk or CVK, pan, once, results, value))


def _bytes_of(cavv: str) -> bytes:
    try:
        if len(cavv) == 2 * _CAVV_BYTES:
            return bytes.fromhex(cavv)
        return base64.b64decode(cavv, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _is_number(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isdigit()
