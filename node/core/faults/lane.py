"""The order in which the messages of one direction of one connection cross, where faults hold some of them back."""

from __future__ import annotations

from typing import Any, NamedTuple

from iso.framing import Framing
from node.core.faults.damage import on_the_line, spoiled
from node.core.faults.engine import Strike
from node.core.faults.fault import DRIBBLE_S, HELD_S


class Piece(NamedTuple):
    """One message that crosses.

    Attributes
    ----------
    frame
        As it crosses, without its length prefix.
    tag
        Whatever the shell wants back with it.
    pause_s
        How long everything from here on waits first.
    parts
        The bytes, each part in a write of its own; () for what the framing makes of `frame`.
    gap_s
        Between two parts.
    remark
        Which faults struck it; "" if none did.
    """

    frame: bytes
    tag: Any = None
    pause_s: float = 0.0
    parts: tuple[bytes, ...] = ()
    gap_s: float = 0.0
    remark: str = ""


class Later(NamedTuple):
    """A message that waits: it comes to the lane again after `after_s` seconds, with what is then left to be done."""

    after_s: float
    piece: Piece
    strike: Strike


class Held(NamedTuple):
    """A message that waits for others; after `after_s` seconds it waits no longer (`Lane.free`)."""

    after_s: float
    number: int


class Lane:
    """One direction of one connection. It only decides; whoever asks it lets the pieces cross, in the order given."""

    __slots__ = ("_first", "_framing", "_number", "_overtaken")

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._number = 0
        self._first: tuple[int, Piece] | None = None
        self._overtaken: dict[int, tuple[int, Piece]] = {}

    def crossing(self, piece: Piece) -> list[Piece]:
        """Let a message cross now; return it with those that waited for it."""
        crossed = [piece]
        if self._first is not None:
            crossed.insert(0, self._first[1])
            self._first = None
        passed = len(crossed)
        for number, (behind, waiting) in list(self._overtaken.items()):
            if behind > passed:
                self._overtaken[number] = behind - passed, waiting
            else:
                del self._overtaken[number]
                crossed.append(waiting)
        return crossed

    def struck(self, piece: Piece, strike: Strike) -> list[Piece] | Later | Held:
        """Let a message cross as a fault wants it: now, later, or when others have."""
        piece = piece._replace(remark=strike.remark)
        if strike.delay_s:
            rest = strike._replace(delay_s=0.0)
            if not strike.in_order:
                return Later(strike.delay_s, piece, rest)
            piece, strike = piece._replace(pause_s=strike.delay_s), rest
        fault = strike.fault
        if fault is None:
            return self.crossing(piece)
        if fault.action == "reorder" or (fault.action == "coalesce" and self._first is None):
            self._number += 1
            if fault.action == "reorder":
                self._overtaken[self._number] = fault.behind, piece
            else:
                self._first = self._number, piece
            return Held(fault.delay_s or HELD_S, self._number)
        piece = piece._replace(frame=spoiled(piece.frame, strike))
        parts = on_the_line(piece.frame, self._framing, strike)
        if fault.action in ("garbage", "close"):
            # What crosses is not the message any more.
            piece = piece._replace(frame=parts[0])
        crossed = self.crossing(piece._replace(parts=parts, gap_s=fault.delay_s or DRIBBLE_S if parts else 0.0))
        if fault.action == "duplicate":
            copy = piece._replace(pause_s=0.0)
            for _ in range(fault.copies):
                crossed += self.crossing(copy)
        return crossed

    def free(self, number: int) -> list[Piece]:
        """Let a held message cross now; [] if it has crossed already."""
        if self._first is not None and self._first[0] == number:
            piece, self._first = self._first[1], None
            return self.crossing(piece)
        overtaken = self._overtaken.pop(number, None)
        return self.crossing(overtaken[1]) if overtaken is not None else []
