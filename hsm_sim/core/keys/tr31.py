"""TR-31 key blocks, versions A, B, C (under a TDES key), D and E (under an AES key).

The header (usage, algorithm, mode of use, exportability) is authenticated with the key, so a key cannot be given
another purpose by whoever carries it. Only `hsm_sim.core.keys` calls this: it sees clear keys.

A block under TDES tells the length of its key, as the blocks of real devices do; a block under AES (D) hides it.
Versions A and C authenticate with 32 bits only and are here for old peers; ours are B and D.

Source
------
TR-31:2018 and ISO 20038:2017 as open implementations have them; vectors `tr31_unwrap_*`. psec is the oracle for A to
D; E rests on its one published vector.
"""

from collections.abc import Mapping
from typing import Final

from hsm_sim.core.keys.bindings import AesCounter, AesDerivation, Binding, TdesDerivation, TdesVariant
from hsm_sim.core.keys.blocks import KeyBlocks

_VERSIONS: Final[dict[str, Mapping[str, type[Binding]]]] = {
    "T": {"B": TdesDerivation, "A": TdesVariant, "C": TdesVariant},
    "D": {"A": TdesVariant, "C": TdesVariant},
    "A": {"D": AesDerivation, "E": AesCounter},
}
_HIDDEN: Final = frozenset("D")


class Protection(KeyBlocks):
    """A TR-31 key block protection key.

    Parameters
    ----------
    key
        AES, bytes[16], bytes[24] or bytes[32]; TDES, bytes[16] or bytes[24]; DES, bytes[8].
    algorithm
        A (versions D and E), T (B, A and C), or D (A and C).
    """

    __slots__ = ()

    def __init__(self, key: bytes, algorithm: str = "A") -> None:
        super().__init__(key, _VERSIONS[algorithm], _HIDDEN, "00")
