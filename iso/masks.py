"""Hiding card numbers in text, and the Luhn check that finds them.

Masking is the last line of defence: it runs over text and bytes whose meaning is not known, so it prefers to hide
too much. It must never raise, whatever it is given.
"""

from __future__ import annotations

import re

__all__ = ["luhn_digit", "luhn_valid", "mask_pan", "mask_text", "masked_window"]

_DOUBLED = str.maketrans("0123456789", "0246813579")
"""Each digit to the sum of the digits of its double."""
_ZERO = ord("0")
# Most text holds no card number: one search, cheap because nearly every position fails at its first character.
_CANDIDATE = re.compile(r"[0-9]{4}(?:[ -]?[0-9]){8}")
_RUN = re.compile(r"[0-9]{12,}")
# The ways people print cards: groups of four, and 4-6-5. Looser grouping would eat dates and UUIDs.
_GROUPED = re.compile(
    r"(?<![0-9])(?:[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,4}(?:\1[0-9]{1,3})?"
    r"|[0-9]{4}([ -])[0-9]{6}\2[0-9]{5})(?![0-9])"
)
_LONGEST_PAN = 19
# Inside a longer digit run (a hex dump, packed data) only the usual lengths and first digits count as a card, or
# nearly every long number would be one.
_EMBEDDED_LENGTHS = (16, 15, 19)
_EMBEDDED_START = frozenset("234569")

_EBCDIC_RUN = re.compile(rb"[\xf0-\xf9](?:[\x40\x60]?[\xf0-\xf9]){8,}")
_NIBBLE_RUN = re.compile(r"[0-9]{9,}")


def _luhn_sum(digits: str) -> int:
    # The sum of the characters' codes, less that of as many zeros: no digit is looked at by itself.
    codes = digits[::-2] + digits[-2::-2].translate(_DOUBLED)
    return sum(codes.encode("ascii")) - _ZERO * len(codes)


def luhn_valid(pan: str) -> bool:
    """Say whether the last digit of `pan` is its Luhn check digit.

    Parameters
    ----------
    pan
        Any text; anything but ASCII digits is simply not valid.

    Returns
    -------
    bool
        True if the check digit is right.

    Examples
    --------
    >>> luhn_valid("4242424242424242"), luhn_valid("4242424242424241"), luhn_valid("")
    (True, False, False)

    Source
    ------
    ISO/IEC 7812-1 annex B as commonly described (the Luhn algorithm).
    """
    return pan.isascii() and pan.isdigit() and _luhn_sum(pan) % 10 == 0


def luhn_digit(partial: str) -> str:
    """Give the check digit that completes `partial`.

    Parameters
    ----------
    partial
        Decimal digits without the check digit.

    Returns
    -------
    str
        str[1] decimal.

    Examples
    --------
    >>> luhn_digit("424242424242424")
    '2'
    """
    return str(-_luhn_sum(partial + "0") % 10)


def mask_pan(pan: str) -> str:
    """Show at most the first six and last four digits of a card number.

    Parameters
    ----------
    pan
        Any text; anything of 10 characters or fewer keeps at most its last two.

    Returns
    -------
    str
        Same length, hidden characters are `*`.

    Examples
    --------
    >>> mask_pan("4242424242424242"), mask_pan("1234567890")
    ('424242******4242', '********90')
    """
    hidden = len(pan) - 10
    if hidden > 0:
        return pan[:6] + "*" * hidden + pan[-4:]
    return "*" * max(0, len(pan) - 2) + pan[-2:] if len(pan) > 4 else "*" * len(pan)


def _mask_run(match: re.Match[str]) -> str:
    run = match.group()
    if len(run) <= _LONGEST_PAN:
        # Leading zeros change nothing in a Luhn sum: an amount of twelve digits is a short number, a zero-filled
        # card number is a long one.
        significant = len(run.lstrip("0"))
        return mask_pan(run) if significant >= 12 and luhn_valid(run) else run
    hidden: set[int] = set()
    for start in range(len(run)):
        if run[start] not in _EMBEDDED_START:
            continue
        for length in _EMBEDDED_LENGTHS:
            window = run[start : start + length]
            if len(window) == length and luhn_valid(window):
                hidden.update(range(start + 6, start + length - 4))
    return "".join("*" if index in hidden else digit for index, digit in enumerate(run)) if hidden else run


def _mask_grouped(match: re.Match[str]) -> str:
    text = match.group()
    digits = "".join(filter(str.isdigit, text))
    if not (12 <= len(digits) <= _LONGEST_PAN and luhn_valid(digits)):
        return text
    masked = iter(mask_pan(digits))
    return "".join(next(masked) if char.isdigit() else char for char in text)


def mask_text(text: str) -> str:
    """Mask everything in free text that looks like a card number, 6+4.

    A run of 12 to 19 digits with a right Luhn digit is masked, also when printed in groups; so is any Luhn-valid
    window of a usual card length inside a longer run. One number in ten passes the Luhn check by chance: a trace
    number may be masked without need, and that is the right side to err on.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    str
        Same length.

    Examples
    --------
    >>> mask_text("card 4242424242424242, also 4242 4242 4242 4242; amount 000000001999")
    'card 424242******4242, also 4242 42** **** 4242; amount 000000001999'
    """
    # What is left of a long run may look like a number of its own: masked text has to stay as it is when masked again.
    while _CANDIDATE.search(text) is not None:
        masked = _GROUPED.sub(_mask_grouped, _RUN.sub(_mask_run, text))
        if masked == text:
            break
        text = masked
    return text


def masked_window(data: bytes, offset: int | None, radius_bytes: int = 16) -> str:
    """Show the bytes around a fault as hex, with every run of nine or more digits hidden.

    Digits are recognised as ASCII, as EBCDIC, and as packed nibbles at any alignment, over the whole of `data`, so
    that the edge of the window never makes a long run look short.

    Parameters
    ----------
    data
        Any bytes.
    offset
        Where the fault is; None means the beginning.
    radius_bytes
        How many bytes to show on each side.

    Returns
    -------
    str
        "@offset: hex", two characters a byte, `**` for a hidden byte, "..." where bytes were left out.

    Examples
    --------
    >>> masked_window(bytes.fromhex("0100CC") + b"4242424242424242", 1, radius_bytes=6)
    '@1: 0100CC********...'
    """
    shown = list(data.hex().upper())
    for match in _NIBBLE_RUN.finditer("".join(shown)):
        shown[match.start() : match.end()] = "*" * (match.end() - match.start())
    for block in _EBCDIC_RUN.finditer(data):
        shown[2 * block.start() : 2 * block.end()] = "*" * (2 * (block.end() - block.start()))
    centre = min(max(offset or 0, 0), len(data))
    start, end = max(0, centre - radius_bytes), min(len(data), centre + radius_bytes)
    window = "".join(shown[2 * start : 2 * end])
    return f"@{centre}: {'...' if start else ''}{window}{'...' if end < len(data) else ''}"
