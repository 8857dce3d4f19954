"""Masking the bytes of a message that has just been read or written: nothing is read a second time.

A dialect fixes how long every element is on the wire once its value is known, so the places of what is secret follow by
adding up, and only those bytes are replaced. The sum is compared with the length of the bytes: where they differ, the
message is not what these bytes say, and they are masked by reading them. `iso.pan` defines what a mask is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from iso.compile_read import TEXT_KINDS
from iso.dialect import Dialect
from iso.elements import HIDDEN_ELEMENTS, MAC_ELEMENTS, TEXT_ELEMENTS
from iso.formats import FieldFormat
from iso.masks import mask_pan, mask_text
from iso.message import Message
from iso.pan import mask_message
from iso.private import mask_private

__all__ = ["KEPT", "mask_known"]

KEPT = 1024
"""Walks that are kept for one dialect; peers choose their bitmaps, so at this many all are forgotten."""
_MAC_BYTES = 8
_TWO_BITMAPS = 128
_PLAIN, _PAN, _HIDDEN, _PRIVATE, _TEXT = range(5)
_SHOWN_FIRST, _SHOWN = 6, 10


class _Step(NamedTuple):
    """One element on the way: one that may have to be masked, or whose length differs from message to message.

    Attributes
    ----------
    skipped
        Bytes of the elements between the step before and this one.
    prefix
        Bytes of its length prefix.
    size
        Bytes of the value, or -1 where the value says it.
    is_packed
        Whether two characters of the value make one byte.
    how
        `_PLAIN`, or what is done about its secret.
    nine
        Of a card number that has a byte for each digit: the digit 9.
    """

    element: int
    skipped: int
    prefix: int
    size: int
    is_packed: bool
    how: int
    nine: bytes


class _Walk(NamedTuple):
    """The steps of all messages with the same elements, and the bytes behind the last one."""

    steps: tuple[_Step, ...]
    rest: int


_NOWHERE = _Walk((), -1)
"""For messages with an element whose length on the wire does not follow from its value."""


def mask_known(message: Message, data: bytes, dialect: Dialect) -> bytes:
    """Mask the bytes of a message that somebody has read or written a moment ago; see `iso.pan.mask_frame`.

    Parameters
    ----------
    message
        What `decode(data, dialect)` gives, or what `encode` made `data` of; a link may have put its MAC there since.
    data
        The whole message without its length prefix.
    dialect
        How it is written.

    Returns
    -------
    bytes
        As `mask_frame`, at a fraction of its price.

    Raises
    ------
    RemoteProtocolError
        As `mask_frame`; not where `message` is what was said.
    """
    fields, codec = message._fields, dialect.codec
    key = tuple(fields)
    walk = codec.walks.get(key)
    if walk is None:
        walk = _learn(key, dialect)
    if walk.rest < 0 or not codec.widths or len(data) <= codec.bitmap_at:
        return mask_message(data, dialect)[1]
    pieces: list[bytes] = []
    at, done = codec.bitmap_at + codec.widths[data[codec.bitmap_at]], 0
    for element, skipped, prefix, size, is_packed, how, nine in walk.steps:
        at += skipped
        value = fields[element]
        if size < 0:
            size = len(value) + 1 >> 1 if is_packed else len(value)
        start, at = at, at + prefix + size
        if not how:
            continue
        if how == _PAN and nine and len(value) > _SHOWN:
            start += prefix + _SHOWN_FIRST
            written = nine * (len(value) - _SHOWN)
            pieces += (data[done:start], written)
            done = start + len(written)
            continue
        if how == _HIDDEN:
            written = _zeros(dialect, element, len(value))
        else:
            masked = _masked(how, value)
            if masked == value:
                continue
            written = dialect.writers[element](masked)
        pieces += (data[done:start], written)
        done = at
    if at + walk.rest != len(data):
        return mask_message(data, dialect)[1]
    if not done:
        return data
    pieces.append(data[done:])
    return b"".join(pieces)


def _masked(how: int, value: str) -> str:
    if how == _TEXT:
        return mask_text(value)
    return mask_private(value, filler="0") if how == _PRIVATE else mask_pan(value).replace("*", "9")


@lru_cache(maxsize=1024)
def _zeros(dialect: Dialect, element: int, length: int) -> bytes:
    return dialect.writers[element]("0" * length)


def _learn(elements: tuple[int, ...], dialect: Dialect) -> _Walk:
    walks = dialect.codec.walks
    if len(walks) >= KEPT:
        walks.clear()
    walk: _Walk = _planned(elements, dialect)
    walks[elements] = walk
    return walk


def _planned(elements: tuple[int, ...], dialect: Dialect) -> _Walk:
    steps, skipped = [], 0
    for element in sorted(elements):
        field = dialect.formats.get(element)
        length = _length(field) if field is not None and element <= _TWO_BITMAPS else None
        if field is None or length is None:
            return _NOWHERE
        size, is_packed = length
        how = _how(element, field)
        if size >= 0 and not how:
            skipped += size
            continue
        nine = "9".encode(field.encoding) if how == _PAN and not is_packed else b""
        steps.append(_Step(element, skipped, field.prefix_bytes, size, is_packed, how, nine))
        skipped = 0
    if dialect.mac and not any(element in elements for element in MAC_ELEMENTS):
        skipped += _MAC_BYTES
    return _Walk(tuple(steps), skipped)


def _how(element: int, field: FieldFormat) -> int:
    if element in HIDDEN_ELEMENTS:
        return _HIDDEN
    if element in TEXT_ELEMENTS and field.kind in ("ans", "text"):
        return _TEXT
    return {2: _PAN, 48: _PRIVATE}.get(element, _PLAIN)


def _length(field: FieldFormat) -> tuple[int, bool] | None:
    """Give the bytes of a value, or -1, and whether it is packed; None where its length does not follow from it."""
    is_fixed, size = not field.prefix_bytes, field.size
    if field.encoding != "b":
        is_plain = field.kind in TEXT_KINDS or field.kind == "hex"
        if field.nibbles or not is_plain or (field.kind == "x+n" and not is_fixed):
            return None
        return (size if is_fixed else -1), False
    if field.kind == "x+n":
        return ((size - 1) // 2 + 1, True) if is_fixed else None
    if not is_fixed:
        return -1, True
    return ((size + 1) // 2 if field.nibbles else size), True
