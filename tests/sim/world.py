"""Time and chance of one simulation: a heap of actions, and one seeded generator for everything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from random import Random

EPOCH = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


class World:
    """What happens when. Actions at one instant happen in the order in which they were planned.

    Parameters
    ----------
    seed
        The same seed gives the same run.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.roughness = self.random.choice([0.3, 1.0, 4.0])
        self.is_calm = True
        """No faults happen: at the beginning, and after everything has been healed."""
        self.ahead = timedelta()
        """How far the business clock has been advanced."""
        self._planned: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self) -> datetime:
        """Return the business time."""
        return EPOCH + self.ahead + timedelta(seconds=self.now)

    def advance(self, days: int) -> None:
        """Let the business clock jump; nothing else does."""
        self.ahead += timedelta(days=days)

    def plan(self, instant: float, action: Callable[[], None]) -> None:
        """Let something happen at an instant."""
        self._count += 1
        heappush(self._planned, (max(instant, self.now), self._count, action))

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Let something happen later."""
        self.plan(self.now + delay_s, action)

    def run(self, until: float) -> None:
        """Let everything happen that is planned up to an instant."""
        while self._planned and self._planned[0][0] <= until:
            self.now, _, action = heappop(self._planned)
            action()
        self.now = until

    def happens(self, probability: float) -> bool:
        """Say whether a fault of this probability happens now."""
        return not self.is_calm and self.random.random() < probability * self.roughness

    def between(self, shortest_s: float, longest_s: float) -> float:
        """Draw a duration."""
        return self.random.uniform(shortest_s, longest_s)
