"""Requests about chip cards: check a cryptogram and answer it, and what a software chip needs in tests."""

from collections.abc import Mapping
from typing import NamedTuple

from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.wire import decode_answer, encode_command
from hsm_sim.core.crypto.ciphers import BLOCK, pad
from hsm_sim.core.crypto.emv import card_block
from hsm_sim.core.crypto.versions import Version, mastercard_version, signed_data, visa_version
from hsm_sim.requests.base import data_of, text_of
from iso.errors import LocalProtocolError


class ArqcChecked(NamedTuple):
    """Answer to `VerifyArqc`.

    Attributes
    ----------
    code
        "00" it matches, "01" it does not.
    arpc
        The issuer's answer to the card, 8 bytes by method 1 or 4 by method 2; empty if none was asked for.
    """

    code: str
    arpc: bytes = b""

    def __repr__(self) -> str:
        return f"ArqcChecked(code={self.code!r})"


class VerifyArqc(NamedTuple):
    """KQ or KW, issuer only: check a card's cryptogram and make the ARPC.

    The card's cryptogram version (tag 9F10) says which command it is, and what the card signed.

    Attributes
    ----------
    key
        The issuer's master key for cryptograms.
    pan, psn
        Account number, and its sequence number as two digits.
    scheme
        "visa" or "mastercard": whose versions tag 9F10 names.
    tags
        Chip data by tag, as DE 55 carried them.
    arqc
        8 bytes, tag 9F26.
    response
        What the ARPC says: two bytes (method 1) or four bytes, the card status update (method 2), as the version has
        it; empty if no ARPC is wanted.
    proprietary
        With method 2, up to 8 bytes more.
    """

    key: str
    pan: str
    psn: str
    scheme: str
    tags: Mapping[str, bytes]
    arqc: bytes
    response: bytes = b""
    proprietary: bytes = b""

    @property
    def version(self) -> Version:
        """The cryptogram version; `LocalProtocolError` if tag 9F10 names none that we know."""
        named = visa_version if self.scheme == "visa" else mastercard_version
        try:
            return named(self.tags.get("9F10", b""))
        except ValueError:
            unknown = LocalProtocolError("tag 9F10 names no known cryptogram version")
        raise unknown

    def encode(self) -> bytes:
        """Return the host command; `LocalProtocolError` if the chip data cannot have been signed."""
        version = self.version
        try:
            data = signed_data(version, self.tags)
        except ValueError as error:
            problem = str(error)
        else:
            return self._encode(version, pad(data, version.padding))
        raise LocalProtocolError(problem)

    def _encode(self, version: Version, data: bytes) -> bytes:
        values: dict[str, Value] = {
            "mk_ac": self.key,
            "atc": self.tags["9F36"],
            "un": self.tags["9F37"],
            "data": data,
            "arqc": self.arqc,
        }
        mode = "0"
        if self.response and version.answer == 1:
            mode, values["arc"] = "1", self.response
        elif self.response:
            mode, values["csu"], values["proprietary"] = "3", self.response, self.proprietary
        values["mode"] = mode
        if version.session != "common":
            scheme = "0" if version.session == "none" else "1"
            return encode_command("KQ", {**values, "scheme": scheme, "card": card_block(self.pan, self.psn)})
        if version.card_key == "A":
            return encode_command("KW", {**values, "scheme": "2", "card": card_block(self.pan, self.psn)})
        digits = self.pan + self.psn
        packed = bytes.fromhex("0" * (len(digits) % 2) + digits)
        return encode_command("KW", {**values, "scheme": "3", "pan": packed})

    def parse(self, answer: bytes) -> ArqcChecked:
        """Return the typed answer."""
        version = self.version
        command = "KW" if version.session == "common" else "KQ"
        code, got = decode_answer(command, answer, {})
        arpc = data_of(got, "cryptogram") if code == "00" else b""
        return ArqcChecked(code, arpc[: BLOCK if version.answer == 1 else BLOCK // 2])

    def __repr__(self) -> str:
        return f"VerifyArqc(key={self.key[:4]!r}, scheme={self.scheme!r})"


class ArqcMade(NamedTuple):
    """Answer to `MakeArqc`: str[16] upper-case hex."""

    code: str
    cryptogram: str = ""

    def __repr__(self) -> str:
        return f"ArqcMade(code={self.code!r})"


class MakeArqc(NamedTuple):
    """ZY, issuer in the authorised state: what a test card would sign. Tests only; fields as in `VerifyArqc`.

    Attributes
    ----------
    chip
        Chip data as DE 55 carries them (BER-TLV).
    """

    key: str
    scheme: str
    pan: str
    psn: str
    chip: bytes

    def encode(self) -> bytes:
        """Return the host command."""
        values: dict[str, Value] = {
            "mk_ac": self.key,
            "scheme": self.scheme[:1].upper(),
            "pan": self.pan,
            "psn": self.psn,
            "chip": self.chip,
        }
        return encode_command("ZY", values)

    def parse(self, answer: bytes) -> ArqcMade:
        """Return the typed answer."""
        code, got = decode_answer("ZY", answer, {})
        return ArqcMade(code, text_of(got, "cryptogram"))

    def __repr__(self) -> str:
        return f"MakeArqc(key={self.key[:4]!r}, scheme={self.scheme!r})"


class CardKeys(NamedTuple):
    """Answer to `PersonaliseCard`: four keys of 32H, clear; only ever of test cards."""

    code: str
    cryptogram: str = ""
    integrity: str = ""
    confidentiality: str = ""
    dynamic: str = ""

    def __repr__(self) -> str:
        return f"CardKeys(code={self.code!r})"


class PersonaliseCard(NamedTuple):
    """ZW, issuer in the authorised state: the keys that a test card's chip holds.

    Attributes
    ----------
    keys
        The issuer's master keys: for cryptograms, script integrity, script confidentiality, dynamic values.
    option
        How card keys are derived, "A" or "B".
    """

    keys: tuple[str, str, str, str]
    pan: str
    psn: str
    option: str = "A"

    def encode(self) -> bytes:
        """Return the host command."""
        names = ("mk_ac", "mk_smi", "mk_smc", "mk_cvc3")
        values: dict[str, Value] = {**dict(zip(names, self.keys, strict=True)), "pan": self.pan, "psn": self.psn}
        return encode_command("ZW", {**values, "option": self.option})

    def parse(self, answer: bytes) -> CardKeys:
        """Return the typed answer."""
        code, got = decode_answer("ZW", answer, {})
        return CardKeys(code, text_of(got, "ac"), text_of(got, "smi"), text_of(got, "smc"), text_of(got, "cvc3"))

    def __repr__(self) -> str:
        return f"PersonaliseCard(option={self.option!r})"
