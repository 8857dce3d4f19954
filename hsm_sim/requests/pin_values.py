"""Requests of an issuer about its cards' PINs: PVVs, offsets, changed PINs, PINs under the LMK.

`pan`, `format` and blocks as in `hsm_sim.requests.pins`. No `repr` shows a block, a PAN, a PIN, a PVV or an offset.
"""

from typing import Final, NamedTuple

from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.wire import decode_answer, encode_command
from hsm_sim.core.crypto.pinblocks import account_field
from hsm_sim.requests.base import text_of

KEY_BLOCK: Final = "FFF"
"""Key type of `MakePvv` and its like for a key by index or in a key block."""


class PvvMade(NamedTuple):
    """Answer to `MakePvv`, `MakeStoredPvv` and `ChangePinPvv`: str[4] decimal."""

    code: str
    pvv: str = ""

    def __repr__(self) -> str:
        return f"PvvMade(code={self.code!r})"


class MakePvv(NamedTuple):
    """FW, issuer only: the Visa PVV of a PIN that its holder chose, from a block."""

    key: str
    pvk: str
    block: str
    format: str
    pan: str
    pvki: str = "1"
    key_type: str = KEY_BLOCK

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("FW", {**self._asdict(), "account": account_field(self.pan)})

    def parse(self, answer: bytes) -> PvvMade:
        """Return the typed answer."""
        code, got = decode_answer("FW", answer, {})
        return PvvMade(code, text_of(got, "pvv"))

    def __repr__(self) -> str:
        return f"MakePvv(key={self.key[:4]!r}, pvk={self.pvk[:4]!r})"


class MakeStoredPvv(NamedTuple):
    """DG, issuer only: the Visa PVV of a PIN under the LMK."""

    pvk: str
    pin: str
    pan: str
    pvki: str = "1"

    def encode(self) -> bytes:
        """Return the host command."""
        values: dict[str, Value] = {"pvk": self.pvk, "pin": self.pin, "account": account_field(self.pan)}
        return encode_command("DG", {**values, "pvki": self.pvki})

    def parse(self, answer: bytes) -> PvvMade:
        """Return the typed answer."""
        code, got = decode_answer("DG", answer, {})
        return PvvMade(code, text_of(got, "pvv"))

    def __repr__(self) -> str:
        return f"MakeStoredPvv(pvk={self.pvk[:4]!r})"


class ChangePinPvv(NamedTuple):
    """CU, issuer only: verify the PIN by its PVV and make the PVV of the new one. "01": the old PIN is wrong."""

    key: str
    pvk: str
    block: str
    new_block: str
    format: str
    pan: str
    pvv: str
    pvki: str = "1"
    key_type: str = KEY_BLOCK

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("CU", {**self._asdict(), "account": account_field(self.pan)})

    def parse(self, answer: bytes) -> PvvMade:
        """Return the typed answer."""
        code, got = decode_answer("CU", answer, {})
        return PvvMade(code, text_of(got, "pvv"))

    def __repr__(self) -> str:
        return f"ChangePinPvv(key={self.key[:4]!r}, pvk={self.pvk[:4]!r})"


class OffsetMade(NamedTuple):
    """Answer to `MakeOffset` and `ChangePinIbm`: decimal; "02" warns of a single-length key and has it too."""

    code: str
    offset: str = ""

    def __repr__(self) -> str:
        return f"OffsetMade(code={self.code!r})"


class MakeOffset(NamedTuple):
    """BK, issuer only: the IBM 3624 offset of a PIN that its holder chose, from a block."""

    key: str
    pvk: str
    block: str
    format: str
    pan: str
    check: int
    table: str
    validation: str
    key_type: str = KEY_BLOCK

    def encode(self) -> bytes:
        """Return the host command."""
        values = {**self._asdict(), "check": f"{self.check:02d}", "account": account_field(self.pan)}
        return encode_command("BK", values)

    def parse(self, answer: bytes) -> OffsetMade:
        """Return the typed answer."""
        code, got = decode_answer("BK", answer, {})
        return OffsetMade(code, text_of(got, "offset").rstrip("F"))

    def __repr__(self) -> str:
        return f"MakeOffset(key={self.key[:4]!r}, pvk={self.pvk[:4]!r})"


class ChangePinIbm(NamedTuple):
    """DU, issuer only: verify the PIN by its offset and make the offset of the new one. "01": the old PIN is wrong."""

    key: str
    pvk: str
    block: str
    new_block: str
    format: str
    pan: str
    offset: str
    table: str
    validation: str
    key_type: str = KEY_BLOCK

    def encode(self) -> bytes:
        """Return the host command."""
        check, account = f"{len(self.offset):02d}", account_field(self.pan)
        offset = self.offset.ljust(12, "F")
        return encode_command("DU", {**self._asdict(), "check": check, "account": account, "offset": offset})

    def parse(self, answer: bytes) -> OffsetMade:
        """Return the typed answer."""
        code, got = decode_answer("DU", answer, {})
        return OffsetMade(code, text_of(got, "offset").rstrip("F"))

    def __repr__(self) -> str:
        return f"ChangePinIbm(key={self.key[:4]!r}, pvk={self.pvk[:4]!r})"


class PinSealed(NamedTuple):
    """Answer to `RandomPin` and `KeepPin`: the PIN under the LMK, which may be stored."""

    code: str
    pin: str = ""

    def __repr__(self) -> str:
        return f"PinSealed(code={self.code!r})"


class RandomPin(NamedTuple):
    """JA, issuer only: draw a PIN for an account."""

    pan: str
    length: int = 4

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("JA", {"account": account_field(self.pan), "length": f"{self.length:02d}"})

    def parse(self, answer: bytes) -> PinSealed:
        """Return the typed answer."""
        code, got = decode_answer("JA", answer, {})
        return PinSealed(code, text_of(got, "pin"))

    def __repr__(self) -> str:
        return f"RandomPin(length={self.length})"


class KeepPin(NamedTuple):
    """JE, issuer only: a PIN from a zone's block to a PIN under the LMK."""

    key: str
    block: str
    format: str
    pan: str

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("JE", {**self._asdict(), "account": account_field(self.pan)})

    def parse(self, answer: bytes) -> PinSealed:
        """Return the typed answer."""
        code, got = decode_answer("JE", answer, {})
        return PinSealed(code, text_of(got, "pin"))

    def __repr__(self) -> str:
        return f"KeepPin(key={self.key[:4]!r})"


class PinBlockMade(NamedTuple):
    """Answer to `MakePinBlock`: the block in hex."""

    code: str
    block: str = ""

    def __repr__(self) -> str:
        return f"PinBlockMade(code={self.code!r})"


class MakePinBlock(NamedTuple):
    """JG, issuer only: a PIN under the LMK to a zone's block."""

    key: str
    pin: str
    format: str
    pan: str

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("JG", {**self._asdict(), "account": account_field(self.pan)})

    def parse(self, answer: bytes) -> PinBlockMade:
        """Return the typed answer."""
        code, got = decode_answer("JG", answer, {})
        return PinBlockMade(code, text_of(got, "block"))

    def __repr__(self) -> str:
        return f"MakePinBlock(key={self.key[:4]!r}, format={self.format!r})"
