"""psec as an oracle: an independent implementation to differ from only where it is known to be wrong."""

from __future__ import annotations

import warnings

import psec


def cvv(cvk: bytes, pan: str, expiry: str, service_code: str) -> str:
    """Return what psec 1.3.0 takes for the CVV; it does not make the second decimalisation scan."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(psec.cvv.generate_cvv(cvk, pan, expiry, service_code))


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


def wrap(protection: bytes, header: str, key: bytes) -> str:
    """Return a TR-31 block; `header` as usage + algorithm + mode + version + exportability."""
    made = psec.tr31.Header("D", header[:2], header[2], header[3], header[4:6], header[6])
    return str(psec.tr31.wrap(protection, made, key))


def unwrap(protection: bytes, block: str) -> tuple[str, bytes]:
    """Return header text and clear key of a TR-31 block."""
    header, key = psec.tr31.unwrap(protection, block)
    text = header.key_usage + header.algorithm + header.mode_of_use + header.version_num + header.exportability
    return text, key
