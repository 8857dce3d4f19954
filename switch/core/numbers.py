"""Numbers that the switch hands out and must never hand out twice: network transaction ids, its own STANs and codes.

A counter is durable by reservation: the row says up to where numbers may be in use, so that one row covers many
numbers and a restart skips the rest of its block.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache

from iso.stan import stan
from node.core.turn import Turn

TABLE = "counters"
BLOCK = 1_000


class Counter:
    """A counter that survives a restart without repeating itself.

    Parameters
    ----------
    name
        Its key in the `counters` table.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._last = 0
        self._reserved = 0

    def restore(self, reserved: int) -> None:
        """Go on behind everything that may have been handed out."""
        self._last = self._reserved = reserved

    def next(self, turn: Turn) -> int:
        """Return the next number, from 1."""
        self._last += 1
        if self._last > self._reserved:
            self._reserved += BLOCK
            turn.store(TABLE, (self.name, self._reserved))
        return self._last


def own_stan(counter: Counter, turn: Turn) -> str:
    """Return the next STAN of the switch's own, for links on which DE 11 is rewritten."""
    return stan(counter.next(turn))


def network_transaction_id(at: datetime, number: int) -> str:
    """Compose a network transaction id.

    Parameters
    ----------
    at
        Business time, UTC.
    number
        From a counter that never repeats.

    Returns
    -------
    str
        str[15]: last digit of the year, day of the year (3), "N", number (10). The letter keeps it from being taken
        for a card number, and masked.

    Examples
    --------
    >>> from datetime import UTC
    >>> network_transaction_id(datetime(2026, 2, 1, tzinfo=UTC), 17)
    '6032N0000000017'
    """
    return f"{_day(at.date())}N{number % 10**10:010}"


@lru_cache(maxsize=8)
def _day(day: date) -> str:
    return day.strftime("%Y%j")[3:]
