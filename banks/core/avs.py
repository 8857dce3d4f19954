"""Address verification: what a request brings (DE 48.03), what the card file has, and the letter for how they fit.

DE 48.03 is a postcode of nine characters, left-justified and filled with spaces, and behind it the address line, at
most 40 characters. Either may be blank. Of the address only the first five digits count, which is how networks compare
addresses; of a postcode letters and digits, and where both are digits the first five (a ZIP and a ZIP+4 are one place).

Source
------
The letters are those that United States networks publish for domestic cards (general knowledge). Layout: our own.
"""

from __future__ import annotations

BOTH, ADDRESS_ONLY, POSTCODE_ONLY, NEITHER, UNAVAILABLE = "Y", "A", "Z", "N", "U"
"""DE 48.04: both fit; the address alone; the postcode alone; nothing does; the card file has no address."""

ANYTHING = "*"
"""In a card row: whatever the cardholder says fits."""

_POSTCODE = 9
_DIGITS = 5


def avs_field(postcode: str, address: str) -> str:
    """Return DE 48.03.

    Examples
    --------
    >>> avs_field("94107", "510 Townsend St")
    '94107    510 Townsend St'
    """
    return f"{postcode[:_POSTCODE]:<{_POSTCODE}}{address[:40]}"


def avs_result(text: str, address: str, postcode: str) -> str:
    """Compare an address with the card file.

    Parameters
    ----------
    text
        DE 48.03; "" if the request has none.
    address
        Digits of the card file, `ANYTHING`, or "" if it has none.
    postcode
        Letters and digits of the card file, `ANYTHING`, or "".

    Returns
    -------
    str
        One of the letters above; "" if nothing was asked.

    Examples
    --------
    >>> avs_result(avs_field("94107-1234", "510 Townsend St"), "510", "94107")
    'Y'
    >>> avs_result(avs_field("94108", "510 Townsend St"), "510", "94107")
    'A'
    """
    asked_postcode, asked_address = _letters(text[:_POSTCODE]), digits_of(text[_POSTCODE:])
    if not asked_postcode and not text[_POSTCODE:].strip():
        return ""
    if not address and not postcode:
        return UNAVAILABLE
    fits_address = bool(text[_POSTCODE:].strip()) and _fits(asked_address, address)
    fits_postcode = bool(asked_postcode) and _fits(asked_postcode, _letters(postcode) if postcode != ANYTHING else "*")
    if fits_address:
        return BOTH if fits_postcode else ADDRESS_ONLY
    return POSTCODE_ONLY if fits_postcode else NEITHER


def digits_of(address: str) -> str:
    """Return what counts of an address line.

    Examples
    --------
    >>> digits_of("1234 Main St, Apt 56")
    '12345'
    """
    return "".join(char for char in address if char in "0123456789")[:_DIGITS]


def _letters(postcode: str) -> str:
    return "".join(char for char in postcode.upper() if char.isascii() and char.isalnum())


def _fits(asked: str, filed: str) -> bool:
    if filed == ANYTHING:
        return True
    if asked.isdigit() and filed.isdigit():
        return asked[:_DIGITS] == filed[:_DIGITS]
    return bool(filed) and asked == filed
