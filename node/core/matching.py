"""Which response belongs to which request: the requests in flight on a link, and what became of the latest others.

A response matches the request with the same MTI class and version, DE 11, DE 7 and DE 32 (and DE 41, if the profile
says so), once. A key in flight is never taken a second time: whoever waits under it would wait in vain. A response that
matches nothing is the most-asked question in the field, so `explain` says what it comes nearest to and what differs.

Source: common practice: shared facts, iso8583, defects 4, 6 and 7, and requests of users no. 1.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import NamedTuple

from iso import Message
from iso.pan import mask_text

InFlightKey = tuple[str, str, str, str, str, str]
"""MTI class, MTI version, DE 11, DE 7, DE 32, DE 41; "" where the message has none or the profile leaves it out."""

ANSWERED, TIMED_OUT, LOST, UNWRITTEN, FORGOTTEN = (
    "it was answered",
    "its deadline passed",
    "its connection was lost",
    "it was never written",
    "its owner gave it up",
)
_NAMES = ("MTI class", "MTI version", "DE 11", "DE 7", "DE 32", "DE 41")
_STAN = 2
COMPARED_MAX = 1_000
"""Requests that `explain` looks at, newest first: a peer that sends nonsense must not make a link slow."""

_record = tuple.__new__
"""Makes a named tuple at half the price of calling its class: two are made for every request that a link sends."""


class Waiting(NamedTuple):
    """A request in flight: on which connection it was sent, until when it waits, and since when."""

    connection: int
    expires_at: float
    sent_at: float


class Ended(NamedTuple):
    """What became of a request that is no longer in flight, and when."""

    how: str
    at: float


def key_of(message: Message, *, with_terminal: bool) -> InFlightKey:
    """Return the correlation key of a request or of its response."""
    get = message.get
    return (
        message.mti_class,
        message.mti[0],
        get(11) or "",
        get(7) or "",
        get(32) or "",
        (get(41) or "") if with_terminal else "",
    )


class InFlight:
    """The requests of one link that wait for an answer.

    Parameters
    ----------
    remembered_max
        How many ended requests are kept for `explain`; the oldest are dropped.
    """

    __slots__ = ("_ended", "_remembered_max", "_waiting")

    def __init__(self, remembered_max: int) -> None:
        self._waiting: dict[InFlightKey, Waiting] = {}
        # Whoever takes the oldest again and again out of a plain dictionary walks over the gaps that it leaves.
        self._ended: OrderedDict[InFlightKey, Ended] = OrderedDict()
        self._remembered_max = remembered_max

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: InFlightKey) -> bool:
        return key in self._waiting

    def add(self, key: InFlightKey, connection: int, expires_at: float, sent_at: float) -> None:
        """Take a request; its key must not be in flight."""
        self._ended.pop(key, None)
        self._waiting[key] = _record(Waiting, (connection, expires_at, sent_at))

    def expires_at(self, key: InFlightKey) -> float | None:
        """Return until when a request waits; None if it is not in flight."""
        waiting = self._waiting.get(key)
        return waiting.expires_at if waiting is not None else None

    def end(self, key: InFlightKey, how: str, now: float) -> Waiting | None:
        """Let a request go; None if it was not in flight."""
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            ended = self._ended
            ended[key] = _record(Ended, (how, now))
            if len(ended) > self._remembered_max:
                ended.popitem(last=False)
        return waiting

    def on(self, connection: int) -> list[InFlightKey]:
        """Return the requests that were sent on a connection, oldest first."""
        return [key for key, waiting in self._waiting.items() if waiting.connection == connection]

    @property
    def remembered(self) -> int:
        """How many ended requests are kept."""
        return len(self._ended)

    def explain(self, key: InFlightKey, now: float) -> str:
        """Say why a response with this key matches nothing. Card numbers, wherever they stand, are masked."""
        ended = self._ended.get(key)
        if ended is not None:
            return f"{ended.how} {now - ended.at:.3f} s ago"
        nearest = self._nearest(key)
        if nearest is None:
            return "no request in flight resembles it" if self._waiting else "no request in flight"
        other, state = nearest
        differing = ", ".join(
            _difference(name, mine, theirs)
            for name, mine, theirs in zip(_NAMES, key, other, strict=True)
            if mine != theirs
        )
        return mask_text(f"{differing}; the nearest request ({other[1]}{other[0]}xx {other[_STAN]}) {state}")

    def _nearest(self, key: InFlightKey) -> tuple[InFlightKey, str] | None:
        """Return the request with the fewest differences: same trace number, or nothing but the trace number."""
        best: tuple[int, InFlightKey, str] | None = None
        for keys, how in ((self._waiting, "is in flight"), (self._ended, "has ended")):
            for other in islice(reversed(keys), COMPARED_MAX):
                differences = sum(mine != theirs for mine, theirs in zip(key, other, strict=True))
                is_near = key[_STAN] == other[_STAN] or differences == 1
                if is_near and (best is None or differences < best[0]):
                    best = differences, other, how
        return best[1:] if best else None


def _difference(name: str, mine: str, theirs: str) -> str:
    if not mine:
        return f"{name} is missing ({theirs} expected)"
    return f"{name} differs ({mine}, {theirs or 'none'} expected)"
