"""Keyed fingerprints of card numbers."""

from typing import Final

from hsm_sim.core.crypto.macs import KeyedHmac

_FINGERPRINT_LABEL: Final = b"hsm_sim/pan-fp/v1"
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = tuple(first + second for first in _LETTERS for second in _LETTERS)
_SHIFTS: Final = tuple(range(120, -1, -10))
"""26 characters of base32 are 13 pairs of ten bits: 128 bits, and two zeros behind them."""


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
    number = int.from_bytes(digest[:16], "big") << 2
    return "fp_" + "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
