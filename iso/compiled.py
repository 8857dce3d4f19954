"""Where a dialect keeps its compiled functions, and when it may have another one made.

A function is made for a bitmap that was seen three times, because making one costs as much as some fifty slow readings.
Peers choose their bitmaps, so what they can make us spend is bounded: after the first `FREE` functions each further one
must have been earned by `PRICE` slow readings, which keeps the cost of a long stream below twice the slow path; and no
more than `KEPT` are kept, the oldest going first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["FREE", "KEPT", "PRICE", "SIGHTINGS", "CompiledCodec", "Shelf"]

SIGHTINGS = 3
FREE = 16
PRICE = 100
KEPT = 512
_COUNTED = 4096


class Shelf:
    """The compiled functions of one direction, by key.

    Attributes
    ----------
    functions
        Key to function; read by the codec, filled by `learn`.
    """

    __slots__ = ("_credit", "_seen", "functions")

    def __init__(self) -> None:
        self.functions: dict[Any, Callable[..., Any]] = {}
        self._seen: dict[Hashable, int] = {}
        self._credit = FREE * PRICE

    def learn(self, key: Hashable, make: Callable[[], Callable[..., Any] | None]) -> None:
        """Note that the slow path did its work for `key`; at the third time, keep what `make` gives.

        Parameters
        ----------
        key
            What selects a function.
        make
            Compiles it, or gives None where this key stays with the slow path.
        """
        self._credit = min(self._credit + 1, FREE * PRICE)
        seen = self._seen
        count = seen.get(key, 0) + 1
        if len(seen) >= _COUNTED:
            seen.clear()
        seen[key] = count
        # At the third sighting, or later where it could not be paid for then; a None is not asked for again.
        if count < SIGHTINGS or self._credit < PRICE:
            return
        self._credit -= PRICE
        function = make()
        if function is None:
            seen[key] = -(1 << 62)
            return
        if len(self.functions) >= KEPT:
            del self.functions[next(iter(self.functions))]
        del seen[key]
        self.functions[key] = function


class CompiledCodec:
    """What `iso.codec` knows about one dialect.

    Attributes
    ----------
    readers, writers
        Shelves of functions: by the bytes of the bitmap, and by the elements of a message in their order.
    widths
        How many bytes of bitmap to take, by their first byte; empty until the dialect is first used.
    bitmap_at
        Where the bitmap begins.
    walks
        Where the elements of a message stand, by its elements in their order; `iso.known` fills it.
    """

    __slots__ = ("bitmap_at", "readers", "walks", "widths", "writers")

    def __init__(self) -> None:
        self.readers = Shelf()
        self.writers = Shelf()
        self.widths: tuple[int, ...] = ()
        self.bitmap_at = 0
        self.walks: dict[tuple[int, ...], Any] = {}
