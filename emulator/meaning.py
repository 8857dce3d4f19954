"""What values mean beyond the tables of a dialect: MTI, headers, amounts, times and check digits.

Dialect tables come first; what stands here holds in every network. A meaning never contains the value of an element
that is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from iso import Dialect, IsoError
from iso.money import currency, format_amount
from iso.pan import luhn_valid

__all__ = ["header_parts", "meaning_of", "mti_meaning"]

_CLASSES = {
    "1": "authorisation",
    "2": "financial",
    "3": "file action",
    "4": "reversal or chargeback",
    "5": "reconciliation",
    "6": "administrative",
    "7": "fee collection",
    "8": "network management",
}
_FUNCTIONS = {
    "0": "request",
    "1": "response",
    "2": "advice",
    "3": "advice response",
    "4": "notification",
    "5": "notification acknowledgement",
    "6": "instruction",
    "7": "instruction acknowledgement",
}
_ORIGINS = {
    "0": "acquirer",
    "1": "acquirer, repeat",
    "2": "issuer",
    "3": "issuer, repeat",
    "4": "other",
    "5": "other, repeat",
}
_INSTANTS = {
    (7, 10): ("@%m%d%H%M%S", "%b %H:%M:%S UTC"),
    (12, 6): ("@%H%M%S", "%H:%M:%S"),
    (12, 12): ("%y%m%d%H%M%S", "%b %Y %H:%M:%S"),
    (12, 14): ("%Y%m%d%H%M%S", "%b %Y %H:%M:%S"),
    (13, 4): ("@%m%d", "%b"),
    (15, 4): ("@%m%d", "%b"),
    (15, 6): ("%y%m%d", "%b %Y"),
}
"""How dates and times are written, by element and length; @ is the year that is not there."""
_AMOUNT_CURRENCY = {4: 49, 5: 50, 6: 51}
_CURRENCIES = frozenset({49, 50, 51})
_TPDU = (("id", "TPDU id", 1), ("destination", "Destination", 2), ("source", "Source", 2))
_BASE1 = (
    ("1", "Header length", 1),
    ("2", "Header flag and format", 1),
    ("3", "Text format", 1),
    ("4", "Total length", 2),
    ("5", "Destination station", 3),
    ("6", "Source station", 3),
    ("7", "Round-trip control", 1),
    ("8", "BASE I flags", 2),
    ("9", "Message status flags", 3),
    ("10", "Batch number", 1),
    ("11", "Reserved", 3),
    ("12", "User information", 1),
)


def mti_meaning(mti: str) -> str:
    """Say an MTI in words.

    Examples
    --------
    >>> mti_meaning("0421")
    'reversal or chargeback advice (acquirer, repeat)'
    """
    return f"{_CLASSES.get(mti[1], 'unknown')} {_FUNCTIONS.get(mti[2], 'unknown')} ({_ORIGINS.get(mti[3], 'unknown')})"


def header_parts(header: bytes, form: str) -> list[tuple[str, str, int, int]]:
    """Divide a header: (tag, name, start, end) for each part; nothing for a form that is not known.

    Source
    ------
    TPDU: common practice. BASE I: public message-format tables of open implementations; the manual was not read.
    """
    rows = {"tpdu": _TPDU, "base1": _BASE1}.get(form, ())
    parts: list[tuple[str, str, int, int]] = []
    at = 0
    for tag, name, width in rows:
        parts.append((tag, name, at, at + width))
        at += width
    return parts if at == len(header) else []


def meaning_of(element: int, fields: Mapping[int, str], spoken: Dialect) -> str:
    """Say what an element's value means, or ""."""
    value = fields[element]
    if not value:
        return "empty: the element is there and says nothing"
    if element == 2:
        return "" if luhn_valid(value) else "the Luhn digit is wrong"
    if (words := spoken.meaning(element, value)) is not None:
        return words
    if element in _AMOUNT_CURRENCY:
        return _amount(value, fields.get(_AMOUNT_CURRENCY[element], ""))
    if element in _CURRENCIES:
        return _currency(value)
    if (element, len(value)) in _INSTANTS and not (element == 13 and spoken.version != "1987"):
        return _instant(element, value)
    return ""


def _amount(value: str, code: str) -> str:
    try:
        return format_amount(int(value), code)
    except (IsoError, ValueError):
        return ""


def _currency(code: str) -> str:
    try:
        return currency(code).alpha
    except IsoError:
        return ""


def _instant(element: int, value: str) -> str:
    """Read a date or time in whichever form its length says."""
    form, shown = _INSTANTS[element, len(value)]
    try:
        # A month and a day alone are taken to be of a leap year: 0229 may be right.
        instant = datetime.strptime(f"2000{value}" if "y" not in form.lower() else value, form.replace("@", "%Y"))  # noqa: DTZ007
    except ValueError:
        return "no such date or time"
    return f"{instant.day} {instant.strftime(shown)}" if "%b" in shown else instant.strftime(shown)
