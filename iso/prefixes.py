"""How a stream says how long the next message is: every length prefix in use, as one table.

A prefix reads and writes one number. Whether that number counts the prefix itself is a column, not a second reader:
most "length is off by two" reports in the field are this one bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["PREFIXES", "Prefix"]

_HEXADECIMAL = b"0123456789ABCDEFabcdef"


class Prefix(NamedTuple):
    """One length prefix.

    Attributes
    ----------
    width
        Bytes on the wire.
    longest
        The greatest number it can say.
    extra
        What it counts besides the body: its own bytes where it is inclusive, else 0.
    read
        bytes[width] to the number, or None if they are no legal prefix.
    write
        The number, at most `longest`, to bytes[width].
    """

    width: int
    longest: int
    extra: int
    read: Callable[[bytes], int | None]
    write: Callable[[int], bytes]


def _read_big(raw: bytes) -> int | None:
    return int.from_bytes(raw, "big")


def _read_little(raw: bytes) -> int | None:
    return int.from_bytes(raw, "little")


def _read_digits(raw: bytes) -> int | None:
    return int(raw) if raw.isdigit() else None


def _read_packed(raw: bytes) -> int | None:
    digits = raw.hex()
    return int(digits) if digits.isdigit() else None


def _read_hexadecimal(raw: bytes) -> int | None:
    return None if raw.translate(None, _HEXADECIMAL) else int(raw, 16)


def _read_visa(raw: bytes) -> int | None:
    return None if raw[2:] != b"\0\0" else int.from_bytes(raw[:2], "big")


_FORMS = {
    "len2-be": Prefix(2, 0xFFFF, 0, _read_big, lambda length: length.to_bytes(2, "big")),
    "len2-le": Prefix(2, 0xFFFF, 0, _read_little, lambda length: length.to_bytes(2, "little")),
    "len4-be": Prefix(4, 0xFFFF_FFFF, 0, _read_big, lambda length: length.to_bytes(4, "big")),
    "len4-le": Prefix(4, 0xFFFF_FFFF, 0, _read_little, lambda length: length.to_bytes(4, "little")),
    "len2-bcd": Prefix(2, 9999, 0, _read_packed, lambda length: bytes.fromhex(f"{length:04d}")),
    "len4-ascii": Prefix(4, 9999, 0, _read_digits, lambda length: b"%04d" % length),
    "len4-hex": Prefix(4, 0xFFFF, 0, _read_hexadecimal, lambda length: b"%04X" % length),
    # Two bytes of length, two of zeros; in front of a BASE I header, which belongs to the dialect.
    "visa": Prefix(4, 0xFFFF, 0, _read_visa, lambda length: length.to_bytes(2, "big") + b"\0\0"),
}

PREFIXES = {
    f"{name}{suffix}": form._replace(extra=form.width if suffix else 0)
    for name, form in _FORMS.items()
    for suffix in ("", "-inclusive")
}
"""Prefix by name; each also as NAME-inclusive, which counts its own bytes too."""
