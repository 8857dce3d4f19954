"""Block ciphers with cached contexts, and the small byte operations that everything here needs.

Everything rests on the `cryptography` package. TDES keys are expanded to 24 bytes (shorter ones are deprecated
there) and one ECB context is kept per key and direction: ECB has no state between whole blocks, and making a context
costs more than the encryption. Callers compare results in constant time (`same`).
"""

from hmac import compare_digest
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

BLOCK: Final = 8
AES_BLOCK: Final = 16
_ECB: Final = modes.ECB()
ZEROS: Final = bytes(BLOCK)
_CBC_FROM_ZERO: Final = modes.CBC(ZEROS)
_ODD_PARITY: Final = bytes(byte ^ (byte.bit_count() & 1 ^ 1) for byte in range(256))


class _Ecb:
    """What both ciphers share: contexts that are made once, and CBC on top."""

    __slots__ = ("_cipher", "_decryptor", "_encryptor", "block")

    def __init__(self, cipher: TripleDES | AES, block: int) -> None:
        self._cipher = cipher
        self.block = block
        self._encryptor: CipherContext | None = None
        self._decryptor: CipherContext | None = None

    def encrypt(self, data: bytes) -> bytes:
        """Encrypt whole blocks in ECB mode; `ValueError` if they are not: a rest would stay in the context."""
        if len(data) % self.block:
            raise ValueError("not whole blocks")
        if self._encryptor is None:
            self._encryptor = Cipher(self._cipher, _ECB).encryptor()
        return self._encryptor.update(data)

    def decrypt(self, data: bytes) -> bytes:
        """Decrypt whole blocks in ECB mode; `ValueError` if they are not: a rest would stay in the context."""
        if len(data) % self.block:
            raise ValueError("not whole blocks")
        if self._decryptor is None:
            self._decryptor = Cipher(self._cipher, _ECB).decryptor()
        return self._decryptor.update(data)

    def encrypt_cbc(self, data: bytes, vector: bytes) -> bytes:
        """Encrypt whole blocks in CBC mode."""
        return Cipher(self._cipher, modes.CBC(vector)).encryptor().update(data)

    def decrypt_cbc(self, data: bytes, vector: bytes) -> bytes:
        """Decrypt whole blocks in CBC mode."""
        return Cipher(self._cipher, modes.CBC(vector)).decryptor().update(data)


class Tdes(_Ecb):
    """One TDES key with its cached contexts.

    Parameters
    ----------
    key
        bytes[8], bytes[16] or bytes[24]; a single-length key is plain DES.
    """

    __slots__ = ("_chained", "_chainer")

    def __init__(self, key: bytes) -> None:
        super().__init__(TripleDES(key * 3 if len(key) == 8 else (key + key[:8])[:24]), BLOCK)
        self._chainer: CipherContext | None = None
        self._chained = 0

    def chain(self, data: bytes, vector: bytes = ZEROS) -> bytes:
        """Return the last block of a CBC encryption of whole blocks: bytes[8]; the vector itself if there are none.

        Raises
        ------
        ValueError
            As `chain_value`.
        """
        return self.chain_value(data, vector).to_bytes(BLOCK, "big")

    def chain_value(self, data: bytes, vector: bytes = ZEROS) -> int:
        """Return the same as a number, big-endian.

        One CBC context serves every message: what it still holds, the last block of the message before, is taken
        out of the first block. That is a third of the price of a new context.

        Raises
        ------
        ValueError
            The data are not whole blocks: they would stay in the context and spoil the next message.
        """
        if len(data) % BLOCK:
            raise ValueError("not whole blocks")
        if not data:
            return int.from_bytes(vector, "big")
        if self._chainer is None:
            self._chainer = Cipher(self._cipher, _CBC_FROM_ZERO).encryptor()
        held = self._chained if vector is ZEROS else self._chained ^ int.from_bytes(vector, "big")
        if held:
            data = (int.from_bytes(data[:BLOCK], "big") ^ held).to_bytes(BLOCK, "big") + data[BLOCK:]
        self._chained = last = int.from_bytes(self._chainer.update(data)[-BLOCK:], "big")
        return last


class Aes(_Ecb):
    """One AES key with its cached contexts: bytes[16], bytes[24] or bytes[32]."""

    __slots__ = ()

    def __init__(self, key: bytes) -> None:
        super().__init__(AES(key), AES_BLOCK)


class CardKey:
    """A double-length TDES key as CVV and the retail MAC use it: the left half alone, and both."""

    __slots__ = ("both", "left")

    def __init__(self, key: bytes) -> None:
        self.left = Tdes(key[:8])
        self.both = Tdes(key)


def same(left: str | bytes, right: str | bytes) -> bool:
    """Compare secrets in constant time."""
    if isinstance(left, str):
        left = left.encode("utf-8")
    if isinstance(right, str):
        right = right.encode("utf-8")
    return compare_digest(left, right)


def xor(left: bytes, right: bytes) -> bytes:
    """Return the bitwise exclusive or of two strings of the same length."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def pad(data: bytes, method: str, block: int = BLOCK) -> bytes:
    """Pad to whole blocks.

    Parameters
    ----------
    data
        Any bytes.
    method
        "0" none, "1" ISO 9797-1 method 1 (zeros), "2" method 2 (X'80', then zeros), "3" method 3 (zeros, with the
        length in bits as a block in front).
    block
        Bytes of a block: 8 for TDES, 16 for AES.

    Returns
    -------
    bytes
        At least one block, except with method "0".
    """
    if method == "0":
        return data
    length = len(data)
    if method == "2":
        return data + b"\x80".ljust(block - length % block, b"\x00")
    padded = data + bytes(-len(data) % block) if data else bytes(block)
    return (8 * length).to_bytes(block, "big") + padded if method == "3" else padded


def odd_parity(key: bytes) -> bytes:
    """Set the lowest bit of each byte so that the byte has an odd number of ones."""
    return key.translate(_ODD_PARITY)
