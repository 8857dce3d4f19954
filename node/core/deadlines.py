"""Deadlines as one queue per duration: constant cost per message, never a scan, never a heap.

Deadlines of the same duration expire in the order in which they were set, so a deque per duration is always sorted.
A deadline that was met is simply left in its queue; `pop_expired` hands it out with its key, and the owner ignores
keys that no longer wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
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
