"""Key check values."""

import hashlib
import hmac
from collections.abc import Iterable

from hsm_sim.core.crypto.ciphers import BLOCK, Aes, Tdes, xor
from hsm_sim.core.crypto.macs import cmac, keyed_cmac


def tdes_check_value(key: bytes, digits: int = 6) -> str:
    """Return the key check value of a TDES key: str[digits] hex, the left of an encrypted zero block.

    Parameters
    ----------
    key
        bytes[8], bytes[16] or bytes[24].
    digits
        6, or 16 for the whole block.
    """
    return Tdes(key).encrypt(bytes(BLOCK)).hex().upper()[:digits]


def aes_check_value(key: bytes) -> str:
    """Return the key check value of an AES key: str[6] hex, the left of CMAC over a zero block (X9.24-1)."""
    return cmac(keyed_cmac(key), bytes(16))[:3].hex().upper()


def aes_legacy_check_value(key: bytes) -> str:
    """Return the older check value of an AES key: str[6] hex, the left of an encrypted zero block."""
    return Aes(key).encrypt(bytes(16))[:3].hex().upper()


def hmac_check_value(key: bytes) -> str:
    """Return the key check value of an HMAC key: str[6] hex, the left of HMAC-SHA-256 over nothing."""
    return hmac.digest(key, b"", hashlib.sha256)[:3].hex().upper()


def lmk_check_value(key: bytes) -> str:
    """Return the check value that NC reports for an AES LMK: str[16].

    Six hex digits of CMAC over the empty string, then ten zeros.

    Source
    ------
    Shared facts, hsm 2.3 (the value that one payShield 10K shows for its test LMK).
    """
    return cmac(keyed_cmac(key), b"")[:3].hex().upper() + "0" * 10


def variant_lmk_check_value(pairs: Iterable[bytes]) -> str:
    """Return the check value that NC reports for a variant LMK: str[16] hex.

    Parameters
    ----------
    pairs
        The LMK pairs, bytes[16] each: all of them, 00-01 to 38-39.

    Source
    ------
    Shared facts, hsm 2.3: the exclusive or of all pairs, then of its two halves. That is the convention of the open
    simulators, which all show 7B44AC1DDEE2A94B for the public test set; what hardware shows is not known.
    """
    total = bytes(16)
    for pair in pairs:
        total = xor(total, pair)
    return xor(total[:8], total[8:]).hex().upper()
