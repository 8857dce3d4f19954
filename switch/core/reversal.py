"""Reversals: the 0420 that the switch owes an issuer, and tombstones for originals that nobody has seen.

DE 90 names the original as the issuer's leg saw it. DE 2 of a stored reversal is the token, or the sealed card; it is
opened again at each send, by the reference that the first authorisation recorded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from iso import Message
from iso.original import OriginalData
from iso.stan import transmission_time
from node.core.saf import SafEntry
from node.core.turn import Row, Turn
from switch.core.currencies import OWN
from switch.core.legs import Leg, Names

TABLE: Final = "tombstones"
WAITING: Final = "waiting"
EXPIRED: Final = "expired"

OVERTAKEN: Final = "21"
"""DE 39 (no action) for a request whose reversal came first, or came while it was in flight."""

_AMOUNT_DIGITS = 12
_NO_OTHER_AMOUNTS = "0" * 12 + "C00000000" * 2
"""DE 95 behind the amount: settlement amount and the two fees, which do not change."""

_FROM_THE_REQUEST = (3, 4, 11, 12, 13, 18, 19, 32, 33, 37, 41, 42, 43, 49, *OWN)
_FROM_THE_ANSWER = (4, 6, 38)
_FROM_THE_REVERSAL = (3, 4, 11, 12, 13, 18, 19, 33, 38, 41, 42, 43, 49)
"""Without DE 32 and 37, which name the payment for its whole life: the HSM opens the card by them."""


def saf_reversal(
    leg: Leg, at: datetime, settled: str, asked: Message | None = None, left_minor: int | None = None
) -> SafEntry:
    """Return the SAF entry that undoes a leg at its issuer, or a part of it.

    Parameters
    ----------
    leg
        A leg that was forwarded, or whose advice is in the SAF.
    at
        Business time of the decision.
    settled
        DE 15: the settlement date of the reversal, which may be after its original's.
    asked
        The acquirer's reversal, if it asks for this one: then DE 11 is that reversal's. Our own carries the STAN of
        its original, which no other 0420 of the acquirer has.
    left_minor
        What is left of the amount, for DE 95; None undoes the whole.

    Returns
    -------
    SafEntry
        One per leg and for ever, and one for each of its parts: its identifier follows from the leg's name.
    """
    elements = {element: leg.elements[element] for element in _FROM_THE_REQUEST if element in leg.elements}
    if asked is not None:
        elements |= asked.only(_FROM_THE_REVERSAL)
    # What was approved, where that is less than was asked for.
    elements |= {element: leg.answer[element] for element in _FROM_THE_ANSWER if element in leg.answer}
    elements |= {2: leg.card, 7: transmission_time(at), 15: settled, 90: original_name(leg)}
    identifier = f"0420/{leg.names.business}"
    if left_minor is not None:
        elements |= {4: leg.answer.get(4) or leg.elements.get(4, ""), 95: f"{left_minor:012d}{_NO_OTHER_AMOUNTS}"}
        identifier += f"/{elements[11]}"
    return SafEntry(identifier, leg.issuer, leg.queue, Message("0420", elements), at.isoformat())


def original_name(leg: Leg) -> str:
    """Return DE 90 for a leg, as its issuer saw it."""
    elements = leg.elements
    acquirer, forwarder = elements.get(32, "").lstrip("0"), elements.get(33, "").lstrip("0")
    mti = leg.mti[:3] + "0"
    return OriginalData(mti, elements.get(11, ""), elements.get(7, ""), acquirer, forwarder).to_de90()


def left_of(reversal: Message) -> int | None:
    """Return what DE 95 leaves of the amount, in minor units; None if it does not say."""
    amount = (reversal.get(95) or "")[:_AMOUNT_DIGITS]
    return int(amount) if len(amount) == _AMOUNT_DIGITS and amount.isascii() and amount.isdigit() else None


class Tombstone(NamedTuple):
    """A reversal whose original nobody has seen: the original is refused should it still come."""

    names: Names
    state: str
    at: str

    def row(self) -> Row:
        """Return the tombstone in the column order of the `tombstones` table."""
        return (self.names.business, self.names.original, self.state, self.at)


class Tombstones:
    """The latest tombstones; older ones expire, since an original does not travel for so long.

    Parameters
    ----------
    limit
        How many are kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._order: deque[Tombstone] = deque()
        self._names: set[str] = set()

    def restore(self, rows: Iterable[Row]) -> None:
        """Take the waiting tombstones back after a restart; `rows` are oldest first."""
        for business, original, state, at in rows:
            self._enter(Tombstone(Names(original, business), state, at))

    def put(self, names: Names, at: datetime, turn: Turn) -> None:
        """Set a tombstone."""
        if self.covers(names):
            return
        tombstone = Tombstone(names, WAITING, at.isoformat())
        self._enter(tombstone)
        turn.store(TABLE, tombstone.row())
        while len(self._order) > self.limit:
            oldest = self._order.popleft()
            self._names.difference_update(oldest.names)
            turn.store(TABLE, oldest._replace(state=EXPIRED).row())

    def covers(self, names: Names) -> bool:
        """Whether an original of either name was reversed before it came."""
        return names.original in self._names or names.business in self._names

    def __len__(self) -> int:
        return len(self._order)

    def _enter(self, tombstone: Tombstone) -> None:
        self._order.append(tombstone)
        self._names.update(tombstone.names)
