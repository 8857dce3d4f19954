"""Circuit breakers: an issuer that has been silent too often is not asked, but for a probe now and then.

Without one, every payment of a dead issuer's cards costs its shop the whole deadline. The probe is an ordinary
request that is let through: its answer closes the breaker, and so does the issuer's next sign-on.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class BreakerRules(NamedTuple):
    """When a breaker opens. Durations in seconds of protocol time."""

    timeouts: int = 0
    """So many silences within the window open it; 0: it never opens."""
    window_s: float = 30.0
    probe_s: float = 10.0
    """While it is open one request in this time is let through."""


class Breakers:
    """The breakers of all issuers' links.

    Parameters
    ----------
    rules
        The same for each.
    """

    def __init__(self, rules: BreakerRules) -> None:
        self.rules = rules
        self._silences: dict[str, deque[float]] = {}
        self._probe_at: dict[str, float] = {}

    def is_open(self, link: str) -> bool:
        """Whether requests are kept from this issuer."""
        return link in self._probe_at

    @property
    def opened(self) -> list[str]:
        """Return the links whose breaker is open."""
        return sorted(self._probe_at)

    def would_let_through(self, link: str, now: float) -> bool:
        """Whether a request may be sent, without using up a probe."""
        probe_at = self._probe_at.get(link)
        return probe_at is None or now >= probe_at

    def lets_through(self, link: str, now: float) -> bool:
        """Whether a request may be sent; True uses up the probe of an open breaker."""
        probe_at = self._probe_at.get(link)
        if probe_at is None:
            return True
        if now < probe_at:
            return False
        self._probe_at[link] = now + self.rules.probe_s
        return True

    def silent(self, link: str, now: float) -> bool:
        """Count a silence; True if it has opened the breaker."""
        if not self.rules.timeouts or link in self._probe_at:
            return False
        silences = self._silences.setdefault(link, deque(maxlen=self.rules.timeouts))
        silences.append(now)
        if len(silences) < self.rules.timeouts or now - silences[0] > self.rules.window_s:
            return False
        self._probe_at[link] = now + self.rules.probe_s
        return True

    def answered(self, link: str) -> bool:
        """Take notice that an issuer answers, or has come back; True if that has closed its breaker."""
        self._silences.pop(link, None)
        return self._probe_at.pop(link, None) is not None
