"""What is agreed about a link beside its dialect, and what a link tells its owner."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from iso import Message
from node.core.matching import InFlightKey


class LinkProfile(NamedTuple):
    """What is agreed with the peer, beside the dialect. All durations in seconds."""

    sign_on: bool = True
    """False: a connection carries traffic as soon as it is open (for peers without network management)."""
    sign_on_timeout_s: float = 5.0
    """How long our own sign-on or sign-off waits for its answer."""
    sign_on_wait_s: float = 60.0
    """How long a peer that dialled us may stay without signing on; then its connection is closed."""
    echo_idle_s: float = 30.0
    echo_timeout_s: float = 5.0
    echoes_missed_max: int = 3
    in_flight_max: int = 10_000
    match_terminal: bool = False
    """Add DE 41 to the correlation key."""
    remembered_max: int = 1_000
    """Ended requests that are kept to explain a late response."""
    echo: str = "house"
    """What of a request comes back in its response: "house", "no-pan" or "minimal" (`iso.echo`)."""


class ArrivalKind(Enum):
    """What a frame turned out to be, for the link's owner."""

    REQUEST = "request"
    RESPONSE = "response"
    LATE = "late"
    SIGNED_ON = "signed on"
    SIGNED_OFF = "signed off"
    MANAGEMENT = "network management"
    """An 0800 that the owner has to answer: a cut-over, a key."""


class Arrival(NamedTuple):
    """A message for the link's owner."""

    kind: ArrivalKind
    link: str
    connection: int
    message: Message
    key: InFlightKey | None
    remark: str = ""
    """Why a late response is late; masked."""
