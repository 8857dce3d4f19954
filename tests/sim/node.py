"""One simulated node: the real machine over a memory journal, driven as the runtime drives it, crashing anywhere.

A turn takes everything that waits, commits, and only then releases. A crash may come before the commit (nothing of the
turn has happened), after it and before the release, or between two releases.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from itertools import count
from typing import Any, Protocol

from node.core.events import Answered, Called, Event, Machine
from node.core.turn import Turn
from node.journal import MemoryJournal, Rows
from tests.sim.world import World

CRASH = 0.0015
DOWN_S = (0.2, 25.0)


class Restorable(Machine, Protocol):
    """A machine that starts again from its journal."""

    def restore(self, rows: Rows) -> None:
        """Take the rows of a restart."""

    def begin(self, now: float, turn: Turn) -> None:
        """Record what follows from the restart."""


class Surroundings(Protocol):
    """What a node is connected to."""

    def send(self, node: SimNode, link: str, connection: int, payload: bytes, key: Hashable | None) -> None:
        """Take a frame for a wire."""

    def close(self, node: SimNode, link: str, connection: int) -> None:
        """Close a wire."""

    def ask(self, node: SimNode, port: str, key: Hashable, request: Any, timeout_s: float) -> None:
        """Take a question for a port."""

    def crashed(self, node: SimNode) -> None:
        """Let the node's wires break."""

    def seen(self, node: SimNode, events: list[Event], turn: Turn) -> None:
        """Look at a turn that has been committed."""


class SimNode:
    """One node and its journal. `life` counts its starts; what belongs to an earlier life is void."""

    def __init__(
        self, world: World, name: str, build: Callable[[], Restorable], journal: MemoryJournal, around: Surroundings
    ) -> None:
        self.world = world
        self.name = name
        self.build = build
        self.journal = journal
        self.around = around
        self.life = 0
        self.machine: Any = None
        self._called = count(1)
        self._callers: dict[Hashable, Callable[[Any], None]] = {}
        self._inbox: list[Event] = []
        self._is_planned = False
        self._wakes_at = float("inf")

    @property
    def is_up(self) -> bool:
        """Whether the node runs."""
        return self.machine is not None

    def start(self) -> None:
        """Begin (again) from the journal."""
        if self.is_up:
            return
        self.life += 1
        self.machine = self.build()
        self.machine.restore(self.journal.read())
        turn = Turn(self.world.at())
        self.machine.begin(self.world.now, turn)
        self._finish(turn, [])

    def crash(self) -> None:
        """Stop without a word; memory is lost, the journal stays."""
        if not self.is_up:
            return
        self.machine = None
        self._inbox = []
        self._callers = {}
        self._is_planned = False
        self._wakes_at = float("inf")
        self.around.crashed(self)
        self.world.after(self.world.between(*DOWN_S), self.start)

    def put(self, event: Event) -> None:
        """Let an event reach the node."""
        if not self.is_up:
            return
        self._inbox.append(event)
        if not self._is_planned:
            self._is_planned = True
            self._later(self.world.between(0.0, 0.002), self._turn)

    def call(self, start: Callable[[], Coroutine[Any, Any, Any]], done: Callable[[Any], None] | None = None) -> None:
        """Run a conversation in the node; `done` gets its result, or nothing if the node dies before that."""
        if self.is_up:
            key = ("called", next(self._called))
            if done is not None:
                self._callers[key] = done
            self.put(Called(key, start))

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        life = self.life
        self.world.after(delay_s, lambda: action() if self.is_up and self.life == life else None)

    def _turn(self) -> None:
        events, self._inbox, self._is_planned = self._inbox, [], False
        turn = Turn(self.world.at())
        for event in events:
            self.machine.handle(event, self.world.now, turn)
        self.machine.expire(self.world.now, turn)
        if self.world.happens(CRASH):
            self.crash()
            return
        self._finish(turn, events)

    def _finish(self, turn: Turn, events: list[Event]) -> None:
        self.journal.write(turn.stores)
        self.around.seen(self, events, turn)
        if self.world.happens(CRASH):
            self.crash()
            return
        for send in turn.sends:
            self.around.send(self, send.link, send.connection, send.payload, send.key)
            if self.world.happens(CRASH):
                self.crash()
                return
        for link, connection in turn.closes:
            self.around.close(self, link, connection)
        for ask in turn.asks:
            if ask.port == "journal":
                self.put(Answered(ask.key, self.journal.look_up(ask.request)))
            else:
                self.around.ask(self, ask.port, ask.key, ask.request, ask.timeout_s)
        for key, value in turn.outs:
            done = self._callers.pop(key, None)
            if done is not None:
                done(value)
        self._set_alarm()

    def _set_alarm(self) -> None:
        deadline = self.machine.deadline()
        if deadline is not None and deadline < self._wakes_at:
            self._wakes_at = deadline
            self._later(max(deadline - self.world.now, 0.0), lambda: self._alarm(deadline))

    def _alarm(self, deadline: float) -> None:
        if self._wakes_at == deadline:
            self._wakes_at = float("inf")
            self._turn()
