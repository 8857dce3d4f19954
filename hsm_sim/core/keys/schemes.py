"""Keys as cryptograms: the key schemes U, T, X, Y, Z and bare hex, under an LMK pair or a zone master key.

A cryptogram says nothing about what its key is for and is not authenticated: only its parity can tell that it was
opened under the wrong key. Key blocks are in `hsm_sim.core.keys.blocks`. These functions see clear keys: only
`hsm_sim.core.keys` calls them.

Source
------
Shared facts, hsm 2.1 and 2.3 (the variants of U run against captures under LMK and ZMK); vectors `lmk_variant_*` and
`import_key_A6`. T rests on one source; Atalla variants on a public forum thread about one simulator.
"""

from typing import Final

from hsm_sim.core.crypto.ciphers import BLOCK, Tdes, odd_parity
from hsm_sim.core.errors import BAD_DATA, BAD_KEY_LENGTH, BAD_KEY_SCHEME, HsmError

BARE: Final = "0"
"""The scheme of a cryptogram without a letter, where a command lets one choose: 16H, 32H (a pair) or 48H."""

CRYPTOGRAMS: Final = "UTXYZ0"
"""Scheme letters of cryptograms; `Z` (single length) and `0` have no letter on the wire."""

_KEY_LENGTH: Final = {"U": 16, "T": 24, "X": 16, "Y": 24, "Z": 8}
_VARIANTS: Final = {"U": (0xA6, 0x5A), "T": (0x6A, 0xDE, 0x2B)}
"""What is added to byte 8 of the wrapping key for each 8-byte part."""

_LMK_VARIANTS: Final = (0x00, 0xA6, 0x5A, 0x6A, 0xDE, 0x2B, 0x50, 0x74, 0x9C, 0xFA)
"""What is added to byte 0 of an LMK pair for the variant in a key type."""

_HEX: Final = frozenset("0123456789ABCDEF")
_BARE_DIGITS: Final = (16, 32, 48)
_ATALLA_MAX: Final = 31


def key_field_length(data: str, at: int, bare: int = 16) -> int:
    """Return how many characters the key field at an offset has.

    Parameters
    ----------
    data
        The command's characters.
    at
        Where the field starts.
    bare
        Hex digits of a cryptogram without a scheme letter: 16, or 32 for pairs (PVK, CVK, BDK).

    Raises
    ------
    HsmError
        "26" unknown scheme letter; "15" a key block without a length; it may also be longer than the data.
    """
    letter = data[at : at + 1]
    if letter in ("S", "R"):
        digits = data[at + 2 : at + 6]
        if len(digits) != 4 or not (digits.isascii() and digits.isdigit()):
            raise HsmError(BAD_DATA)
        return 1 + int(digits)
    if letter in ("U", "T", "X", "Y"):
        return 1 + 2 * _KEY_LENGTH[letter]
    if letter and letter in _HEX:
        return bare
    raise HsmError(BAD_KEY_SCHEME)


def with_variant(pair: bytes, variant: int) -> bytes:
    """Return an LMK pair with the variant of a key type, 0 to 9, added to its first byte."""
    return _add(pair, 0, _LMK_VARIANTS[variant])


def with_atalla_variant(key: bytes, variant: int) -> bytes:
    """Return a zone master key with an Atalla variant: eight times its number, added to the first byte of each part.

    Parameters
    ----------
    variant
        0 (none) to 31.

    Raises
    ------
    HsmError
        "15": no such variant.

    Source
    ------
    A public forum thread of an open simulator's users: 08 for PIN keys, 10 for data keys, 18 for MAC keys. The rule
    behind these values is our reading; the manual was not seen.
    """
    if not 0 <= variant <= _ATALLA_MAX:
        raise HsmError(BAD_DATA)
    for at in range(0, len(key), BLOCK):
        key = _add(key, at, variant * 8)
    return key


def wrap(wrapping: bytes, material: bytes, scheme: str) -> str:
    """Return a clear key as a cryptogram field.

    Parameters
    ----------
    wrapping
        Single, double or triple-length TDES key.
    material
        The clear key: 8 bytes for Z, 16 for U and X, 24 for T and Y, any of them for `0`.
    scheme
        One of `CRYPTOGRAMS`.

    Raises
    ------
    HsmError
        "26": not a scheme of cryptograms; "27": the key's length is another one.
    """
    if scheme not in CRYPTOGRAMS or len(scheme) != 1:
        raise HsmError(BAD_KEY_SCHEME)
    if scheme != BARE and len(material) != _KEY_LENGTH[scheme]:
        raise HsmError(BAD_KEY_LENGTH)
    parts = _parts(material)
    sealed = b"".join(
        Tdes(key).encrypt(part) for key, part in zip(_keys(wrapping, scheme, len(parts)), parts, strict=True)
    )
    return ("" if scheme in "Z0" else scheme) + sealed.hex().upper()


def unwrap(wrapping: bytes, field: str) -> bytes:
    """Return the clear key of a cryptogram field.

    Raises
    ------
    HsmError
        "26": not a cryptogram; "15": hex digits are missing or wrong.
    """
    scheme, digits = (field[0], field[1:]) if field[:1] in ("U", "T", "X", "Y") else (BARE, field)
    if not digits or not _HEX.issuperset(digits):
        raise HsmError(BAD_KEY_SCHEME if field[:1] not in _HEX and scheme == BARE else BAD_DATA)
    if len(digits) not in _BARE_DIGITS or (scheme != BARE and len(digits) != 2 * _KEY_LENGTH[scheme]):
        raise HsmError(BAD_DATA)
    parts = _parts(bytes.fromhex(digits))
    return b"".join(
        Tdes(key).decrypt(part) for key, part in zip(_keys(wrapping, scheme, len(parts)), parts, strict=True)
    )


def has_odd_parity(material: bytes) -> bool:
    """Return whether every byte has an odd number of ones, as the bytes of a DES key must."""
    return odd_parity(material) == material


def _add(key: bytes, at: int, value: int) -> bytes:
    return key[:at] + bytes((key[at] ^ value,)) + key[at + 1 :]


def _parts(material: bytes) -> list[bytes]:
    return [material[at : at + BLOCK] for at in range(0, len(material), BLOCK)]


def _keys(wrapping: bytes, scheme: str, count: int) -> list[bytes]:
    """Return the wrapping key of each 8-byte part."""
    variants = _VARIANTS.get(scheme)
    if variants is None:
        return [wrapping] * count
    if len(wrapping) <= BLOCK:
        raise HsmError(BAD_KEY_LENGTH)
    return [_add(wrapping, BLOCK, variant) for variant in variants]
