"""Answers of issuers, and their silence: what the acquirer is told, and what is owed to the issuer for it.

Where the issuer does not answer, stand-in is asked. What it approves is approved for good: the issuer gets a 0120, and
no 0420. Anything else is no approval: if the request may have been written, the issuer gets a 0420.
"""

from __future__ import annotations

from iso import Message
from iso.dialect import APPROVED_CODES
from iso.pan import mask_pan
from node.core.link import Arrival
from node.core.turn import Turn
from switch.core.advices import stand_in_advice, stand_in_private
from switch.core.book import INOPERATIVE, MALFUNCTION, Book
from switch.core.elements import returned
from switch.core.legs import Leg, names_of_request
from switch.core.numbers import network_transaction_id
from switch.core.reversal import OVERTAKEN, saf_reversal
from switch.core.routing import is_token
from switch.core.stand_in import Asked, Ground, Why
from switch.core.states import Cause, State

APPROVED = APPROVED_CODES["1987"]
"""DE 39 of an issuer that holds money. Links hand over the 1987 form, whatever their dialect."""
NO_REASON_TO_DECLINE = "85"
"""DE 39 with which some issuers approve of a card that nothing is asked of: an amount of zero."""


class Answers:
    """Decides about what issuers say, or do not say.

    Parameters
    ----------
    book
        What the parts of the switch share.
    """

    __slots__ = ("book",)

    def __init__(self, book: Book) -> None:
        self.book = book

    def answered(self, leg: Leg, answer: Message, turn: Turn) -> None:
        """Take the issuer's answer in time."""
        book = self.book
        book.breakers.answered(leg.issuer)
        code = answer.response_code or MALFUNCTION
        assert leg.request is not None
        is_withdrawn = leg.state is State.WITHDRAWN
        network_id = network_transaction_id(turn.at, book.network_ids.next(turn))
        leg.answer = returned(answer, leg.pan, leg.elements[15], network_id)
        if code not in APPROVED and not (code == NO_REASON_TO_DECLINE and not leg.request.amount_minor):
            leg.see(Cause.ISSUER_DECLINED)
            book.end(leg, code, turn)
            return
        leg.see(Cause.ISSUER_APPROVED)
        self._convert(leg, answer)
        if is_withdrawn:
            book.saf.put(saf_reversal(leg, turn.at, book.days.mmdd(turn)), turn)
            book.end(leg, OVERTAKEN, turn, extra={})
        else:
            book.end(leg, code, turn)

    def not_written(self, leg: Leg, turn: Turn) -> None:
        """Decide for an issuer that the request never reached; there is nothing to reverse."""
        self.decide_instead(leg, Cause.NOT_WRITTEN, Why.DOWN, turn)

    def silence(self, leg: Leg, now: float, turn: Turn) -> None:
        """Decide for an issuer, or answer for an HSM, that did not answer in time."""
        if leg.state is State.OPENING:
            leg.see(Cause.SILENCE)
            end = self.book.refuse if leg.is_advice else self.book.end
            end(leg, MALFUNCTION, turn)
            return
        if self.book.breakers.silent(leg.issuer, now):
            turn.note(leg.issuer, "breaker", "open: too many requests without an answer")
        self.decide_instead(leg, Cause.SILENCE, Why.SILENT, turn)

    def decide_instead(self, leg: Leg, cause: Cause, why: Why, turn: Turn) -> None:
        """Let stand-in decide; `cause` is what happens to the leg if it does not approve."""
        code = INOPERATIVE
        if self.book.rules.stand_in and leg.state is not State.WITHDRAWN:
            code, is_approved = self._stand_in(leg, why, turn)
            if is_approved:
                return
        leg.see(cause)
        if cause is Cause.SILENCE:
            self.book.saf.put(saf_reversal(leg, turn.at, self.book.days.mmdd(turn)), turn)
        self.book.end(leg, code, turn)

    def _stand_in(self, leg: Leg, why: Why, turn: Turn) -> tuple[str, bool]:
        book = self.book
        assert leg.request is not None
        rule = book.stand_in.rule_of(leg.pan)
        code, ground = book.stand_in.decide(rule, _asked(leg, leg.request), turn)
        if ground is Ground.NO_RULE:
            return code, False
        detail = f"{leg.mti} {leg.request.stan}: {code}, {ground.value}; the issuer is {why.value}"
        turn.note(leg.issuer, "stand-in", detail)
        leg.answer = {15: leg.elements[15], 48: stand_in_private(why.value)}
        if ground is not Ground.APPROVED:
            return code, False
        leg.see(Cause.STOOD_IN)
        network_id = network_transaction_id(turn.at, book.network_ids.next(turn))
        leg.answer |= {38: book.stand_in.authorisation_code(turn), 48: stand_in_private(why.value, network_id)}
        book.saf.put(stand_in_advice(leg, turn.at), turn)
        self._convert(leg, leg.request.reply(code))
        book.end(leg, code, turn)
        return code, True

    def _convert(self, leg: Leg, answer: Message) -> None:
        """Tell the acquirer what was approved in the merchant's currency and in its own."""
        assert leg.request is not None
        currencies = self.book.rules.currencies
        leg.answer |= currencies.for_acquirer(leg.request, leg.elements, answer, leg.acquirer, leg.received_at)

    def late(self, arrival: Arrival, turn: Turn) -> None:
        """Drop an answer that nobody waits for; its leg stays what it is."""
        leg = self.book.legs.find(names_of_request(arrival.message))
        if leg is not None and leg.state is not State.NEW:
            leg.see(Cause.LATE_ANSWER)
            turn.note(arrival.link, "dropped", f"late {arrival.message.mti}: the leg is {leg.state.value}")


def _asked(leg: Leg, request: Message) -> Asked:
    return Asked(
        card=leg.card if is_token(leg.card) else mask_pan(leg.pan),
        processing_code=request.processing_code,
        amount_minor=request.amount_minor,
        currency=request.currency,
        mcc=request.get(18) or "",
        expiry=request.get(14) or "",
        cvv2=leg.cvv2_result,
        has_pin=52 in request,
    )
