"""Object ids: a prefix and letters that nobody can guess."""

from __future__ import annotations

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH_BYTES = 24


def identifier(prefix: str, entropy: bytes) -> str:
    """Return `prefix_` and one letter or digit per byte of `entropy`.

    Examples
    --------
    >>> identifier("cus", bytes([0, 10, 61]))
    'cus_0Az'
    """
    return f"{prefix}_" + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in entropy)
