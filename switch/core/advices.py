"""Advices: what has been decided already and must still reach the issuer.

An acquirer's 0120 or 0220 is taken over: durable in the SAF before it is answered, and sent from there until the issuer
takes it. It is never declined for what an issuer might say of it. One that cannot be taken over now (the HSM is silent,
the card unknown) is answered so and forgotten, so that its repeat is looked at anew. Stand-in's own 0120 goes the same
way. DE 90 names the original as the issuer's leg saw it. DE 7 of an advice is that of the turn that took it over, at
every send: a reversal of it names it so.
"""

from __future__ import annotations

from datetime import datetime

from iso import Message
from iso.private import NETWORK_TRANSACTION_ID, STAND_IN, build_private
from node.core.link import Arrival
from node.core.saf import SafEntry
from node.core.turn import Turn
from switch.core.book import TAKEN, Book
from switch.core.elements import advised, issuer_times, kept, sending_time
from switch.core.legs import Leg, Names, names_of_original
from switch.core.numbers import own_stan
from switch.core.reversal import original_name
from switch.core.states import Cause


class Advices:
    """Decides about the advices of acquirers.

    Parameters
    ----------
    book
        What the parts of the switch share.
    """

    __slots__ = ("book",)

    def __init__(self, book: Book) -> None:
        self.book = book

    def is_clear(self, arrival: Arrival, searched: frozenset[Names], turn: Turn) -> bool:
        """Whether it is known which leg DE 90 names; if not, the journal is asked and the arrival waits for it."""
        names = names_of_original(arrival.message)
        book = self.book
        if names in searched or book.legs.find(names) is not None:
            return True
        if not book.searches.join(arrival, names, searched):
            book.searches.start(arrival, names, turn, searched)
        return False

    def original_of(self, arrival: Arrival) -> Leg | None:
        """Return the leg that DE 90 of a message names; None if nobody has seen it, or another member's it is.

        Raises
        ------
        RemoteProtocolError
            DE 90 is not 42 digits.
        """
        leg = self.book.legs.find(names_of_original(arrival.message))
        return leg if leg is not None and leg.acquirer == arrival.link else None

    def take_over(self, leg: Leg, advice: Message, turn: Turn) -> None:
        """Put the advice of a leg whose card is open into the SAF, and answer it.

        Parameters
        ----------
        advice
            The acquirer's, with the amounts in the issuer's currencies.
        """
        book = self.book
        elements = advised(advice, leg.pan) | issuer_times(turn.at, book.days.mmdd(turn)) | {2: leg.card}
        if leg.original:
            elements[90] = leg.original
        if leg.issuer in book.rules.rewrites_stan:
            elements[11] = own_stan(book.stans, turn)
        elements[7] = sending_time(Message(leg.mti, elements), turn.at)
        leg.elements = kept(advice) | {element: elements[element] for element in (7, 11, 15)}
        mti = leg.mti[:3] + "0"
        identifier = f"{mti}/{leg.names.business}"
        leg.see(Cause.TAKEN_OVER)
        book.opened[identifier] = leg.pan
        book.saf.put(SafEntry(identifier, leg.issuer, leg.queue, Message(mti, elements), turn.at.isoformat()), turn)
        leg.answer = {15: elements[15]}
        book.end(leg, TAKEN, turn)


def stand_in_advice(leg: Leg, at: datetime) -> SafEntry:
    """Return the 0120 (0220 for a 0200) that tells an issuer what was approved in its place.

    Parameters
    ----------
    leg
        A leg with its answer: DE 38, and DE 48 with stand-in's reason.
    at
        Business time of the decision.
    """
    elements = {**leg.elements, 2: leg.card, 38: leg.answer[38], 39: TAKEN}
    elements |= {48: leg.answer[48], 90: original_name(leg)}
    mti = f"{leg.mti[:2]}20"
    elements[7] = sending_time(Message(mti, elements), at)
    return SafEntry(f"{mti}/{leg.names.business}", leg.issuer, leg.queue, Message(mti, elements), at.isoformat())


def stand_in_private(why: str, network_id: str = "") -> str:
    """Return DE 48 of what stand-in decided: tag 09 is the reason, a slash, and who decided."""
    tags = {STAND_IN: f"{why}/switch"}
    return build_private(tags | {NETWORK_TRANSACTION_ID: network_id} if network_id else tags)
