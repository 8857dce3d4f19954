"""Network management on one connection of a link: sign-on, sign-off, echo.

    CONNECTED --0800/001 answered 00--> SIGNED_ON <--heard again-- SUSPECT
        |                                  |  idle, echo missed ------^ |
        +-----------0800/002---------------+---> SIGNED_OFF             +--echoes_missed_max--> closed

The side that dialled signs on; either side may echo, and either signs off before it stops. Only SIGNED_ON and SUSPECT
carry financial traffic; answers to what was asked before a sign-off still pass after it.
Source: common practice: shared facts, iso8583 3.8.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from iso import Message

SIGN_ON, SIGN_OFF, CUT_OVER, ECHO = "001", "002", "201", "301"
KEY_CHANGE, KEY_REQUEST = "101", "161"
"""A new key for the link, and the wish for one. 161 is in public lists only as "session key change"."""


class Session(Enum):
    """Where a connection stands."""

    CONNECTED = "connected"
    SIGNED_ON = "signed on"
    SUSPECT = "suspect"
    SIGNED_OFF = "signed off"


CARRIES_TRAFFIC = frozenset({Session.SIGNED_ON, Session.SUSPECT})


class Connection:
    """One transport connection of a link and its session."""

    __slots__ = (
        "connected_at",
        "dialled",
        "echoes_missed",
        "heard_at",
        "is_closing",
        "management_key",
        "number",
        "session",
    )

    def __init__(self, number: int, *, dialled: bool, session: Session, now: float) -> None:
        self.number = number
        self.dialled = dialled
        self.session = session
        self.connected_at = now
        self.heard_at = now
        self.is_closing = False
        self.echoes_missed = 0
        self.management_key: object | None = None
        """In-flight key of our own 0800 on this connection, if one is out."""

    @property
    def carries_traffic(self) -> bool:
        """Whether financial messages may pass; not any more once it is to be closed."""
        session = self.session
        # By identity: the hash of an enum's member is a call.
        return (session is Session.SIGNED_ON or session is Session.SUSPECT) and not self.is_closing


def network_management(code: str, stan: str, at: datetime) -> Message:
    """Build an 0800 with DE 7, 11, 70. `code` is DE 70; `at` aware UTC."""
    return Message("0800", {7: at.strftime("%m%d%H%M%S"), 11: stan, 70: code})


def next_session(session: Session, code: str) -> Session | None:
    """Return the session after a network-management request with DE 70 = `code`; None if it is no step of a session."""
    if code == SIGN_ON:
        return Session.SIGNED_ON
    if code == SIGN_OFF:
        return Session.SIGNED_OFF
    if code == ECHO:
        return Session.SIGNED_ON if session is Session.SUSPECT else session
    return None
