"""Conversations of a host beside its traffic: network management, and what an operator asks for.

Straight-line coroutines like those of the banks, stepped by hand; any host has them, also one that is an explicit
machine. They never decide about money.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping
from typing import Any, NamedTuple

from iso import LocalProtocolError, Message
from node.core.link import LinkMachine
from node.core.steps import NOT_SENT, Reply, Silence, Stepper
from node.core.turn import Turn

ERRANDS_MAX = 64
"""Errands that peers may have under way at once; who asks for more is answered 91."""


class ErrandKey(NamedTuple):
    """Names what an errand waits for."""

    number: int


class Errands:
    """The errands of one host. `turn` and `now` are those of the current step: read them again after every await."""

    def __init__(self, links: Mapping[str, LinkMachine]) -> None:
        self.links = links
        self.turn: Turn
        self.now = 0.0
        self._steps = Stepper()
        self._numbers = 0

    def start(self, conversation: Coroutine[Any, Any, Any], done: Callable[[Any], None] | None = None) -> None:
        """Run an errand up to its first await; `done` gets its result when it returns."""
        self._steps.start(conversation, self.now, done)

    def resume(self, key: Hashable, value: Any) -> bool:
        """Give `value` to the errand that waits for `key`; False if none does."""
        return self._steps.resume(key, value, self.now)

    def expire(self, now: float) -> None:
        """Resume with silence what has waited for too long."""
        self._steps.expire(now)

    def deadline(self) -> float | None:
        """Return when `expire` next may have work."""
        return self._steps.deadline()

    def __len__(self) -> int:
        return len(self._steps)

    async def manage(self, link: str, code: str, fields: Mapping[int, str], timeout_s: float) -> Message | Silence:
        """Send network management (DE 70 = `code`); return its answer, `UNKNOWN` or `NOT_SENT`."""
        try:
            key = self.links[link].manage(code, fields, timeout_s, self.now, self.turn)
        except LocalProtocolError as error:
            self.turn.note(link, "unencodable", str(error))
            key = None
        if key is None:
            return NOT_SENT
        answer: Message | Silence = await Reply((link, key), timeout_s)
        return answer

    async def ask(self, port: str, request: Any, timeout_s: float) -> Any:
        """Ask a port ("hsm"); return its answer or `UNKNOWN`."""
        self._numbers += 1
        key = ErrandKey(self._numbers)
        self.turn.ask(port, key, request, timeout_s)
        return await Reply(key, timeout_s)
