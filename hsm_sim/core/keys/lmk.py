"""Local master keys: how keys stand in the commands of their own HSM, under a variant, TDES or AES LMK.

A variant LMK is a list of key pairs; the type that a command names selects pair and variant, and the cryptogram says
nothing about itself. A key block LMK wraps key blocks that say what they are for. An LMK also protects PINs and
decimalisation tables between commands. Nothing here gives an LMK away: no attribute, text or error shows it.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final, Protocol

from hsm_sim.core.crypto import checks
from hsm_sim.core.crypto.ciphers import BLOCK, Aes, Tdes, xor
from hsm_sim.core.errors import (
    BAD_DATA,
    BAD_KEY_LENGTH,
    BAD_KEY_SCHEME,
    BAD_TABLE_DECIMALISATION,
    SOURCE_PARITY,
    WRONG_ALGORITHM,
    HsmError,
)
from hsm_sim.core.keys import schemes, thales, tr31
from hsm_sim.core.keys.blocks import KeyBlocks
from hsm_sim.core.keys.header import DES, TDES, Entropy, Header
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.types import PIN_PAIR, key_type_of, pair_of

VARIANT: Final = "variant"
TDES_BLOCK: Final = "tdes-block"
AES_BLOCK: Final = "aes-block"

_ALGORITHM_OF_LENGTH: Final = {8: DES, 16: TDES, 24: TDES}
_PIN_LABEL: Final = b"cardrails/pin-under-lmk/v1"
_TABLE_LABEL: Final = b"cardrails/table-under-lmk/v1"
_TABLE_PAIR: Final = 9
_TABLE_VARIANT: Final = 1
_TABLE_OFFSET: Final = b"\x54"
_TABLE_DIGITS: Final = 16
_HEX: Final = frozenset("0123456789ABCDEF")


class Lmk(Protocol):
    """A local master key.

    Attributes
    ----------
    kind
        `VARIANT`, `TDES_BLOCK` or `AES_BLOCK`.
    check
        str[16], its check value as NC shows it.
    """

    @property
    def kind(self) -> str:
        """See the class."""
        ...

    @property
    def check(self) -> str:
        """See the class."""
        ...

    def read(self, field: str, usages: tuple[str, ...]) -> Key:
        """Open a key field.

        Parameters
        ----------
        field
            The field as it stands on the wire.
        usages
            What the command accepts. A variant LMK opens the cryptogram under the first key type among them; a key
            block LMK reads the block's own header. The caller checks `Key.permit` afterwards.

        Raises
        ------
        HsmError
            "26" a scheme that is not this LMK's; "10" a DES key without odd parity under a variant LMK (key blocks
            authenticate and are not checked for it; where the key is a destination the command says "11"); "27" or
            "75" a length that is not allowed; "15" or "83" malformed; "A4" forged; "28" no such key type.
        """
        ...

    def write(self, key: Key, scheme: str, entropy: Entropy) -> str:
        """Return the key as a field under this LMK.

        Parameters
        ----------
        scheme
            U, X (double), T, Y (triple), Z (single) or `0` (bare hex of any length) under a variant LMK, S under a
            key block LMK; R under the AES LMK is the house's own form.

        Raises
        ------
        HsmError
            "26" a scheme that this LMK cannot do; "27" a length that the scheme cannot do; "28" a key that has no
            key type, "83" one that has no key block usage; "A7" an algorithm that the LMK cannot hold.
        """
        ...

    def encrypt_table(self, digits: str) -> str:
        """Return a decimalisation table, str[16] decimal, as 16H; under the AES LMK 32H. `HsmError` "25"."""
        ...

    def decrypt_table(self, field: str) -> str:
        """Return the clear decimalisation table, str[16] decimal; `HsmError` "25" if it is not one."""
        ...

    def pin_cipher(self) -> bytes:
        """Return the key for PINs between commands, bytes[32]: derived, never the LMK itself. The house's own rule."""
        ...


class VariantLmk:
    """A variant LMK.

    Parameters
    ----------
    pairs
        20 double-length TDES keys: pairs 00-01, 02-03, ... 38-39.
    single_length
        Whether single-length keys are accepted.

    Source
    ------
    Shared facts, hsm 2.3; vectors `lmk_variant_*`. The table's pair and variant: an old public page of host
    commands; no known answer. Key components stand under the LMK as keys do (a public console log and the test of an
    open simulator agree; a further variant FF, which one implementation has, fits neither).
    """

    kind = VARIANT

    def __init__(self, pairs: Sequence[bytes], *, single_length: bool = False) -> None:
        self._pairs = tuple(pairs)
        self._single_length = single_length
        total = bytes(2 * BLOCK)
        for pair in pairs:
            total = xor(total, pair)
        self.check = xor(total[:BLOCK], total[BLOCK:]).hex().upper()

    def __repr__(self) -> str:
        return f"VariantLmk(check={self.check})"

    def read(self, field: str, usages: tuple[str, ...]) -> Key:
        """Open a cryptogram under the pair of the first key type; see `Lmk.read`."""
        if field[:1] in ("S", "R", "K"):
            raise HsmError(BAD_KEY_SCHEME)
        key_type = key_type_of(usages)
        material = schemes.unwrap(self._wrapping(key_type), field)
        # Variant keys have no exportability of their own: whether they may leave is the command's business.
        header = Header(key_type, _ALGORITHM_OF_LENGTH[len(material)], "N", exportability="S")
        if not schemes.has_odd_parity(material):
            raise HsmError(SOURCE_PARITY)
        return Key(header, material, single_length=self._single_length)

    def write(self, key: Key, scheme: str, entropy: Entropy) -> str:
        """Return the cryptogram under the pair of the key's type; see `Lmk.write`."""
        if scheme not in schemes.CRYPTOGRAMS:
            raise HsmError(BAD_KEY_SCHEME)
        if key.header.algorithm not in (TDES, DES):
            raise HsmError(WRONG_ALGORITHM)
        wrapping = self._wrapping(key.header.usage)
        return key.derive(lambda material: schemes.wrap(wrapping, material, scheme))

    def encrypt_table(self, digits: str) -> str:
        """Encrypt under pair 18-19, variant 1; see `Lmk.encrypt_table`."""
        return _encrypt_table(self._table_key(), digits)

    def decrypt_table(self, field: str) -> str:
        """See `Lmk.decrypt_table`."""
        return _decrypt_table(self._table_key(), field)

    def pin_cipher(self) -> bytes:
        """Derive from the pair 02-03; see `Lmk.pin_cipher`."""
        return hmac.digest(self._pairs[PIN_PAIR], _PIN_LABEL, hashlib.sha256)

    def _wrapping(self, key_type: str) -> bytes:
        place, variant = pair_of(key_type)
        return schemes.with_variant(self._pairs[place], variant)

    def _table_key(self) -> Tdes:
        return Tdes(schemes.with_variant(self._pairs[_TABLE_PAIR], _TABLE_VARIANT))


class _BlockLmk:
    """What both key block LMKs share: fields are key blocks, by scheme letter."""

    def __init__(self, key: bytes, families: dict[str, KeyBlocks], single_length: bool) -> None:
        self._key = key
        self._families = families
        self._single_length = single_length

    def __repr__(self) -> str:
        return f"{type(self).__name__}(check={self.check})"

    check = ""

    def read(self, field: str, usages: tuple[str, ...]) -> Key:
        """Open a key block; see `Lmk.read`."""
        family = self._families.get(field[:1])
        if family is None:
            raise HsmError(BAD_KEY_SCHEME)
        return Key(*family.unwrap(field[1:]), single_length=self._single_length)

    def write(self, key: Key, scheme: str, entropy: Entropy) -> str:
        """Return the key block; see `Lmk.write`."""
        family = self._families.get(scheme)
        if family is None:
            raise HsmError(BAD_KEY_SCHEME)
        return scheme + key.derive(lambda material: family.wrap(material, key.header, entropy, key.blocks))

    def pin_cipher(self) -> bytes:
        """See `Lmk.pin_cipher`."""
        return hmac.digest(self._key, _PIN_LABEL, hashlib.sha256)


class TdesBlockLmk(_BlockLmk):
    """A TDES key block LMK.

    Parameters
    ----------
    key
        bytes[16] or bytes[24].
    identifier
        str[2] that its blocks carry.
    single_length
        Whether single-length keys are accepted.

    Source
    ------
    Shared facts, hsm 2.3; vectors `thales_keyblock_unwrap_v0` and `thales_encrypted_decimalisation_table`. The check
    value that a device shows is not known: ours is the key check value and ten zeros, as the AES LMK has it.
    """

    kind = TDES_BLOCK

    def __init__(self, key: bytes, identifier: str = "01", *, single_length: bool = False) -> None:
        super().__init__(key, {"S": thales.Protection(key, "T", identifier)}, single_length)
        self.check = Tdes(key).encrypt(bytes(BLOCK))[:3].hex().upper() + "0" * 10

    def encrypt_table(self, digits: str) -> str:
        """Encrypt under the LMK with 54 added to every byte; see `Lmk.encrypt_table`."""
        return _encrypt_table(self._table_key(), digits)

    def decrypt_table(self, field: str) -> str:
        """See `Lmk.decrypt_table`."""
        return _decrypt_table(self._table_key(), field)

    def _table_key(self) -> Tdes:
        return Tdes(xor(self._key, _TABLE_OFFSET * len(self._key)))


class AesBlockLmk(_BlockLmk):
    """An AES key block LMK. Its tables are the house's own form: how a device encrypts them is not known.

    Parameters
    ----------
    key
        bytes[32]; 16 and 24 work too.
    identifier
        str[2] that its Thales blocks carry.
    single_length
        Whether single-length keys are accepted.

    Source
    ------
    Shared facts, hsm 2.3; vectors `thales_keyblock_unwrap_v1` and `kcv_thales_aes_keyblock_lmk`.
    """

    kind = AES_BLOCK

    def __init__(self, key: bytes, identifier: str = "02", *, single_length: bool = False) -> None:
        families: dict[str, KeyBlocks] = {"S": thales.Protection(key, "A", identifier), "R": tr31.Protection(key)}
        super().__init__(key, families, single_length)
        self.check = checks.lmk_check_value(key)

    def encrypt_table(self, digits: str) -> str:
        """Encrypt the sixteen characters as one block; see `Lmk.encrypt_table`."""
        _check_table(digits)
        return self._table_key().encrypt(digits.encode("ascii")).hex().upper()

    def decrypt_table(self, field: str) -> str:
        """See `Lmk.decrypt_table`."""
        if len(field) != 2 * _TABLE_DIGITS or not _HEX.issuperset(field):
            raise HsmError(BAD_DATA)
        digits = self._table_key().decrypt(bytes.fromhex(field)).decode("latin-1")
        _check_table(digits)
        return digits

    def _table_key(self) -> Aes:
        return Aes(hmac.digest(self._key, _TABLE_LABEL, hashlib.sha256))


def house_lmk(master: bytes, party: str, identifier: str = "00", *, single_length: bool = False) -> AesBlockLmk:
    """Derive a party's LMK from the master secret, which stands for the smart cards of a real HSM.

    Parameters
    ----------
    master
        bytes[32].
    party
        The party's name: each has an LMK of its own, and none opens another's key blocks.
    identifier
        str[2] that its Thales blocks carry.
    single_length
        Whether single-length keys are accepted.

    Raises
    ------
    HsmError
        "27": the master secret has another length.
    """
    if len(master) != 32:
        raise HsmError(BAD_KEY_LENGTH)
    key = hmac.digest(master, b"cardrails/lmk/v1\x00" + party.encode("utf-8"), hashlib.sha256)
    return AesBlockLmk(key, identifier, single_length=single_length)


def _check_table(digits: str) -> None:
    if len(digits) != _TABLE_DIGITS or not (digits.isascii() and digits.isdigit()):
        raise HsmError(BAD_TABLE_DECIMALISATION)


def _encrypt_table(cipher: Tdes, digits: str) -> str:
    _check_table(digits)
    return cipher.encrypt(bytes.fromhex(digits)).hex().upper()


def _decrypt_table(cipher: Tdes, field: str) -> str:
    if len(field) != _TABLE_DIGITS or not _HEX.issuperset(field):
        raise HsmError(BAD_DATA)
    digits = cipher.decrypt(bytes.fromhex(field)).hex()
    _check_table(digits)
    return digits
