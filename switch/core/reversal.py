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
from iso.stan import local_date, transmission_time
from node.core.saf import SafEntry
from node.core.turn import Row, Turn
from switch.core.legs import Leg, Names

TABLE: Final = "tombstones"
WAITING: Final = "waiting"
EXPIRED: Final = "expired"

OVERTAKEN: Final = "21"
"""DE 39 (no action) for a request whose reversal came first, or came while it was in flight."""

_FROM_THE_REQUEST = (3, 4, 11, 12, 13, 18, 19, 32, 33, 37, 41, 42, 43, 49)
_FROM_THE_REVERSAL = (3, 4, 11, 12, 13, 18, 19, 32, 33, 37, 38, 41, 42, 43, 49)


def saf_reversal(leg: Leg, at: datetime, asked: Message | None = None) -> SafEntry:
    """Return the SAF entry that undoes a leg at its issuer.

    Parameters
    ----------
    leg
        A leg that was forwarded.
    at
        Business time of the decision.
    asked
        The acquirer's reversal, if it asks for this one: then DE 11 is that reversal's. Our own carries the STAN of
        its original, which no other 0420 of the acquirer has.

    Returns
    -------
    SafEntry
        One per leg and for ever: its identifier follows from the leg's name.
    """
    elements = {element: leg.elements[element] for element in _FROM_THE_REQUEST if element in leg.elements}
    if asked is not None:
        elements |= {element: value for element in _FROM_THE_REVERSAL if (value := asked.get(element)) is not None}
    if 38 in leg.answer:
        elements[38] = leg.answer[38]
    original = OriginalData(
        leg.mti[:3] + "0",
        leg.elements.get(11, ""),
        leg.elements.get(7, ""),
        leg.elements.get(32, "").lstrip("0"),
        leg.elements.get(33, "").lstrip("0"),
    )
    elements |= {2: leg.card, 7: transmission_time(at), 15: local_date(at), 90: original.to_de90()}
    return SafEntry(f"0420/{leg.names.business}", leg.issuer, leg.card, Message("0420", elements), at.isoformat())


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
