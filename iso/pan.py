"""Card numbers: the Luhn check, and masking in text, in unknown bytes and in whole frames."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from iso.codec import decode, decode_with_spans, encode
from iso.compile_read import field_class
from iso.dialect import Dialect
from iso.elements import HIDDEN_ELEMENTS, TEXT_ELEMENTS
from iso.errors import LocalProtocolError
from iso.masks import luhn_digit, luhn_valid, mask_pan, mask_text, masked_window
from iso.message import Message
from iso.private import mask_private

__all__ = ["luhn_digit", "luhn_valid", "mask_frame", "mask_message", "mask_pan", "mask_text", "masked_window"]

_REPLACED = HIDDEN_ELEMENTS | {2, 48}
_TEXT_KINDS = frozenset({"ans", "text"})
_TWO_BITMAPS = 128


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
    return mask_message(data, dialect)[1]


def mask_message(data: bytes, dialect: Dialect) -> tuple[Message, bytes]:
    """Read a message and mask its bytes in one go; see `mask_frame`.

    Returns
    -------
    tuple[Message, bytes]
        The message as it is, secrets included: only its masked bytes may be kept.

    Raises
    ------
    RemoteProtocolError
        As `mask_frame`.
    """
    message = decode(data, dialect)
    masked = _rewritten(message, data, dialect)
    return message, masked if masked is not None else _overwritten(data, dialect)


def _rewritten(message: Message, data: bytes, dialect: Dialect) -> bytes | None:
    """Write the message anew with its secrets replaced: quick, but only where every other byte must come out alike."""
    plan, fields = _plan_of(dialect), message.fields
    if not plan.unlike.isdisjoint(fields):
        return None
    changed = {**fields}
    replaced = plan.replaced
    for element, value in fields.items():
        if element in replaced:
            changed[element] = _masked_value(element, value)
    try:
        masked = encode(Message._adopt(message.mti, changed, message.header), dialect)
    except LocalProtocolError:
        return None
    widths = dialect.codec.widths
    if len(masked) != len(data) or not widths:
        return None
    at = dialect.bitmap_at
    head = at + widths[data[at]]
    return masked if masked[:head] == data[:head] else None


def _overwritten(data: bytes, dialect: Dialect) -> bytes:
    """Replace the bytes of each secret element where they stand."""
    message, where = decode_with_spans(data, dialect)
    masked, replaced = bytearray(data), _plan_of(dialect).replaced
    for element, start, end in where:
        if element in replaced:
            masked[start:end] = dialect.writers[element](_masked_value(element, message[element]))
    return bytes(masked)


class _Plan(NamedTuple):
    replaced: frozenset[int]
    unlike: frozenset[int]
    """Elements that stay, and whose bytes may differ from what we would write for the same value."""


@lru_cache(maxsize=64)
def _plan_of(dialect: Dialect) -> _Plan:
    texts = {
        element for element in TEXT_ELEMENTS & dialect.formats.keys() if dialect.formats[element].kind in _TEXT_KINDS
    }
    replaced = frozenset(_REPLACED | texts)
    beyond = range(_TWO_BITMAPS + 1, 193)
    slow = {element for element, field in dialect.formats.items() if field_class(field) == "slow"}
    return _Plan(replaced, frozenset((slow | {*beyond}) - replaced))


def _masked_value(element: int, value: str) -> str:
    if element == 2:
        return mask_pan(value).replace("*", "9")
    if element in HIDDEN_ELEMENTS:
        return "0" * len(value)
    if element == 48:
        return mask_private(value, filler="0")
    return mask_text(value)
