"""Wires between simulated nodes: ordered like TCP, and slow, lossy, doubling and breaking as the seed says.

A wire that breaks does so for each end at its own time. What an end writes before it has noticed is lost in silence
(Unknown); what still waited in its outbox when it noticed was never written, and it is told so.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from node.core.events import Connected, Disconnected, NotWritten, Received
from tests.sim.node import SimNode
from tests.sim.world import World

DROP, DOUBLE, BREAK = 0.004, 0.01, 0.002
NOTICE_S = (0.0, 1.0)
TRANSITS_S = ((0.001, 0.08), (0.001, 0.08), (0.1, 4.0))
"""A wire takes a short way or a long one, by chance, so that what is sent later on another wire may overtake."""
SLOW_S = (0.5, 14.0)
REDIAL_S = (0.05, 2.0)
HEARS_THE_REST = 0.5


class End(NamedTuple):
    """One end of a line: a link of a node."""

    node: SimNode
    link: str


class Line:
    """Two nodes that are joined by wires; the first end dials."""

    def __init__(self, world: World, dials: End, listens: End, wires: int) -> None:
        self.world = world
        self.ends = (dials, listens)
        self.wires: list[Wire] = []
        self.wires_max = wires
        self.is_blocked = False
        self.is_slow = False

    def dial(self) -> None:
        """Keep the line connected for ever."""
        self.wires = [wire for wire in self.wires if any(side.is_open for side in wire.sides)]
        dialler, listener = self.ends
        mine = [wire for wire in self.wires if wire.sides[0].is_open]
        if len(mine) < self.wires_max and not self.is_blocked and dialler.node.is_up and listener.node.is_up:
            self.wires.append(Wire(self))
        self.world.after(self.world.between(*REDIAL_S), self.dial)

    def cut(self) -> None:
        """Break every wire."""
        for wire in self.wires:
            wire.snap()

    def hang_up(self) -> None:
        """Let the dialling side lose its oldest wire, while what it had sent on it still arrives."""
        for wire in self.wires[:1]:
            wire.hang_up()


class _Side:
    """One side of a wire."""

    __slots__ = ("end", "hears_the_rest", "is_open", "last_arrival", "life", "number", "outbox")

    def __init__(self, end: End, number: int) -> None:
        self.end = end
        self.number = number
        self.life = end.node.life
        self.is_open = True
        self.hears_the_rest = False
        self.outbox: list[tuple[bytes, Hashable | None]] = []
        self.last_arrival = 0.0

    def put(self, event: Any) -> None:
        if self.end.node.life == self.life:
            self.end.node.put(event)


_NUMBERS = count(1)


class Wire:
    """One transport connection."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.world = line.world
        self.is_whole = True
        self._transits_s = self.world.random.choice(TRANSITS_S)
        dials, listens = line.ends
        number = next(_NUMBERS)
        self.sides = (_Side(dials, number), _Side(listens, number))
        self.sides[1].put(Connected(listens.link, number, dialled=False))
        self.sides[0].put(Connected(dials.link, number, dialled=True))

    def write(self, index: int, payload: bytes, key: Hashable | None) -> None:
        """Queue a frame at one side."""
        side = self.sides[index]
        side.outbox.append((payload, key))
        self.world.after(self.world.between(0.0, 0.01), lambda: self._flush(index))

    def _flush(self, index: int) -> None:
        side, other = self.sides[index], self.sides[1 - index]
        if not side.is_open or not side.outbox:
            return
        payload, _ = side.outbox.pop(0)
        if self.world.happens(BREAK):
            self.snap()
        if not self.is_whole or self.world.happens(DROP):
            return
        for _ in range(2 if self.world.happens(DOUBLE) else 1):
            # Within one direction of one wire nothing overtakes, as on TCP.
            arrives = max(self.world.now + self._transit_s(), other.last_arrival)
            other.last_arrival = arrives
            self.world.plan(arrives, lambda: self._arrive(other, payload))

    def _transit_s(self) -> float:
        return self.world.between(*(SLOW_S if self.line.is_slow else self._transits_s))

    def _arrive(self, side: _Side, payload: bytes) -> None:
        if (self.is_whole or side.hears_the_rest) and side.is_open:
            side.put(Received(side.end.link, side.number, payload, authentic=True))

    def snap(self) -> None:
        """Break; each side notices in its own time. One of them may still get what was under way to it."""
        lucky = self.world.random.choice(self.sides) if self.world.random.random() < HEARS_THE_REST else None
        self._snap(lucky, NOTICE_S)

    def hang_up(self) -> None:
        """Let the dialling side lose the connection at once, while what it had sent still arrives."""
        self._snap(self.sides[1], (0.0, 0.0))

    def _snap(self, lucky: _Side | None, notice_s: tuple[float, float]) -> None:
        self.is_whole = False
        for side in self.sides:
            noticed_at = self.world.now + self.world.between(*notice_s)
            if side is lucky:
                side.hears_the_rest = True
                noticed_at = max(noticed_at, side.last_arrival + 0.001)
            self.world.plan(noticed_at, partial(self._notice, side))

    def close(self, index: int) -> None:
        """Let one side hang up: at once for it, after a moment for the other."""
        self._notice(self.sides[index])
        self.snap()

    def abandon(self, node: SimNode) -> None:
        """Take notice that a node of this wire is gone."""
        for side in self.sides:
            if side.end.node is node:
                side.is_open = False
        self.snap()

    def _notice(self, side: _Side) -> None:
        if not side.is_open:
            return
        side.is_open = False
        for _, key in side.outbox:
            if key is not None:
                side.put(NotWritten(side.end.link, key))
        side.outbox = []
        side.put(Disconnected(side.end.link, side.number))


class Network:
    """All lines of the house."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines

    def send(self, node: SimNode, link: str, connection: int, payload: bytes, key: Hashable | None) -> None:
        """Queue a frame, or say that its connection is gone."""
        found = self._find(node, link, connection)
        if found is None:
            if key is not None:
                node.put(NotWritten(link, key))
            return
        wire, index = found
        wire.write(index, payload, key)

    def close(self, node: SimNode, link: str, connection: int) -> None:
        """Close a connection."""
        found = self._find(node, link, connection)
        if found is not None:
            found[0].close(found[1])

    def crashed(self, node: SimNode) -> None:
        """Break the wires of a node that is gone."""
        for line in self.lines:
            if node in (line.ends[0].node, line.ends[1].node):
                for wire in line.wires:
                    wire.abandon(node)

    def _find(self, node: SimNode, link: str, connection: int) -> tuple[Wire, int] | None:
        for line in self.lines:
            for wire in line.wires:
                for index, side in enumerate(wire.sides):
                    is_this = side.end.node is node and side.end.link == link and side.number == connection
                    if is_this and side.is_open and side.life == node.life:
                        return wire, index
        return None
