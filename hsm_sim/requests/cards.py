"""Requests about a PAN: CVV, fingerprint, sealing for storage."""

from typing import NamedTuple

from hsm_sim.core.commands.wire import decode_answer, encode_command
from hsm_sim.requests.base import text_of


class Fingerprinted(NamedTuple):
    """Answer to `Fingerprint`: str[29], `fp_` + base32."""

    code: str
    fingerprint: str = ""


class Fingerprint(NamedTuple):
    """ZG, issuer only: the keyed fingerprint under which the issuer's card rows are found."""

    pan: str

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("ZG", {"pan": self.pan})

    def parse(self, answer: bytes) -> Fingerprinted:
        """Return the typed answer."""
        code, got = decode_answer("ZG", answer, {})
        return Fingerprinted(code, text_of(got, "fingerprint"))

    def __repr__(self) -> str:
        return "Fingerprint()"


class CvvMade(NamedTuple):
    """Answer to `MakeCvv`: str[3]."""

    code: str
    cvv: str = ""

    def __repr__(self) -> str:
        return f"CvvMade(code={self.code!r})"


class MakeCvv(NamedTuple):
    """CW, issuer only: service code 000 makes a CVV2, 999 an iCVV."""

    key: str
    pan: str
    expiry: str
    service_code: str

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("CW", self._asdict())

    def parse(self, answer: bytes) -> CvvMade:
        """Return the typed answer."""
        code, got = decode_answer("CW", answer, {})
        return CvvMade(code, text_of(got, "cvv"))

    def __repr__(self) -> str:
        return f"MakeCvv(key={self.key[:4]!r}, service_code={self.service_code!r})"


class CvvChecked(NamedTuple):
    """Answer to `VerifyCvv`: "00" it matches, "01" it does not."""

    code: str


class VerifyCvv(NamedTuple):
    """CY, issuer only."""

    key: str
    pan: str
    expiry: str
    service_code: str
    cvv: str

    def encode(self) -> bytes:
        """Return the host command."""
        values = {"key": self.key, "pan": self.pan, "expiry": self.expiry}
        return encode_command("CY", {**values, "service_code": self.service_code, "cvv": self.cvv})

    def parse(self, answer: bytes) -> CvvChecked:
        """Return the typed answer."""
        return CvvChecked(decode_answer("CY", answer, {})[0])

    def __repr__(self) -> str:
        return f"VerifyCvv(key={self.key[:4]!r}, service_code={self.service_code!r})"


class PanSealed(NamedTuple):
    """Answer to `SealPan`: text that may be stored."""

    code: str
    sealed: str = ""


class SealPan(NamedTuple):
    """ZI, switch only: a PAN under the switch's data key, for rows that must survive a restart.

    Attributes
    ----------
    context
        What the row is, at most 99 bytes: a sealed PAN opens only in the context that it was sealed in.
    """

    pan: str
    context: str = ""

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("ZI", {"pan": self.pan, "context": self.context})

    def parse(self, answer: bytes) -> PanSealed:
        """Return the typed answer."""
        code, got = decode_answer("ZI", answer, {})
        return PanSealed(code, text_of(got, "sealed"))

    def __repr__(self) -> str:
        return f"SealPan(context={self.context!r})"


class PanOpened(NamedTuple):
    """Answer to `OpenPan`."""

    code: str
    pan: str = ""

    def __repr__(self) -> str:
        return f"PanOpened(code={self.code!r})"


class OpenPan(NamedTuple):
    """ZK, switch only: the PAN of a sealed text, in its context."""

    sealed: str
    context: str = ""

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("ZK", {"sealed": self.sealed, "context": self.context})

    def parse(self, answer: bytes) -> PanOpened:
        """Return the typed answer."""
        code, got = decode_answer("ZK", answer, {})
        return PanOpened(code, text_of(got, "pan"))
