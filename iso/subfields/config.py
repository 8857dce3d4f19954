"""Layouts from tables: what a user writes in TOML becomes a layout, or one line that says what is wrong.

[elements.48]                      [elements.61]                      [elements.127]
layout = "tlv"                     layout = "positional"              layout = "bitmap"
tag_width = 2                      parts = [                          bitmap_bytes = 8
length_width = 3                     {tag = "entry", width = 2},      parts = {2 = "n..19", 3 = "ans...999"}
names = {01 = "CVV2"}                {tag = "rest", width = 0}]       inside = {3 = {layout = "ber"}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iso.errors import ConfigError, LocalProtocolError
from iso.formats import WireStyle, field_format, parse_rule
from iso.subfields.bertlv import BerTlv
from iso.subfields.bitmapped import Bitmapped
from iso.subfields.node import Layout
from iso.subfields.positional import Part, Positional, Repeated
from iso.subfields.tagged import Tagged

__all__ = ["layout_from"]

_KINDS = ("ber", "tlv", "ltv", "positional", "repeated", "bitmap")
_WIDTHS = ("tag_width", "length_width")
_TAGGED = {
    "tag_encoding": str,
    "length_encoding": str,
    "counts": str,
    "encoding": str,
    "binary": bool,
    "fixed": dict,
    "length_widths": dict,
    "names": dict,
}
_STYLE = {"text": str, "numeric": str, "lengths": str}
_BITMAP = {"bitmap_bytes": int, "bitmap_encoding": str, "continued": bool, "binary": bool}
_POSITIONAL = {"short": bool, "encoding": str, "binary": bool}
_DEPTH_MAX = 8


def layout_from(table: Mapping[str, Any], *, source: object, key: str = "layout", depth: int = 1) -> Layout:
    """Make a layout from a table.

    Parameters
    ----------
    table
        `layout` is "ber", "tlv", "ltv", "positional", "repeated" or "bitmap"; the other keys are the parameters of
        `BerTlv`, `Tagged`, `Positional`, `Repeated` (`most`, and the keys of its row) and `Bitmapped` (`parts` maps a
        number to a rule like "n..19"; `text`, `numeric` and `lengths` say how parts are written). `inside` maps a tag
        to a table, `secrets` lists tags.
    source
        The file, for errors.
    key
        Where in the file the table stands, for errors.
    depth
        How many layouts this one is inside of, and itself.

    Returns
    -------
    Layout

    Raises
    ------
    ConfigError
        One line that names the file, the key, the value and the rule.

    Examples
    --------
    >>> layout = layout_from({"layout": "ltv", "tag_width": 2, "length_width": 2, "counts": "tag+value"}, source="-")
    >>> [(node.tag, node.text) for node in layout.parse(b"05AAxyz02BB")]
    [('AA', 'xyz'), ('BB', '')]
    """
    if depth > _DEPTH_MAX:
        raise ConfigError(source, key, depth, f"layouts at most {_DEPTH_MAX} deep")
    found = _Table(dict(table), source, key, depth)
    kind = found.take("layout", str)
    if kind not in _KINDS:
        raise ConfigError(source, f"{key}.layout", kind, f"one of {', '.join(_KINDS)}")
    rule = ""
    try:
        layout = _make(str(kind), found)
    except (ConfigError, LocalProtocolError) as error:
        if isinstance(error, ConfigError) and error.file != "layout":
            raise
        rule = str(error)
    if rule:
        raise ConfigError(source, key, kind, rule)
    found.end()
    return layout


def _make(kind: str, table: _Table) -> Layout:
    if kind == "ber":
        return BerTlv()
    if kind in ("tlv", "ltv"):
        inside, secrets = table.inside(), table.secrets()
        widths = {name: table.take(name, int) for name in _WIDTHS}
        return Tagged(order=kind, inside=inside, secrets=secrets, **widths, **table.take_all(_TAGGED))
    if kind == "bitmap":
        formats, names = table.parts()
        return Bitmapped(
            formats,
            names=names,
            inside={int(tag): layout for tag, layout in table.inside().items() if tag.isdigit()},
            secrets=frozenset(int(tag) for tag in table.secrets() if tag.isdigit()),
            **table.take_all(_BITMAP),
        )
    most = table.take("most", int) if kind == "repeated" else None
    secrets = table.secrets()
    columns = tuple(part._replace(secret=part.tag in secrets) for part in table.columns())
    row = Positional(columns, **table.take_all(_POSITIONAL))
    return row if most is None else Repeated(row, int(most))


class _Table:
    """A user's table, taken apart key by key: what is left over at the end is a spelling mistake."""

    def __init__(self, table: dict[str, Any], source: object, key: str, depth: int) -> None:
        self._table, self._source, self._key, self._depth = table, source, key, depth

    def fail(self, name: str, value: object, rule: str) -> ConfigError:
        return ConfigError(self._source, f"{self._key}.{name}", value, rule)

    def take(self, name: str, kind: type) -> Any:
        value = self._table.pop(name, None)
        if value is None or type(value) is not kind:
            raise self.fail(name, value, f"a value of type {kind.__name__}")
        return value

    def take_all(self, kinds: Mapping[str, type]) -> dict[str, Any]:
        return {name: self.take(name, kind) for name, kind in kinds.items() if name in self._table}

    def inside(self) -> dict[str, Layout]:
        tables = self.take("inside", dict) if "inside" in self._table else {}
        layouts: dict[str, Layout] = {}
        for tag, table in tables.items():
            if not isinstance(table, dict):
                raise self.fail(f"inside.{tag}", table, "a table with a layout")
            where = f"{self._key}.inside.{tag}"
            layouts[tag] = layout_from(table, source=self._source, key=where, depth=self._depth + 1)
        return layouts

    def secrets(self) -> frozenset[str]:
        tags = self.take("secrets", list) if "secrets" in self._table else []
        if not all(isinstance(tag, str) for tag in tags):
            raise self.fail("secrets", tags, "a list of tags, in quotes")
        return frozenset(tags)

    def columns(self) -> list[Part]:
        columns: list[Part] = []
        for number, row in enumerate(self.take("parts", list)):
            if not isinstance(row, dict) or not set(row) <= {"tag", "width", "name"}:
                raise self.fail(f"parts.{number}", row, "a table of tag, width and name")
            inner = _Table(dict(row), self._source, f"{self._key}.parts.{number}", self._depth)
            name = inner.take("name", str) if "name" in row else ""
            columns.append(Part(inner.take("tag", str), inner.take("width", int), name))
        return columns

    def parts(self) -> tuple[dict[int, Any], dict[int, str]]:
        """Read `parts` of a bitmap: number to rule."""
        style = WireStyle(
            **{"text": "ascii", "numeric": "text", "lengths": "text", "bitmap": "b"} | self.take_all(_STYLE)
        )
        formats: dict[int, Any] = {}
        for number, rule in self.take("parts", dict).items():
            if not (number.isascii() and number.isdigit() and isinstance(rule, str)):
                raise self.fail(f"parts.{number}", rule, 'a number, and a rule such as "n..19"')
            try:
                formats[int(number)] = field_format(parse_rule(rule), style)
            except LocalProtocolError:
                formats[int(number)] = None
            if formats[int(number)] is None:
                raise self.fail(f"parts.{number}", rule, 'a rule such as "n..19"')
        named = self.take("names", dict) if "names" in self._table else {}
        return formats, {int(tag): str(name) for tag, name in named.items() if tag.isdigit()}

    def end(self) -> None:
        for name, value in self._table.items():
            raise self.fail(name, value, "no such key in this layout")
