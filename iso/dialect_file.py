"""A user's own dialect, from TOML: start from a built-in one or from a version's elements, and say what differs.

The text of the file comes in, a `Dialect` comes out; reading files is not this package's business. Whatever is wrong is
said in one line that names file, key, value and rule. The format is described in docs/reference/dialect-file.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from iso.dialect import Dialect
from iso.dialects import DIALECT_NAMES, Row, build, row_of
from iso.errors import ConfigError, LocalProtocolError
from iso.formats import FieldFormat, WireStyle, field_format, parse_rule
from iso.framing import framing
from iso.meanings import MEANINGS, Codes, Meaning, Part
from iso.subfields import Layout, layout_from

__all__ = ["dialect_from_toml"]

_STYLE = {
    "text": None,
    "numeric": ("text", "bcd"),
    "lengths": ("text", "bcd", "b", "b1"),
    "bitmap": ("b", "hex"),
    "binary": ("b", "hex"),
    "pad": ("left", "right"),
    "pad_digit": tuple("0123456789ABCDEF"),
}
_PLAIN: dict[str, type] = {
    "framing": str,
    "header": str,
    "header_bytes": int,
    "default_header": str,
    "mac": bool,
    "third_bitmap": str,
    "lenient": bool,
    "approved_codes": list,
}
_TOP = {"name", "base", "version", "elements", "meanings", "layouts", *_STYLE, *_PLAIN}
_LAST_ELEMENT = 192
# Longer than any real element, and a bound on the tables that an element costs.
_SIZE_MAX = 65_535


def dialect_from_toml(text: str, file: str = "dialect.toml") -> Dialect:
    r"""Make a dialect of the text of a TOML file.

    Parameters
    ----------
    text
        The file's content.
    file
        Its name, for errors.

    Returns
    -------
    Dialect

    Raises
    ------
    ConfigError
        The text is not TOML, a key is unknown, or a value breaks its rule; one line that names file and key.

    Examples
    --------
    >>> spoken = dialect_from_toml('name = "my-host"\nbase = "ascii87"\nlengths = "bcd"\n[elements]\n48 = "ans..50"')
    >>> spoken, spoken.formats[48].prefix_bytes
    (Dialect('my-host', 1987), 1)
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = str(error)
    else:
        return _Reader(document, file).dialect()
    raise ConfigError(file, "(file)", problem, "TOML")


class _Reader:
    def __init__(self, document: dict[str, Any], file: str) -> None:
        self.document = document
        self.file = file

    def wrong(self, key: str, value: object, rule: str) -> ConfigError:
        return ConfigError(self.file, key, value, rule)

    def take(self, table: Mapping[str, Any], key: str, kind: type, path: str = "") -> Any:
        value = table[key]
        if type(value) is not kind:
            raise self.wrong(path + key, value, f"a TOML {_TOML_NAMES[kind]}")
        return value

    def only(self, table: Mapping[str, Any], allowed: set[str], path: str = "") -> None:
        for key in table:
            if key not in allowed:
                raise self.wrong(path + key, table[key], f"one of the keys {', '.join(sorted(allowed))}")

    def dialect(self) -> Dialect:
        document = self.document
        self.only(document, _TOP)
        if "name" not in document:
            raise self.wrong("name", None, "a dialect has a name")
        name = self.take(document, "name", str)
        row = self.row()
        row = row._replace(style=self.style(document, row.style))
        plain = {key: self.take(document, key, kind) for key, kind in _PLAIN.items() if key in document}
        if "approved_codes" in plain:
            plain["approved_codes"] = self.codes(plain["approved_codes"])
        if "header" in plain:
            plain.setdefault("header_bytes", 0)
            plain.setdefault("default_header", "")
        if plain.get("header_bytes", 0) not in range(256):
            raise self.wrong("header_bytes", plain["header_bytes"], "0 to 255")
        if "framing" in plain:
            self.framing(plain["framing"])
        try:
            spoken = build(name, row)
            formats, names = self.elements(row, dict(spoken.formats), dict(spoken.names))
            meanings = self.meanings(row)
            layouts = self.layouts(formats)
            return replace(spoken, formats=formats, names=names, meanings=meanings, layouts=layouts, **plain)
        except ConfigError as error:
            if error.file == self.file:
                raise
            found = error
        raise self.wrong(found.key, found.value, found.rule)

    def framing(self, name: str) -> None:
        try:
            framing(name)
        except ConfigError as error:
            rule = error.rule
        else:
            return
        raise self.wrong("framing", name, rule)

    def row(self) -> Row:
        if "base" in self.document:
            base = self.take(self.document, "base", str)
            row = row_of(base)
            if row is None:
                raise self.wrong("base", base, f"one of {', '.join(DIALECT_NAMES)}")
            if "version" in self.document and self.document["version"] != row.version:
                raise self.wrong("version", self.document["version"], f"{row.version}, as in the base, or left out")
            return row
        version = self.take(self.document, "version", str) if "version" in self.document else None
        if version not in MEANINGS:
            raise self.wrong("version", version, f"one of {', '.join(MEANINGS)}, or a base")
        return Row(version, WireStyle("ascii", "text", "text", "b"))

    def style(self, table: Mapping[str, Any], style: WireStyle, path: str = "") -> WireStyle:
        for key, allowed in _STYLE.items():
            if key not in table:
                continue
            value = self.take(table, key, str, path)
            if allowed is not None and value not in allowed:
                raise self.wrong(path + key, value, f"one of {', '.join(allowed)}")
            if allowed is None:
                self.character_set(path + key, value)
            style = style._replace(**{key: value})
        return style

    def character_set(self, key: str, value: str) -> None:
        try:
            usable = len("0123456789ABCDEF".encode(value)) == 16
        except (LookupError, TypeError, UnicodeError):
            usable = False
        if not usable:
            raise self.wrong(key, value, "a character set of Python with one byte a character (ascii, cp1047, ...)")

    def codes(self, values: list[Any]) -> frozenset[str]:
        for value in values:
            if not isinstance(value, str):
                raise self.wrong("approved_codes", value, "a list of strings")
        return frozenset(values)

    def number(self, key: str, path: str, last: int = _LAST_ELEMENT) -> int:
        if not (key.isascii() and key.isdigit() and 2 <= int(key) <= last):
            raise self.wrong(path + key, key, f"an element from 2 to {last}")
        return int(key)

    def elements(
        self, row: Row, formats: dict[int, FieldFormat], names: dict[int, str]
    ) -> tuple[dict[int, FieldFormat], dict[int, str]]:
        table = self.take(self.document, "elements", dict) if "elements" in self.document else {}
        for key, given in table.items():
            element = self.number(key, "elements.")
            if given == "none":
                formats.pop(element, None)
                names.pop(element, None)
                continue
            path = f"elements.{key}"
            style = row.style
            if isinstance(given, dict):
                self.only(given, {"rule", "name", *_STYLE} - {"bitmap"}, f"{path}.")
                if "rule" not in given:
                    raise self.wrong(f"{path}.rule", None, _RULE)
                style = self.style(given, style, f"{path}.")
                if "name" in given:
                    names[element] = self.take(given, "name", str, f"{path}.")
                given = given["rule"]
            formats[element] = self.format(path, given, style)
        return formats, names

    def format(self, path: str, rule: object, style: WireStyle) -> FieldFormat:
        try:
            parsed = parse_rule(rule) if isinstance(rule, str) else None
        except LocalProtocolError:
            parsed = None
        if parsed is None or not 1 <= parsed.size <= _SIZE_MAX or (parsed.kind == "x+n" and parsed.size < 2):
            raise self.wrong(path, rule, _RULE)
        if parsed.kind == "x+n" and style.numeric == "bcd" and not parsed.size & 1:
            raise self.wrong(path, rule, "a packed amount has an even number of digits after its sign")
        if parsed.prefix_digits and parsed.size >= 10**parsed.prefix_digits and style.lengths in ("text", "bcd"):
            raise self.wrong(path, rule, "a length that its dots can say")
        return field_format(parsed, style)

    def layouts(self, formats: Mapping[int, FieldFormat]) -> dict[int, Layout]:
        table = self.take(self.document, "layouts", dict) if "layouts" in self.document else {}
        found = {}
        for key, given in table.items():
            element = self.number(key, "layouts.")
            if element not in formats:
                raise self.wrong(f"layouts.{key}", key, "an element of this dialect")
            if not isinstance(given, dict):
                raise self.wrong(f"layouts.{key}", given, "a TOML table")
            found[element] = layout_from(given, source=self.file, key=f"layouts.{key}")
        return found

    def meanings(self, row: Row) -> dict[int, Meaning]:
        known: dict[int, Meaning] = dict(row.meanings or MEANINGS[row.version])
        table = self.take(self.document, "meanings", dict) if "meanings" in self.document else {}
        for key, words in table.items():
            element = self.number(key, "meanings.")
            path = f"meanings.{key}"
            if not isinstance(words, dict) or not words:
                raise self.wrong(path, words, "a table of code = words")
            for code in words:
                self.take(words, code, str, f"{path}.")
            before = known.get(element)
            if isinstance(before, Codes):
                size = before.parts[0].end - before.parts[0].start
            else:
                size = len(next(iter(words)))
                before = Codes(size, Part(0, size, "{}", {}))
            for code in words:
                if len(code) != size:
                    raise self.wrong(f"{path}.{code}", code, f"a code of {size} characters")
            known[element] = before.extended(words)
        return known


_TOML_NAMES: dict[type, str] = {str: "string", int: "integer", bool: "boolean", list: "array", dict: "table"}
_RULE = f"a kind, dots and a length, as n6, ans..25 or b...999 (at most {_SIZE_MAX}), or none"
