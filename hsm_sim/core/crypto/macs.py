"""Message authentication codes: ISO 9797-1 algorithms 1 and 3, CMAC, HMAC, and each in parts.

A MAC of one message may be made by several calls: "first" and "middle" calls return a chaining value, the next call
starts from it, the "last" call returns the MAC. For algorithms 1 and 3 and for CMAC the chaining value is the state
of the CBC encryption after whole blocks; it is no MAC, and nobody but the caller who continues should see it.
"""

import hmac
from typing import Final, TypeAlias

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from hsm_sim.core.crypto.ciphers import BLOCK, ZEROS, Aes, CardKey, Tdes, pad, xor

Keyed: TypeAlias = CMAC
"""A CMAC that has its key and no data yet: copying it is four times cheaper than keying a new one."""

_SUBKEY_CONSTANT: Final = {8: 0x1B, 16: 0x87}
HMAC_DIGESTS: Final = {
    "SHA-1": "sha1",
    "SHA-224": "sha224",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
}


def mac_algorithm_1(key: Tdes, padded: bytes, vector: bytes = ZEROS) -> bytes:
    """Return ISO 9797-1 algorithm 1 (CBC-MAC with the whole key) over whole blocks: bytes[8].

    Parameters
    ----------
    key
        Single, double or triple length. With a single-length key this is the X9.9 MAC.
    padded
        Whole blocks.
    vector
        bytes[8], the chaining value of the parts before. The chaining value and the MAC are the same thing here, so
        this function also serves the first and the middle parts.

    Raises
    ------
    ValueError
        `padded` is not whole blocks.
    """
    return key.chain(padded, vector)


def mac_algorithm_3(key: CardKey, padded: bytes, vector: bytes = ZEROS) -> bytes:
    """Return ISO 9797-1 algorithm 3 (the retail MAC, X9.19) over whole blocks: bytes[8].

    Parameters
    ----------
    key
        Double length.
    padded
        At least one whole block.
    vector
        bytes[8], the chaining value of the parts before, as `chain_algorithm_3` returns it.

    Raises
    ------
    ValueError
        `padded` is empty or not whole blocks.
    """
    if not padded or len(padded) % BLOCK:
        raise ValueError("not whole blocks")
    before = key.left.chain_value(padded[:-BLOCK], vector)
    return key.both.encrypt((before ^ int.from_bytes(padded[-BLOCK:], "big")).to_bytes(BLOCK, "big"))


def chain_algorithm_3(key: CardKey, blocks: bytes, vector: bytes = ZEROS) -> bytes:
    """Return the chaining value of algorithm 3 after a first or middle part of whole blocks: bytes[8].

    Source
    ------
    Best reading of "M6" in its chained modes: only the left half encrypts until the last block, as in the whole
    message, so that chained and unchained MACs agree. Not captured: shared facts, hsm 6.2.
    """
    return key.left.chain(blocks, vector)


def mac_x9_9(key: Tdes, data: bytes) -> bytes:
    """Return the ANSI X9.9 MAC: bytes[4], the left half of a single-length CBC-MAC with zero padding."""
    return mac_algorithm_1(key, pad(data, "1"))[:4]


def mac_x9_19(key: CardKey, data: bytes) -> bytes:
    """Return the ANSI X9.19 retail MAC with zero padding: bytes[8].

    Source
    ------
    Common practice; vector `mac_x919_retail`. The paid standard was not used.
    """
    return mac_algorithm_3(key, pad(data, "1"))


def keyed_cmac(key: bytes) -> Keyed:
    """Return an AES-CMAC without data, to be copied for each message."""
    return CMAC(AES(key))


def keyed_cmac_tdes(key: bytes) -> Keyed:
    """Return a TDES-CMAC without data, to be copied for each message; bytes[16] or bytes[24]."""
    return CMAC(TripleDES((key + key[:8])[:24]))


def cmac(keyed: Keyed, data: bytes) -> bytes:
    """Return the CMAC over the data: bytes[16] with AES, bytes[8] with TDES. Truncate from the right."""
    context = keyed.copy()
    context.update(data)
    return context.finalize()


class ChainedCmac:
    """CMAC in parts, with the state between them outside.

    Parameters
    ----------
    cipher
        The TDES or AES key.

    Source
    ------
    NIST SP 800-38B for the subkeys. That the chaining value of a host command is the plain CBC state is the best
    reading: it is the only value of one block from which the rest of the MAC can be made. Not captured.
    """

    __slots__ = ("_broken", "_cipher", "_whole")

    def __init__(self, cipher: Tdes | Aes) -> None:
        self._cipher = cipher
        self._whole = _double(cipher.encrypt(bytes(cipher.block)))
        self._broken = _double(self._whole)

    def extend(self, blocks: bytes, vector: bytes) -> bytes:
        """Return the chaining value after a first or middle part: one block.

        Parameters
        ----------
        blocks
            At least one whole block.
        vector
            The chaining value before; zeros for the first part.

        Raises
        ------
        ValueError
            `blocks` is empty or not whole blocks.
        """
        size = self._cipher.block
        if not blocks or len(blocks) % size:
            raise ValueError("not whole blocks")
        return self._cipher.encrypt_cbc(blocks, vector)[-size:]

    def finish(self, data: bytes, vector: bytes) -> bytes:
        """Return the MAC after the last part, which may have any length: one block.

        An empty last part is padded to a block of its own: the parts before were closed as if more would follow.
        """
        size = self._cipher.block
        cut = (len(data) - 1) // size * size if data else 0
        state = self._cipher.encrypt_cbc(data[:cut], vector)[-size:] if cut else vector
        last = data[cut:]
        closed = xor(last, self._whole) if len(last) == size else xor(pad(last, "2", size), self._broken)
        return self._cipher.encrypt(xor(state, closed))


class KeyedHmac:
    """HMAC-SHA-256 under one key, keyed once: copying that is four times cheaper than keying anew.

    Parameters
    ----------
    key
        Any bytes.
    """

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = HMAC(key, SHA256())

    def __repr__(self) -> str:
        return "KeyedHmac()"

    def of(self, data: bytes) -> bytes:
        """Return the HMAC over the data: bytes[32]."""
        context = self._keyed.copy()
        context.update(data)
        return context.finalize()


def hmac_of(key: bytes, data: bytes, digest: str = "SHA-256") -> bytes:
    """Return the whole HMAC: bytes[20] to bytes[64].

    Parameters
    ----------
    digest
        A name in `HMAC_DIGESTS`.

    Raises
    ------
    ValueError
        The digest is not one of them.
    """
    if digest not in HMAC_DIGESTS:
        raise ValueError("unknown digest")
    return hmac.digest(key, data, HMAC_DIGESTS[digest])


def _double(block: bytes) -> bytes:
    """Multiply by x in the field of the block's size."""
    size = len(block)
    doubled = int.from_bytes(block, "big") << 1
    if doubled >> (8 * size):
        doubled ^= _SUBKEY_CONSTANT[size] | 1 << (8 * size)
    return doubled.to_bytes(size, "big")
