"""How a node changes its keys, and what came of it."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import NamedTuple


class ZoneRules(NamedTuple):
    """How a node changes its keys. Durations in seconds.

    Attributes
    ----------
    is_owner
        It makes the keys of its links; otherwise it takes those that are sent.
    grace_s
        How long the key before is accepted after the peer has been heard under the new one.
    retry_s
        Pause before an offer without an answer is sent again.
    every
        Business time after which the owner changes a key; None: only on demand.
    """

    is_owner: bool = False
    grace_s: float = 60.0
    retry_s: float = 5.0
    answer_timeout_s: float = 5.0
    hsm_timeout_s: float = 2.0
    every: timedelta | None = None


class ExchangeOutcome(Enum):
    """How an exchange ended."""

    CHANGED = "changed"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    HSM_FAILED = "hsm failed"
    BUSY = "busy"
    LINK_DOWN = "link down"
    NO_SUCH_KEY = "no such key"


class Exchanged(NamedTuple):
    """What came of an exchange: `code` is the peer's DE 39 if it answered."""

    outcome: ExchangeOutcome
    code: str = ""
    generation: int = 0
    kcv: str = ""
