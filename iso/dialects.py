"""The dialects that come with the house, and `dialect(name)` to find one.

Each is one row: a version's table of elements, a way of writing, and what goes around a message. To add one, add a
row; to change elements, give the rules that differ. Dialects are built when first asked for: importing costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from iso.dialect import Dialect
from iso.elements import NAMES, RULES
from iso.errors import ConfigError
from iso.formats import WireStyle, field_format, parse_rule
from iso.meanings import MEANINGS_BASE1, Meaning

__all__ = ["DIALECT_NAMES", "Row", "build", "dialect", "known_names", "register", "row_of"]


class Row(NamedTuple):
    """What makes a dialect: a version's elements, a way of writing, and what goes around a message."""

    version: str
    style: WireStyle
    framing: str = "len2-be"
    header: str = "none"
    default_header: str = ""
    mac: bool = False
    rules: Mapping[int, str] = MappingProxyType({})
    meanings: Mapping[int, Meaning] = MappingProxyType({})


_TEXT_HEX = WireStyle("ascii", "text", "text", "hex")
_PACKED = WireStyle("ascii", "bcd", "bcd", "b")
# Length 22, format 01, text format 02, total length (written anew each time), destination, source, and the rest zero.
_BASE1_HEADER = "160102" + "00" * 19

_ROWS = {
    # Terminal to acquirer: everything packed, a TPDU in front (id 60, destination 0001, source 0002).
    "pos-bcd87": Row("1987", _PACKED, header="tpdu", default_header="6000010002"),
    # Acquirer to network: characters, binary bitmap, a MAC at the end.
    "net-bin87": Row("1987", WireStyle("ascii", "text", "text", "b"), mac=True),
    # Issuer: readable, hexadecimal bitmap; binary elements stay binary.
    "ascii87": Row("1987", _TEXT_HEX),
    # Nothing but characters: binary elements in hexadecimal too. The form that dissectors read best.
    "ascii87-hex": Row("1987", _TEXT_HEX._replace(binary="hex")),
    # Mainframes in the code page of their Unix side; cp037 and cp500 are one word in a dialect file away.
    "ebcdic87": Row("1987", WireStyle("cp1047", "text", "text", "b")),
    # Issuer on a mainframe: EBCDIC (code page 500), 1993 elements.
    "ebcdic93": Row("1993", WireStyle("cp500", "text", "text", "b")),
    "ascii93": Row("1993", _TEXT_HEX),
    "bcd93": Row("1993", _PACKED),
    "ascii2003": Row("2003", _TEXT_HEX),
    # One network's host link: packed digits, EBCDIC characters, one byte of length whatever the element, a header of
    # 22 bytes (common practice of open implementations; the network's manual was not seen).
    "base1": Row(
        "1987",
        WireStyle("cp1047", "bcd", "b1", "b"),
        framing="visa",
        header="base1",
        default_header=_BASE1_HEADER,
        meanings=MEANINGS_BASE1,
    ),
}

DIALECT_NAMES = tuple(_ROWS)
"""Names of the built-in dialects."""


_OWN: dict[str, Dialect] = {}


def register(own: Dialect) -> None:
    """Let `dialect` find a user's own dialect by its name, from now on and everywhere in this process.

    Raises
    ------
    ConfigError
        The name is that of a built-in dialect.
    """
    if own.name in _ROWS:
        raise ConfigError("dialects", "name", own.name, "a name that no built-in dialect has")
    _OWN[own.name] = own


def known_names() -> tuple[str, ...]:
    """Return every name that `dialect` finds: the built-in ones and those that were registered."""
    return (*DIALECT_NAMES, *sorted(_OWN))


def dialect(name: str) -> Dialect:
    """Find a dialect by name.

    Parameters
    ----------
    name
        One of `known_names()`.

    Returns
    -------
    Dialect
        Always the same object for the same name, unless it is registered anew.

    Raises
    ------
    ConfigError
        No dialect has this name.

    Examples
    --------
    >>> dialect("ebcdic93")
    Dialect('ebcdic93', 1993)
    """
    own = _OWN.get(name)
    return own if own is not None else _built_in(name)


@cache
def _built_in(name: str) -> Dialect:
    row = _ROWS.get(name)
    if row is None:
        raise ConfigError("dialects", "name", name, f"one of {', '.join(known_names())}")
    return build(name, row)


def row_of(name: str) -> Row | None:
    """Give what a built-in dialect is made of, to make another one of it."""
    return _ROWS.get(name)


def build(name: str, row: Row) -> Dialect:
    """Make a dialect of a row."""
    rules = RULES[row.version] | {element: parse_rule(rule) for element, rule in row.rules.items()}
    return Dialect(
        name=name,
        version=row.version,
        formats={element: field_format(rule, row.style) for element, rule in rules.items()},
        mti_encoding="b" if row.style.numeric == "bcd" else row.style.text,
        bitmap_encoding="b" if row.style.bitmap == "b" else row.style.text,
        framing=row.framing,
        header=row.header,
        default_header=row.default_header,
        mac=row.mac,
        names=NAMES[row.version],
        meanings=row.meanings,
    )
