"""Deadlines as one queue per duration: constant cost per message, never a scan, never a heap.

Deadlines of the same duration expire in the order in which they were set, so a deque per duration is always sorted.
A deadline that was met is simply left in its queue; `pop_expired` hands it out with its key, and the owner ignores
keys that no longer wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Generic, TypeVar

K = TypeVar("K")


class Deadlines(Generic[K]):
    """Keys with the instant at which each expires."""

    __slots__ = ("_queues",)

    def __init__(self) -> None:
        self._queues: dict[float, deque[tuple[float, K]]] = {}

    def set(self, key: K, timeout_s: float, now: float) -> float:
        """Let `key` expire `timeout_s` seconds after `now`; return that instant."""
        at = now + timeout_s
        queue = self._queues.get(timeout_s)
        if queue is None:
            queue = self._queues[timeout_s] = deque()
        queue.append((at, key))
        return at

    def pop_expired(self, now: float) -> Iterator[tuple[float, K]]:
        """Remove and yield every (instant, key) that is not after `now`."""
        emptied = []
        for timeout_s, queue in list(self._queues.items()):
            while queue and queue[0][0] <= now:
                yield queue.popleft()
            if not queue:
                emptied.append(timeout_s)
        for timeout_s in emptied:
            if not self._queues.get(timeout_s, True):
                del self._queues[timeout_s]

    def next(self) -> float | None:
        """Return the earliest instant, whether or not its key still waits."""
        return min((queue[0][0] for queue in self._queues.values() if queue), default=None)


class Alarms:
    """When each of many has to be looked at next: a turn pays for those that are due, not for all.

    An instant may be too early (what it was set for has ended), never too late.
    """

    __slots__ = ("_at", "_order")

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._order: list[tuple[float, str]] = []

    def set(self, name: str, at: float) -> None:
        """Look at `name` at this instant; an earlier alarm of it stays."""
        if at < self._at.get(name, _NEVER):
            self._at[name] = at
            heappush(self._order, (at, name))

    def pop_due(self, now: float) -> list[str]:
        """Take and return whatever has an alarm that is not after `now`, the earliest first."""
        due = []
        while self._order and self._order[0][0] <= now:
            at, name = heappop(self._order)
            # An alarm that was brought forward leaves its first place behind.
            if self._at.get(name) == at:
                del self._at[name]
                due.append(name)
        return due

    def next(self) -> float | None:
        """Return the earliest instant, or one before it."""
        return self._order[0][0] if self._order else None


_NEVER = float("inf")
