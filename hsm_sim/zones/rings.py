"""The keys of one zone as they stand, and the row of each: which is in use, which comes, which still counts.

    offered ---> current ---> old ---> retired        the side that made the key
    received --> current ---> old ---> retired        the side that was sent it
        |
        +------> refused

A row is written at every step, so that the table is also the record of every change.
"""

from __future__ import annotations

from typing import NamedTuple

from hsm_sim.zones.kinds import Zone
from node.core.turn import Row, Turn

TABLE = "zone_keys"
OFFERED, RECEIVED, CURRENT, OLD, RETIRED, REFUSED = "offered", "received", "current", "old", "retired", "refused"


class KeyRow(NamedTuple):
    """One key of a zone, in the order of the table. No key is in it: check value and dates only.

    Attributes
    ----------
    generation
        1 is the key that the ceremony made; each further one counts on.
    made_at, changed_at
        Business time, ISO 8601.
    """

    identifier: str
    link: str
    kind: str
    generation: int
    kcv: str
    state: str
    made_at: str
    changed_at: str


class Ring:
    """The keys of one zone.

    Attributes
    ----------
    current
        The key in use.
    coming
        The next one, while not both sides are known to have it.
    old
        The one before, while it is still accepted.
    is_wanted
        It is to be changed.
    is_busy
        A conversation about it is under way.
    retry_at, grace_ends_at
        Monotonic seconds; None for the grace time until the peer has been heard under the key in use.
    """

    __slots__ = (
        "_last",
        "coming",
        "current",
        "grace_ends_at",
        "is_busy",
        "is_wanted",
        "old",
        "retry_at",
        "zone",
    )

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.current = KeyRow(self._name(1), zone.link, zone.kind.value, 1, "", CURRENT, "", "")
        self.coming: KeyRow | None = None
        self.old: KeyRow | None = None
        self.is_wanted = False
        self.is_busy = False
        self.retry_at = 0.0
        self.grace_ends_at: float | None = None
        self._last = 1

    def restore(self, row: KeyRow) -> None:
        """Take one row of a restart, in any order."""
        self._last = max(self._last, row.generation)
        if row.state == CURRENT:
            self.current = row
        elif row.state == OLD:
            self.old = row
        else:
            self.coming = row

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do."""
        return self.coming is None and self.old is None and not self.is_wanted

    def accepted(self) -> tuple[tuple[str, int], ...]:
        """Return places and generations of the keys that the peer may use now, the likeliest first."""
        zone, now = self.zone, (self.zone.place, self.current.generation)
        if self.coming is not None:
            # While the change is under way the place in use may hold either key; the one before has a copy.
            return now, (zone.coming, self.coming.generation), (zone.old, self.current.generation)
        return (now, (zone.old, self.old.generation)) if self.old is not None else (now,)

    def begin(self, turn: Turn) -> None:
        """Record since when the first key is in use."""
        at = turn.at.isoformat()
        self.current = self._stored(self.current._replace(made_at=at, changed_at=at), turn)

    def comes(self, kcv: str, current_kcv: str, state: str, turn: Turn) -> None:
        """Take the next key, `OFFERED` by us or `RECEIVED`; its place is filled, and the key in use has a copy."""
        self.drop(turn, RETIRED)
        self.retire(turn)
        self._last += 1
        at = turn.at.isoformat()
        name, zone = self._name(self._last), self.zone
        self.current = self.current._replace(kcv=current_kcv)
        self.coming = self._stored(KeyRow(name, zone.link, zone.kind.value, self._last, kcv, state, at, at), turn)

    def drop(self, turn: Turn, state: str) -> None:
        """Let the next key go."""
        if self.coming is not None:
            self._step(self.coming, state, turn)
            self.coming = None

    def activate(self, turn: Turn) -> None:
        """Put the next key in use; the one before is still accepted."""
        assert self.coming is not None
        self.old = self._step(self.current, OLD, turn)
        self.current = self._step(self.coming, CURRENT, turn)
        self.coming = None
        self.grace_ends_at = None
        self.is_wanted = False

    def retire(self, turn: Turn) -> None:
        """Accept the key before no longer."""
        if self.old is not None:
            self._step(self.old, RETIRED, turn)
            self.old = None
        self.grace_ends_at = None

    def _name(self, generation: int) -> str:
        return f"{self.zone.link}/{self.zone.kind.value}/{generation:06}"

    def _step(self, row: KeyRow, state: str, turn: Turn) -> KeyRow:
        return self._stored(row._replace(state=state, changed_at=turn.at.isoformat()), turn)

    def _stored(self, row: KeyRow, turn: Turn) -> KeyRow:
        stored: Row = tuple(row)
        turn.store(TABLE, stored)
        return row
