"""Strategies and builders for tests of keys and key blocks."""

from __future__ import annotations

import string
from typing import NamedTuple

from hypothesis import strategies as st

from hsm_sim.core.crypto.ciphers import odd_parity
from hsm_sim.core.keys import thales, tr31
from hsm_sim.core.keys.blocks import KeyBlocks, OptionalBlocks
from hsm_sim.core.keys.header import Header
from hsm_sim.core.keys.key import Key


class Carried(NamedTuple):
    """What a key block carries."""

    header: Header
    material: bytes
    blocks: OptionalBlocks


_LENGTHS = {"T": (16, 24), "D": (8,), "A": (16, 24, 32), "H": (20, 32, 64)}
_NAMES = string.ascii_uppercase + string.digits
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))


def exactly(*lengths: int) -> st.SearchStrategy[bytes]:
    """Bytes of one of these lengths."""
    return st.sampled_from(lengths).flatmap(lambda length: st.binary(min_size=length, max_size=length))


def headers(algorithm: str) -> st.SearchStrategy[Header]:
    """Any header of a key block."""
    return st.builds(
        Header,
        st.text(_NAMES, min_size=2, max_size=2),
        st.just(algorithm),
        st.sampled_from("BCDEGNSTVXY"),
        st.text(_NAMES + "c", min_size=2, max_size=2),
        st.sampled_from("ENS"),
    )


def _blocks(longest: int) -> st.SearchStrategy[OptionalBlocks]:
    name = st.text(_NAMES, min_size=2, max_size=2).filter(lambda text: text != "PB")
    data = st.text(_PRINTABLE, max_size=longest)
    return st.lists(st.tuples(name, data), max_size=3, unique_by=lambda block: block[0]).map(tuple)


def carried(algorithms: str = "TDAH", longest: int = 300) -> st.SearchStrategy[Carried]:
    """Any key with any header and any optional blocks, extended lengths among them."""
    return st.sampled_from(algorithms).flatmap(
        lambda algorithm: st.builds(Carried, headers(algorithm), exactly(*_LENGTHS[algorithm]), _blocks(longest))
    )


FAMILIES: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "A": ("tr31", "T", (16, 24)),
    "B": ("tr31", "T", (16, 24)),
    "C": ("tr31", "T", (16, 24)),
    "D": ("tr31", "A", (16, 24, 32)),
    "E": ("tr31", "A", (16, 24, 32)),
    "0": ("thales", "T", (16, 24)),
    "1": ("thales", "A", (16, 24, 32)),
}
"""Version -> family, algorithm and lengths of the protection key."""


def protection(version: str, key: bytes) -> KeyBlocks:
    """Return the protection key of a version."""
    family, algorithm, _ = FAMILIES[version]
    return tr31.Protection(key, algorithm) if family == "tr31" else thales.Protection(key, algorithm)


def des_keys(*lengths: int) -> st.SearchStrategy[bytes]:
    """DES or TDES keys with odd parity whose parts differ."""
    return exactly(*lengths).map(odd_parity).filter(lambda key: len(key) == 8 or key[:8] != key[8:16])


def typed(key_type: str, material: bytes) -> Key:
    """Return a key as a variant LMK gives it out."""
    algorithm = "D" if len(material) == 8 else "T"
    return Key(Header(key_type, algorithm, "N", exportability="S"), material, single_length=True)


def material_of(key: Key) -> bytes:
    """Return the clear key: only tests may."""
    return key.derive(bytes)
