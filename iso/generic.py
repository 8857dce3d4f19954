"""Bytes to messages and back, one element at a time: the reference, and the path that explains errors.

It walks the bitmap, checks every length and every character, and can say where a message is wrong. `iso.codec` is many
times faster and must equal it in every case; what is rare (a third bitmap, a lenient reading) is done only here. It
never lets the content of an element into an exception.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from functools import lru_cache

from iso.dialect import Dialect
from iso.elements import MAC_ELEMENTS
from iso.errors import LocalProtocolError, RemoteProtocolError
from iso.message import Message
from iso.mti import is_valid

__all__ = [
    "NO_MAC",
    "bitmap_of",
    "decode",
    "elements_of",
    "encode",
    "mac_elements",
    "read_bitmap",
    "read_mti",
    "read_with_marks",
]

NO_MAC = "0" * 16
BASE1_MARK = b"\x16"
THIRD_BITMAP = 65
FIRST_END, _SECOND_END = 64, 128


@lru_cache(maxsize=2048)
def elements_of(bitmap: bytes) -> tuple[int, ...]:
    """Give the elements that a bitmap of 8, 16 or 24 bytes announces, without the bits that announce bitmaps.

    Bit 1 stands for the second bitmap, and bit 65 for the third where there is one; a bit 65 without one is element 65.
    """
    size = 8 * len(bitmap)
    bits = int.from_bytes(bitmap, "big")
    announcing = (1, 65) if size > _SECOND_END else (1,)
    return tuple(n for n in range(1, size + 1) if bits >> (size - n) & 1 and n not in announcing)


@lru_cache(maxsize=2048)
def bitmap_of(elements: tuple[int, ...]) -> bytes:
    """Give the bitmap of sorted elements: 8, 16 or 24 bytes, with the bits that announce further bitmaps."""
    last = elements[-1] if elements else 0
    size = 64 if last <= FIRST_END else 128 if last <= _SECOND_END else 192
    bits = sum(1 << (size - number) for number in elements)
    if size > FIRST_END:
        bits |= 1 << (size - 1)
    if size > _SECOND_END:
        bits |= 1 << (size - 65)
    return bits.to_bytes(size // 8, "big")


def read_mti(data: bytes, at: int, dialect: Dialect) -> tuple[str, int]:
    """Read the MTI at `at`; give it and where it ends."""
    encoding = dialect.mti_encoding
    if dialect.header == "base1" and data[:1] != BASE1_MARK:
        raise RemoteProtocolError("no BASE I header of 22 bytes", offset=0)
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


def read_bitmap(data: bytes, at: int, dialect: Dialect, *, fixed: bool = False) -> tuple[tuple[int, ...], int]:
    """Read the bitmaps at `at`; give the elements they announce and where they end.

    `fixed` means the lenient form: always 16 bytes, whatever bit 1 says.
    """
    encoding = dialect.bitmap_encoding
    width = 8 if encoding == "b" else 16
    bitmap, end = _half_bitmap(data, at, width, encoding)
    if bitmap[0] & 0x80 or fixed:
        second, end = _half_bitmap(data, end, width, encoding)
        bitmap += second
        if second[0] & 0x80 and dialect.third_bitmap == "after-second":
            third, end = _half_bitmap(data, end, width, encoding)
            bitmap += third
    return elements_of(bitmap), end


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
    """Read one message; see `iso.codec.decode`, which this defines."""
    return read_with_marks(data, dialect, None)[0]


def read_with_marks(data: bytes, dialect: Dialect, marks: list[tuple[int, int]] | None) -> tuple[Message, bool]:
    """Walk a message.

    Parameters
    ----------
    data
        As for `decode`.
    dialect
        How it is written; if it is lenient, a second reading with a bitmap of fixed 16 bytes may follow.
    marks
        A list that takes (element, end) for the MTI (0), the bitmaps (1) and each element, or None.

    Returns
    -------
    tuple[Message, bool]
        The message, and whether only the lenient reading gave it.

    Raises
    ------
    RemoteProtocolError
        As `decode`; the error is that of the strict reading.
    """
    if not dialect.lenient:
        return _read(data, dialect, marks), False
    try:
        return _read(data, dialect, marks), False
    except RemoteProtocolError as error:
        strict = error
    again: list[tuple[int, int]] = []
    try:
        message = _read(data, dialect, again, fixed=True)
    except RemoteProtocolError:
        pass
    else:
        if marks is not None:
            marks[:] = again
        return message, True
    raise strict


def _read(data: bytes, dialect: Dialect, marks: list[tuple[int, int]] | None, *, fixed: bool = False) -> Message:
    mti: str | None = None
    fields: dict[int, str] = {}
    try:
        mti, at = read_mti(data, dialect.header_bytes, dialect)
        if marks is not None:
            marks.append((0, at))
        elements, at = read_bitmap(data, at, dialect, fixed=fixed)
        if marks is not None:
            marks.append((1, at))
        at = _read_elements(data, at, elements, dialect, fields, marks)
        if at != len(data) or dialect.mac:
            _check_end(data, at, elements, dialect)
    except RemoteProtocolError as error:
        error.mti = error.mti or mti
        raise
    return Message._adopt(mti, fields, data[: dialect.header_bytes].hex().upper())


def _read_elements(
    data: bytes,
    at: int,
    elements: tuple[int, ...],
    dialect: Dialect,
    fields: dict[int, str],
    marks: list[tuple[int, int]] | None,
) -> int:
    readers, third = dialect.readers, b""
    for element in elements:
        reader = readers.get(element)
        if reader is not None:
            fields[element], at = reader(data, at)
        elif element == THIRD_BITMAP and dialect.third_bitmap == "element-65":
            encoding = dialect.bitmap_encoding
            third, at = _half_bitmap(data, at, 8 if encoding == "b" else 16, encoding)
        else:
            raise RemoteProtocolError(f"DE {element} is not defined in this dialect", element=element, offset=at)
        if marks is not None:
            marks.append((element, at))
    if third:
        return _read_elements(data, at, elements_of(bytes(16) + third), dialect, fields, marks)
    return at


def encode(message: Message, dialect: Dialect) -> bytes:
    """Write one message; see `iso.codec.encode`, which this defines."""
    mti, fields = message.mti, message.fields
    if not is_valid(mti) or mti[0] != dialect.version_digit:
        raise LocalProtocolError(f"this MTI does not exist in a {dialect.version} dialect", element=0)
    if dialect.mac:
        fields = _with_mac(message)
    elements = tuple(sorted(fields))
    writers = dialect.writers
    for element in elements:
        if element not in writers:
            raise LocalProtocolError(f"DE {element} is not defined in dialect {dialect.name}", element=element)
    bitmap = bitmap_of(elements)
    apart = len(bitmap) > 16 and dialect.third_bitmap == "element-65"
    pieces = [_write_head(message, dialect), _write_bitmap(bitmap[:16] if apart else bitmap, dialect)]
    for element in elements:
        if apart and element > THIRD_BITMAP:
            pieces.append(_write_bitmap(bitmap[16:], dialect))
            apart = False
        try:
            pieces.append(writers[element](fields[element]))
        except LocalProtocolError as error:
            error.offset = sum(map(len, pieces))
            raise
    data = b"".join(pieces)
    return with_base1_length(data) if dialect.header == "base1" else data


def with_base1_length(data: bytes) -> bytes:
    """Write the length of header and message into bytes 3 and 4 of a BASE I header."""
    if len(data) > 0xFFFF:
        raise LocalProtocolError("too long for the length in a BASE I header")
    return data[:3] + len(data).to_bytes(2, "big") + data[5:]


def _write_bitmap(bitmap: bytes, dialect: Dialect) -> bytes:
    encoding = dialect.bitmap_encoding
    return bitmap if encoding == "b" else bitmap.hex().upper().encode(encoding)


def _write_head(message: Message, dialect: Dialect) -> bytes:
    encoding = dialect.mti_encoding
    mti = bytes.fromhex(message.mti) if encoding == "b" else message.mti.encode(encoding)
    if not dialect.header_bytes:
        return mti
    header = message.header or dialect.default_header
    if len(header) == 2 * dialect.header_bytes:
        try:
            return binascii.a2b_hex(header) + mti
        except ValueError:
            pass
    raise LocalProtocolError(f"the header is {dialect.header_bytes} bytes of hexadecimal in dialect {dialect.name}")


def mac_elements(elements: Iterable[int]) -> tuple[int, int]:
    """Say which element carries the MAC of a message with these elements, and which must be absent."""
    beyond = any(element > FIRST_END and element not in MAC_ELEMENTS for element in elements)
    return (MAC_ELEMENTS[1], MAC_ELEMENTS[0]) if beyond else MAC_ELEMENTS


def _with_mac(message: Message) -> dict[int, str]:
    """Put the MAC where the other elements say it belongs; a value that is already there is kept."""
    fields = dict(message.fields)
    last, absent = mac_elements(fields)
    fields.pop(absent, None)
    value = fields.pop(last, "")
    fields[last] = value or NO_MAC
    return fields
