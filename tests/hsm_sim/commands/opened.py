"""Builders for commands at the open port: keys of one's own under the public test LMKs."""

from __future__ import annotations

from hsm_sim.core.commands.fields import Value
from hsm_sim.core.crypto.ciphers import odd_parity
from hsm_sim.core.keys.header import Header
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.public import public_lmks
from hsm_sim.requests.generic import HostAnswer, HostCommand
from tests.support.hsm import Hsm, seeded

VARIANT, TDES_BLOCK, AES_BLOCK = "00", "01", "02"
_LMKS = public_lmks()
_ENTROPY = seeded("keys at the open port")
_SCHEMES = {8: "0", 16: "U", 24: "T"}


def variant_key(key_type: str, material: bytes | str, scheme: str = "") -> str:
    """Return a key field under the variant LMK; the parity of the material is corrected first."""
    clear = odd_parity(bytes.fromhex(material) if isinstance(material, str) else material)
    key = Key(Header(key_type, "T" if len(clear) > 8 else "D", "N"), clear, single_length=True)
    return _LMKS[VARIANT].write(key, scheme or _SCHEMES[len(clear)], _ENTROPY)


def block_key(usage: str, material: bytes | str, algorithm: str = "T", mode: str = "N", lmk: str = TDES_BLOCK) -> str:
    """Return a Thales key block under one of the key block LMKs; %01 or %02 has to be named with it."""
    clear = bytes.fromhex(material) if isinstance(material, str) else material
    return _LMKS[lmk].write(Key(Header(usage, algorithm, mode), clear, single_length=True), "S", _ENTROPY)


def ask(hsm: Hsm, code: str, party: str = "open", **values: Value) -> HostAnswer:
    """Send one command of the table by its values."""
    return hsm.ask(party, HostCommand(code, values))


def code_of(hsm: Hsm, frame: bytes, party: str = "open") -> str:
    """Return the error code of a raw command."""
    return hsm.frame(party, frame)[2:4].decode("ascii")
