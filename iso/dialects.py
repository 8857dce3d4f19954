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

__all__ = ["DIALECT_NAMES", "dialect"]


class _Row(NamedTuple):
    version: str
    style: WireStyle
    framing: str = "len2-be"
    header: str = "none"
    default_header: str = ""
    mac: bool = False
    rules: Mapping[int, str] = MappingProxyType({})


_ROWS = {
    # Terminal to acquirer: everything packed, a TPDU in front (id 60, destination 0001, source 0002).
    "pos-bcd87": _Row("1987", WireStyle("ascii", "bcd", "bcd", "b"), header="tpdu", default_header="6000010002"),
    # Acquirer to network: characters, binary bitmap, a MAC at the end.
    "net-bin87": _Row("1987", WireStyle("ascii", "text", "text", "b"), mac=True),
    # Issuer: readable, hexadecimal bitmap; binary elements stay binary.
    "ascii87": _Row("1987", WireStyle("ascii", "text", "text", "hex")),
    # Issuer on a mainframe: EBCDIC (code page 500), 1993 elements.
    "ebcdic93": _Row("1993", WireStyle("cp500", "text", "text", "b")),
}

DIALECT_NAMES = tuple(_ROWS)
"""Names that `dialect` knows."""


@cache
def dialect(name: str) -> Dialect:
    """Find a dialect by name.

    Parameters
    ----------
    name
        One of `DIALECT_NAMES`.

    Returns
    -------
    Dialect
        Always the same object for the same name.

    Raises
    ------
    ConfigError
        No dialect has this name.

    Examples
    --------
    >>> dialect("ebcdic93")
    Dialect('ebcdic93', 1993)
    """
    row = _ROWS.get(name)
    if row is None:
        raise ConfigError("dialects", "name", name, f"one of {', '.join(DIALECT_NAMES)}")
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
    )
