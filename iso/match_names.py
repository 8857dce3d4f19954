"""The names that a predicate can use, each with its kind and how it is read from a message.

Nothing here raises: an element that is absent, or that does not hold what its name promises, reads as None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import NamedTuple

from iso.errors import RemoteProtocolError
from iso.message import Message
from iso.subfields.emv import EMV_AMOUNTS
from iso.subfields.node import Layout, find, parse_element

__all__ = ["NAMES", "NUMBER", "NUMBERS", "PREFIX", "TEXT", "TRUTH", "Name", "Value", "element_name", "part_name"]

Value = str | int | bool | None
"""What a name reads as; None = absent, or not what the name promises."""

TEXT, NUMBER, TRUTH, PREFIX = "text", "number", "truth", "prefix"


class Name(NamedTuple):
    """One name of the language.

    Attributes
    ----------
    kind
        "text", "number", "truth" or "prefix" (text that is compared by its first characters).
    read
        Message to value; must not raise.
    elements
        Data elements that it looks at; 0 is the MTI.
    """

    kind: str
    read: Callable[[Message], Value]
    elements: tuple[int, ...] = ()


NUMBERS = frozenset({4, 5, 6, 8, 28, 29, 30, 31, *range(74, 90), 97})
"""Elements that are amounts or counts; all others are text, also where they look like numbers (DE 3, 11, 49)."""

_AMOUNT_PARTS = frozenset({"95.transaction", "95.settlement", "95.fee", "95.settlement_fee"})

_DIGITS_MAX = 18


def _number(text: str | None) -> int | None:
    if not text:
        return None
    digits = text[1:] if text[0] in "CD" else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _DIGITS_MAX:
        return None
    return -int(digits) if text[0] == "D" else int(digits)


def element_name(element: int) -> Name:
    """Give the name `deN`."""
    if element in NUMBERS:
        return Name(NUMBER, lambda message: _number(message.get(element)), (element,))
    return Name(TEXT, lambda message: message.get(element), (element,))


def part_name(element: int, path: str, layout: Layout) -> Name:
    """Give the name `deN.path`: the text of one part of an element."""

    def read(message: Message) -> str | None:
        value = message.get(element)
        if value is None:
            return None
        try:
            node = find(parse_element(value, layout), path)
        except RemoteProtocolError:
            return None
        return None if node is None else node.text

    last = path.rpartition(".")[2].lower()
    is_amount = (
        path.upper() in EMV_AMOUNTS
        if element == 55
        else f"{element}.{path}".lower() in _AMOUNT_PARTS or (element == 54 and last == "amount")
    )
    if not is_amount:
        return Name(TEXT, read, (element,))
    return Name(NUMBER, lambda message: _number(read(message)), (element,))


def _stripped(element: int) -> Callable[[Message], Value]:
    def read(message: Message) -> Value:
        value = message.get(element)
        return None if value is None else value.rstrip(" ")

    return read


NAMES: Mapping[str, Name] = {
    "mti": Name(TEXT, attrgetter("mti"), (0,)),
    "class": Name(TEXT, attrgetter("mti_class"), (0,)),
    "request": Name(TRUTH, attrgetter("is_request"), (0,)),
    "response": Name(TRUTH, attrgetter("is_response"), (0,)),
    "repeat": Name(TRUTH, attrgetter("is_repeat"), (0,)),
    "bin": Name(PREFIX, lambda message: message.get(2), (2,)),
    "amount": element_name(4),
    "processing_code": element_name(3),
    "stan": element_name(11),
    "mcc": element_name(18),
    "acquirer": element_name(32),
    "rrn": element_name(37),
    "code": element_name(39),
    "terminal": Name(TEXT, _stripped(41), (41,)),
    "merchant": Name(TEXT, _stripped(42), (42,)),
    "currency": element_name(49),
}
"""Names beside `deN` and `deN.path`."""
