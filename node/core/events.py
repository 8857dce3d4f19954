"""What can happen to a node. Events are in the past tense; a machine gets them in the order in which they came."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, NamedTuple, Protocol

from iso import Message
from node.core.turn import Turn


class Connected(NamedTuple):
    """A transport connection of a link is open; no traffic has passed yet."""

    link: str
    connection: int
    dialled: bool
    """True on the side that dialled, which signs on."""


class Disconnected(NamedTuple):
    """A connection is gone. Requests written to it and not answered are Unknown."""

    link: str
    connection: int


class Received(NamedTuple):
    """One whole frame arrived, without its length prefix."""

    link: str
    connection: int
    frame: bytes
    authentic: int
    """0 if the link is protected and the frame's MAC fits no key, else the generation of the key that it fits.

    A link whose keys never change, and one without MACs, says True, which is 1.
    """
    message: Message | None = None
    """What the frame says, if somebody has read it already; None: whoever takes it reads it."""


class Malformed(NamedTuple):
    """The byte stream broke the framing rule; the connection cannot be read any further."""

    link: str
    connection: int
    window: str
    """A masked hexadecimal window of the offending bytes."""


class NotWritten(NamedTuple):
    """A request that was released never reached its connection: there is nothing to reverse."""

    link: str
    key: Any


class Answered(NamedTuple):
    """A port answered an `Ask`; `value` is None if it did not by its deadline."""

    key: Hashable
    value: Any


class Called(NamedTuple):
    """Somebody outside the node (a REST route, the control port) starts a conversation in it."""

    key: Hashable
    start: Callable[[], Coroutine[Any, Any, Any]]


class Draining(NamedTuple):
    """The node is about to stop: no new traffic from here on, and what is under way may end."""


Event = Connected | Disconnected | Received | Malformed | NotWritten | Answered | Called | Draining


class Machine(Protocol):
    """A pure core. The shell calls it; it records its wishes into the turn and does nothing else."""

    def handle(self, event: Event, now: float, turn: Turn) -> None:
        """Take one event. `now` is protocol time: monotonic seconds."""

    def expire(self, now: float, turn: Turn) -> None:
        """Fire every deadline that is not after `now`."""

    def deadline(self) -> float | None:
        """Return the instant at which `expire` next has work, or None."""
