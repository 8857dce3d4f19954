"""What a key says about itself: usage, algorithm, mode of use, version, exportability."""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

Entropy: TypeAlias = Callable[[int], bytes]
"""`entropy(n)` returns n random bytes. The core draws none itself."""

TDES: Final = "T"
DES: Final = "D"
AES: Final = "A"
HMAC: Final = "H"


class Header(NamedTuple):
    """What a key is for.

    Attributes
    ----------
    usage
        str[2], the key usage of a key block, for example C0 (card verification) or M6 (AES-CMAC); or str[3], the key
        type `VLL` of a key under a variant LMK, for example 402 (card verification). Both live in one namespace, so
        that a command's table row can accept either.
    algorithm
        str[1]: A AES, T TDES, D single DES, H HMAC.
    mode
        str[1], mode of use: B both directions, C generate and verify, G, V, E, D, X derive, N no restriction.
        Keys under a variant LMK have N: their type says it all.
    version
        str[2], key version number.
    exportability
        str[1]: E exportable under a trusted key, N not exportable, S sensitive.
    """

    usage: str
    algorithm: str
    mode: str
    version: str = "00"
    exportability: str = "N"
