"""Keys that cross between parties: exported and imported under a zone or terminal master key, or made of components.

Exportability is enforced here and nowhere else: N never leaves, E leaves as a key block only, S in any form. Nothing
that arrives may become more exportable than its sender allowed.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from hsm_sim.core.crypto.ciphers import odd_parity, xor
from hsm_sim.core.errors import (
    BAD_EXPORT_FIELD,
    BAD_KEY_LENGTH,
    BAD_KEY_SCHEME,
    EXPORT_REFUSED,
    WRONG_ALGORITHM,
    WRONG_USAGE,
    HsmError,
)
from hsm_sim.core.keys import schemes, thales, tr31, types
from hsm_sim.core.keys.blocks import KeyBlocks
from hsm_sim.core.keys.header import AES, DES, TDES, Entropy, Header
from hsm_sim.core.keys.key import Key

THALES: Final = "S"
TR31: Final = "R"
_FREEDOM: Final = "NES"
"""Exportabilities, the strictest first."""
_DES_OF_LENGTH: Final = {8: DES, 16: TDES, 24: TDES}


class Imported(NamedTuple):
    """A key that arrived, and whether it had odd parity; if not it was corrected and the answer is a warning."""

    key: Key
    odd_parity: bool


def export(
    key: Key,
    zmk: Key,
    scheme: str,
    entropy: Entropy,
    *,
    version: str = "",
    exportability: str = "",
    attributes: Header | None = None,
    atalla: int = 0,
) -> str:
    """Return a key as a field under a master key.

    Parameters
    ----------
    key
        The key to export.
    zmk
        What it is exported under: a zone or terminal master key that may encrypt.
    scheme
        U, X, T, Y, Z or `0` for cryptograms, S for a Thales block, R for a TR-31 block.
    version
        Of the TR-31 block, A to E; "" for B under a TDES key and D under an AES key.
    exportability
        What the receiver may do with a block, no more than the key itself allows; "" for the same.
    attributes
        Header of the block for a key that has a key type only; None for what the type means.
    atalla
        Atalla variant of the master key for cryptograms, 0 for none.

    Raises
    ------
    HsmError
        "29" the key may not leave, or not in this form; "AA" more freedom than the key has; "26" the scheme or version
        is unknown or not for this master key; "27" the key's length does not fit the scheme; "A7" an algorithm that
        the scheme or the master key cannot carry; "A6" or "A8" the master key is not one, or attributes of another
        purpose.
    """
    zmk.permit(types.WRAPPING, "E")
    allowed = key.header.exportability
    if scheme in schemes.CRYPTOGRAMS and len(scheme) == 1:
        if allowed != "S":
            raise HsmError(EXPORT_REFUSED)
        if key.header.algorithm not in (TDES, DES):
            raise HsmError(WRONG_ALGORITHM)
        wrapping = _cryptogram_key(zmk, atalla)
        return key.derive(lambda material: schemes.wrap(wrapping, material, scheme))
    if allowed not in ("E", "S"):
        raise HsmError(EXPORT_REFUSED)
    if key.header.algorithm == AES and zmk.header.algorithm != AES:
        raise HsmError(WRONG_ALGORITHM)
    header = _block_header(key, attributes)
    if exportability:
        if exportability not in _FREEDOM or _FREEDOM.index(exportability) > _FREEDOM.index(header.exportability):
            raise HsmError(BAD_EXPORT_FIELD)
        header = header._replace(exportability=exportability)
    family = _family(zmk, scheme)
    chosen = version if scheme == TR31 else ""
    return scheme + key.derive(lambda material: family.wrap(material, header, entropy, key.blocks, chosen))


def import_key(
    field: str, zmk: Key, header: Header | None, *, atalla: int = 0, single_length: bool = False
) -> Imported:
    """Take in a key that came under a master key.

    Parameters
    ----------
    field
        The key as it came: cryptogram, `S` + Thales block or `R` + TR-31 block.
    zmk
        What it came under: a zone or terminal master key that may decrypt.
    header
        What it is for here. A cryptogram says nothing about itself and needs one. A block brings its own: None keeps
        it, a header with a key type must match it in purpose, one with a usage must name the same usage and may only
        take freedom of export away.
    atalla
        Atalla variant of the master key for cryptograms, 0 for none.
    single_length
        Whether a single-length DES key is accepted.

    Raises
    ------
    HsmError
        "26" a form that this master key cannot open, "15" or "83" malformed, "A4" forged, "A6" or "A8" another
        purpose or not a master key, "AA" more freedom than the block gives, "27" or "75" a length that is refused.
    """
    zmk.permit(types.WRAPPING, "D")
    if field[:1] in (THALES, TR31):
        opened = _family(zmk, field[0]).unwrap(field[1:])
        chosen = _kept(opened.header, header)
        if len(chosen.usage) == 2:
            return Imported(Key(chosen, opened.material, opened.blocks, single_length=single_length), True)
        return _taken(chosen, opened.material, single_length)
    if header is None:
        raise HsmError(BAD_KEY_SCHEME)
    material = schemes.unwrap(_cryptogram_key(zmk, atalla), field)
    if header.algorithm not in (TDES, DES):
        raise HsmError(WRONG_ALGORITHM)
    return _taken(header._replace(algorithm=_DES_OF_LENGTH[len(material)]), material, single_length)


def combine(parts: Sequence[Key], header: Header | None = None, *, single_length: bool = False) -> Key:
    """Form a key of its components (exclusive or); DES and TDES keys get odd parity.

    Parameters
    ----------
    parts
        Two to nine components of one kind and length.
    header
        Of the key; None for the header of the first component.

    Raises
    ------
    HsmError
        "27": too few or too many components, or of different lengths; "A6" or "A7": of different kinds.
    """
    first = parts[0] if parts else None
    if first is None or not 2 <= len(parts) <= 9 or any(part.length != first.length for part in parts):
        raise HsmError(BAD_KEY_LENGTH)
    if any(part.header.usage != first.header.usage for part in parts):
        raise HsmError(WRONG_USAGE)
    if any(part.header.algorithm != first.header.algorithm for part in parts):
        raise HsmError(WRONG_ALGORITHM)
    total = bytes(first.length)
    for part in parts:
        total = part.derive(partial(xor, total))
    header = header or first.header
    if header.algorithm in (TDES, DES):
        total = odd_parity(total)
    return Key(header, total, single_length=single_length)


def _taken(header: Header, material: bytes, single_length: bool) -> Imported:
    """Return the handle of a clear key, with its parity put right."""
    if header.algorithm not in (TDES, DES):
        return Imported(Key(header, material, single_length=single_length), True)
    corrected = odd_parity(material)
    return Imported(Key(header, corrected, single_length=single_length), corrected == material)


def _kept(block: Header, wanted: Header | None) -> Header:
    """Return the header that a key from a block gets here."""
    if wanted is None:
        return block
    if not types.same_purpose(wanted.usage, block.usage):
        raise HsmError(WRONG_USAGE)
    if _FREEDOM.index(wanted.exportability) > _FREEDOM.index(block.exportability):
        if len(wanted.usage) == 2:
            raise HsmError(BAD_EXPORT_FIELD)
        wanted = wanted._replace(exportability=block.exportability)
    if len(wanted.usage) == 3:
        return wanted._replace(algorithm=block.algorithm)
    return block._replace(exportability=wanted.exportability)


def _block_header(key: Key, attributes: Header | None) -> Header:
    """Return the header that a key leaves with."""
    own = key.header
    if len(own.usage) == 2:
        return own
    if attributes is None:
        attributes = types.block_header(own.usage)
    elif not types.same_purpose(own.usage, attributes.usage):
        raise HsmError(WRONG_USAGE)
    return attributes._replace(algorithm=own.algorithm)


def _cryptogram_key(zmk: Key, atalla: int) -> bytes:
    if zmk.header.algorithm not in (TDES, DES):
        raise HsmError(WRONG_ALGORITHM)
    return zmk.derive(lambda material: schemes.with_atalla_variant(material, atalla))


def _family(zmk: Key, scheme: str) -> KeyBlocks:
    """Return the key blocks of a scheme under a master key."""
    algorithm = zmk.header.algorithm
    if scheme == TR31 and algorithm in (TDES, DES, AES):
        return zmk.derive(lambda material: tr31.Protection(material, algorithm))
    if scheme == THALES and algorithm in (TDES, AES):
        return zmk.derive(lambda material: thales.Protection(material, algorithm))
    raise HsmError(BAD_KEY_SCHEME)
