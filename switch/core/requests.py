"""Requests and advices of acquirers: copies, new legs, what the HSM is asked about them, and the way to an issuer.

The deadline of a leg starts when its request is received, so that the HSM's time counts. Everything that the HSM can be
asked at once travels in one batch: a card number is sealed, its PIN translated and its CVV2 verified in the same
turn; of a network token the card has to be known first.
"""

from __future__ import annotations

from typing import Any

from hsm_sim.core.errors import OK
from hsm_sim.requests import Detokenise, OpenPan, TranslatePin, VerifyCvv
from iso import LocalProtocolError, Message, RemoteProtocolError
from iso.masks import mask_pan
from node.core.link import Arrival
from node.core.turn import Turn
from switch.core.advices import Advices
from switch.core.answers import Answers
from switch.core.book import (
    CARD,
    CVV2,
    DUPLICATE,
    FORMAT_ERROR,
    INOPERATIVE,
    MALFUNCTION,
    NEW_PIN,
    NO_CRYPTOGRAM,
    NO_ISSUER,
    NOT_LOCATED,
    NOT_SUPPORTED,
    PIN,
    Book,
    CardKey,
)
from switch.core.currencies import OWN, UnconvertibleError
from switch.core.elements import (
    NO_PIN,
    OWN_ELEMENTS,
    SEALED_PREFIX,
    Opened,
    card_question,
    cvv2_of,
    is_increment,
    issuer_request,
    kept,
    new_pin_of,
    pin_refusal_code,
    proof_of,
    refusal_code,
    reopen_request,
)
from switch.core.legs import TABLE, Leg, Names
from switch.core.numbers import own_stan
from switch.core.reversal import OVERTAKEN, original_name
from switch.core.routing import is_token
from switch.core.stand_in import Why
from switch.core.states import Cause, State
from switch.core.totals import STANDING

_CARD_NOT_PRESENT = "000"
"""Service code under which a CVV2 is made. Source: shared facts, hsm."""
_MATCHES, _DIFFERS = "00", "01"
_PINS = frozenset({PIN, NEW_PIN})


class Requests:
    """Decides about the requests and advices of acquirers.

    Parameters
    ----------
    book
        What the parts of the switch share.
    answers
        Decides about legs whose issuer cannot be asked.
    """

    __slots__ = ("advices", "answers", "book")

    def __init__(self, book: Book, answers: Answers) -> None:
        self.book = book
        self.answers = answers
        self.advices = Advices(book)

    def take(
        self, arrival: Arrival, names: Names, now: float, turn: Turn, searched: frozenset[Names] = frozenset()
    ) -> None:
        """Take a request or advice that has everything it needs; `searched`: what the journal has been asked for."""
        book, message = self.book, arrival.message
        leg = book.legs.find(names)
        if leg is not None and leg.acquirer == arrival.link and leg.is_same(names, message):
            self._copied(leg, arrival, turn)
        elif leg is not None:
            turn.note(arrival.link, "refused", f"{message.mti} {message.stan}: another request has used its name")
            book.answer(arrival, DUPLICATE, turn)
        elif book.legs.in_flight + len(book.searches) >= book.rules.in_flight_max:
            turn.note(arrival.link, "refused", f"{message.mti} {message.stan}: too many legs in flight")
            book.answer(arrival, INOPERATIVE, turn)
        elif names not in searched and book.legs.may_have_forgotten(message, turn.at):
            book.searches.start(arrival, names, turn, searched)
        elif 90 in message and not self.advices.is_clear(arrival, searched, turn):
            return
        else:
            self._new(arrival, names, now, turn)

    def _copied(self, leg: Leg, arrival: Arrival, turn: Turn) -> None:
        """Take a copy of a request that is in memory.

        A copy in flight is not refused: a refusal would be matched with the original, whose approval would then
        count on one side only. The answer goes to the latest copy.
        """
        leg.see(Cause.COPIED)
        turn.note(arrival.link, "copy", f"{arrival.message.mti} {arrival.message.stan}: the leg is {leg.state.value}")
        if leg.is_in_flight:
            assert leg.request is not None
            # Nobody has checked the copy: of it only what leads the answer back is taken.
            copy = arrival.message
            leg.request, leg.connection = leg.request.with_fields({7: copy[7]}, header=copy.header), arrival.connection
            return
        code, extra = (leg.code, leg.answer)
        if leg.state is State.REVERSED and not leg.is_advice:
            code, extra = OVERTAKEN, {}
        self.book.links[arrival.link].respond(arrival.message.reply(code, extra), arrival.connection, turn)

    def _new(self, arrival: Arrival, names: Names, now: float, turn: Turn) -> None:
        book, message = self.book, arrival.message
        leg = Leg(names, arrival.link, message.mti, turn.at)
        leg.request, leg.connection = message, arrival.connection
        leg.elements = _kept(leg, message)
        book.legs.open(leg)
        if book.tombstones.covers(names):
            self._refused(leg, OVERTAKEN, turn)
            return
        try:
            original = self.advices.original_of(arrival) if 90 in message else None
            question = card_question(message) if 2 in message else _kept_card(message, original)
            if question is not None:
                # A value that fits its element may not fit the HSM's field: better refused here than inside the port.
                question.encode()
                leg.proof = proof_of(question)
            if 2 in message and not is_token(message.pan):
                leg.pan, leg.cvv2 = message.pan, cvv2_of(message)
            # Tags are read again on the way out: of a request that brings no card, too, they have to be readable.
            leg.new_pin = new_pin_of(message)
        except (RemoteProtocolError, LocalProtocolError):
            self._refused(leg, FORMAT_ERROR, turn)
            return
        refusal = _objection(leg, message, original)
        if question is None or refusal:
            self._refused(leg, refusal or NO_CRYPTOGRAM, turn)
            return
        if original is not None:
            # What follows a payment goes where it went, and names it as it was named there.
            leg.issuer = original.issuer
            leg.original = original_name(original) if 7 in original.elements else message[90]
            leg.card = "" if 2 in message else original.card
        elif 90 in message:
            leg.original = message[90]
        leg.see(Cause.REQUESTED)
        book.deadlines.set(leg, book.rules.leg_timeout_s, now)
        self._ask(leg, CARD, question, turn)
        if leg.pan:
            self._ask_more(leg, message, now, turn)

    # The HSM

    def heard(self, leg: Leg, what: str, value: Any, now: float, turn: Turn) -> None:
        """Take an answer of the HSM about a leg that is opening; after the last one the leg goes on."""
        assert leg.request is not None
        leg.waits -= 1
        if what == CVV2:
            leg.cvv2_result = _cvv2_result(value)
        elif what in _PINS and value is not None and value.code in NO_PIN and self._ask_older_key(leg, what, turn):
            return
        elif value is None or value.code != OK:
            code = pin_refusal_code if what in _PINS else refusal_code
            self._refused(leg, MALFUNCTION if value is None else code(value.code), turn)
            return
        elif what == PIN:
            leg.pin = value.block
        elif what == NEW_PIN:
            leg.new_pin = value.block
        elif leg.card:
            leg.pan = value.pan
            self._ask_more(leg, leg.request, now, turn)
        elif is_token(leg.request.pan):
            leg.card, leg.pan, leg.cvv2 = leg.request.pan, value.pan, value.cvv2
            self._ask_more(leg, leg.request, now, turn)
        else:
            leg.card = SEALED_PREFIX + value.sealed
        if not leg.waits and leg.state is State.OPENING:
            self._forward(leg, now, turn)

    def _ask(self, leg: Leg, what: str, question: Any, turn: Turn) -> None:
        key = CardKey(leg.names.business, what)
        self.book.by_card[key] = leg
        leg.waits += 1
        turn.ask("hsm", key, question, self.book.rules.hsm_timeout_s)

    def _ask_more(self, leg: Leg, message: Message, now: float, turn: Turn) -> None:
        """Ask what can only be asked about a card number; may refuse the leg."""
        book = self.book
        if leg.is_advice:
            return
        rule = book.stand_in.rule_of(leg.pan) if book.rules.stand_in else None
        if rule is not None and rule.cvk and leg.cvv2 and 14 in message:
            self._ask(leg, CVV2, VerifyCvv(rule.cvk, leg.pan, message[14], _CARD_NOT_PRESENT, leg.cvv2), turn)
        blocks = [(PIN, message.get(52) or ""), (NEW_PIN, leg.new_pin)] if 52 in message or leg.new_pin else ()
        if not blocks:
            return
        self._route(leg, now)
        source, destination = book.rules.pins.get(leg.acquirer), book.rules.pins.get(leg.issuer)
        if source is None or destination is None:
            turn.note(leg.acquirer, "refused", f"{message.mti} {message.stan}: no PIN key for one of its links")
            self._refused(leg, NOT_SUPPORTED if leg.issuer else NO_ISSUER, turn)
            return
        formats = source.format, destination.format
        questions = [
            (what, TranslatePin(source.key, destination.key, block, *formats, leg.pan))
            for what, block in blocks
            if block
        ]
        try:
            for _, question in questions:
                question.encode()
        except LocalProtocolError:
            self._refused(leg, FORMAT_ERROR, turn)
            return
        for what, question in questions:
            self._ask(leg, what, question, turn)

    def _ask_older_key(self, leg: Leg, what: str, turn: Turn) -> bool:
        """Try the next PIN key that the member may still use while its key changes; False if there is none."""
        assert leg.request is not None
        book = self.book
        source, destination = book.rules.pins[leg.acquirer], book.rules.pins[leg.issuer]
        places = book.pin_places(leg.acquirer, source.is_aes)
        leg.pin_tries = (*leg.pin_tries, what)
        tries = leg.pin_tries.count(what)
        if tries >= len(places):
            return False
        block = leg.request[52] if what == PIN else new_pin_of(leg.request)
        older = TranslatePin(places[tries], destination.key, block, source.format, destination.format, leg.pan)
        self._ask(leg, what, older, turn)
        return True

    # The issuer

    def _route(self, leg: Leg, now: float) -> None:
        """Choose the leg's issuer, once; if none of its links is up, the one that is answered for."""
        if not leg.issuer:
            assert leg.request is not None
            book = self.book

            def takes(link: str) -> bool:
                return book.is_up(link) and book.breakers.would_let_through(link, now)

            choice = book.routes.choose(leg.pan, leg.request, leg.acquirer, takes)
            leg.issuer = choice.link or choice.owner

    def _forward(self, leg: Leg, now: float, turn: Turn) -> None:
        assert leg.request is not None
        book = self.book
        self._route(leg, now)
        if leg.issuer not in book.links:
            self._refused(leg, NO_ISSUER, turn)
            return
        request = self._converted(leg, leg.request, turn)
        if request is None:
            return
        if leg.is_advice:
            self.advices.take_over(leg, request, turn)
            return
        message = issuer_request(request, self._opened(leg), turn.at, book.days.mmdd(turn))
        if leg.issuer in book.rules.rewrites_stan:
            message = message.with_fields({11: own_stan(book.stans, turn)})
        if request is leg.request:
            # What was kept of the acquirer's request holds but for what the switch has just set.
            leg.elements = {**leg.elements, **message.only(OWN_ELEMENTS)}
        else:
            leg.elements = _kept(leg, message)
        try:
            why = self._send(leg, message, now, turn)
        except LocalProtocolError:
            self._refused(leg, FORMAT_ERROR, turn)
            return
        if why is not None:
            self.answers.decide_instead(leg, Cause.REFUSED, why, turn)
            return
        leg.see(Cause.OPENED)
        turn.store(TABLE, leg.row())

    def _opened(self, leg: Leg) -> Opened:
        is_reformatted = False
        if leg.pin:
            pins = self.book.rules.pins
            is_reformatted = pins[leg.acquirer].format != pins[leg.issuer].format
        return Opened(leg.pan, leg.cvv2, leg.pin, leg.new_pin, leg.proof, leg.original, is_reformatted)

    def _converted(self, leg: Leg, request: Message, turn: Turn) -> Message | None:
        """Return the request with the amounts in its issuer's currencies; None if it had to be refused."""
        try:
            changes = self.book.rules.currencies.for_issuer(request, leg.issuer, turn.at)
        except UnconvertibleError as error:
            turn.note(leg.acquirer, "refused", f"{request.mti} {request.stan}: {error}")
            if not leg.is_advice:
                self._refused(leg, error.code, turn)
                return None
            # What an advice tells has happened: the issuer hears of it in the merchant's currency alone.
            changes = dict.fromkeys(OWN)
        return request.with_fields(changes) if changes else request

    def _send(self, leg: Leg, message: Message, now: float, turn: Turn) -> Why | None:
        """Send a request; return why it was not."""
        book = self.book
        if book.rules.stand_in:
            rule = book.stand_in.rule_of(leg.pan)
            if rule is not None and rule.is_forced:
                return Why.FORCED
        if not book.is_up(leg.issuer):
            return Why.DOWN
        if not book.breakers.lets_through(leg.issuer, now):
            return Why.BREAKER
        return None if book.send(leg, message, now, turn) else Why.DOWN

    def _refused(self, leg: Leg, code: str, turn: Turn) -> None:
        leg.see(Cause.REFUSED)
        if leg.is_advice and code != OVERTAKEN:
            self.book.refuse(leg, code, turn)
        else:
            self.book.end(leg, code, turn)


def _objection(leg: Leg, message: Message, original: Leg | None) -> str:
    """Return DE 39 of a request that contradicts itself or its original, or ""."""
    if (52 in message or leg.new_pin) and (leg.is_advice or not leg.pan):
        # A PIN block is bound to a card number, which a token is not; and no advice carries a PIN.
        return FORMAT_ERROR
    if 2 not in message and (original is None or not original.card):
        return NOT_LOCATED
    if is_increment(message):
        # Nothing can be added to what is no approval, or to another card's.
        is_there = original is not None and original.state in STANDING and original.is_of_card(message)
        return "" if is_there else NOT_LOCATED
    return ""


def _kept_card(message: Message, original: Leg | None) -> Detokenise | OpenPan | None:
    """Return the question that opens the card of the payment that a message names; None if it names none."""
    return None if original is None or not original.card else reopen_request(message, original.card)


def _kept(leg: Leg, message: Message) -> dict[int, str]:
    """Return what may be stored of a message; of a card number its ends, so that a copy is told from another card."""
    number = "" if leg.request is None or is_token(leg.request.pan) else leg.request.pan
    return kept(message) | ({2: mask_pan(number)} if number else {})


def _cvv2_result(value: Any) -> str:
    if value is None:
        return "U"
    return {_MATCHES: "M", _DIFFERS: "N"}.get(value.code, "U")
