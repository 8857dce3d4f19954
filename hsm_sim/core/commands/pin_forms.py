"""Fields of the PIN commands that do not say how long they are: PINs under the LMK, clear PINs, tables.

They take what the fields of known length behind them leave of a run of letters and digits. No setting has to say how
long PINs are: a field of any length is read, and each PIN is answered in a field of its own length + 1.

Source
------
Shared facts, hsm 2.2 (both forms of a PIN, both forms of a table). A device has one length of encrypted PINs by a
setting; captures show different ones, and this reading takes them all.
"""

import re
from collections.abc import Callable
from typing import Final

from hsm_sim.core.commands.fields import DIGITS, HEX, Fixed, Value, Values, take, text_of
from hsm_sim.core.commands.groups import When
from hsm_sim.core.crypto.pinblocks import PIN_MAX, PIN_MIN
from hsm_sim.core.errors import BAD_DATA, BAD_LENGTH, BAD_TABLE_DECIMALISATION, HsmError
from iso.errors import LocalProtocolError

TABLE_DIGITS: Final = 16
VALIDATION: Final = HEX | {0x4E}
"""Hex digits, and `N` for the account's last five digits."""

_CLEAR: Final = DIGITS | {0x46}
_RUN: Final = re.compile(rb"[0-9A-Z]*")
_J: Final = 0x4A
_J_LENGTH: Final = 33


def _run(data: bytes, at: int) -> int:
    """Return how many letters and digits come."""
    found = _RUN.match(data, at)
    return found.end() - at if found else 0


class LmkPin:
    """A PIN under the LMK: PIN length + 1 digits, or `J` and 32H under an AES LMK.

    Parameters
    ----------
    name
        Key of the value.
    behind
        How many characters of letters and digits follow it. Its own length is what is left of them.
    """

    __slots__ = ("behind", "name")

    def __init__(self, name: str = "pin", behind: int = 0) -> None:
        self.name = name
        self.behind = behind

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "5 to 13N or `J` + 32H"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read `J` and 32 hex digits, or the digits that what follows leaves."""
        if data[at : at + 1] == b"J":
            raw = take(data, at, _J_LENGTH)
            if not HEX.issuperset(raw[1:]):
                raise HsmError(BAD_DATA)
            return raw.decode("ascii"), at + _J_LENGTH
        return _left_over(data, at, self.behind, DIGITS)

    def write(self, value: Value, values: Values) -> bytes:
        """Write either form."""
        raw = text_of(value).encode("utf-8")
        is_aes = len(raw) == _J_LENGTH and raw[0] == _J and HEX.issuperset(raw[1:])
        if not is_aes and not (PIN_MIN < len(raw) <= PIN_MAX + 1 and DIGITS.issuperset(raw)):
            raise LocalProtocolError(f"HSM field {self.name} takes a PIN under the LMK")
        return raw


class ClearPin:
    """A clear PIN, filled on the right with F to at least one digit more than it has.

    Parameters
    ----------
    name
        Key of the value.
    behind
        How many characters of letters and digits follow it.
    """

    __slots__ = ("behind", "name")

    def __init__(self, name: str = "clear", behind: int = 0) -> None:
        self.name = name
        self.behind = behind

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "5 to 13H, filled with F"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read the characters that what follows leaves."""
        return _left_over(data, at, self.behind, _CLEAR)

    def write(self, value: Value, values: Values) -> bytes:
        """Write the filled PIN."""
        raw = text_of(value).encode("utf-8")
        if not PIN_MIN < len(raw) <= PIN_MAX + 1 or not _CLEAR.issuperset(raw):
            raise LocalProtocolError(f"HSM field {self.name} takes a PIN filled with F")
        return raw


def _left_over(data: bytes, at: int, behind: int, alphabet: frozenset[int]) -> tuple[str, int]:
    """Return what a run of letters and digits has in front of its last `behind` characters: 5 to 13 of them."""
    length = _run(data, at) - behind
    if length <= PIN_MIN:
        raise HsmError(BAD_LENGTH)
    raw = data[at : at + length]
    if length > PIN_MAX + 1 or not alphabet.issuperset(raw):
        raise HsmError(BAD_DATA)
    return raw.decode("ascii"), at + length


class Table:
    """A decimalisation table: 16 digits, or 16H encrypted, or 32H encrypted under an AES LMK.

    Parameters
    ----------
    name
        Key of the value.
    behind
        Of the values before it: how many characters of letters and digits follow it.
    """

    __slots__ = ("behind", "name")

    def __init__(self, behind: Callable[[Values], int], name: str = "table") -> None:
        self.name = name
        self.behind = behind

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "16N (encrypted: 16H, under an AES LMK 32H)"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read 32 characters if what follows leaves them, else 16."""
        is_long = _run(data, at) >= 2 * TABLE_DIGITS + self.behind(values)
        length = 2 * TABLE_DIGITS if is_long else TABLE_DIGITS
        raw = take(data, at, length)
        if not HEX.issuperset(raw):
            raise HsmError(BAD_TABLE_DECIMALISATION)
        return raw.decode("ascii"), at + length

    def write(self, value: Value, values: Values) -> bytes:
        """Write 16 or 32 characters."""
        raw = text_of(value).encode("utf-8")
        if len(raw) not in (TABLE_DIGITS, 2 * TABLE_DIGITS) or not HEX.issuperset(raw):
            raise LocalProtocolError(f"HSM field {self.name} takes 16 or 32 hex digits")
        return raw


class PinLength(When):
    """The length of a random PIN: 2N, also behind a `;`, or nothing at all."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(lambda _: True, "", _LENGTH)

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "[[`;`] length 2N]"

    def parse(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        """Read two digits if a digit or a delimiter comes next; return the offset behind them."""
        if data[at : at + 1] == b";":
            at += 1
        elif not data[at : at + 1].isdigit():
            return at
        values["length"], at = _LENGTH.read(data, at, values)
        return at

    def encode(self, values: Values) -> bytes:
        """Write two digits if there is a value."""
        return _LENGTH.write(values["length"], values) if "length" in values else b""


_LENGTH: Final = Fixed("length", 2)
