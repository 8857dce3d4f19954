"""Bytes to messages and back, driven by a dialect's tables.

This is the generic codec: it walks the bitmap element by element, checks every length and every character, and can say
where a message is wrong. It is the reference that a faster codec must equal, and the path that explains errors. It
never lets the content of an element into an exception.
"""

from __future__ import annotations

import binascii
from functools import lru_cache

from iso.dialect import Dialect
from iso.elements import MAC_ELEMENTS
from iso.errors import LocalProtocolError, RemoteProtocolError
from iso.message import Message
from iso.mti import is_valid

__all__ = ["decode", "decode_with_spans", "encode", "spans"]

_NO_MAC = "0" * 16
_FIRST_SECONDARY = 65


@lru_cache(maxsize=2048)
def _elements_of(bitmap: bytes) -> tuple[int, ...]:
    """Give the elements that a bitmap of 8 or 16 bytes announces, without the bit for the second half."""
    bits = int.from_bytes(bitmap, "big")
    size = 8 * len(bitmap)
    return tuple(number for number in range(2, size + 1) if bits >> (size - number) & 1)


@lru_cache(maxsize=2048)
def _bitmap_of(elements: tuple[int, ...]) -> bytes:
    size = 128 if elements and elements[-1] >= _FIRST_SECONDARY else 64
    bits = 1 << 127 if size == 128 else 0
    for number in elements:
        bits |= 1 << (size - number)
    return bits.to_bytes(size // 8, "big")


def _read_mti(data: bytes, at: int, dialect: Dialect) -> tuple[str, int]:
    encoding = dialect.mti_encoding
    end = at + (2 if encoding == "b" else 4)
    raw = data[at:end]
    if len(raw) != end - at:
        raise RemoteProtocolError("cut off before the end of the MTI", element=0, offset=min(at, len(data)))
    mti = raw.hex() if encoding == "b" else raw.decode(encoding, "replace")
    if not (mti.isascii() and mti.isdigit()):
        raise RemoteProtocolError("the MTI is not four digits", element=0, offset=at)
    if mti[0] != dialect.version_digit or not is_valid(mti):
        raise RemoteProtocolError(f"unknown MTI in a {dialect.version} dialect", element=0, offset=at, mti=mti)
    return mti, end


def _read_bitmap(data: bytes, at: int, dialect: Dialect) -> tuple[tuple[int, ...], int]:
    encoding = dialect.bitmap_encoding
    width = 8 if encoding == "b" else 16
    first, end = _half_bitmap(data, at, width, encoding)
    if first[0] & 0x80:
        second, end = _half_bitmap(data, end, width, encoding)
        first += second
    return _elements_of(first), end


def _half_bitmap(data: bytes, at: int, width: int, encoding: str) -> tuple[bytes, int]:
    end = at + width
    raw = data[at:end]
    if len(raw) != width:
        raise RemoteProtocolError("cut off in the bitmap", element=1, offset=at)
    if encoding == "b":
        return raw, end
    try:
        return binascii.a2b_hex(raw.decode(encoding)), end
    except ValueError:
        pass
    raise RemoteProtocolError("the bitmap is not hexadecimal", element=1, offset=at)


def _check_end(data: bytes, at: int, elements: tuple[int, ...], dialect: Dialect) -> None:
    if at != len(data):
        raise RemoteProtocolError(f"{len(data) - at} bytes after the last element", offset=at)
    if dialect.mac and (not elements or elements[-1] not in MAC_ELEMENTS):
        raise RemoteProtocolError("no MAC where the dialect wants one", element=MAC_ELEMENTS[0], offset=at)


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
        the wire has it (D where packed).

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
    return _read(bytes(data), dialect, None)


def _read(data: bytes, dialect: Dialect, ends: list[int] | None) -> Message:
    """Walk a message; where `ends` is given, note in it where MTI, bitmap and each element end."""
    mti: str | None = None
    try:
        mti, at = _read_mti(data, dialect.header_bytes, dialect)
        if ends is not None:
            ends.append(at)
        elements, at = _read_bitmap(data, at, dialect)
        if ends is not None:
            ends.append(at)
        readers = dialect.readers
        fields: dict[int, str] = {}
        for element in elements:
            reader = readers.get(element)
            if reader is None:
                raise _undefined(element, at)
            fields[element], at = reader(data, at)
            if ends is not None:
                ends.append(at)
        if at != len(data) or dialect.mac:
            _check_end(data, at, elements, dialect)
    except RemoteProtocolError as error:
        error.mti = error.mti or mti
        raise
    return Message._adopt(mti, fields, data[: dialect.header_bytes].hex().upper())


def _undefined(element: int, at: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"DE {element} is not defined in this dialect", element=element, offset=at)


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
    mti, fields = message.mti, message.fields
    if not is_valid(mti) or mti[0] != dialect.version_digit:
        raise LocalProtocolError(f"this MTI does not exist in a {dialect.version} dialect", element=0)
    if dialect.mac:
        fields = _with_mac(message)
    elements = tuple(sorted(fields))
    writers = dialect.writers
    pieces = [_write_head(message, dialect)]
    for element in elements:
        writer = writers.get(element)
        if writer is None:
            raise LocalProtocolError(f"DE {element} is not defined in dialect {dialect.name}", element=element)
        try:
            pieces.append(writer(fields[element]))
        except LocalProtocolError as error:
            error.offset = sum(map(len, pieces)) + (16 if elements[-1] >= _FIRST_SECONDARY else 8)
            raise
    bitmap = _bitmap_of(elements)
    encoding = dialect.bitmap_encoding
    pieces.insert(1, bitmap if encoding == "b" else bitmap.hex().upper().encode(encoding))
    return b"".join(pieces)


def _write_head(message: Message, dialect: Dialect) -> bytes:
    encoding = dialect.mti_encoding
    mti = bytes.fromhex(message.mti) if encoding == "b" else message.mti.encode(encoding)
    if not dialect.header_bytes:
        return mti
    header = message.header or dialect.default_header
    if len(header) != 2 * dialect.header_bytes:
        raise LocalProtocolError(f"the header is {dialect.header_bytes} bytes in dialect {dialect.name}")
    return bytes.fromhex(header) + mti


def _with_mac(message: Message) -> dict[int, str]:
    """Put the MAC where the other elements say it belongs; a value that is already there is kept."""
    fields = dict(message.fields)
    macs = [fields.pop(element, None) for element in MAC_ELEMENTS]
    last = MAC_ELEMENTS[1] if fields and max(fields) >= _FIRST_SECONDARY else MAC_ELEMENTS[0]
    fields[last] = macs[MAC_ELEMENTS.index(last)] or _NO_MAC
    return fields


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
        (element, start, end) in wire order, length prefixes included; 0 is the MTI and 1 the bitmaps. The header, if
        any, comes before the first start.

    Raises
    ------
    RemoteProtocolError
        As `decode`.
    """
    return decode_with_spans(data, dialect)[1]


def decode_with_spans(data: bytes, dialect: Dialect) -> tuple[Message, list[tuple[int, int, int]]]:
    """Do the work of `decode` and `spans` in one walk."""
    ends: list[int] = []
    message = _read(bytes(data), dialect, ends)
    starts = [dialect.header_bytes, *ends]
    return message, list(zip((0, 1, *message.fields), starts, ends, strict=False))
