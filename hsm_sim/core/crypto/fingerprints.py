"""Keyed fingerprints of card numbers."""

import base64
import hashlib
import hmac
from typing import Final

_FINGERPRINT_LABEL: Final = b"hsm_sim/pan-fp/v1"


def fingerprint(key: bytes, scope: str, pan: str) -> str:
    """Return a keyed fingerprint of the whole PAN.

    Parameters
    ----------
    key
        HMAC key, bytes[32].
    scope
        Whose fingerprint it is: two scopes cannot be joined on it.
    pan
        12 to 19 digits.

    Returns
    -------
    str
        str[29], `fp_` + 26 lower-case base32 characters (128 bits).

    Source
    ------
    Shared facts, hsm 5.
    """
    digest = hmac.digest(key, b"\x00".join((_FINGERPRINT_LABEL, scope.encode(), pan.encode())), hashlib.sha256)
    return "fp_" + base64.b32encode(digest[:16]).decode("ascii").rstrip("=").lower()
