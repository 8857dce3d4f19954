"""Card numbers: the Luhn check, and masking in text, in unknown bytes and in whole frames."""

from __future__ import annotations

from iso.codec import decode_with_spans
from iso.dialect import Dialect
from iso.elements import HIDDEN_ELEMENTS, TEXT_ELEMENTS
from iso.masks import luhn_digit, luhn_valid, mask_pan, mask_text, masked_window
from iso.private import mask_private

__all__ = ["luhn_digit", "luhn_valid", "mask_frame", "mask_pan", "mask_text", "masked_window"]

_REPLACED = HIDDEN_ELEMENTS | {2, 48}
_TEXT_KINDS = frozenset({"ans", "text"})


def mask_frame(data: bytes, dialect: Dialect) -> bytes:
    """Overwrite what is secret in a message, so that the rest can be stored and decoded later.

    Parameters
    ----------
    data
        A whole message without its length prefix.
    dialect
        How it is written.

    Returns
    -------
    bytes
        Same length, and still decodes: DE 2 keeps 6+4 around nines (well-known test cards have zeros there: with zeros
        the mask would be the number); secret elements, and tags 01 and 05 of DE 48, are zeros; card numbers in free
        text are masked. A MAC no longer matches.

    Raises
    ------
    RemoteProtocolError
        `data` does not decode: keep only `masked_window(data, error.offset)`.
    """
    message, where = decode_with_spans(data, dialect)
    masked = bytearray(data)
    for element, start, end in where:
        is_text = element in TEXT_ELEMENTS and dialect.formats[element].kind in _TEXT_KINDS
        if is_text or element in _REPLACED:
            masked[start:end] = dialect.writers[element](_masked_value(element, message[element]))
    return bytes(masked)


def _masked_value(element: int, value: str) -> str:
    if element == 2:
        return mask_pan(value).replace("*", "9")
    if element in HIDDEN_ELEMENTS:
        return "0" * len(value)
    if element == 48:
        return mask_private(value, filler="0")
    return mask_text(value)
