"""Reversals that acquirers ask for, of the whole or of a part: taken over durably, answered at once.

A partial reversal says in DE 95 what is left of the amount. The leg remembers it, so that a repeat changes nothing and
nobody undoes more than there is. Before the issuer has answered there is nothing of which a part could be undone: the
acquirer is told to come again (09). A part of what nobody has seen is not located (25): a tombstone would refuse the
whole of it.
"""

from __future__ import annotations

from iso import Message
from node.core.link import Arrival
from node.core.turn import Turn
from switch.core.book import FORMAT_ERROR, NOT_LOCATED, TAKEN, Book
from switch.core.legs import TABLE, Leg, Names
from switch.core.numbers import own_stan
from switch.core.reversal import OVERTAKEN, left_of, saf_reversal
from switch.core.states import IN_FLIGHT, Cause, State
from switch.core.totals import STANDING

IN_PROGRESS, AMOUNT_INCORRECT = "09", "64"


class Undo:
    """Decides about the reversals of acquirers.

    Parameters
    ----------
    book
        What the parts of the switch share.
    """

    __slots__ = ("book",)

    def __init__(self, book: Book) -> None:
        self.book = book

    def take(self, arrival: Arrival, names: Names, turn: Turn, searched: frozenset[Names] = frozenset()) -> None:
        """Take a reversal; what it leads to depends on its original."""
        book, message = self.book, arrival.message
        left_minor = left_of(message) if 95 in message else 0
        if left_minor is None:
            book.answer(arrival, FORMAT_ERROR, turn)
            return
        leg = book.legs.find(names)
        if leg is not None and leg.acquirer != arrival.link:
            turn.note(arrival.link, "refused", f"{message.mti} {message.stan}: its original is another member's")
            book.answer(arrival, NOT_LOCATED, turn)
            return
        if leg is None and not book.tombstones.covers(names):
            if names not in searched:
                book.searches.start(arrival, names, turn, searched)
                return
            if left_minor:
                book.answer(arrival, NOT_LOCATED, turn)
                return
            book.tombstones.put(names, turn.at, turn)
        code = TAKEN
        if leg is not None:
            code = self._reduce(leg, message, left_minor, turn) if left_minor else self._withdraw(leg, message, turn)
        book.answer(arrival, code, turn)

    def _withdraw(self, leg: Leg, message: Message, turn: Turn) -> str:
        before = leg.state
        leg.see(Cause.REVERSAL)
        if before is State.OPENING:
            self.book.end(leg, OVERTAKEN, turn)
        elif leg.state is not before:
            if leg.state is State.REVERSED:
                self._owe(leg, message, None, turn)
                self.book.totals.reversed(leg, leg.left_minor, 0, self.book.days.current(turn))
            turn.store(TABLE, leg.row())
        return TAKEN

    def _reduce(self, leg: Leg, message: Message, left_minor: int, turn: Turn) -> str:
        leg.see(Cause.PARTIAL_REVERSAL)
        if leg.state in IN_FLIGHT and leg.state is not State.WITHDRAWN:
            return IN_PROGRESS
        known = leg.parts.get(message.stan)
        if leg.state not in STANDING or left_minor in (known, leg.left_minor):
            return TAKEN
        if known is not None or left_minor > leg.left_minor:
            turn.note(leg.acquirer, "refused", f"{message.mti} {message.stan}: more would be left than there is")
            return AMOUNT_INCORRECT
        self.book.totals.reversed(leg, leg.left_minor, left_minor, self.book.days.current(turn))
        leg.parts = {**leg.parts, message.stan: left_minor}
        self._owe(leg, message, left_minor, turn)
        turn.store(TABLE, leg.row())
        return TAKEN

    def _owe(self, leg: Leg, message: Message, left_minor: int | None, turn: Turn) -> None:
        book = self.book
        if leg.issuer in book.rules.rewrites_stan:
            message = message.with_fields({11: own_stan(book.stans, turn)})
        book.saf.put(saf_reversal(leg, turn.at, book.days.mmdd(turn), message, left_minor), turn)
