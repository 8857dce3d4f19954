"""What crossed the links of a node: the hot path appends, a writer masks and keeps, readers decode.

With a file, crossings wait in memory for at most `LAG_S` before they are written as a group; `kill -9` loses those,
and nothing of the node's truth. Nothing is dropped: at `PENDING_MAX` the link that adds to them writes some first, so a
node that never idles slows down instead of forgetting. Without a file the newest `CAPACITY` crossings stay in memory
and are looked at only when somebody reads.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.lowlevel
import structlog

from iso import Dialect, Message
from node.clock import BusinessClock
from node.message_rows import Crossing, RowMaker, view
from node.message_store import MemoryMessages, MessageRow, MessageStore, Query, Retention, SqliteMessages

CAPACITY = 10_000
"""Crossings that are kept in memory where there is no file."""
PENDING_MAX = 8_192
"""Crossings that wait to be written; the next one pays for some of them."""
LAG_S = 0.05
"""How long crossings gather before they are written: one transaction for all of them."""
SLICE = 64
"""Crossings that are masked without letting the node run."""
GROUP = 512
"""Crossings that are written in one transaction at most."""

_crossing = tuple.__new__
"""Makes a named tuple at half the price of calling its class."""

log = structlog.get_logger(__name__)


class TraceRing:
    """The messages and remarks of one node.

    Parameters
    ----------
    node
        Its name.
    dialects
        By link.
    capacity
        How many crossings are kept while there is no file.
    clock
        Whose business time `at` is: latencies leave out what it was advanced by.

    Attributes
    ----------
    links
        Names of the links that it can have messages of.
    remarks
        How many remarks there were by link and kind.
    """

    def __init__(
        self,
        node: str,
        dialects: Mapping[str, Dialect],
        capacity: int = CAPACITY,
        clock: BusinessClock | None = None,
    ) -> None:
        self.node = node
        self.links = tuple(dialects)
        self._clock = clock or BusinessClock()
        self.remarks: dict[tuple[str, str], int] = {}
        self._rows = RowMaker(dialects)
        self._pending: deque[Crossing] = deque(maxlen=capacity)
        self._store: MessageStore = MemoryMessages(Retention(rows=capacity))
        self._masked: list[MessageRow] = []
        self._is_kept = False
        self._flush_at: float = inf
        self._next = 1
        self._wake: anyio.Event | None = None

    # What a link says.

    def frame(
        self,
        at: datetime,
        link: str,
        direction: Literal["in", "out"],
        connection: int,
        frame: bytes,
        message: Message | None = None,
    ) -> None:
        """Keep a frame as it crossed the wire, without its length prefix; `message` is what it says, if that is known.

        The message is remembered only until it is written to a file: a ring in memory holds bytes.
        """
        known = message if self._is_kept else None
        self._put(
            _crossing(Crossing, (self._next, at, self._clock.offset, link, direction, connection, frame, None, known))
        )

    def note(self, at: datetime, link: str, kind: str, detail: str) -> None:
        """Keep a remark; `detail` is already masked."""
        self.remarks[link, kind] = self.remarks.get((link, kind), 0) + 1
        self._put(Crossing(self._next, at, self._clock.offset, link, "note", 0, b"", (kind, detail)))

    # What readers ask.

    @property
    def last(self) -> int:
        """The newest sequence; 0 if nothing has crossed yet."""
        return self._next - 1

    def find(self, query: Query) -> list[MessageRow]:
        """Return what a query asks for, with everything that has crossed until now."""
        self._flush(len(self._pending))
        return self._store.find(query)

    def read(self, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """Return crossings with a sequence above `after`, oldest first, masked and decoded."""
        return self.views(Query(after=after, limit=limit))

    def views(self, query: Query) -> list[dict[str, Any]]:
        """Return what a query asks for, masked and decoded."""
        return [view(row, self.node) for row in self.find(query)]

    async def wait_beyond(self, sequence: int) -> None:
        """Wait until something with a higher sequence has crossed."""
        while self._next - 1 <= sequence:
            await self._woken()

    # How it is kept.

    def keep_in(self, path: Path, retention: Retention | None = None) -> None:
        """Keep what crosses from here on in a file; call it before the node runs.

        Raises
        ------
        StoreError
            Another process writes this file.
        """
        self._store = SqliteMessages(path, retention)
        self._next = self._store.last + 1
        self._pending = deque(self._pending)
        self._flush_at, self._is_kept = PENDING_MAX, True

    async def run(self) -> None:
        """Write for ever, if there is a file."""
        while self._is_kept:
            if not self._pending:
                await self._woken()
                await anyio.sleep(LAG_S)
            self._mask(SLICE)
            if not self._pending or len(self._masked) >= GROUP:
                self._write()
            await anyio.lowlevel.checkpoint()

    def close(self) -> None:
        """Write what waits and let go of the file."""
        if self._is_kept:
            self._flush(len(self._pending))
            self._forget_file()

    def _put(self, crossing: Crossing) -> None:
        self._next += 1
        pending = self._pending
        pending.append(crossing)
        if self._wake is not None:
            self._wake.set()
            self._wake = None
        if len(pending) >= self._flush_at:
            self._flush(SLICE)

    async def _woken(self) -> None:
        if self._wake is None:
            self._wake = anyio.Event()
        await self._wake.wait()

    def _flush(self, at_most: int) -> None:
        """Mask and write the oldest crossings that wait."""
        self._mask(at_most)
        self._write()

    def _mask(self, at_most: int) -> None:
        take, row = self._pending.popleft, self._rows.row
        self._masked += [row(take()) for _ in range(min(at_most, len(self._pending)))]

    def _write(self) -> None:
        rows, self._masked = self._masked, []
        if not rows:
            return
        try:
            self._store.append(rows)
        except sqlite3.Error as error:
            log.warning("messages are no longer kept", node=self.node, reason=str(error))
            self._forget_file()
            self._store.append(rows)

    def _forget_file(self) -> None:
        self._store.close()
        self._store = MemoryMessages(Retention(rows=CAPACITY))
        self._flush_at, self._is_kept = inf, False
        self._pending = deque(self._pending, maxlen=CAPACITY)
