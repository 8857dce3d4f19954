"""From a frame to the row that is kept, and from the row to what is shown.

A frame is decoded once, masked before anything is kept, and paired with the request that it answers. Nothing unmasked
leaves this module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from iso import Dialect, IsoError, Message, RemoteProtocolError, decode
from iso.dialects import dialect as dialect_named
from iso.errors import CardrailsError
from iso.known import mask_known
from iso.masks import mask_text, masked_window
from iso.mti import is_request
from iso.pan import mask_message
from iso.private import TRACE_ID
from iso.translate import to_1987
from node.message_store import Direction, MessageRow

OPEN_MAX = 20_000
"""Requests that may still be answered; the oldest are forgotten, and their answers have no latency."""

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAN = re.compile(r"(?<![0-9A-Za-z])[0-9]{6}(?![0-9A-Za-z])")
_new_row = tuple.__new__
"""Makes a named tuple at half the price of calling its class."""
_OTHER_WAY = {"in": "out", "out": "in"}


class Crossing(NamedTuple):
    """One frame, or one remark, as the hot path leaves it.

    `offset` is what business time is ahead of the wall's, `message` what the frame says if somebody has read it.
    """

    sequence: int
    at: datetime
    offset: timedelta
    link: str
    direction: Direction
    connection: int
    frame: bytes
    remark: tuple[str, str] | None
    message: Message | None = None


def micros(at: datetime) -> int:
    """Return an instant as microseconds since 1970 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def instant(at: int) -> datetime:
    """Return the instant that `micros` stands for."""
    return _EPOCH + at * _MICROSECOND


class RowMaker:
    """Makes the rows of one node, in the order of its crossings."""

    def __init__(self, dialects: Mapping[str, Dialect]) -> None:
        self._dialects = dialects
        self._open: dict[tuple[str, ...], tuple[int, str]] = {}
        # A turn's crossings share their instant and a clock its offset: one conversion for all of them.
        self._at, self._at_us, self._offset, self._offset_us = _EPOCH, 0, timedelta(0), 0

    def row(self, crossing: Crossing) -> MessageRow:
        """Return what is kept of a crossing."""
        sequence, at, offset, link, direction, connection, frame, remark, message = crossing
        kept_at = self._micros(at)
        if remark is not None:
            kind, detail = remark
            named = _STAN.search(detail)
            stan = named.group() if named else ""
            return _row(sequence, kept_at, link, direction, connection, stan=stan, kind=kind, detail=detail)
        spoken = self._dialects[link]
        try:
            if message is None:
                message, masked = mask_message(frame, spoken)
            else:
                masked = mask_known(message, frame, spoken)
        except RemoteProtocolError as error:
            window = masked_window(frame, error.offset or 0)
            return _row(sequence, kept_at, link, direction, connection, spoken.name, detail=window, length=len(frame))
        get, mti = message.fields.get, message.mti
        stan, transmitted, acquirer = get(11, ""), get(7, ""), get(32, "")
        asks = is_request(mti)
        way = direction if asks else _OTHER_WAY[direction]
        key = (way, mti[:2], link, stan, transmitted, acquirer)
        latency_us, trace = self._pair(_trace_of(message), key, kept_at - self._ahead(offset), asks=asks)
        return _new_row(
            MessageRow,
            (
                sequence,
                kept_at,
                link,
                direction,
                connection,
                spoken.name,
                mti,
                stan,
                transmitted,
                acquirer,
                get(41, "").rstrip(" "),
                get(37, ""),
                get(39, ""),
                get(4, ""),
                get(49, ""),
                trace,
                latency_us,
                "",
                "",
                len(frame),
                masked,
            ),
        )

    def _micros(self, at: datetime) -> int:
        if at is not self._at:
            self._at, self._at_us = at, micros(at)
        return self._at_us

    def _ahead(self, offset: timedelta) -> int:
        if offset is not self._offset:
            self._offset, self._offset_us = offset, offset // _MICROSECOND
        return self._offset_us

    def _pair(self, trace: str, key: tuple[str, ...], wall_us: int, *, asks: bool) -> tuple[int | None, str]:
        """Return the latency of a response and the trace id of either; remember a request."""
        if asks:
            waiting = self._open
            waiting[key] = (wall_us, trace)
            if len(waiting) > OPEN_MAX:
                del waiting[next(iter(waiting))]
            return None, trace
        asked = self._open.pop(key, None)
        if asked is None:
            return None, trace
        return max(0, wall_us - asked[0]), trace or asked[1]


def _row(
    sequence: int,
    at: int,
    link: str,
    direction: Direction,
    connection: int,
    spoken: str = "",
    *,
    stan: str = "",
    kind: str = "",
    detail: str = "",
    length: int = 0,
) -> MessageRow:
    no = ""
    return MessageRow(
        sequence, at, link, direction, connection, spoken, no, stan, *(no,) * 8, None, kind, detail, length, b""
    )


def _trace_of(message: Message) -> str:
    if 48 not in message:
        return ""
    try:
        trace = message.private.get(TRACE_ID)
    except RemoteProtocolError:
        # A layout of somebody else's.
        return ""
    return mask_text(trace) if trace else ""


def message_of(row: MessageRow, *, house_form: bool = False) -> Message | None:
    """Return the masked message of a row; None for a remark and for what does not decode.

    Parameters
    ----------
    row
        As it was kept.
    house_form
        Translate what is of 1993, so that one predicate says it for every link; as it is if that cannot be.
    """
    if not row.frame:
        return None
    try:
        spoken = dialect_named(row.dialect)
        message = decode(row.frame, spoken)
    except CardrailsError:
        # A dialect of the user's own that this start does not have.
        return None
    if not house_form or spoken.version != "1993":
        return message
    try:
        return to_1987(message)
    except IsoError:
        return message


def view(row: MessageRow, node: str) -> dict[str, Any]:
    """Return what is shown of a row: JSON-able, masked, decoded."""
    shown: dict[str, Any] = {
        "sequence": row.sequence,
        "at": instant(row.at).isoformat(timespec="microseconds"),
        "node": node,
        "link": row.link,
        "connection": row.connection,
        "direction": row.direction,
    }
    if row.direction == "note":
        return shown | {"kind": row.kind, "detail": row.detail, "stan": row.stan}
    shown |= {"dialect": row.dialect, "bytes": row.length, "trace": row.trace}
    if row.latency_us is not None:
        shown["latency_ms"] = row.latency_us / 1000
    if not row.frame:
        return shown | {"window": row.detail}
    shown["hex"] = row.frame.hex().upper()
    message = message_of(row)
    if message is not None:
        shown["mti"] = message.mti
        shown["fields"] = {str(element): value for element, value in message.masked().items()}
    return shown
