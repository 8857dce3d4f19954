"""Chance that can be repeated: numbers and noise from a seed and a counter under SHA-256, never from a clock."""

from __future__ import annotations

from hashlib import sha256
from math import cos, log, pi, sqrt

_DRAW_BYTES = 8


class Chance:
    """The draws of one fault for one purpose: what one purpose draws does not move another.

    Parameters
    ----------
    seed
        The same seed gives the same draws, on every machine.
    purpose
        What they are for.
    """

    __slots__ = ("_drawn", "_seed")

    def __init__(self, seed: str, purpose: str) -> None:
        self._seed = f"cardrails/fault/v1/{purpose}/{seed}/".encode()
        self._drawn = 0

    def next(self) -> float:
        """Return a number in [0, 1)."""
        return int.from_bytes(self._digest()[:_DRAW_BYTES], "big") / float(1 << (8 * _DRAW_BYTES))

    def below(self, count: int) -> int:
        """Return a whole number in 0..count-1."""
        return int(self.next() * count)

    def normal(self) -> float:
        """Return a number of the standard normal distribution (Box and Muller)."""
        return sqrt(-2 * log(1 - self.next())) * cos(2 * pi * self.next())

    def noise(self, length_bytes: int) -> bytes:
        """Return bytes that mean nothing."""
        blocks = [self._digest() for _ in range(-(-length_bytes // 32))]
        return b"".join(blocks)[:length_bytes]

    def _digest(self) -> bytes:
        self._drawn += 1
        return sha256(self._seed + b"%d" % self._drawn).digest()
