"""Thales key blocks, version 0 (under a TDES key) and version 1 (under an AES key).

They travel behind the scheme letter `S` and carry the identifier of the LMK that made them, `FF` under a ZMK.

Source
------
Shared facts, hsm 2.3 (both versions run against captures); vectors `thales_keyblock_unwrap_*`. The manufacturer's
manual was not used.
"""

from collections.abc import Mapping
from typing import Final

from hsm_sim.core.keys.bindings import AesOverCiphertext, Binding, TdesVariant
from hsm_sim.core.keys.blocks import KeyBlocks

UNDER_ZMK: Final = "FF"
_VERSIONS: Final[dict[str, Mapping[str, type[Binding]]]] = {
    "T": {"0": TdesVariant},
    "A": {"1": AesOverCiphertext},
}


class Protection(KeyBlocks):
    """A protection key of Thales blocks.

    Parameters
    ----------
    key
        TDES, bytes[16] or bytes[24]; AES, bytes[16], bytes[24] or bytes[32].
    algorithm
        T or A.
    identifier
        str[2] of the LMK, or `FF` for a ZMK.
    """

    __slots__ = ()

    def __init__(self, key: bytes, algorithm: str, identifier: str = UNDER_ZMK) -> None:
        super().__init__(key, _VERSIONS[algorithm], frozenset(), identifier)
