"""What an operator may set of the switch's decisions."""

from __future__ import annotations

from typing import NamedTuple


class SwitchRules(NamedTuple):
    """Timeouts in seconds, and limits."""

    hsm_timeout_s: float = 2.0
    leg_timeout_s: float = 10.0
    in_flight_max: int = 10_000
    """Legs; at this many the switch answers 91."""
    ended_max: int = 20_000
    """Ended legs kept in memory; older ones are found through the journal."""
    tombstones_max: int = 10_000
