"""EBCDIC code page 1047, which Python lacks and which open ISO 8583 stacks take for granted.

It is code page 037 with three pairs of characters exchanged. Importing this module makes "cp1047" (also "ibm1047") a
codec like any other; should a later Python bring its own, that one is used.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

__all__ = ["CP1047"]

_EXCHANGED = ((0x5F, 0xB0), (0xAD, 0xBA), (0xBB, 0xBD))


def _table() -> str:
    characters = list(bytes(range(256)).decode("cp037"))
    for one, other in _EXCHANGED:
        characters[one], characters[other] = characters[other], characters[one]
    return "".join(characters)


CP1047 = _table()
"""str[256]: the character of each byte.

Source
------
IBM-1047 as in the C library's converter; code page 037 as in Python.
"""

_ENCODED = codecs.charmap_build(CP1047)


def _encode(text: str, errors: str = "strict") -> tuple[bytes, int]:
    return codecs.charmap_encode(text, errors, _ENCODED)


def _decode(data: Buffer, errors: str = "strict") -> tuple[str, int]:
    return codecs.charmap_decode(bytes(data), errors, CP1047)


def _find(name: str) -> codecs.CodecInfo | None:
    if name not in ("cp1047", "ibm1047"):
        return None
    return codecs.CodecInfo(name="cp1047", encode=_encode, decode=_decode)


codecs.register(_find)
