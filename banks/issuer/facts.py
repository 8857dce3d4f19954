"""What an issuer finds out before it decides: whose card this is, and which of its proofs the HSM accepts.

A card that was seen lately needs no question of its own; whatever has to be verified then travels as one batch. A fact
that the HSM does not give is `UNAVAILABLE` and fails closed.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from hashlib import blake2b

from banks.core.avs import avs_result
from banks.core.cards import Card
from banks.core.decide import MATCH, NOT_PROCESSED, UNAVAILABLE, Verdict
from banks.core.kinds import Kind
from banks.core.reasons import Reason
from banks.core.scripts import ScriptRow
from banks.issuer.books import IssuerBooks
from banks.issuer.proof import Proof
from banks.issuer.proofs import proofs_of
from hsm_sim.requests import Fingerprint, Fingerprinted
from iso import Message
from iso.private import ADDRESS, AVS_RESULT, CRYPTOGRAM_RESULT, CVV2_RESULT, build_private
from node.core.conversations import Desk
from node.core.steps import UNKNOWN

HSM = "hsm"
_OK, _BAD_PAN = "00", "22"
_UNLESS_COUNTED = frozenset({Reason.BALANCE_TOLD, Reason.VERIFIED, Reason.PIN_CHANGED, Reason.PIN_UNBLOCKED})


class Gathered:
    """What is known about a request, and afterwards what follows from its verdict.

    Attributes
    ----------
    is_known
        False: the HSM did not say whose card it is.
    fingerprint
        Of the card; "" if the number cannot be one.
    results
        Per proof ("cvv2", "cvv", "pin", "arqc", "cavv") M, N, P, U or what else `banks.core.decide` knows.
    atc
        The chip's counter, or 0.
    card, account
        The row that was decided on, and the name of its account in the currency of the request, "" without a card;
        `judge` sets them, because rows may change while the HSM is asked.
    token
        DE 48.17.
    script
        The script that is about this request; `judge` sets it.
    """

    __slots__ = (
        "account",
        "arpc",
        "atc",
        "avs",
        "card",
        "fingerprint",
        "is_known",
        "kind",
        "new_pin",
        "request",
        "results",
        "script",
        "token",
    )

    def __init__(self, request: Message, kind: Kind, *, is_known: bool, fingerprint: str = "") -> None:
        self.request = request
        self.kind = kind
        self.is_known = is_known
        self.fingerprint = fingerprint
        self.results: dict[str, str] = {}
        self.token = ""
        self.atc = 0
        self.arpc = ""
        self.avs = ""
        self.new_pin = ""
        self.card: Card | None = None
        self.account = ""
        self.script: ScriptRow | None = None

    def __repr__(self) -> str:
        return f"Gathered({self.kind.name}, is_known={self.is_known}, results={self.results})"

    @property
    def cvv2(self) -> str:
        """DE 48.02: M, N, P or U."""
        return self.results.get("cvv2", NOT_PROCESSED if self.is_known else UNAVAILABLE)

    @property
    def delay_ms(self) -> int:
        """How long a script holds the answer back."""
        return self.script.delay_ms if self.script is not None else 0

    @property
    def is_answered(self) -> bool:
        """Whether the request gets an answer at all."""
        return self.script is None or bool(self.script.answers)

    def card_after(self, verdict: Verdict, at: datetime) -> Card | None:
        """Return the card as it is after this verdict; None if nothing about it changed."""
        card = self.card
        if card is None:
            return None
        changed = card
        if self.results.get("arqc") == MATCH and self.atc > card.atc and verdict.reason is not Reason.ATC_REPLAYED:
            # A counter with a right cryptogram is spent, whatever was decided otherwise.
            changed = changed._replace(atc=self.atc)
        if verdict.reason is Reason.PIN_WRONG:
            changed = changed._replace(pin_tries=min(card.pin_tries + 1, card.pin_tries_max))
        elif verdict.reason is Reason.PIN_UNBLOCKED or (
            card.pin_tries and self.results.get("pin") == MATCH and verdict.reason is not Reason.PIN_TRIES_EXCEEDED
        ):
            changed = changed._replace(pin_tries=0)
        if verdict.reason is Reason.PIN_CHANGED:
            changed = changed._replace(pin_value=self.new_pin)
        if verdict.approves and card.counts_days and self.kind is not Kind.REFUND:
            changed = self._counted(changed, verdict, at)
        return changed if changed is not card else None

    def _counted(self, card: Card, verdict: Verdict, at: datetime) -> Card:
        if verdict.reason in _UNLESS_COUNTED:
            return card
        counted = card.after_approval(at, verdict.amount_minor)
        # More of the same payment is more money, and not one more time.
        return counted._replace(used=card.used_today(at)) if self.kind is Kind.INCREMENT else counted

    def answer(self, verdict: Verdict) -> dict[int, str]:
        """Return what the answer carries beside its code: results of the checks (DE 48), the ARPC (DE 55).

        An answer that declines brings no ARPC: the chip declines by itself.
        """
        elements = {48: _results_text(self.cvv2, self.avs)}
        if self.arpc and verdict.approves:
            elements[55] = self.arpc
        return elements


@lru_cache(maxsize=64)
def _results_text(cvv2: str, avs: str) -> str:
    return build_private({CVV2_RESULT: cvv2, AVS_RESULT: avs} if avs else {CVV2_RESULT: cvv2})


async def gather(desk: Desk, books: IssuerBooks, request: Message, kind: Kind) -> Gathered:
    """Ask the HSM whose card this is, and to verify what the request brings, as far as its row wants that.

    Parameters
    ----------
    desk
        Of the conversation; its port "hsm" is asked.
    request
        A 0100, 0200 or advice, with DE 48 in the house's layout.
    kind
        What it wants.

    Returns
    -------
    Gathered
        For `banks.issuer.judge.judge`, which must follow without another await.
    """
    tags = request.private
    known = await find_card(desk, books, request.pan)
    gathered = Gathered(request, kind, is_known=known is not None, fingerprint=known or "")
    gathered.token = tags.get(CRYPTOGRAM_RESULT, "")
    card = books.cards.get(gathered.fingerprint)
    if card is None or kind in (Kind.REFUND, Kind.UNKNOWN):
        return gathered
    if ADDRESS in tags:
        gathered.avs = avs_result(tags[ADDRESS], card.avs_address, card.avs_postcode)
    proofs = [proof for proof in proofs_of(card, request, tags, kind, books.pin_places) if _settle(gathered, proof)]
    while proofs:
        answers = await desk.ask_all(HSM, [proof.question for proof in proofs], books.rules.hsm_timeout_s)
        proofs = [
            after
            for proof, answer in zip(proofs, answers, strict=True)
            if _settle(gathered, after := proof.taken(answer, UNKNOWN))
        ]
    return gathered


async def find_card(desk: Desk, books: IssuerBooks, pan: str) -> str | None:
    """Return the fingerprint of a card; "" if no card can have such a number, None if the HSM is silent."""
    if not 12 <= len(pan) <= 19:
        return ""
    name = blake2b(pan.encode("ascii", "replace"), digest_size=16).digest()
    known = books.known_cards.get(name)
    if known is not None:
        return known
    found = await desk.ask(HSM, Fingerprint(pan), books.rules.hsm_timeout_s)
    if not isinstance(found, Fingerprinted) or found.code not in (_OK, _BAD_PAN):
        return None
    if found.fingerprint in books.cards:
        # Only cards of ours: numbers that somebody tries out push none of them out.
        books.known_cards.put(name, found.fingerprint)
    return found.fingerprint


def _settle(gathered: Gathered, proof: Proof) -> bool:
    """Write down what a proof has come to; True if the HSM has to be asked (again)."""
    if proof.question is not None:
        return True
    gathered.results[proof.name] = proof.result
    gathered.atc = proof.atc or gathered.atc
    gathered.arpc = proof.arpc or gathered.arpc
    gathered.new_pin = proof.new_pin or gathered.new_pin
    return False
