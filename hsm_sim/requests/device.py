"""Requests about the device and about MACs."""

from typing import NamedTuple

from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.wire import decode_answer, encode_command
from hsm_sim.requests.base import data_of, text_of


class DiagnosticsAnswer(NamedTuple):
    """Answer to `Diagnostics`: str[16] hex check value of the party's LMK, str[9] firmware number."""

    code: str
    lmk_check: str = ""
    firmware: str = ""


class Diagnostics(NamedTuple):
    """NC: whether the HSM is there, and which LMK it holds for us."""

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("NC", {})

    def parse(self, answer: bytes) -> DiagnosticsAnswer:
        """Return the typed answer."""
        code, got = decode_answer("NC", answer, {})
        return DiagnosticsAnswer(code, text_of(got, "lmk_check"), text_of(got, "firmware"))


class Echoed(NamedTuple):
    """Answer to `Echo`."""

    code: str
    data: bytes = b""


class Echo(NamedTuple):
    """B2: send the data back."""

    data: bytes

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("B2", {"data": self.data})

    def parse(self, answer: bytes) -> Echoed:
        """Return the typed answer."""
        code, got = decode_answer("B2", answer, {})
        return Echoed(code, data_of(got, "data"))


def _mac_values(key: str, data: bytes, algorithm: str, padding: str, size: str) -> dict[str, Value]:
    return {
        "mode": "0",
        "input": "0",
        "size": size,
        "algorithm": algorithm,
        "padding": padding,
        "key_type": "FFF",
        "key": key,
        "data": data,
    }


class MacMade(NamedTuple):
    """Answer to `MakeMac`: str[16] upper-case hex."""

    code: str
    mac: str = ""


class MakeMac(NamedTuple):
    """M6, acquirer and switch: an 8-byte MAC over the whole data.

    Attributes
    ----------
    algorithm
        "1" and "3" ISO 9797-1 with TDES, "6" AES-CMAC (the default).
    padding
        "0" none, "1" zeros, "2" X'80' and zeros; CMAC brings its own, so "0" there.
    """

    key: str
    data: bytes
    algorithm: str = "6"
    padding: str = "0"

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("M6", _mac_values(self.key, self.data, self.algorithm, self.padding, "1"))

    def parse(self, answer: bytes) -> MacMade:
        """Return the typed answer."""
        code, got = decode_answer("M6", answer, {"mode": "0", "size": "1"})
        return MacMade(code, text_of(got, "mac"))

    def __repr__(self) -> str:
        return f"MakeMac(key={self.key[:4]!r}, algorithm={self.algorithm!r})"


class MacChecked(NamedTuple):
    """Answer to `VerifyMac`: "00" it matches, "01" it does not."""

    code: str


class VerifyMac(NamedTuple):
    """M8, acquirer and switch: `mac` is 8H or 16H, upper case."""

    key: str
    data: bytes
    mac: str
    algorithm: str = "6"
    padding: str = "0"

    def encode(self) -> bytes:
        """Return the host command."""
        size = "0" if len(self.mac) == 8 else "1"
        values = _mac_values(self.key, self.data, self.algorithm, self.padding, size)
        return encode_command("M8", {**values, "mac": self.mac})

    def parse(self, answer: bytes) -> MacChecked:
        """Return the typed answer."""
        return MacChecked(decode_answer("M8", answer, {"mode": "0"})[0])

    def __repr__(self) -> str:
        return f"VerifyMac(key={self.key[:4]!r}, algorithm={self.algorithm!r})"
