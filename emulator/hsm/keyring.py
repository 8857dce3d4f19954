"""The published test keys: one of each kind that a small card network needs, known to everybody.

They are for the open LMKs only. Test cards that are issued without a house are made with them, so that every tool that
knows the rule can check them: a key is the first bytes of SHA-256 over `cardrails test key NAME`, with odd parity if it
is a TDES key. They must never protect anything, and the house's own keys are never among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from hsm_sim.core.crypto.ciphers import odd_parity
from hsm_sim.core.keys.header import AES, TDES, Header
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.lmk import VARIANT
from hsm_sim.core.keys.public import public_lmks
from iso import ConfigError

VARIANT_LMK: Final = "00"
BLOCK_LMK: Final = "02"
_LABEL: Final = "cardrails test key "
_LENGTH: Final = 16


class PublishedKey(NamedTuple):
    """One published key.

    Attributes
    ----------
    about
        What it is for.
    header
        As a key block says it.
    key_type
        Under a variant LMK; "" if it cannot be there (AES).
    """

    about: str
    header: Header
    key_type: str


def _tdes(about: str, usage: str, mode: str, key_type: str) -> PublishedKey:
    return PublishedKey(about, Header(usage, TDES, mode, exportability="S"), key_type)


TEST_KEYS: Final[dict[str, PublishedKey]] = {
    "zmk": _tdes("zone master key", "K0", "B", "000"),
    "tmk": PublishedKey("terminal master key", Header("K0", AES, "B", exportability="N"), ""),
    "zpk": _tdes("zone PIN key", "P0", "B", "001"),
    "zpk-aes": PublishedKey("zone PIN key for format 4", Header("P0", AES, "B", exportability="E"), ""),
    "tpk": _tdes("terminal PIN key", "P0", "B", "002"),
    "bdk": _tdes("base derivation key, TDES DUKPT", "B0", "X", "009"),
    "bdk-aes": PublishedKey("base derivation key, AES DUKPT", Header("B0", AES, "X", exportability="E"), ""),
    "cvk": _tdes("card verification key", "C0", "C", "402"),
    "pvk": _tdes("PIN verification key, Visa PVV", "V2", "C", "002"),
    "pvk-ibm": _tdes("PIN verification key, IBM 3624", "V1", "C", "002"),
    "mk-ac": _tdes("issuer master key, application cryptograms", "E0", "X", "109"),
    "mk-smi": _tdes("issuer master key, script integrity", "E2", "X", "209"),
    "mk-smc": _tdes("issuer master key, script confidentiality", "E1", "X", "309"),
    "mk-cvc3": _tdes("issuer master key, dynamic card values", "E6", "X", "709"),
    "zak": _tdes("zone authentication key", "M3", "C", "008"),
    "zek": _tdes("zone encryption key", "D0", "B", "00A"),
}
"""Name -> key, in the order in which they are listed."""


def published_material(name: str) -> bytes:
    """Return a published key, bytes[16].

    Raises
    ------
    ConfigError
        There is none of this name.
    """
    about = _known(name)
    material = hashlib.sha256((_LABEL + name).encode("ascii")).digest()[:_LENGTH]
    return odd_parity(material) if about.header.algorithm == TDES else material


def key_field(name: str, lmk: str = BLOCK_LMK) -> str:
    """Return a published key as a field under one of the public LMKs; the same text every time.

    Parameters
    ----------
    lmk
        `VARIANT_LMK`: a cryptogram `U...`; `BLOCK_LMK`, or "01" for TDES keys: a Thales key block `S...`.

    Raises
    ------
    ConfigError
        There is no key of this name, no such LMK, or the key cannot stand under it.
    """
    known, material, lmks = _known(name), published_material(name), public_lmks()
    if lmk not in lmks:
        raise ConfigError("command line", "--lmk", lmk, f"must be one of {', '.join(lmks)} for a published key")
    if known.header.algorithm == AES and lmk != BLOCK_LMK:
        raise ConfigError("command line", "key", name, f"is an AES key: it stands under the LMK {BLOCK_LMK} only")
    if lmks[lmk].kind == VARIANT:
        header = Header(known.key_type, TDES, "N", exportability="S")
        return lmks[lmk].write(Key(header, material), "U", _steady(name))
    return lmks[lmk].write(Key(known.header, material), "S", _steady(name))


def check_value(name: str) -> str:
    """Return the check value of a published key, str[6] hex."""
    return Key(_known(name).header, published_material(name)).kcv


def listing() -> list[dict[str, Any]]:
    """Return every published key: name, meaning, usage, key type, check value, and as a field under both LMKs."""
    return [
        {
            "name": name,
            "about": known.about,
            "usage": known.header.usage,
            "algorithm": known.header.algorithm,
            "key_type": known.key_type,
            "kcv": check_value(name),
            "variant": key_field(name, VARIANT_LMK) if known.key_type else "",
            "key_block": key_field(name),
        }
        for name, known in TEST_KEYS.items()
    ]


def _known(name: str) -> PublishedKey:
    known = TEST_KEYS.get(name)
    if known is None:
        raise ConfigError("command line", "key", name, f"must be one of {', '.join(TEST_KEYS)}")
    return known


def _steady(name: str) -> Callable[[int], bytes]:
    """Return filling that is the same every time: these keys hide nothing."""

    def draw(length: int) -> bytes:
        return hashlib.shake_256((_LABEL + name).encode("ascii")).digest(length)

    return draw
