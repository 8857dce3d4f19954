"""Field kinds of host commands: each knows how to read itself from a command and how to write itself.

A command's layout is a tuple of these (`hsm_sim.core.commands`), so that the engine's parser and the client's
encoder cannot drift apart. Fields are read strictly from left to right: nothing is searched from the end, so
binary data may contain any byte, also `;`, `%` and X'19'.

A field never repeats what it refused: errors name the field only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from hsm_sim.core.errors import BAD_DATA, BAD_LENGTH, HsmError
from iso.errors import LocalProtocolError

Value: TypeAlias = str | bytes
Values: TypeAlias = Mapping[str, Value]

DIGITS: Final = frozenset(b"0123456789")
HEX: Final = frozenset(b"0123456789ABCDEF")
TEXT: Final = frozenset(range(0x20, 0x7F))
_LETTER_OF: Final = {DIGITS: "N", HEX: "H", TEXT: "A"}


class Field(Protocol):
    """One field of a layout."""

    @property
    def name(self) -> str:
        """Key of the field's value in the parsed command."""

    @property
    def layout(self) -> str:
        """The field in the notation of the documents: 12N, 16H, K, ..."""

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


def _may_end(data: bytes, at: int) -> bool:
    """Return whether a command's fields may end here: nothing, an LMK identifier or a trailer follows."""
    return at == len(data) or (at < len(data) and data[at] in b"%\x19")


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

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"{self.length}{_LETTER_OF.get(self.alphabet, 'A')}"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read `length` characters."""
        end = at + self.length
        raw = data[at:end]
        if len(raw) != self.length:
            raise HsmError(BAD_LENGTH)
        if not (raw.isdigit() if self.alphabet is DIGITS else self.alphabet.issuperset(raw)):
            raise HsmError(BAD_DATA)
        return raw.decode("ascii"), end

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

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"{self.shortest} to {self.longest}N, `;`"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read digits up to the delimiter and skip it."""
        end = data.find(b";", at, at + self.longest + 1)
        if end < 0:
            raise HsmError(self.code)
        raw = data[at:end]
        if len(raw) < self.shortest or not (raw.isdigit() or not raw):
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

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "length 2N, text"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read the count, then that many bytes of UTF-8."""
        count = take(data, at, 2)
        if not count.isdigit():
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


class Choice:
    """One of a few fixed texts of the same length: modes, schemes, formats.

    Parameters
    ----------
    name
        Key of the value.
    options
        The texts.
    code
        Error code for anything else.
    """

    __slots__ = ("_known", "code", "length", "name", "options")

    def __init__(self, name: str, options: Sequence[str], code: str = BAD_DATA) -> None:
        self.name = name
        self.options = tuple(options)
        self.code = code
        self.length = len(self.options[0])
        self._known = {option.encode("ascii"): option for option in self.options}

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"{self.length}A, one of {' '.join(self.options)}"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read one of the texts; the field's own code if it is another one."""
        end = at + self.length
        found = self._known.get(data[at:end])
        if found is None:
            raise HsmError(BAD_LENGTH if end > len(data) else self.code)
        return found, end

    def write(self, value: Value, values: Values) -> bytes:
        """Write one of the texts."""
        text = text_of(value)
        if text not in self.options:
            raise LocalProtocolError(f"HSM field {self.name} takes one of {' '.join(self.options)}")
        return text.encode("ascii")


class Block:
    """Binary data behind a count: the echo of B2, the data of M6, KQ, GW and GM.

    Parameters
    ----------
    name
        Key of the value.
    digits, base
        How the count is written: 4 hex digits unless told otherwise.
    in_hex
        Tells from the fields before it whether the data travels as two hex digits per byte. The count is then in
        characters.
    follows
        How many characters come behind data in hex, before the end or an option.

    Source
    ------
    The count of characters: captures of M0 and M8 in an open codec (ut-codec-payshield), which verify. Its assembled
    frames count bytes: that reading is taken too, where only it fits.
    """

    __slots__ = ("base", "digits", "follows", "in_hex", "name")

    def __init__(
        self,
        name: str,
        digits: int = 4,
        base: int = 16,
        in_hex: Callable[[Values], bool] | None = None,
        follows: Callable[[Values], int] | None = None,
    ) -> None:
        self.name = name
        self.digits = digits
        self.base = base
        self.in_hex = in_hex
        self.follows = follows

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"length {self.digits}{'H' if self.base == 16 else 'N'}, data"

    def read(self, data: bytes, at: int, values: Values) -> tuple[bytes, int]:
        """Read the count, then the data; "80" if there is less data than counted."""
        start = at + self.digits
        count = data[at:start]
        if start > len(data):
            raise HsmError(BAD_LENGTH)
        if not (HEX if self.base == 16 else DIGITS).issuperset(count):
            raise HsmError(BAD_DATA)
        end = start + int(count, self.base)
        if self.in_hex is None or not self.in_hex(values):
            if end > len(data):
                raise HsmError(BAD_LENGTH)
            return data[start:end], end
        behind = 0 if self.follows is None else self.follows(values)
        if not _may_end(data, end + behind) and _may_end(data, 2 * end - start + behind):
            end = 2 * end - start
        raw = take(data, start, end - start)
        if len(raw) % 2 or not HEX.issuperset(raw):
            raise HsmError(BAD_DATA)
        return bytes.fromhex(raw.decode("ascii")), end

    def write(self, value: Value, values: Values) -> bytes:
        """Write the count and the data."""
        raw = b"" if isinstance(value, str) else value
        if self.in_hex is not None and self.in_hex(values):
            raw = raw.hex().upper().encode("ascii")
        if isinstance(value, str) or len(raw) >= self.base**self.digits:
            raise LocalProtocolError(f"HSM field {self.name} takes at most {self.base**self.digits - 1} bytes")
        return (b"%0*X" if self.base == 16 else b"%0*d") % (self.digits, len(raw)) + raw


class Raw:
    """A fixed number of raw bytes: the binary fields of KQ and KW."""

    __slots__ = ("length", "name")

    def __init__(self, name: str, length: int) -> None:
        self.name = name
        self.length = length

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"{self.length}B"

    def read(self, data: bytes, at: int, values: Values) -> tuple[bytes, int]:
        """Read exactly that many bytes."""
        end = at + self.length
        if end > len(data):
            raise HsmError(BAD_LENGTH)
        return data[at:end], end

    def write(self, value: Value, values: Values) -> bytes:
        """Write exactly that many bytes."""
        if isinstance(value, str) or len(value) != self.length:
            raise LocalProtocolError(f"HSM field {self.name} takes {self.length} bytes")
        return value


class Digits:
    """Decimal digits as many as another field announces, or as the given function says."""

    __slots__ = ("alphabet", "length", "name")

    def __init__(self, name: str, length: Callable[[Values], int], alphabet: frozenset[int] = DIGITS) -> None:
        self.name = name
        self.length = length
        self.alphabet = alphabet

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "nH" if self.alphabet is HEX else "nN"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read as many characters as announced."""
        length = self.length(values)
        raw = take(data, at, length)
        if not self.alphabet.issuperset(raw):
            raise HsmError(BAD_DATA)
        return raw.decode("ascii"), at + length

    def write(self, value: Value, values: Values) -> bytes:
        """Write as many characters as announced."""
        raw = text_of(value).encode("utf-8")
        if len(raw) != self.length(values) or not self.alphabet.issuperset(raw):
            raise LocalProtocolError(f"HSM field {self.name} takes {self.length(values)} characters")
        return raw


class MacField:
    """A MAC in hex whose length another field names: 0 = 8H, 1 = 16H.

    Parameters
    ----------
    name
        Key of the value.
    size
        Name of the field with the size.
    """

    __slots__ = ("name", "size")

    def __init__(self, name: str = "mac", size: str = "size") -> None:
        self.name = name
        self.size = size

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "8H or 16H"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read 8 or 16 hex digits."""
        length = 16 if values.get(self.size) == "1" else 8
        raw = take(data, at, length)
        if not HEX.issuperset(raw):
            raise HsmError(BAD_DATA)
        return raw.decode("ascii"), at + length

    def write(self, value: Value, values: Values) -> bytes:
        """Write 8 or 16 hex digits."""
        raw = text_of(value).encode("utf-8")
        if len(raw) != (16 if values.get(self.size) == "1" else 8) or not HEX.issuperset(raw):
            raise LocalProtocolError(f"HSM field {self.name} takes 8 or 16 hex digits")
        return raw


class Rest:
    """Raw bytes up to the end: the answers of B2 and N0."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "the rest"

    def read(self, data: bytes, at: int, values: Values) -> tuple[bytes, int]:
        """Read everything that is left."""
        return data[at:], len(data)

    def write(self, value: Value, values: Values) -> bytes:
        """Write the bytes."""
        if isinstance(value, str):
            raise LocalProtocolError(f"HSM field {self.name} takes bytes")
        return value
