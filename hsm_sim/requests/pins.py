"""Requests about PIN blocks: translating them, verifying the PIN.

`pan` is the whole PAN; each request sends what its PIN block format needs of it. `format` is the payShield code: "01"
ISO 0, "05" ISO 1, "47" ISO 3, "48" ISO 4 (AES keys). Blocks are hex, 16 digits or 32 for format 4. No `repr` shows a
block, a PAN, a PIN, a PVV or an offset.
"""

from typing import Final, NamedTuple

from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.wire import decode_answer, encode_command
from hsm_sim.core.crypto.pinblocks import ISO_4, PLUS, account_field, leftmost_account_field
from hsm_sim.requests.base import text_of

_TOKEN_DIGITS: Final = 18


def _account(pan: str, *formats: str) -> dict[str, Value]:
    """Return the account as a command with these formats takes it."""
    if ISO_4 in formats:
        return {"pan": pan}
    if formats and all(code == PLUS for code in formats):
        return {"account": leftmost_account_field(pan)}
    return {"account": account_field(pan)}


class PinTranslated(NamedTuple):
    """Answer to the translations: the PIN's length, the new block in hex, and its format."""

    code: str
    length: int = 0
    block: str = ""
    format: str = ""

    def __repr__(self) -> str:
        return f"PinTranslated(code={self.code!r}, format={self.format!r})"


def _translated(command: str, answer: bytes) -> PinTranslated:
    code, got = decode_answer(command, answer, {})
    return PinTranslated(code, int(text_of(got, "length") or 0), text_of(got, "block"), text_of(got, "format"))


class TranslatePin(NamedTuple):
    """CC, acquirer, switch and issuer: a PIN block from one zone's key to another's.

    Attributes
    ----------
    source, destination
        Zone PIN keys (`indexes.zpk`).
    maximum
        Longest PIN that is let through.
    """

    source: str
    destination: str
    block: str
    source_format: str
    destination_format: str
    pan: str
    maximum: int = 12

    def encode(self) -> bytes:
        """Return the host command."""
        account = _account(self.pan, self.source_format, self.destination_format)
        return encode_command("CC", {**self._asdict(), "maximum": f"{self.maximum:02d}", **account})

    def parse(self, answer: bytes) -> PinTranslated:
        """Return the typed answer."""
        return _translated("CC", answer)

    def __repr__(self) -> str:
        return f"TranslatePin(source={self.source[:4]!r}, destination={self.destination[:4]!r})"


class TranslateTerminalPin(NamedTuple):
    """CA, acquirer only: a PIN block from a terminal's key (`indexes.TPK`) to a zone's."""

    source: str
    destination: str
    block: str
    source_format: str
    destination_format: str
    pan: str
    maximum: int = 12

    def encode(self) -> bytes:
        """Return the host command."""
        account = _account(self.pan, self.source_format, self.destination_format)
        return encode_command("CA", {**self._asdict(), "maximum": f"{self.maximum:02d}", **account})

    def parse(self, answer: bytes) -> PinTranslated:
        """Return the typed answer."""
        return _translated("CA", answer)

    def __repr__(self) -> str:
        return f"TranslateTerminalPin(source={self.source[:4]!r}, destination={self.destination[:4]!r})"


class TranslateDukptPin(NamedTuple):
    """G0, acquirer only: a PIN block from a terminal's DUKPT key to a zone's key.

    Attributes
    ----------
    source
        The base key: `indexes.BDK` (TDES, formats 0, 1, 3) or `indexes.BDK_AES` (format 4).
    ksn
        Key serial number in hex: 20 digits, or 24 for AES DUKPT.
    descriptor
        How the serial number is made up; by default it is told by its length.
    """

    source: str
    destination: str
    ksn: str
    block: str
    source_format: str
    destination_format: str
    pan: str
    descriptor: str = ""

    def encode(self) -> bytes:
        """Return the host command."""
        descriptor = self.descriptor or ("A09" if len(self.ksn) == 24 else "A05")
        account = _account(self.pan, self.source_format, self.destination_format)
        return encode_command("G0", {**self._asdict(), "descriptor": descriptor, **account})

    def parse(self, answer: bytes) -> PinTranslated:
        """Return the typed answer."""
        return _translated("G0", answer)

    def __repr__(self) -> str:
        return f"TranslateDukptPin(source={self.source[:4]!r}, destination={self.destination[:4]!r})"


class PinChecked(NamedTuple):
    """Answer to the verifications: "00" it matches, "01" it does not, "39" too many wrong PINs for this account."""

    code: str


class VerifyPinPvv(NamedTuple):
    """EC, issuer only: verify a PIN by its Visa PVV. With `is_terminal`, DC: the block is under a terminal's key.

    Attributes
    ----------
    key
        Zone PIN key, or terminal PIN key.
    pvk
        PIN verification key (`indexes.PVK`).
    pvki, pvv
        str[1], str[4] decimal, as the card record has them.
    """

    key: str
    pvk: str
    block: str
    format: str
    pan: str
    pvki: str
    pvv: str
    is_terminal: bool = False

    def encode(self) -> bytes:
        """Return the host command."""
        values: dict[str, Value] = {
            "key": self.key,
            "pvk": self.pvk,
            "block": self.block,
            "format": self.format,
            "pan": self.pan,
            "account": account_field(self.pan),
            "token": self.pan[:-1].rjust(_TOKEN_DIGITS, "0"),
            "pvki": self.pvki,
            "pvv": self.pvv,
        }
        return encode_command("DC" if self.is_terminal else "EC", values)

    def parse(self, answer: bytes) -> PinChecked:
        """Return the typed answer."""
        return PinChecked(decode_answer("DC" if self.is_terminal else "EC", answer, {})[0])

    def __repr__(self) -> str:
        return f"VerifyPinPvv(key={self.key[:4]!r}, pvk={self.pvk[:4]!r})"


class VerifyPinIbm(NamedTuple):
    """EA, issuer only: verify a PIN by its IBM 3624 offset. With `is_terminal`, DA.

    Attributes
    ----------
    pvk
        PIN verification key (`indexes.PVK_IBM`).
    offset
        Decimal, as long as the check length.
    table
        str[16], the decimalisation table.
    validation
        str[12]: hex digits and one `N` for the account's last five digits.
    """

    key: str
    pvk: str
    block: str
    format: str
    pan: str
    offset: str
    table: str
    validation: str
    is_terminal: bool = False
    maximum: int = 12

    def encode(self) -> bytes:
        """Return the host command."""
        values: dict[str, Value] = {
            "key": self.key,
            "pvk": self.pvk,
            "maximum": f"{self.maximum:02d}",
            "block": self.block,
            "format": self.format,
            "check": f"{len(self.offset):02d}",
            "pan": self.pan,
            "account": account_field(self.pan),
            "table": self.table,
            "validation": self.validation,
            "offset": self.offset.ljust(12, "F"),
        }
        return encode_command("DA" if self.is_terminal else "EA", values)

    def parse(self, answer: bytes) -> PinChecked:
        """Return the typed answer."""
        return PinChecked(decode_answer("DA" if self.is_terminal else "EA", answer, {})[0])

    def __repr__(self) -> str:
        return f"VerifyPinIbm(key={self.key[:4]!r}, pvk={self.pvk[:4]!r})"
