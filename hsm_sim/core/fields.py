"""Field kinds of host commands: each knows how to read itself from a command and how to write itself.

A command's layout is a tuple of these (`hsm_sim.core.commands`), so that the engine's parser and the client's
encoder cannot drift apart. Fields are read strictly from left to right: nothing is searched from the end, so
binary data may contain any byte, also `;`, `%` and X'19'.

A field never repeats what it refused: errors name the field only.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeAlias

from hsm_sim.core.errors import BAD_DATA, BAD_KEY_BLOCK, BAD_KEY_SCHEME, BAD_LENGTH, HsmError
from iso.errors import LocalProtocolError

Value: TypeAlias = str | bytes
Values: TypeAlias = Mapping[str, Value]

DIGITS: Final = frozenset(b"0123456789")
HEX: Final = frozenset(b"0123456789ABCDEF")
TEXT: Final = frozenset(range(0x20, 0x7F))
KEY_BLOCK_LENGTH_MAX: Final = 512


class Field(Protocol):
    """One field of a layout."""

    @property
    def name(self) -> str:
        """Key of the field's value in the parsed command."""

    def read(self, data: bytes, at: int, values: Values) -> tuple[Value, int]:
        """Return the value that starts at byte `at` and the offset behind it; `HsmError` if it is malformed."""

    def write(self, value: Value, values: Values) -> bytes:
        """Return the field's bytes; `LocalProtocolError` if the value does not fit the field."""


def take(data: bytes, at: int, length: int) -> bytes:
    """Return exactly `length` bytes; `HsmError` "80" if the command ends before them."""
    end = at + length
    if end > len(data):
        raise HsmError(BAD_LENGTH)
    return data[at:end]


def text_of(value: Value) -> str:
    """Return a character field's value."""
    if isinstance(value, bytes):
        raise LocalProtocolError("a character field was given bytes")
    return value


class Fixed:
    """Characters of one alphabet and one length: n`N`, n`H`, n`A`."""

    __slots__ = ("alphabet", "length", "name")

    def __init__(self, name: str, length: int, alphabet: frozenset[int] = DIGITS) -> None:
        self.name = name
        self.length = length
        self.alphabet = alphabet

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read `length` characters."""
        raw = take(data, at, self.length)
        if not self.alphabet.issuperset(raw):
            raise HsmError(BAD_DATA)
        return raw.decode("ascii"), at + self.length

    def write(self, value: Value, values: Values) -> bytes:
        """Write exactly `length` characters of the alphabet."""
        raw = text_of(value).encode("utf-8")
        if len(raw) != self.length or not self.alphabet.issuperset(raw):
            raise LocalProtocolError(f"HSM field {self.name} takes {self.length} characters of its alphabet")
        return raw


class Delimited:
    """Digits up to a `;`: the account number of CW and CY, and our own variable fields."""

    __slots__ = ("code", "longest", "name", "shortest")

    def __init__(self, name: str, shortest: int, longest: int, code: str = BAD_DATA) -> None:
        self.name = name
        self.shortest = shortest
        self.longest = longest
        self.code = code

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read digits up to the delimiter and skip it."""
        end = data.find(b";", at, at + self.longest + 1)
        if end < 0:
            raise HsmError(self.code)
        raw = data[at:end]
        if len(raw) < self.shortest or not DIGITS.issuperset(raw):
            raise HsmError(self.code)
        return raw.decode("ascii"), end + 1

    def write(self, value: Value, values: Values) -> bytes:
        """Write the digits and the delimiter."""
        raw = text_of(value).encode("utf-8")
        if not self.shortest <= len(raw) <= self.longest or not DIGITS.issuperset(raw):
            raise LocalProtocolError(f"HSM field {self.name} takes {self.shortest} to {self.longest} digits")
        return raw + b";"


class Counted:
    """Free text behind a 2N byte count, in UTF-8: values that come from a peer, so that any of them can travel."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read the count, then that many bytes of UTF-8."""
        count = take(data, at, 2)
        if not DIGITS.issuperset(count):
            raise HsmError(BAD_DATA)
        end = at + 2 + int(count)
        raw = take(data, at + 2, int(count))
        try:
            text: str | None = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = None
        if text is None:  # raised outside the handler: its context would carry the bytes
            raise HsmError(BAD_DATA)
        return text, end

    def write(self, value: Value, values: Values) -> bytes:
        """Write the byte count and the text."""
        raw = text_of(value).encode("utf-8", "replace")
        if len(raw) > 99:
            raise LocalProtocolError(f"HSM field {self.name} takes at most 99 bytes")
        return b"%02d" % len(raw) + raw


class Block:
    """Binary data behind a 4H byte count: B2's echo, the data of M6 and M8.

    Parameters
    ----------
    name
        Key of the value.
    in_hex
        Tells from the fields before it whether the data travels as two hex digits per byte. The count is always
        in bytes of data (our reading of the layouts for the hex form, which no capture shows).
    """

    __slots__ = ("in_hex", "name")

    def __init__(self, name: str, in_hex: Callable[[Values], bool] | None = None) -> None:
        self.name = name
        self.in_hex = in_hex

    def read(self, data: bytes, at: int, values: Values) -> tuple[bytes, int]:
        """Read the count, then the data; "80" if there is less data than counted."""
        count = take(data, at, 4)
        if not HEX.issuperset(count):
            raise HsmError(BAD_DATA)
        length = int(count, 16)
        if self.in_hex is None or not self.in_hex(values):
            return take(data, at + 4, length), at + 4 + length
        raw = take(data, at + 4, 2 * length)
        if not HEX.issuperset(raw):
            raise HsmError(BAD_DATA)
        return bytes.fromhex(raw.decode("ascii")), at + 4 + 2 * length

    def write(self, value: Value, values: Values) -> bytes:
        """Write the count and the data."""
        if isinstance(value, str) or len(value) > 0xFFFF:
            raise LocalProtocolError(f"HSM field {self.name} takes at most 65535 bytes")
        hexed = self.in_hex is not None and self.in_hex(values)
        return b"%04X" % len(value) + (value.hex().upper().encode("ascii") if hexed else value)


class KeyField:
    """A key: `K` + 3H, an index of the party's own key table, or `R` + a TR-31 key block under the party's LMK.

    The other schemes (`U`, `T`, `X`, `Y`, bare hex) are cryptograms under a variant LMK, which these parties do
    not have: they are refused with "26".
    """

    __slots__ = ("name",)

    def __init__(self, name: str = "key") -> None:
        self.name = name

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read the scheme letter and what it announces."""
        scheme = take(data, at, 1)
        if scheme == b"K":
            end = at + 4
        elif scheme == b"R":
            count = take(data, at + 2, 4)
            if not DIGITS.issuperset(count) or int(count) > KEY_BLOCK_LENGTH_MAX:
                raise HsmError(BAD_KEY_BLOCK)
            end = at + 1 + int(count)
        else:
            raise HsmError(BAD_KEY_SCHEME)
        raw = take(data, at, end - at)
        if not TEXT.issuperset(raw):
            raise HsmError(BAD_DATA)
        return raw.decode("ascii"), end

    def write(self, value: Value, values: Values) -> bytes:
        """Write the field as it is; it must read back whole."""
        raw = text_of(value).encode("utf-8")
        try:
            fits = self.read(raw, 0, values)[1] == len(raw)
        except HsmError:
            fits = False
        if not fits:
            raise LocalProtocolError(f"HSM field {self.name} takes K + 3 hex digits or R + a key block")
        return raw


class MacField:
    """A MAC in hex whose length the `size` field names: 0 = 8H, 1 = 16H."""

    __slots__ = ("name",)

    def __init__(self, name: str = "mac") -> None:
        self.name = name

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read 8 or 16 hex digits."""
        length = 16 if values.get("size") == "1" else 8
        raw = take(data, at, length)
        if not HEX.issuperset(raw):
            raise HsmError(BAD_DATA)
        return raw.decode("ascii"), at + length

    def write(self, value: Value, values: Values) -> bytes:
        """Write 8 or 16 hex digits."""
        raw = text_of(value).encode("utf-8")
        if len(raw) != (16 if values.get("size") == "1" else 8) or not HEX.issuperset(raw):
            raise LocalProtocolError(f"HSM field {self.name} takes 8 or 16 hex digits")
        return raw


class Rest:
    """Raw bytes up to the end: the answers of B2 and N0."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, data: bytes, at: int, values: Values) -> tuple[bytes, int]:
        """Read everything that is left."""
        return data[at:], len(data)

    def write(self, value: Value, values: Values) -> bytes:
        """Write the bytes."""
        if isinstance(value, str):
            raise LocalProtocolError(f"HSM field {self.name} takes bytes")
        return value
