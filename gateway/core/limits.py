"""How often and how many at once: limits on requests, per API key and class of request. Off unless they are set.

The rate is a bucket that fills with `per_s` requests a second and holds one second's worth, so that a second may start
with a burst. Everything is a function of the given time.

Source: the public documentation of Stripe's rate limits (429, `rate_limit`, the reasons); the numbers are settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

READ, WRITE, SEARCH = "read", "write", "search"
CLASSES = (READ, WRITE, SEARCH)
KEYS_MAX = 10_000
"""Beyond so many keys, those that are idle and rested are forgotten."""


class Limit(NamedTuple):
    """Requests per second and requests at once; 0 is without limit."""

    per_s: float = 0.0
    concurrent: int = 0


class _Use:
    """What a key has left of a limit."""

    __slots__ = ("at", "left", "running")

    def __init__(self, left: float, at: float) -> None:
        self.left = left
        self.at = at
        self.running = 0


class Gate:
    """Admits requests.

    Parameters
    ----------
    limits
        Class of request to its limit; a class that is missing has none.
    """

    def __init__(self, limits: Mapping[str, Limit]) -> None:
        self._limits = {kind: limit for kind, limit in limits.items() if limit != Limit()}
        self._uses: dict[tuple[str, str], _Use] = {}

    def enter(self, key: str, kind: str, now: float) -> str | None:
        """Admit a request, which must `leave`, or say why not.

        Parameters
        ----------
        key
            Names the API key.
        kind
            Class of the request.
        now
            Seconds; it may jump, which costs nobody more than one second's worth.

        Returns
        -------
        str | None
            None if it is admitted; else Stripe's word for the reason: `global-rate`, `global-concurrency`, and
            `endpoint-...` for searches, which have a limit of their own.
        """
        limit = self._limits.get(kind)
        if limit is None:
            return None
        most = max(1.0, limit.per_s)
        use = self._uses.get((key, kind))
        if use is None:
            self._forget(now)
            use = self._uses[key, kind] = _Use(most, now)
        scope = "endpoint" if kind == SEARCH else "global"
        if limit.per_s:
            use.left = min(most, use.left + max(0.0, now - use.at) * limit.per_s)
            use.at = now
            if use.left < 1.0:
                return f"{scope}-rate"
        if limit.concurrent and use.running >= limit.concurrent:
            return f"{scope}-concurrency"
        use.left -= 1.0
        use.running += 1
        return None

    def leave(self, key: str, kind: str) -> None:
        """Note that an admitted request has been answered."""
        use = self._uses.get((key, kind))
        if use is not None:
            use.running -= 1

    def _forget(self, now: float) -> None:
        if len(self._uses) < KEYS_MAX:
            return
        self._uses = {place: use for place, use in self._uses.items() if use.running or now - use.at < 1.0}
