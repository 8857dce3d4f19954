"""What crossed the links of a node, newest kept: raw frames in a bounded ring, masked and decoded only when read.

The ring is memory; it is never written anywhere. What leaves this module is masked.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Any, Literal, NamedTuple

from iso import Dialect, RemoteProtocolError, decode
from iso.pan import mask_frame, masked_window

CAPACITY = 10_000


class Crossing(NamedTuple):
    """One frame, or one remark, at a link of a node."""

    sequence: int
    at: datetime
    link: str
    direction: Literal["in", "out", "note"]
    connection: int
    frame: bytes
    remark: tuple[str, str] | None


class TraceRing:
    """The last `capacity` crossings of one node."""

    def __init__(self, node: str, dialects: dict[str, Dialect], capacity: int = CAPACITY) -> None:
        self.node = node
        self._dialects = dialects
        self._ring: deque[Crossing] = deque(maxlen=capacity)
        self._next = 1

    def frame(self, at: datetime, link: str, direction: Literal["in", "out"], connection: int, frame: bytes) -> None:
        """Keep a frame as it crossed the wire, without its length prefix."""
        self._ring.append(Crossing(self._next, at, link, direction, connection, frame, None))
        self._next += 1

    def note(self, at: datetime, link: str, kind: str, detail: str) -> None:
        """Keep a remark; `detail` is already masked."""
        self._ring.append(Crossing(self._next, at, link, "note", 0, b"", (kind, detail)))
        self._next += 1

    def read(self, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """Return crossings with a sequence above `after`, oldest first, masked and decoded."""
        found: list[dict[str, Any]] = []
        for crossing in self._ring:
            if crossing.sequence > after:
                found.append(self._view(crossing))
                if len(found) == limit:
                    break
        return found

    def _view(self, crossing: Crossing) -> dict[str, Any]:
        view: dict[str, Any] = {
            "sequence": crossing.sequence,
            "at": crossing.at.isoformat(timespec="microseconds"),
            "node": self.node,
            "link": crossing.link,
            "connection": crossing.connection,
            "direction": crossing.direction,
        }
        if crossing.remark is not None:
            view["kind"], view["detail"] = crossing.remark
            return view
        dialect = self._dialects[crossing.link]
        view["dialect"] = dialect.name
        view["bytes"] = len(crossing.frame)
        try:
            message = decode(crossing.frame, dialect)
            masked = mask_frame(crossing.frame, dialect)
        except RemoteProtocolError as error:
            view["window"] = masked_window(crossing.frame, error.offset or 0)
            return view
        view["hex"] = masked.hex().upper()
        view["mti"] = message.mti
        view["fields"] = {str(de): value for de, value in message.masked().items()}
        return view
