"""Object ids: a prefix and letters that nobody can guess."""

from __future__ import annotations

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH_BYTES = 24
TRACE_BYTES = 16
_NO_DIGITS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_LETTERS = bytes(ord(_ALPHABET[byte % len(_ALPHABET)]) for byte in range(256))


def identifier(prefix: str, entropy: bytes) -> str:
    """Return `prefix_` and one letter or digit per byte of `entropy`.

    Examples
    --------
    >>> identifier("cus", bytes([0, 10, 61]))
    'cus_0Az'
    """
    return f"{prefix}_{entropy.translate(_LETTERS).decode('ascii')}"


def trace_id(entropy: bytes) -> str:
    """Return two letters per byte of `entropy`: an id without digits.

    Messages carry it, and what is kept of messages is masked: digits could look like a card number, and then nobody
    would find the payment by its trace.

    Examples
    --------
    >>> trace_id(bytes([0x00, 0x42, 0xFF]))
    'aaecpp'
    """
    return entropy.hex().translate(_NO_DIGITS)
