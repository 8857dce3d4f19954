"""The only place where cardrails reads a clock or draws a random number.

Protocol time (timeouts, echo, back-off) is the event loop's monotonic clock and reaches cores as `now`. Business time
(DE 7, 12, 13, hold expiry, cut-off) is a `BusinessClock`: wall time plus an offset that users advance; it reaches
cores as `turn.at`. Advancing it never fires a protocol timeout.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

Wall = Callable[[], datetime]
"""Returns the instant now, timezone-aware UTC."""
Stopwatch = Callable[[], float]
"""Returns seconds since some instant, to the microsecond; only differences mean anything."""
Entropy = Callable[[int], bytes]
"""Returns that many unpredictable bytes."""
OFFSET_MAX = timedelta(days=100 * 366)
"""Business time goes no further ahead of the wall: dates of four digits must hold every instant."""


def wall_clock() -> datetime:
    """Return the machine's time, timezone-aware UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place


def stopwatch() -> float:
    """Return seconds that only ever grow, for latencies: the event loop's own clock may know milliseconds only."""
    return time.perf_counter()


def system_entropy(length_bytes: int) -> bytes:
    """Return `length_bytes` random bytes from the operating system."""
    return os.urandom(length_bytes)  # noqa: TID251 - the one place


def share_of(entropy: Entropy) -> float:
    """Draw a number from 0 up to, and without, 1."""
    return int.from_bytes(entropy(4), "big") / 2**32


class BusinessClock:
    """Wall time plus an offset; the version tells whether two nodes agree about it.

    Parameters
    ----------
    wall
        Where the wall time comes from; injected, so that tests and replays decide it.
    file
        Where the offset is kept, so that business time does not run backwards over a restart. None: it is not kept.
    """

    def __init__(self, wall: Wall = wall_clock, file: Path | None = None) -> None:
        self._wall = wall
        self._file = file
        self.offset = timedelta(0)
        self.version = 0
        if file is not None and file.exists():
            kept = json.loads(file.read_text())
            self.offset, self.version = timedelta(seconds=kept["offset_s"]), kept["version"]

    def now(self) -> datetime:
        """Return business time, timezone-aware UTC."""
        return self._wall() + self.offset

    def advance(self, by: timedelta) -> datetime:
        """Move business time forward; return the new instant.

        Raises
        ------
        ValueError
            `by` is negative, or goes too far: business time never runs backwards, nor further than `OFFSET_MAX`.
        """
        if by < timedelta(0):
            raise ValueError("business time never runs backwards")
        return self._move(self.offset + by, self.version + 1)

    def agree(self, offset: timedelta, version: int) -> datetime:
        """Take over the offset that a whole house is to have; return the instant.

        The same offset and version again change nothing, so that whoever does not hear the answer may ask again, and
        a node that was away catches up with the others.

        Raises
        ------
        ValueError
            Business time would run backwards or too far, or another offset has this version or a later one.
        """
        if version == self.version and offset == self.offset:
            return self.now()
        if version <= self.version:
            raise ValueError(f"the clock is at version {self.version} already")
        if offset < self.offset:
            raise ValueError("business time never runs backwards")
        return self._move(offset, version)

    def _move(self, offset: timedelta, version: int) -> datetime:
        if offset > OFFSET_MAX:
            raise ValueError(f"business time goes at most {OFFSET_MAX.days} days ahead of the wall clock")
        self.offset, self.version = offset, version
        if self._file is not None:
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps({"offset_s": self.offset.total_seconds(), "version": self.version}))
            fresh.replace(self._file)
        return self.now()
