"""Fields of the PIN commands: blocks, account numbers, marks in front of keys.

A block stands before the format that says whether it has 16 or 32 digits, so its field looks ahead, over characters
that cannot be anything else: none of these commands carries binary data.

Source
------
Shared facts, hsm 2.2. That format 4 goes with the whole PAN and `;` rests on two open sources and no capture.
"""

import re
from typing import Final

from hsm_sim.core.commands.fields import DIGITS, TEXT, Delimited, Fixed, Value, Values, take, text_of
from hsm_sim.core.commands.groups import When
from hsm_sim.core.crypto.pinblocks import ISO_4, PLUS, account_field
from hsm_sim.core.errors import BAD_ACCOUNT, BAD_DATA, HsmError
from iso.errors import LocalProtocolError

ACCOUNT_DIGITS: Final = 12
BLOCK_DIGITS: Final = 16
AES_BLOCK_DIGITS: Final = 32
_TOKEN_DIGITS: Final = 18
_PAN_DIGITS: Final = (12, 19)
_ISO_4_AFTER: Final = ISO_4.encode("ascii")
_ISO_4_BEHIND: Final = re.compile(rb"[0-9A-F]{32}48[0-9]{12,21};")
"""A format 4 block, its format code, at most two more counts of two digits, and the PAN with its delimiter."""

_DIGITS: Final = b"0123456789"
_HEX: Final = b"0123456789ABCDEF"


class PinBlock:
    """An encrypted PIN block of a request: 16H, or 32H if a format 4 code and a whole PAN follow it."""

    __slots__ = ("name",)

    def __init__(self, name: str = "block") -> None:
        self.name = name

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "16H (32H for format 48)"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read 16 or 32 hex digits."""
        length = BLOCK_DIGITS
        if data[at + 32 : at + 34] == _ISO_4_AFTER and _ISO_4_BEHIND.match(data, at):
            length = AES_BLOCK_DIGITS
        raw = take(data, at, length)
        if raw.translate(None, _HEX):
            raise HsmError(BAD_DATA)
        return raw.decode("ascii"), at + length

    def write(self, value: Value, values: Values) -> bytes:
        """Write 16 or 32 hex digits."""
        return _written_block(self.name, value)


class KnownBlock:
    """A PIN block whose length is known when it is read: from its format, or because only so much is left.

    Parameters
    ----------
    name
        Key of the value.
    format_name
        The format that stands before it; "" in an answer, where everything that is left belongs to it.
    behind
        Characters that follow it in an answer.
    """

    __slots__ = ("behind", "format_name", "name")

    def __init__(self, name: str = "block", format_name: str = "", behind: int = 0) -> None:
        self.name = name
        self.format_name = format_name
        self.behind = behind

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "16H (32H for format 48)"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read 16 or 32 hex digits."""
        if self.format_name:
            is_long = values[self.format_name] == ISO_4
        else:
            is_long = len(data) - at - self.behind == AES_BLOCK_DIGITS
        length = AES_BLOCK_DIGITS if is_long else BLOCK_DIGITS
        raw = take(data, at, length)
        if raw.translate(None, _HEX):
            raise HsmError(BAD_DATA)
        return raw.decode("ascii"), at + length

    def write(self, value: Value, values: Values) -> bytes:
        """Write 16 or 32 hex digits."""
        return _written_block(self.name, value)


def _written_block(name: str, value: Value) -> bytes:
    raw = text_of(value).encode("utf-8")
    if len(raw) not in (BLOCK_DIGITS, AES_BLOCK_DIGITS) or raw.translate(None, _HEX):
        raise LocalProtocolError(f"HSM field {name} takes 16 or 32 hex digits")
    return raw


class Account(When):
    """The account number: 12N; with format 4 the whole PAN and `;`; for EC with format 04 a token of 18N.

    The value "account" is the 12N field in every case, so that one account has one name. "pan" and "token" are there
    beside it if they travelled.

    Parameters
    ----------
    formats
        Names of the format codes that stand before it.
    token
        Whether format 04 brings 18 digits.
    destination
        Whether a destination account may follow (G0), which then may be the one place of format 4's PAN: 12N, `;`
        and more digits.
    """

    __slots__ = ("_destination", "_formats", "_token")

    def __init__(self, *formats: str, token: bool = False, destination: bool = False) -> None:
        about = "12 digits of the account; the whole PAN if a format is 48"
        if token:
            super().__init__(lambda _: True, f"{about}; 18 digits if it is 04", _ACCOUNT, _PAN, _TOKEN)
        else:
            super().__init__(lambda _: True, about, _ACCOUNT, _PAN)
        self._formats = formats
        self._token = token
        self._destination = destination

    def parse(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        """Read it as the formats say; return the offset behind it."""
        for name in self._formats:
            if values[name] == ISO_4:
                pan, end = _PAN.read(data, at, values)
                if self._destination and len(pan) == ACCOUNT_DIGITS and data[end : end + 1].isdigit():
                    values["account"] = pan
                    return end - 1  # the delimiter belongs to the destination account behind it
                values["pan"], values["account"] = pan, account_field(pan)
                return end
        if self._token and values[self._formats[0]] == PLUS:
            values["token"], at = token, _ = _TOKEN.read(data, at, values)
            values["account"] = token[-ACCOUNT_DIGITS:]
            return at
        values["account"], at = _ACCOUNT.read(data, at, values)
        return at

    def encode(self, values: Values) -> bytes:
        """Write the PAN, the token or the account, as the formats say."""
        for name in self._formats:
            if values[name] == ISO_4 and (
                "pan" in values or not (self._destination and "destination_account" in values)
            ):
                return _PAN.write(values["pan"], values)
        if self._token and values[self._formats[0]] == PLUS:
            return _TOKEN.write(values["token"], values)
        return _ACCOUNT.write(values["account"], values)


_ACCOUNT: Final = Fixed("account", ACCOUNT_DIGITS)
_PAN: Final = Delimited("pan", *_PAN_DIGITS, BAD_ACCOUNT)
_TOKEN: Final = Fixed("token", _TOKEN_DIGITS)


class DigitRun:
    """Digits, as many as there are: the destination account of G0."""

    __slots__ = ("longest", "name", "shortest")

    def __init__(self, name: str, shortest: int, longest: int) -> None:
        self.name = name
        self.shortest = shortest
        self.longest = longest

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"{self.shortest} to {self.longest}N"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read every digit that comes."""
        end = len(data) - len(data[at:].lstrip(_DIGITS))
        if not self.shortest <= end - at <= self.longest:
            raise HsmError(BAD_ACCOUNT)
        return data[at:end].decode("ascii"), end

    def write(self, value: Value, values: Values) -> bytes:
        """Write the digits."""
        raw = text_of(value).encode("utf-8")
        if not self.shortest <= len(raw) <= self.longest or not DIGITS.issuperset(raw):
            raise LocalProtocolError(f"HSM field {self.name} takes {self.shortest} to {self.longest} digits")
        return raw


class Flag(When):
    """A mark that says what the key behind it is; there is no value if it is not there."""

    __slots__ = ("_marks", "_name")

    def __init__(self, name: str, marks: str) -> None:
        super().__init__(lambda _: True, "", Fixed(name, 1, TEXT))
        self._name = name
        self._marks = marks

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"{self._name} [" + " or ".join(f"`{mark}`" for mark in self._marks) + "]"

    def parse(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        """Read the mark if it comes next; return the offset behind it."""
        mark = data[at : at + 1].decode("latin-1")
        if not mark or mark not in self._marks:
            return at
        values[self._name] = mark
        return at + 1

    def encode(self, values: Values) -> bytes:
        """Write the mark if there is one."""
        mark = text_of(values.get(self._name, ""))
        if mark and (len(mark) != 1 or mark not in self._marks):
            raise LocalProtocolError(f"HSM field {self._name} takes one of {self._marks}")
        return mark.encode("ascii")
