"""What an issuer asks its HSM before it decides: whose card this is, and whether its CVV2 is right."""

from __future__ import annotations

from typing import NamedTuple

from banks.core.cards import ANY, Card
from banks.core.decide import MATCH, NO_MATCH, NOT_PROCESSED, UNAVAILABLE
from banks.issuer.books import IssuerBooks
from hsm_sim.core.indexes import CVK
from hsm_sim.requests import CvvChecked, Fingerprint, Fingerprinted, VerifyCvv
from iso import Message
from iso.private import CVV2, parse_private
from node.core.conversations import Desk

_SERVICE_CODE = "000"
_OK, _MISMATCH, _NO_KEY, _BAD_PAN = "00", "01", "12", "22"


class Holder(NamedTuple):
    """Who pays, as far as the HSM could say.

    Attributes
    ----------
    is_known
        False: the HSM did not answer, so nothing is known about the card.
    fingerprint
        Of the card; "" if the number cannot be one.
    cvv2
        M, N, P or U.
    has_cvv2
        Whether the request brought one.
    """

    is_known: bool
    fingerprint: str
    cvv2: str
    has_cvv2: bool


async def find_holder(desk: Desk, books: IssuerBooks, request: Message) -> Holder:
    """Ask the HSM under which fingerprint the card is filed, and to verify the CVV2 if its row wants that."""
    pan = request.pan
    cvv2 = parse_private(request.get(48) or "").get(CVV2, "")
    if not 12 <= len(pan) <= 19:
        return Holder(True, "", NOT_PROCESSED, bool(cvv2))
    found = await desk.ask("hsm", Fingerprint(pan), books.rules.hsm_timeout_s)
    if not isinstance(found, Fingerprinted) or found.code not in (_OK, _BAD_PAN):
        return Holder(False, "", UNAVAILABLE, bool(cvv2))
    card = books.cards.get(found.fingerprint)
    result = NOT_PROCESSED if card is None else await _verify(desk, books, card, request, cvv2)
    return Holder(True, found.fingerprint, result, bool(cvv2))


async def _verify(desk: Desk, books: IssuerBooks, card: Card, request: Message, cvv2: str) -> str:
    if not cvv2:
        return NOT_PROCESSED
    if card.cvc_rule == ANY:
        return MATCH
    expiry = card.expiry or request.get(14) or ""
    if not (len(cvv2) == 3 and cvv2.isascii() and cvv2.isdigit() and expiry):
        return NO_MATCH
    question = VerifyCvv(card.cvk or CVK, request.pan, expiry, _SERVICE_CODE, cvv2)
    checked = await desk.ask("hsm", question, books.rules.hsm_timeout_s)
    if not isinstance(checked, CvvChecked):
        return UNAVAILABLE
    # A card whose key is not in the HSM cannot be verified by anything: that fails closed, like a mismatch.
    return {_OK: MATCH, _MISMATCH: NO_MATCH, _NO_KEY: NO_MATCH}.get(checked.code, UNAVAILABLE)
