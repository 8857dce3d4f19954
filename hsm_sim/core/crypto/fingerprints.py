"""Keyed fingerprints of card numbers."""

import base64
from typing import Final

from hsm_sim.core.crypto.macs import KeyedHmac

_FINGERPRINT_LABEL: Final = b"hsm_sim/pan-fp/v1"


def fingerprint(key: KeyedHmac, scope: str, pan: str) -> str:
    """Return a keyed fingerprint of the whole PAN.

    Parameters
    ----------
    key
        The fingerprint key.
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
    digest = key.of(b"\x00".join((_FINGERPRINT_LABEL, scope.encode(), pan.encode())))
    return "fp_" + base64.b32encode(digest[:16]).decode("ascii").rstrip("=").lower()
