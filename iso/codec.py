"""Bytes to messages and back, fast: one compiled function per dialect and bitmap, and the slow path for all the rest.

`iso.generic` defines what is right. A function compiled by `iso.compile_read` or `iso.compile_write` accepts only what
the slow path accepts, with the same result, and is asked first; whatever it declines, the slow path reads or refuses
with element and offset. A bitmap that is seen for the third time is compiled; `iso.compiled` says what that may cost.
"""

from __future__ import annotations

from iso.compile_read import compile_reader
from iso.compile_write import compile_writer
from iso.dialect import Dialect
from iso.errors import IsoError
from iso.generic import decode as decode_slowly
from iso.generic import elements_of, read_with_marks
from iso.generic import encode as encode_slowly
from iso.message import Message

__all__ = ["decode", "decode_with_spans", "encode", "spans"]

_DECLINED = (LookupError, ValueError, TypeError, AttributeError, IsoError)


def decode(data: bytes, dialect: Dialect) -> Message:
    """Read one message.

    Parameters
    ----------
    data
        A whole message: header if the dialect has one, MTI, bitmap, elements; without the length prefix.
    dialect
        How it is written.

    Returns
    -------
    Message
        Values as text: digits, characters, or upper-case hexadecimal for binary elements. A track's separator stays as
        the wire has it (D where packed). Empty variable elements are accepted; `iso.remarks` names them.

    Raises
    ------
    RemoteProtocolError
        `data` is not one legal message. Carries element, offset, and the MTI where four digits could be read: answer
        with its `reject_code`, or close the connection.

    Examples
    --------
    >>> from iso.dialects import dialect
    >>> decode(b"08008220000000000000040000000000000011251613360002553" + b"01", dialect("ascii87")).get(70)
    '301'
    """
    if type(data) is not bytes:
        data = bytes(data)
    codec = dialect.codec
    at = codec.bitmap_at
    try:
        read = codec.readers.functions.get(data[at : at + codec.widths[data[at]]])
        message = read(data) if read is not None else None
    except _DECLINED:
        read = message = None
    if message is not None:
        found: Message = message
        return found
    found = decode_slowly(data, dialect)
    if read is None:
        _learn_to_read(data, found, dialect)
    return found


def _learn_to_read(data: bytes, message: Message, dialect: Dialect) -> None:
    """Count a bitmap whose message was legal; bitmaps of three parts and lenient readings stay with the slow path."""
    codec = dialect.codec
    if not codec.widths:
        codec.bitmap_at = dialect.bitmap_at
        codec.widths = _bitmap_widths(dialect.bitmap_encoding)
    at = codec.bitmap_at
    bitmap = data[at : at + codec.widths[data[at]]]
    # Mixed upper and lower case would be many names of one bitmap.
    packed = bitmap if dialect.bitmap_encoding == "b" else _from_hexadecimal(bitmap.decode(dialect.bitmap_encoding))
    elements = elements_of(packed)
    if packed and elements == tuple(message._fields):
        codec.readers.learn(bitmap, lambda: compile_reader(dialect, elements, len(bitmap)))


def _from_hexadecimal(text: str) -> bytes:
    return bytes.fromhex(text) if text in (text.upper(), text.lower()) else b""


def _bitmap_widths(encoding: str) -> tuple[int, ...]:
    """Give the length of one bitmap or two by the first byte, which says whether there is a second."""
    if encoding == "b":
        return (8,) * 128 + (16,) * 128
    double = set("89abcdefABCDEF".encode(encoding))
    return tuple(32 if first in double else 16 for first in range(256))


def encode(message: Message, dialect: Dialect) -> bytes:
    """Write one message.

    Parameters
    ----------
    message
        What to write. Its header is used if the dialect has one; an empty one means the dialect's default.
    dialect
        How to write it. Where it demands a MAC, eight zero bytes are reserved for the link to overwrite.

    Returns
    -------
    bytes
        The message without a length prefix.

    Raises
    ------
    LocalProtocolError
        The message cannot be written in this dialect; carries element and offset. A defect of the caller.

    Examples
    --------
    >>> from iso.dialects import dialect
    >>> encode(Message("0800", {11: "000255", 70: "301"}), dialect("ascii87"))
    b'080080200000000000000400000000000000000255301'
    """
    fields = message._fields
    key = tuple(fields)
    writers = dialect.codec.writers
    write = writers.functions.get(key)
    if write is not None:
        try:
            data = write(message._mti, fields.values(), message._header)
        except _DECLINED:
            data = None
        if data is not None:
            done: bytes = data
            return done
    done = encode_slowly(message, dialect)
    if write is None:
        writers.learn(key, lambda: compile_writer(dialect, key))
    return done


def spans(data: bytes, dialect: Dialect) -> list[tuple[int, int, int]]:
    """Say which bytes belong to which element.

    Parameters
    ----------
    data
        A whole message, as for `decode`.
    dialect
        How it is written.

    Returns
    -------
    list[tuple[int, int, int]]
        (element, start, end) in wire order, length prefixes included; 0 is the MTI, 1 the bitmaps, and 65 a third
        bitmap that stands among the elements. The header, if any, comes before the first start.

    Raises
    ------
    RemoteProtocolError
        As `decode`.
    """
    return decode_with_spans(data, dialect)[1]


def decode_with_spans(data: bytes, dialect: Dialect) -> tuple[Message, list[tuple[int, int, int]]]:
    """Do the work of `decode` and `spans` in one walk."""
    marks: list[tuple[int, int]] = []
    message, _ = read_with_marks(bytes(data), dialect, marks)
    found, start = [], dialect.header_bytes
    for element, end in marks:
        found.append((element, start, end))
        start = end
    return message, found
