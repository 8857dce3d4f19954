"""How a key block binds its header to its key: the encryption and the authenticator of each kind of block.

A binding sees the header text, the clear payload and nothing else; `hsm_sim.core.keys.blocks` knows the layout around
it. TR-31 versions A and C and the Thales version 0 share one binding; B, D, E and the Thales version 1 have their
own. These classes hold clear keys: only `hsm_sim.core.keys` makes them.

Source
------
TR-31:2018, X9.143 and ISO 20038 as open implementations have them (openemv/tr31, psec); Thales blocks: shared facts,
hsm 2.3. The standards themselves were not seen.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Final, Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from hsm_sim.core.crypto.ciphers import AES_BLOCK, BLOCK, Aes, Tdes, same
from hsm_sim.core.crypto.macs import Keyed, cmac
from hsm_sim.core.errors import BAD_KEY_LENGTH, KEY_BLOCK_FORGED, HsmError

_CBC_ENCRYPTION: Final = b"\x00\x00"
_AUTHENTICATION: Final = b"\x00\x01"
_CTR_ENCRYPTION: Final = b"\x00\x02"
_TDES_OF_LENGTH: Final = {16: b"\x00\x00", 24: b"\x00\x01"}
_AES_OF_LENGTH: Final = {16: b"\x00\x02", 24: b"\x00\x03", 32: b"\x00\x04"}


class Binding(Protocol):
    """Encrypts and authenticates the payload of one version of key block under one key.

    Attributes
    ----------
    unit
        The payload's length is a multiple of this many bytes.
    block
        Bytes of a cipher block; optional blocks fill whole ones.
    mac_length
        Bytes of the authenticator.
    """

    unit: ClassVar[int]
    block: ClassVar[int]
    mac_length: ClassVar[int]

    def __init__(self, key: bytes) -> None: ...

    def seal(self, head: bytes, plain: bytes) -> bytes:
        """Return the encrypted payload and its authenticator."""
        ...

    def open(self, head: bytes, body: bytes) -> bytes:
        """Return the clear payload; `HsmError` "A4" if header, payload and authenticator do not belong together."""
        ...


def _offset(key: bytes, by: int) -> bytes:
    """Return the key with one value added to every byte (exclusive or)."""
    return bytes(byte ^ by for byte in key)


def _stream(keyed: Keyed, size: int, length: int, purpose: bytes, algorithm: bytes) -> bytes:
    """Derive a key by CMAC in counter mode: counter, purpose, separator, algorithm, length in bits."""
    tail = purpose + b"\x00" + algorithm + (length * 8).to_bytes(2, "big")
    return b"".join(cmac(keyed, bytes((n,)) + tail) for n in range(1, -(-length // size) + 1))[:length]


def _tdes_cmac(key: bytes) -> Keyed:
    return CMAC(TripleDES((key + key[:8])[:24]))


def _derive_tdes(key: bytes, purpose: bytes) -> bytes:
    if len(key) not in _TDES_OF_LENGTH:
        raise HsmError(BAD_KEY_LENGTH)
    return _stream(_tdes_cmac(key), BLOCK, len(key), purpose, _TDES_OF_LENGTH[len(key)])


def _derive_aes(key: bytes, purpose: bytes) -> bytes:
    if len(key) not in _AES_OF_LENGTH:
        raise HsmError(BAD_KEY_LENGTH)
    return _stream(CMAC(AES(key)), AES_BLOCK, len(key), purpose, _AES_OF_LENGTH[len(key)])


class _OverCiphertext(ABC):
    """Encrypts with the header as vector, then authenticates header and encrypted payload."""

    unit: ClassVar[int]
    mac_length: ClassVar[int]
    _encryption: Tdes | Aes

    @abstractmethod
    def _mac(self, data: bytes) -> bytes: ...

    def seal(self, head: bytes, plain: bytes) -> bytes:
        """Return the encrypted payload and its authenticator."""
        sealed = self._encryption.encrypt_cbc(plain, head[: self.unit])
        return sealed + self._mac(head + sealed)[: self.mac_length]

    def open(self, head: bytes, body: bytes) -> bytes:
        """Return the clear payload; `HsmError` "A4" if it does not authenticate."""
        sealed, mac = body[: -self.mac_length], body[-self.mac_length :]
        if not same(self._mac(head + sealed)[: self.mac_length], mac):
            raise HsmError(KEY_BLOCK_FORGED)
        return self._encryption.decrypt_cbc(sealed, head[: self.unit])


class TdesVariant(_OverCiphertext):
    """TR-31 A and C, Thales 0: the key with 45 added encrypts, with 4D added makes a CBC-MAC, cut to four bytes."""

    unit: ClassVar[int] = BLOCK
    block: ClassVar[int] = BLOCK
    mac_length: ClassVar[int] = 4

    def __init__(self, key: bytes) -> None:
        self._encryption = Tdes(_offset(key, 0x45))
        self._authentication = Tdes(_offset(key, 0x4D))

    def _mac(self, data: bytes) -> bytes:
        if len(data) % BLOCK:
            raise HsmError(KEY_BLOCK_FORGED)
        return self._authentication.chain(data)


class AesOverCiphertext(_OverCiphertext):
    """Thales 1: the derived keys of TR-31 D, and half a CMAC."""

    unit: ClassVar[int] = AES_BLOCK
    block: ClassVar[int] = AES_BLOCK
    mac_length: ClassVar[int] = 8

    def __init__(self, key: bytes) -> None:
        self._encryption = Aes(_derive_aes(key, _CBC_ENCRYPTION))
        self._authentication = CMAC(AES(_derive_aes(key, _AUTHENTICATION)))

    def _mac(self, data: bytes) -> bytes:
        return cmac(self._authentication, data)


class _OverClear:
    """Authenticates header and clear payload by CMAC, then encrypts with the authenticator as vector."""

    mac_length: ClassVar[int]
    _encryption: Tdes | Aes
    _authentication: Keyed

    def _encrypt(self, data: bytes, vector: bytes) -> bytes:
        return self._encryption.encrypt_cbc(data, vector)

    def _decrypt(self, data: bytes, vector: bytes) -> bytes:
        return self._encryption.decrypt_cbc(data, vector)

    def seal(self, head: bytes, plain: bytes) -> bytes:
        """Return the encrypted payload and its authenticator."""
        mac = cmac(self._authentication, head + plain)
        return self._encrypt(plain, mac) + mac

    def open(self, head: bytes, body: bytes) -> bytes:
        """Return the clear payload; `HsmError` "A4" if it does not authenticate."""
        sealed, mac = body[: -self.mac_length], body[-self.mac_length :]
        plain = self._decrypt(sealed, mac)
        if not same(cmac(self._authentication, head + plain), mac):
            raise HsmError(KEY_BLOCK_FORGED)
        return plain


class TdesDerivation(_OverClear):
    """TR-31 B: TDES keys derived by CMAC."""

    unit: ClassVar[int] = BLOCK
    block: ClassVar[int] = BLOCK
    mac_length: ClassVar[int] = 8

    def __init__(self, key: bytes) -> None:
        self._encryption = Tdes(_derive_tdes(key, _CBC_ENCRYPTION))
        self._authentication = _tdes_cmac(_derive_tdes(key, _AUTHENTICATION))


class AesDerivation(_OverClear):
    """TR-31 D: AES keys derived by CMAC."""

    unit: ClassVar[int] = AES_BLOCK
    block: ClassVar[int] = AES_BLOCK
    mac_length: ClassVar[int] = 16

    def __init__(self, key: bytes) -> None:
        self._encryption = Aes(_derive_aes(key, _CBC_ENCRYPTION))
        self._authentication = CMAC(AES(_derive_aes(key, _AUTHENTICATION)))


class AesCounter(_OverClear):
    """TR-31 E (ISO 20038): as D, but in counter mode, with a key derived for that purpose and no whole blocks.

    Source
    ------
    The vector `tr31_unwrap_E` (ISO 20038:2017 B.2) opens, authenticates and is made again with purpose 0002; not
    seen elsewhere.
    """

    unit: ClassVar[int] = 1
    block: ClassVar[int] = AES_BLOCK
    mac_length: ClassVar[int] = 16

    def __init__(self, key: bytes) -> None:
        self._counter = AES(_derive_aes(key, _CTR_ENCRYPTION))
        self._authentication = CMAC(AES(_derive_aes(key, _AUTHENTICATION)))

    def _encrypt(self, data: bytes, vector: bytes) -> bytes:
        return Cipher(self._counter, modes.CTR(vector)).encryptor().update(data)

    _decrypt = _encrypt
