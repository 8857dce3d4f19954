"""Plain hashes by the numbers that host commands give them."""

import hashlib
from typing import Final

_ALGORITHMS: Final = {
    "01": "sha1",
    "02": "md5",
    "05": "sha224",
    "06": "sha256",
    "07": "sha384",
    "08": "sha512",
}


def digest(identifier: str, data: bytes) -> bytes:
    """Return the hash of the data: bytes[16] to bytes[64].

    Parameters
    ----------
    identifier
        str[2]: 01 SHA-1, 02 MD5, 05 SHA-224, 06 SHA-256, 07 SHA-384, 08 SHA-512.

    Raises
    ------
    ValueError
        No such hash.

    Source
    ------
    Shared facts, hsm 2.2 (GM).
    """
    if identifier not in _ALGORITHMS:
        raise ValueError("unknown hash")
    return hashlib.new(_ALGORITHMS[identifier], data, usedforsecurity=False).digest()
