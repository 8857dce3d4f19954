"""What key management commands share: which keys they mean, headers from attributes, check values.

The kind of the LMK decides how a command names a key's purpose: by a key type under a variant LMK, by `FFF` and the
key block's own header under a key block LMK. Naming it the other way is refused.
"""

from typing import Final

from hsm_sim.core.commands.call import Call
from hsm_sim.core.commands.keys_layout import KEY_BLOCK, letter
from hsm_sim.core.errors import (
    BAD_DATA,
    BAD_EXPORT_FIELD,
    BAD_KEY_SCHEME,
    BAD_KEY_TYPE,
    BAD_KEY_VERSION,
    SOURCE_PARITY,
    WRONG_ALGORITHM,
    HsmError,
)
from hsm_sim.core.keys.blocks import OptionalBlocks
from hsm_sim.core.keys.header import AES, DES, TDES, Header
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.lmk import TDES_BLOCK, VARIANT, Lmk
from hsm_sim.core.keys.types import check_attributes, pair_of

_ALGORITHMS: Final = {
    "D1": (DES, 8),
    "T2": (TDES, 16),
    "T3": (TDES, 24),
    "A1": (AES, 16),
    "A2": (AES, 24),
    "A3": (AES, 32),
}
"""Algorithm field -> algorithm of the header, length in bytes."""

LENGTH_OF_SCHEME: Final = {"Z": 8, "U": 16, "X": 16, "T": 24, "Y": 24}
"""Bytes of the keys that a scheme of cryptograms holds."""

_EXPORTABILITIES: Final = frozenset("NES")


def is_variant(lmk: Lmk) -> bool:
    """Return whether keys under the LMK are cryptograms without a header."""
    return lmk.kind == VARIANT


def check_type(lmk: Lmk, key_type: str) -> None:
    """Refuse a key type that is not the LMK's way to name a purpose: `HsmError` "28"."""
    if is_variant(lmk):
        pair_of(key_type)
    elif key_type != KEY_BLOCK:
        raise HsmError(BAD_KEY_TYPE)


def opened(call: Call, name: str, key_type: str, parity: str) -> Key:
    """Open a key field that may hold a key for any purpose.

    Parameters
    ----------
    name
        The field's name.
    key_type
        Key type of a cryptogram, or `FFF`.
    parity
        Error code if the key does not have odd parity.

    Raises
    ------
    HsmError
        "28" the key type does not go with the LMK; else as `Slot.key` and `Lmk.read`.
    """
    check_type(call.lmk, key_type)
    field = call.text(name)
    try:
        return call.slot.key(field) if field[0] == "K" else call.lmk.read(field, (key_type,))
    except HsmError as error:
        code = parity if error.code == SOURCE_PARITY else error.code
    raise HsmError(code)


def written(call: Call, key: Key, scheme: str) -> str:
    """Return a key as a field under the LMK of the command.

    Raises
    ------
    HsmError
        "26" a scheme that the LMK cannot do, "27" the key's length does not fit it, "A7" an AES key that would be
        protected by a TDES key, or as `Lmk.write`.
    """
    check_strength(call.lmk, key)
    return call.lmk.write(key, letter(scheme), call.entropy)


def check_strength(lmk: Lmk, key: Key) -> None:
    """Refuse to protect an AES key with a TDES key: `HsmError` "A7"."""
    if key.header.algorithm == AES and lmk.kind == TDES_BLOCK:
        raise HsmError(WRONG_ALGORITHM)


def new_key(call: Call, key_type: str) -> tuple[Header, int]:
    """Return header and length in bytes of a key to be made, from key type and scheme or from the attributes.

    Raises
    ------
    HsmError
        "26" a scheme that says no length, "28" a key type that does not go with the LMK, "15" attributes are
        missing, or as `header_of`.
    """
    check_type(call.lmk, key_type)
    if is_variant(call.lmk):
        length = LENGTH_OF_SCHEME.get(call.text("scheme"))
        if length is None:
            raise HsmError(BAD_KEY_SCHEME)
        return variant_header(key_type, length), length
    if not call.has("usage"):
        raise HsmError(BAD_DATA)
    algorithm, length = _ALGORITHMS.get(call.text("algorithm"), ("", 0))
    if not length:
        raise HsmError(WRONG_ALGORITHM)
    return header_of(call, algorithm), length


def variant_header(key_type: str, length: int) -> Header:
    """Return the header of a key under a variant LMK; every one of them may be exported."""
    return Header(key_type, DES if length == 8 else TDES, "N", exportability="S")


def header_of(call: Call, algorithm: str) -> Header:
    """Return the header that a command's attributes describe.

    Raises
    ------
    HsmError
        "A6", "A7", "A8" usage, algorithm and mode do not go together or not with the LMK; "A9" the version; "AA" the
        exportability.
    """
    version = version_of(call)
    if call.text("exportability") not in _EXPORTABILITIES:
        raise HsmError(BAD_EXPORT_FIELD)
    header = Header(call.text("usage"), algorithm, call.text("key_mode"), version, call.text("exportability"))
    check_attributes(header)
    return header


def version_of(call: Call) -> str:
    """Return the key version among the attributes; `HsmError` "A9" if it is not two letters or digits."""
    version = call.text("key_version")
    if not (version.isascii() and version.isalnum()):
        raise HsmError(BAD_KEY_VERSION)
    return version


def optional_blocks(call: Call) -> OptionalBlocks:
    """Return the optional blocks among the attributes: (id, data) each."""
    text, at, found = call.text("optional_blocks"), 2, []
    while at < len(text):
        end = at + int(text[at + 2 : at + 4], 16)
        found.append((text[at : at + 2], text[at + 4 : end]))
        at = end
    return tuple(found)


def check_value(call: Call, key: Key, digits: int = 6) -> str:
    """Return a key's check value, and let the audit log have its first six digits."""
    value = key.check_value(digits, call.policy.aes_check_ecb)
    call.subject = value[:6]
    return value
