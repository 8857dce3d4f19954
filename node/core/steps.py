"""Straight-line conversations, stepped by hand.

A handler is an `async def` that reads from top to bottom and awaits nothing but `Reply`. The stepper resumes it with
`coro.send` when its answer is there, or with `Silence` when it is not: no task, no event and no lock per message. The
simulator steps the same coroutines without any event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Hashable
from enum import Enum
from typing import Any

from node.core.deadlines import Deadlines


class Silence(Enum):
    """Why a request has no answer. The difference decides whether there is anything to reverse."""

    UNKNOWN = "unknown"
    """It may have been acted upon: the deadline passed, or the link was lost after the write."""
    NOT_SENT = "not sent"
    """Not a byte of it left this node."""


UNKNOWN = Silence.UNKNOWN
NOT_SENT = Silence.NOT_SENT

Conversation = Coroutine["Reply", Any, Any]


class Reply:
    """`answer = await Reply(key, timeout_s)`; the answer is a value, `UNKNOWN` or `NOT_SENT`."""

    __slots__ = ("key", "timeout_s")

    def __init__(self, key: Hashable, timeout_s: float) -> None:
        self.key = key
        self.timeout_s = timeout_s

    def __await__(self) -> Generator[Reply, Any, Any]:
        """Yield to the stepper, not to an event loop."""
        return (yield self)


class Stepper:
    """Holds the conversations that wait, by the key of what they wait for."""

    __slots__ = ("_deadlines", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[Hashable, tuple[Conversation, Callable[[Any], None] | None]] = {}
        self._deadlines: Deadlines[tuple[Hashable, Conversation]] = Deadlines()

    def start(self, conversation: Conversation, now: float, done: Callable[[Any], None] | None = None) -> None:
        """Run a conversation up to its first `Reply`; `done` gets its result when it returns."""
        self._step(conversation, None, now, done)

    def resume(self, key: Hashable, value: Any, now: float) -> bool:
        """Give `value` to the conversation that waits for `key`. False: nobody waits (any more)."""
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return False
        self._step(waiting[0], value, now, waiting[1])
        return True

    def expire(self, now: float) -> None:
        """Resume with `UNKNOWN` every conversation whose deadline is not after `now`."""
        for _, (key, conversation) in self._deadlines.pop_expired(now):
            waiting = self._waiting.get(key)
            # The key may have been reused by a newer conversation, which this deadline must not touch.
            if waiting is not None and waiting[0] is conversation:
                self.resume(key, UNKNOWN, now)

    def deadline(self) -> float | None:
        """Return when `expire` next may have work."""
        return self._deadlines.next()

    def waits_for(self, key: Hashable) -> bool:
        """Whether a conversation waits for `key`."""
        return key in self._waiting

    def close(self) -> None:
        """Abandon every conversation; what they owe is in the journal."""
        waiting, self._waiting = self._waiting, {}
        for conversation, _ in waiting.values():
            conversation.close()

    def __len__(self) -> int:
        return len(self._waiting)

    def _step(self, conversation: Conversation, value: Any, now: float, done: Callable[[Any], None] | None) -> None:
        try:
            wait = conversation.send(value)
        except StopIteration as stop:
            if done is not None:
                done(stop.value)
            return
        if wait.key in self._waiting:
            conversation.close()
            raise AssertionError("two conversations wait for one key")
        self._waiting[wait.key] = (conversation, done)
        self._deadlines.set((wait.key, conversation), wait.timeout_s, now)
