"""Readers and writers of single elements, built once per dialect from its formats.

Each reader is a closure `read(data, at) -> (value, end)`, each writer `write(value) -> bytes`; both check content and
length, and name the element in their errors. They are the reference that faster codecs are compared with. An error
never contains content: it says which rule broke and where.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from functools import lru_cache

from iso.errors import LocalProtocolError, RemoteProtocolError
from iso.formats import CONTENT, FieldFormat

__all__ = ["TABLE_LIMIT", "Reader", "Writer", "capacity", "make_reader", "make_writer", "prefix_table", "write_prefix"]

Reader = Callable[[bytes, int], tuple[str, int]]
Writer = Callable[[str], bytes]

# Lengths above this are computed rather than looked up; no decimal prefix in use is longer.
TABLE_LIMIT = 9999
_PACKED = {"n": b"0123456789", "z": b"0123456789D", "b": b"0123456789ABCDEF"}
_UNIT = {True: "digits", False: "bytes"}


@lru_cache(maxsize=256)
def prefix_table(width: int, encoding: str, limit: int) -> dict[bytes, int]:
    """Map every legal prefix to its length: digits, range and limit in one look-up."""
    return {
        write_prefix(length, width, encoding): length for length in range(min(limit, capacity(width, encoding)) + 1)
    }


def capacity(width: int, encoding: str) -> int:
    """Give the greatest number that a length prefix of `width` bytes can say."""
    if encoding == "b":
        return int(256**width - 1)
    return int(10 ** (2 * width if encoding == "bcd" else width) - 1)


def write_prefix(length: int, width: int, encoding: str) -> bytes:
    """Write a length prefix."""
    if encoding == "b":
        return length.to_bytes(width, "big")
    if encoding == "bcd":
        return bytes.fromhex(f"{length:0{2 * width}d}")
    return f"{length:0{width}d}".encode(encoding)


def _prefix_reader(element: int, field: FieldFormat) -> Callable[[bytes, int], int]:
    width, encoding, limit = field.prefix_bytes, field.prefix_encoding, field.size
    table = prefix_table(width, encoding, min(limit, TABLE_LIMIT))

    def read(data: bytes, at: int) -> int:
        raw = data[at : at + width]
        length = table.get(raw)
        if length is None:
            if len(raw) < width:
                raise RemoteProtocolError(f"DE {element}: cut off in its length", element=element, offset=at)
            if encoding == "b" and int.from_bytes(raw, "big") <= limit:
                return int.from_bytes(raw, "big")
            raise RemoteProtocolError(
                f"DE {element}: its length is not a number up to {limit}", element=element, offset=at
            )
        return length

    return read


def _short(element: int, size: int, data: bytes, at: int) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"DE {element}: {size} bytes expected, {max(0, len(data) - at)} left", element=element, offset=at
    )


def _foreign(element: int, kind: str, at: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"DE {element}: not {kind} content", element=element, offset=at)


def _alphabet(field: FieldFormat) -> tuple[bytes, bytes] | None:
    """Give the legal characters of a text field, in ASCII and as they are written, or None where any will do.

    Python decodes EBCDIC character by character; translating the bytes first is twice as fast.
    """
    characters = CONTENT.get(field.kind)
    if characters is None:
        return None
    return characters.encode("ascii"), characters.encode(field.encoding)


def _text_reader(element: int, field: FieldFormat) -> Reader:
    encoding, size, kind = field.encoding, field.size, field.kind
    alphabet = _alphabet(field)
    allowed = alphabet[1] if alphabet else None
    to_ascii = bytes.maketrans(alphabet[1], alphabet[0]) if alphabet and alphabet[0] != alphabet[1] else None
    read_prefix = _prefix_reader(element, field) if field.prefix_bytes else None
    width, halve = field.prefix_bytes, field.nibbles

    def read(data: bytes, at: int) -> tuple[str, int]:
        length = size
        if read_prefix is not None:
            length = read_prefix(data, at)
            at += width
        if halve:
            length = (length + 1) // 2
        end = at + length
        raw = data[at:end]
        if len(raw) != length:
            raise _short(element, length, data, at)
        if allowed is not None and (bad := raw.translate(None, allowed)):
            raise _foreign(element, kind, at + raw.index(bad[0]))
        if to_ascii is not None:
            return raw.translate(to_ascii).decode("ascii"), end
        try:
            return raw.decode(encoding), end
        except UnicodeError:
            pass
        raise _foreign(element, kind, at)

    return read


def _signed_reader(element: int, field: FieldFormat) -> Reader:
    """Read x+n: a sign character, then digits (text, or packed after a sign of one byte)."""
    packed = field.encoding == "b"
    encoding = "ascii" if packed else field.encoding
    length = 1 + (field.size - 1) // 2 if packed else field.size
    signs = {"C".encode(encoding): "C", "D".encode(encoding): "D"}

    def read(data: bytes, at: int) -> tuple[str, int]:
        end = at + length
        if end > len(data):
            raise _short(element, length, data, at)
        sign = signs.get(data[at : at + 1])
        raw = data[at + 1 : end]
        try:
            digits = raw.hex() if packed else raw.decode(encoding)
        except UnicodeError:
            digits = ""
        if sign is None or not (digits.isascii() and digits.isdigit()):
            raise _foreign(element, "x+n", at)
        return sign + digits, end

    return read


def _hexadecimal_reader(element: int, field: FieldFormat) -> Reader:
    """Read bytes that are written as characters; the value is upper-case, as for any binary element."""
    read_text = _text_reader(element, field)
    prefix = field.prefix_bytes

    def read(data: bytes, at: int) -> tuple[str, int]:
        value, end = read_text(data, at)
        try:
            return binascii.a2b_hex(value).hex().upper(), end
        except ValueError:
            pass
        raise _foreign(element, "hexadecimal", at + prefix)

    return read


def _bytes_reader(element: int, field: FieldFormat) -> Reader:
    size, width = field.size, field.prefix_bytes
    read_prefix = _prefix_reader(element, field) if width else None

    def read(data: bytes, at: int) -> tuple[str, int]:
        length = size
        if read_prefix is not None:
            length = read_prefix(data, at)
            at += width
        end = at + length
        if end > len(data):
            raise _short(element, length, data, at)
        return data[at:end].hex().upper(), end

    return read


def _nibbles_reader(element: int, field: FieldFormat) -> Reader:
    size, width, kind = field.size, field.prefix_bytes, field.kind
    left, right = field.left_pad, field.right_pad
    read_prefix = _prefix_reader(element, field) if width else None
    only_digits = kind == "n"
    allowed = _PACKED[kind].decode("ascii")

    def read(data: bytes, at: int) -> tuple[str, int]:
        count = size
        if read_prefix is not None:
            count = read_prefix(data, at)
            at += width
        end = at + (count + 1) // 2
        if end > len(data):
            raise _short(element, (count + 1) // 2, data, at)
        digits = data[at:end].hex().upper()
        if count & 1:
            if left and digits[0] == left:
                digits = digits[1:]
            elif right and digits[-1] == right:
                digits = digits[:-1]
            else:
                raise RemoteProtocolError(f"DE {element}: odd length without its pad", element=element, offset=at)
        if (not digits.isdigit() and count) if only_digits else digits.strip(allowed):
            raise _foreign(element, kind, at)
        return digits, end

    return read


def make_reader(element: int, field: FieldFormat) -> Reader:
    """Build the reader of one element.

    Parameters
    ----------
    element
        Its number, for errors.
    field
        Its format.

    Returns
    -------
    Reader
        `read(data, at) -> (value, end)`; raises RemoteProtocolError with element and offset (but without an MTI).
    """
    if field.kind == "x+n":
        return _signed_reader(element, field)
    if field.kind == "hex":
        return _hexadecimal_reader(element, field)
    if field.encoding != "b":
        return _text_reader(element, field)
    return _nibbles_reader(element, field) if field.nibbles else _bytes_reader(element, field)


def _length_check(element: int, field: FieldFormat) -> Callable[[int], bytes]:
    """Build a function that refuses an illegal length and gives the prefix of a legal one."""
    size, width, encoding = field.size, field.prefix_bytes, field.prefix_encoding
    unit = _UNIT[field.nibbles]
    if not width:

        def fixed(length: int) -> bytes:
            if length != size:
                raise LocalProtocolError(f"DE {element}: {size} {unit} expected, {length} given", element=element)
            return b""

        return fixed

    limit = min(size, capacity(width, encoding))
    prefixes = [write_prefix(length, width, encoding) for length in range(min(limit, TABLE_LIMIT) + 1)]

    def variable(length: int) -> bytes:
        if length > limit:
            raise LocalProtocolError(f"DE {element}: at most {limit} {unit}, {length} given", element=element)
        return prefixes[length] if length < len(prefixes) else write_prefix(length, width, encoding)

    return variable


def _illegal(element: int, kind: str) -> LocalProtocolError:
    return LocalProtocolError(f"DE {element}: not {kind} content", element=element)


def _text_writer(element: int, field: FieldFormat) -> Writer:
    kind, factor = field.kind, 2 if field.nibbles else 1
    alphabet, check = _alphabet(field), _length_check(element, field)
    encoding = "ascii" if alphabet else field.encoding
    allowed = alphabet[0] if alphabet else None
    from_ascii = bytes.maketrans(*alphabet) if alphabet and alphabet[0] != alphabet[1] else None

    def write(value: str) -> bytes:
        try:
            raw = value.encode(encoding)
        except UnicodeError:
            raw = None
        if raw is None or (allowed is not None and raw.translate(None, allowed)):
            raise _illegal(element, kind)
        if from_ascii is not None:
            raw = raw.translate(from_ascii)
        return check(len(raw) * factor) + raw

    return write


def _signed_writer(element: int, field: FieldFormat) -> Writer:
    packed = field.encoding == "b"
    encoding = "ascii" if packed else field.encoding
    size = field.size

    def write(value: str) -> bytes:
        digits = value[1:]
        if len(value) != size or value[0] not in "CD" or not (digits.isascii() and digits.isdigit()):
            raise _illegal(element, f"x+n{size - 1}")
        return value[0].encode(encoding) + (bytes.fromhex(digits) if packed else digits.encode(encoding))

    return write


def _bytes_writer(element: int, field: FieldFormat) -> Writer:
    check = _length_check(element, field)

    def write(value: str) -> bytes:
        try:
            raw = binascii.a2b_hex(value)
        except ValueError:
            raw = None
        if raw is None:
            raise _illegal(element, "hexadecimal")
        return check(len(raw)) + raw

    return write


def _hexadecimal_writer(element: int, field: FieldFormat) -> Writer:
    check, encoding = _length_check(element, field), field.encoding

    def write(value: str) -> bytes:
        try:
            digits = binascii.a2b_hex(value).hex().upper()
        except ValueError:
            digits = None
        if digits is None:
            raise _illegal(element, "hexadecimal")
        return check(len(digits)) + digits.encode(encoding)

    return write


def _nibbles_writer(element: int, field: FieldFormat) -> Writer:
    kind, left, right = field.kind, field.left_pad, field.right_pad
    check, allowed = _length_check(element, field), _PACKED[field.kind] + (b"abcdef" if kind == "b" else b"")
    separators = kind == "z"

    def write(value: str) -> bytes:
        if separators:
            value = value.replace("=", "D")
        raw = value.encode("ascii", "replace")
        if raw.translate(None, allowed):
            raise _illegal(element, kind)
        prefix = check(len(value))
        if len(value) & 1:
            if not (left or right):
                raise LocalProtocolError(f"DE {element}: odd length, and no pad is defined", element=element)
            value = left + value if left else value + right
        return prefix + binascii.a2b_hex(value)

    return write


def make_writer(element: int, field: FieldFormat) -> Writer:
    """Build the writer of one element.

    Parameters
    ----------
    element
        Its number, for errors.
    field
        Its format.

    Returns
    -------
    Writer
        `write(value) -> bytes`, prefix included; raises LocalProtocolError with the element.
    """
    if field.kind == "x+n":
        return _signed_writer(element, field)
    if field.kind == "hex":
        return _hexadecimal_writer(element, field)
    if field.encoding != "b":
        return _text_writer(element, field)
    return _nibbles_writer(element, field) if field.nibbles else _bytes_writer(element, field)
