"""psec as an oracle: an independent implementation to differ from only where it is known to be wrong."""

from __future__ import annotations

import warnings

import psec
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC


def cvv(cvk: bytes, pan: str, expiry: str, service_code: str) -> str:
    """Return what psec 1.3.0 takes for the CVV; it does not make the second decimalisation scan."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(psec.cvv.generate_cvv(cvk, pan, expiry, service_code))


def check_value(key: bytes, algorithm: str) -> str:
    """Return str[6] hex of a TDES key ("T": a zero block under it) or an AES key ("A": the CMAC of a zero block)."""
    if algorithm == "A":
        mac = CMAC(AES(key))
        mac.update(bytes(16))
        return mac.finalize()[:3].hex().upper()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(psec.des.generate_kcv(key, 3).hex().upper())


def retail_mac(key: bytes, data: bytes, padding: int) -> bytes:
    """Return ISO 9797-1 algorithm 3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(psec.mac.generate_retail_mac(key[:8], key[8:], data, padding))


def cbc_mac(key: bytes, data: bytes, padding: int) -> bytes:
    """Return ISO 9797-1 algorithm 1 with TDES."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(psec.mac.generate_cbc_mac(key, data, padding))


def pvv(pvk: bytes, pin: str, pan: str, pvki: str = "1") -> str:
    """Return the Visa PVV of a PIN's leftmost four digits; `pan` is the whole PAN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(psec.pin.generate_visa_pvv(pvk, pvki, pin[:4], pan))


def ibm_offset(pvk: bytes, pin: str, table: str, block: str) -> str:
    """Return the IBM 3624 offset, as long as the PIN; `block` is the validation data, str[16] hex."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(psec.pin.generate_ibm3624_offset(pvk, table, pin, block, 0, len(block), "F"))
