"""What a data element looks like on the wire: its content, its length, its prefix and their encodings.

A table says what an element *is* (`n..19`); a wire style says how a dialect writes such things (packed, EBCDIC); the
two together give one `FieldFormat` per element, from which the codec builds its readers and writers. Nothing here reads
or writes bytes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from iso.errors import LocalProtocolError

__all__ = ["CONTENT", "ElementRule", "FieldFormat", "WireStyle", "field_format", "parse_rule"]

_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

CONTENT: dict[str, str] = {
    "n": _DIGITS,
    "a": _LETTERS + " ",
    "an": _LETTERS + _DIGITS + " ",
    "ans": "".join(map(chr, range(0x20, 0x7F))),
    # Both spellings of the separator, and the '>' that some tracks end in.
    "z": _DIGITS + "=D>",
}
"""Legal characters by kind. `b` (hex of bytes), `x+n` (C or D, then digits) and `text` (whatever the character set
holds; foreign specs say no more) are not character sets and are handled by name. Spaces pad `a` and `an`."""


class ElementRule(NamedTuple):
    """What an element is, whatever the dialect: `n..19` = ElementRule("n", 19, 2)."""

    kind: str
    size: int
    prefix_digits: int


class WireStyle(NamedTuple):
    """How a dialect writes things.

    `text`: Python codec of characters. `numeric`: "text" or "bcd", for n, z and the MTI. `lengths`: "text", "bcd", "b"
    (as few bytes as the digits need) or "b1" (one byte, whatever the element). `bitmap`: "b" (8 bytes) or "hex" (16
    characters). `binary`: "b" or "hex" (binary elements as characters, counted as such). `pad`, `pad_digit`: on which
    side ("left" or "right") an odd number of packed digits is filled, and with what; track data is always filled with
    an F on the right.
    """

    text: str
    numeric: str
    lengths: str
    bitmap: str
    binary: str = "b"
    pad: str = "left"
    pad_digit: str = "0"


class FieldFormat(NamedTuple):
    """One element on the wire.

    Attributes
    ----------
    kind
        "n", "a", "an", "ans", "z", "b", "hex" (bytes as characters), "x+n" or "text".
    size
        Length if `prefix_bytes` is 0, else the greatest length; in bytes, or in half bytes if `nibbles`.
    prefix_bytes
        Width of the length prefix on the wire; 0 = fixed length.
    prefix_encoding
        "bcd", "b" (unsigned big-endian) or a Python codec.
    encoding
        "b" (packed digits or raw bytes) or a Python codec.
    nibbles
        Lengths count half bytes.
    left_pad, right_pad
        The half byte that fills an odd length, or "".
    """

    kind: str
    size: int
    prefix_bytes: int = 0
    prefix_encoding: str = "ascii"
    encoding: str = "ascii"
    nibbles: bool = False
    left_pad: str = ""
    right_pad: str = ""


_RULE = re.compile(r"(n|a|an|ans|z|b|x\+n)(\.{2,4})?([0-9]+)")


def parse_rule(text: str) -> ElementRule:
    """Read the field's usual notation.

    Parameters
    ----------
    text
        A kind, then dots for a variable length (as many as the prefix has digits), then the length: "n6", "ans...999".
        The length of `x+n` includes the sign; that of `b` is in bytes.

    Returns
    -------
    ElementRule

    Raises
    ------
    LocalProtocolError
        The text is not such a rule: a mistake in a table.

    Examples
    --------
    >>> parse_rule("n..19"), parse_rule("b8")
    (ElementRule(kind='n', size=19, prefix_digits=2), ElementRule(kind='b', size=8, prefix_digits=0))
    """
    match = _RULE.fullmatch(text)
    if match is None:
        raise LocalProtocolError(f"not an element rule: {text!r}")
    kind, dots, size = match.groups()
    return ElementRule(kind, int(size), len(dots or ""))


def _prefix_bytes(digits: int, lengths: str) -> int:
    if lengths == "b1":
        return min(digits, 1)
    return (digits + 1) // 2 if lengths in ("bcd", "b") else digits


def field_format(rule: ElementRule, style: WireStyle) -> FieldFormat:
    """Combine what an element is with how a dialect writes.

    Parameters
    ----------
    rule
        The element.
    style
        The dialect's habits.

    Returns
    -------
    FieldFormat
        Packed `n` counts digits and takes a zero on the left where odd; packed `z` takes an F on the right.
    """
    width = _prefix_bytes(rule.prefix_digits, style.lengths)
    prefix = (width, {"text": style.text, "b1": "b"}.get(style.lengths, style.lengths))
    # No element is longer than its prefix can say.
    most = {"b": 256**width - 1, "b1": 255, "bcd": 100**width - 1}.get(style.lengths, 10**width - 1)
    size = min(rule.size, most) if width else rule.size
    if rule.kind == "b":
        if style.binary == "hex":
            # An even number of characters: half a byte does not exist.
            characters = min(2 * rule.size, most - most % 2) if width else 2 * rule.size
            return FieldFormat("hex", characters, *prefix, encoding=style.text)
        return FieldFormat("b", size, *prefix, encoding="b")
    if style.numeric == "bcd":
        if rule.kind == "n":
            left, right = (style.pad_digit, "") if style.pad == "left" else ("", style.pad_digit)
            return FieldFormat("n", size, *prefix, encoding="b", nibbles=True, left_pad=left, right_pad=right)
        if rule.kind == "z":
            return FieldFormat("z", size, *prefix, encoding="b", nibbles=True, right_pad="F")
        if rule.kind == "x+n":
            return FieldFormat("x+n", size, *prefix, encoding="b", nibbles=True)
    return FieldFormat(rule.kind, size, *prefix, encoding=style.text)
