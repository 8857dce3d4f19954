"""Messages as people read them. What comes in here is masked already."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from emulator.explain import Explanation, Part, Piece
from gateway.core.telling import private_tags
from iso import Dialect

PRIVATE_NAMES = {
    "01": "CVV2",
    "02": "CVV2 result",
    "03": "address and postcode",
    "04": "AVS result",
    "05": "token cryptogram",
    "06": "ECI",
    "07": "CAVV",
    "08": "partial approval supported",
    "09": "stand-in",
    "10": "network transaction id",
    "11": "advice code",
    "12": "initiator",
    "13": "trace id",
}


def message_lines(mti: str, fields: Mapping[int, str], spoken: Dialect, indent: str = "") -> list[str]:
    """Return a message as aligned lines: element, name, value; DE 48 with its tags."""
    lines = [f"{indent}MTI  {mti}  ({spoken.name})"]
    for element in sorted(fields):
        lines.append(f"{indent}{element:>3}  {spoken.names.get(element, '')[:36]:<36}  {fields[element]}")
        if element == 48:
            lines += _private_lines(fields[element], indent)
    return lines


def _private_lines(text: str, indent: str) -> list[str]:
    tags = private_tags(text)
    return [f"{indent}     .{tag} {PRIVATE_NAMES.get(tag, 'private'):<33}  {value}" for tag, value in tags.items()]


_ROW_BYTES = 16


def explanation_lines(explained: Explanation, *, colour: bool = False) -> list[str]:
    """Return a message byte by byte: offset, the bytes in rows of 16, and what they are beside them."""
    lines = [f"{'offset':>6}  {'bytes':<{2 * _ROW_BYTES}}  {explained.dialect.name}"]
    for piece in explained.pieces:
        texts = [_headline(piece)]
        if piece.meaning:
            texts.append(f"     = {piece.meaning}")
        texts += [_part_line(part) for part in piece.parts]
        rows = [piece.raw[at : at + 2 * _ROW_BYTES] for at in range(0, len(piece.raw), 2 * _ROW_BYTES)] or [""]
        for number in range(max(len(rows), len(texts))):
            raw = rows[number] if number < len(rows) else ""
            offset = str(piece.start + number * _ROW_BYTES) if raw or not number else ""
            text = texts[number] if number < len(texts) else ""
            left = f"{offset:>6}  {raw:<{2 * _ROW_BYTES}}"
            lines.append(f"{dim(left) if colour else left}  {text}".rstrip())
    return lines


def _headline(piece: Piece) -> str:
    if piece.kind == "element":
        return (
            f"{piece.element:>3}  {piece.name}: {piece.value}" if piece.name else f"{piece.element:>3}  {piece.value}"
        )
    if piece.kind in ("mti", "bitmap"):
        return f"{piece.name:>6}  {piece.value}"
    return f"{piece.kind}: {piece.name} {piece.value}".rstrip()


def _part_line(part: Part) -> str:
    where = "" if part.start is None else f"  @{part.start}"
    name = f"{part.name}: " if part.name and part.value else part.name
    return (
        f"     {'  ' * part.depth}.{part.tag} {name}{part.value.rstrip()}{where}" if part.tag else f"     ({part.name})"
    )


def wants_colour() -> bool:
    """Say whether the output is a terminal whose user has not asked for plain text (NO_COLOR)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def dim(text: str) -> str:
    """Return text in a fainter colour, for terminals."""
    return f"\x1b[2m{text}\x1b[0m"
