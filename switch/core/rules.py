"""What an operator may set of the switch's decisions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from switch.core.breaker import BreakerRules
from switch.core.currencies import Currencies
from switch.core.settlement_days import SettlementRules
from switch.core.stand_in import StandInRule


class PinZone(NamedTuple):
    """How PIN blocks travel on one link.

    Attributes
    ----------
    key
        Place of the zone PIN key that is shared with this neighbour (`indexes.zpk`).
    format
        The HSM's code of the PIN block format: "01" ISO 0, "47" ISO 3, "48" ISO 4.
    """

    key: str
    format: str

    @property
    def is_aes(self) -> bool:
        """Whether the format wants an AES key."""
        return self.format == "48"


class SwitchRules(NamedTuple):
    """Timeouts in seconds, and limits."""

    hsm_timeout_s: float = 2.0
    leg_timeout_s: float = 10.0
    in_flight_max: int = 10_000
    """Legs; at this many the switch answers 91."""
    ended_max: int = 20_000
    """Ended legs kept in memory; older ones are found through the journal."""
    tombstones_max: int = 10_000
    stand_in: tuple[StandInRule, ...] = ()
    breaker: BreakerRules = BreakerRules()
    currencies: Currencies = Currencies()
    settlement: SettlementRules = SettlementRules()
    pins: Mapping[str, PinZone] = MappingProxyType({})
    """By link. A request with a PIN needs one for each of its two links."""
    rewrites_stan: frozenset[str] = frozenset()
    """Issuers' links on which DE 11 is the switch's own, from a durable counter; the answer has the acquirer's."""
