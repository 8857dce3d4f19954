"""Dissectors: any dialect as a Lua script with which Wireshark and tshark read it.

Use it with `tshark -X lua_script:ascii87.lua -d tcp.port==8441,cardrails_ascii87 -r capture.pcapng`. The script is data
(the dialect's tables) and one fixed program that walks them, the same for every dialect. Fields are called
`cardrails_ascii87.mti`, `.de4`, `.de39`. It reads what the strict codec reads; what does not decode is shown as far as
it goes, with `.malformed` where it stops.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

from iso import ConfigError, Dialect
from iso.formats import FieldFormat
from iso.framing import framing

_INCLUSIVE = "-inclusive"
_DELIMITED = {"stx-etx": 0, "stx-etx-lrc": 1}


def protocol_name(dialect: Dialect) -> str:
    """Return what the dialect is called in display filters and in `-d tcp.port==N,NAME`.

    Examples
    --------
    >>> from iso import dialect
    >>> protocol_name(dialect("pos-bcd87"))
    'cardrails_pos_bcd87'
    """
    return "cardrails_" + re.sub(r"[^a-z0-9]+", "_", dialect.name.lower())


def lua_dissector(dialect: Dialect, ports: Iterable[int] = ()) -> str:
    """Generate the dissector of a dialect.

    Parameters
    ----------
    dialect
        Its formats, header, bitmaps and framing decide everything.
    ports
        TCP ports to claim; others are claimed with `-d`.

    Returns
    -------
    str
        A Lua script, ASCII.

    Raises
    ------
    ConfigError
        The framing has no name that this can express.
    """
    formats = dialect.formats
    encodings = {dialect.mti_encoding, dialect.bitmap_encoding, "ascii"}
    for what in formats.values():
        encodings |= {what.encoding, what.prefix_encoding}
    data = {
        "protocol": protocol_name(dialect),
        "title": f"ISO 8583 {dialect.name}",
        "header_bytes": dialect.header_bytes,
        "mti_encoding": dialect.mti_encoding,
        "bitmap_encoding": dialect.bitmap_encoding,
        "third_bitmap": dialect.third_bitmap,
        "ports": list(ports),
        "framing": _framing(dialect.framing),
        "charsets": {name: _charset(name) for name in sorted(encodings - {"b", "bcd"})},
        "elements": {number: _element(what, dialect.names.get(number, "")) for number, what in formats.items()},
    }
    return (
        f"-- ISO 8583 as the dialect {dialect.name} writes it. Made by cardrails from its tables.\n"
        f"local D = {_lua(data)}\n\n{_program()}"
    )


def _element(what: FieldFormat, name: str) -> dict[str, object]:
    return {
        "name": name,
        "kind": what.kind,
        "size": what.size,
        "prefix_bytes": what.prefix_bytes,
        "prefix_encoding": what.prefix_encoding,
        "encoding": what.encoding,
        "nibbles": what.nibbles,
        "left_pad": what.left_pad,
    }


def _framing(name: str) -> dict[str, object]:
    framing(name)
    base, *options = name.split("+")
    if base in _DELIMITED:
        return {"kind": "marks", "width": 2 + _DELIMITED[base], "check": _DELIMITED[base]}
    lead = trail = after = 0
    for option in options:
        kind, _, text = option.partition(":")
        size = len(text) // 2
        lead, trail, after = (
            lead + (option == "stx"),
            trail + (option == "etx") + size * (kind == "trailer"),
            after + size * (kind == "after"),
        )
    form = base.removesuffix(_INCLUSIVE)
    width = 2 if form.startswith("len2") else 4
    kinds = {"len2-be": "be", "len4-be": "be", "len2-le": "le", "len4-le": "le", "len2-bcd": "bcd"}
    kinds |= {"len4-ascii": "digits", "len4-hex": "hex", "visa": "visa"}
    if form not in kinds:
        raise ConfigError("dissector", "framing", name, f"one of {', '.join(kinds)}, with or without {_INCLUSIVE}")
    extra = width if base.endswith(_INCLUSIVE) else 0
    return {"kind": kinds[form], "width": width, "extra": extra, "lead": lead, "trail": trail, "after": after}


@cache
def _charset(encoding: str) -> list[str]:
    """Return what each byte means, from 0 to 255; what cannot be shown is a full stop."""
    characters = [bytes((code,)).decode(encoding, "replace") for code in range(256)]
    return [one if one.isprintable() and one != "\ufffd" else "." for one in characters]


def _lua(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + "".join(_lua_byte(code) for code in value.encode()) + '"'
    if isinstance(value, list):
        return "{" + ", ".join(_lua(one) for one in value) + "}"
    assert isinstance(value, dict)
    rows = [f"[{_lua(key)}] = {_lua(one)}" for key, one in value.items()]
    return "{\n" + ",\n".join(rows) + "}"


def _lua_byte(code: int) -> str:
    is_plain = 0x20 <= code < 0x7F and chr(code) not in '"\\'
    return chr(code) if is_plain else f"\\{code:03d}"


@cache
def _program() -> str:
    return (resources.files("node") / "dissector.lua").read_text("ascii")
