"""What the layouts of key management commands are made of: schemes, attributes, marks, check values.

Fields here are those of `hsm_sim.core.commands.fields` with a wrinkle of their own: a flag whose mark some clients
leave out, digits that may be missing, components one behind the other.
"""

from typing import Final

from hsm_sim.core.commands.fields import DIGITS, HEX, TEXT, Digits, Fixed, Value, Values, take, text_of
from hsm_sim.core.commands.groups import Marked, Part
from hsm_sim.core.commands.keyfields import KeyField
from hsm_sim.core.errors import (
    BAD_COMPONENT_COUNT,
    BAD_DATA,
    BAD_OPTIONAL_BLOCK,
    BAD_OPTIONAL_COUNT,
    HsmError,
)
from iso.errors import LocalProtocolError

KEY_BLOCK: Final = "FFF"
"""The key type that means "the key block says it": the only one under a key block LMK."""

TYPE: Final = Fixed("key_type", 3, HEX)
LMK_SCHEME: Final = Fixed("scheme", 1, TEXT)
ZMK_SCHEME: Final = Fixed("zmk_scheme", 1, TEXT)
KCV: Final = Fixed("kcv", 6, HEX)
_RESERVED: Final = Fixed("reserved", 1, TEXT)
_KCV_TYPE: Final = Fixed("kcv_type", 1)

SCHEMES_BOTH: Final = Marked(b";", ZMK_SCHEME, LMK_SCHEME, _KCV_TYPE)
"""Schemes and kind of check value of the older commands that make a key and answer it twice (HC, IA)."""

SCHEMES_ZMK: Final = Marked(b";", ZMK_SCHEME, _RESERVED, _KCV_TYPE)
"""The same of the older commands that answer a key under a master key (GC)."""

SCHEMES_LMK: Final = Marked(b";", _RESERVED, LMK_SCHEME, _KCV_TYPE)
"""The same of the older commands that answer a key under the LMK (FA, AS)."""

EXPORTABILITY: Final = Marked(b"&", Fixed("export", 1, TEXT))
"""What the receiver of a key block may do with it."""

TR31_VERSION: Final = Marked(b"!", Fixed("tr31_version", 1, TEXT))
"""Version of the TR-31 block: A to E."""


def kcv_digits(values: Values) -> int:
    """Return the length of the check value that a command asks for: type 1 means 6H; 0, or none, 16H."""
    return 6 if values.get("kcv_type", "0") == "1" else 16


KCV_BY_TYPE: Final = Digits("kcv", kcv_digits, HEX)


class MasterKeyFlag:
    """`;` and whether the master key is a zone (0) or a terminal (1) master key.

    Captured commands for key block LMKs have the flag without its mark, those of A8 have neither: both are read.

    Parameters
    ----------
    name
        Key of the value.
    always
        Whether the flag is written also for a zone master key.

    Source
    ------
    Shared facts, hsm 2.2; captures of an open codec (variant: `;0`, key block: `0`).
    """

    __slots__ = ("always", "name")

    def __init__(self, name: str, *, always: bool) -> None:
        self.name = name
        self.always = always

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "[`;` 1N]"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read the flag if it is there; "0" if not."""
        if data[at : at + 1] == b";":
            at += 1
        elif data[at : at + 1] not in (b"0", b"1") or data[at + 1 : at + 2] not in tuple(
            bytes((letter,)) for letter in b"SRUTXYK"
        ):
            return "0", at
        flag = take(data, at, 1).decode("latin-1")
        if flag not in "01":
            raise HsmError(BAD_DATA)
        return flag, at + 1

    def write(self, value: Value, values: Values) -> bytes:
        """Write mark and flag."""
        flag = text_of(value)
        if flag not in ("0", "1"):
            raise LocalProtocolError(f"HSM field {self.name} takes 0 or 1")
        return b";" + flag.encode("ascii") if self.always or flag == "1" else b""


class Optional:
    """Up to some digits that may be missing altogether: nothing digit-like follows them.

    Parameters
    ----------
    name
        Key of the value; "" if there are none.
    longest
        At most so many digits.
    """

    __slots__ = ("longest", "name")

    def __init__(self, name: str, longest: int) -> None:
        self.name = name
        self.longest = longest

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"[0 to {self.longest}N]"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read the digits that are there."""
        end = at
        while end < len(data) and end - at < self.longest and data[end] in DIGITS:
            end += 1
        return data[at:end].decode("ascii"), end

    def write(self, value: Value, values: Values) -> bytes:
        """Write the digits."""
        raw = text_of(value).encode("utf-8")
        if len(raw) > self.longest or not DIGITS.issuperset(raw):
            raise LocalProtocolError(f"HSM field {self.name} takes at most {self.longest} digits")
        return raw


class OptionalBlocks:
    """The optional blocks of a key block behind a 2N count: id 2A, length 2H of the whole, data. Empty if no count.

    The value is their text, count included.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "[count 2N, then per block: id 2A, length 2H, data]"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read count and blocks; "AB" a wrong count, "AC" a block that is not one."""
        start, count = at, data[at : at + 2]
        if len(count) != 2 or not DIGITS.issuperset(count):
            if data[at : at + 1].isdigit():
                raise HsmError(BAD_OPTIONAL_COUNT)
            return "", at
        at += 2
        for _ in range(int(count)):
            length = data[at + 2 : at + 4]
            if len(length) != 2 or not HEX.issuperset(length) or int(length, 16) < 4:
                raise HsmError(BAD_OPTIONAL_BLOCK)
            end = at + int(length, 16)
            if end > len(data) or not TEXT.issuperset(data[at:end]):
                raise HsmError(BAD_OPTIONAL_BLOCK)
            at = end
        return data[start:at].decode("ascii"), at

    def write(self, value: Value, values: Values) -> bytes:
        """Write count and blocks as they are; they must read back whole."""
        raw = text_of(value).encode("utf-8")
        try:
            fits = self.read(raw, 0, values)[1] == len(raw)
        except HsmError:
            fits = False
        if not fits:
            raise LocalProtocolError(f"HSM field {self.name} takes a count and optional blocks")
        return raw


class Components:
    """As many key fields as the count before them says, one behind the other: the components of A4.

    The value is their text in one piece; `split` takes it apart.
    """

    __slots__ = ("_component", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._component = KeyField(name, None)

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "K, as many as counted"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read the components; "03" if the count is not 2 to 9."""
        count, start = int(text_of(values["count"])), at
        if count < 2:
            raise HsmError(BAD_COMPONENT_COUNT)
        for _ in range(count):
            _, at = self._component.read(data, at, values)
        return data[start:at].decode("ascii"), at

    def write(self, value: Value, values: Values) -> bytes:
        """Write the components; there must be as many as counted."""
        raw = text_of(value).encode("utf-8")
        try:
            fits = self.read(raw, 0, values)[1] == len(raw)
        except HsmError:
            fits = False
        if not fits:
            raise LocalProtocolError(f"HSM field {self.name} takes as many components as counted")
        return raw

    def split(self, text: str) -> list[str]:
        """Return the single components of a value."""
        raw, at, found = text.encode("ascii"), 0, []
        while at < len(raw):
            component, at = self._component.read(raw, at, {})
            found.append(component)
        return found


class FlaggedKey(KeyField):
    """A key whose length flag stands before it, so that bare hex can be of any length (BU, BW)."""

    __slots__ = ()

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read the key; bare hex is 16H, 32H or 48H by the flag 0, 1 or 2."""
        digits = {"1": 32, "2": 48}.get(text_of(values.get("length_flag", "0")), 16)
        return KeyField(self.name, None, bare=digits).read(data, at, values)


def scheme_of(field: str) -> str:
    """Return the scheme in which a key field stands; `Z` for bare hex, and `S` for a place in the key table."""
    return field[0] if field[0] in "UTXYSR" else "S" if field[0] == "K" else "Z"


def letter(scheme: str) -> str:
    """Return a scheme field as a scheme: `0` asks for the oldest form, which holds a single-length key."""
    return "Z" if scheme == "0" else scheme


def attributes(*, with_algorithm: bool) -> Marked:
    """Return the layout of the attributes of a key block behind `#`.

    Parameters
    ----------
    with_algorithm
        Whether the algorithm stands among them: where a key is made. Where a key is taken in, its length says it (our
        reading; no capture shows it).
    """
    parts: list[Part] = [Fixed("usage", 2, TEXT)]
    if with_algorithm:
        parts.append(Fixed("algorithm", 2, TEXT))
    parts += [
        Fixed("key_mode", 1, TEXT),
        Fixed("key_version", 2, TEXT),
        Fixed("exportability", 1, TEXT),
        OptionalBlocks("optional_blocks"),
    ]
    return Marked(b"#", *parts)
