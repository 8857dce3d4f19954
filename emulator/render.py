"""Messages as people read them. What comes in here is masked already."""

from __future__ import annotations

from collections.abc import Mapping

from iso import Dialect, IsoError
from iso.private import parse_private

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


def compact_lines(fields: Mapping[int, str], width: int = 112, indent: str = "   ") -> list[str]:
    """Return a message as wrapped text, `DE value` after `DE value`; DE 48 by its tags."""
    words = []
    for element in sorted(fields):
        tags = _private_tags(fields[element]) if element == 48 else {}
        words += [f"48.{tag} {value}" for tag, value in tags.items()] or [f"{element} {fields[element].strip()}"]
    lines, line = [], indent
    for word in words:
        if len(line) + len(word) > width:
            lines.append(line.rstrip())
            line = indent
        line += f"{word}   "
    return [*lines, line.rstrip()]


def _private_lines(text: str, indent: str) -> list[str]:
    tags = _private_tags(text)
    return [f"{indent}     .{tag} {PRIVATE_NAMES.get(tag, 'private'):<33}  {value}" for tag, value in tags.items()]


def _private_tags(text: str) -> dict[str, str]:
    try:
        return parse_private(text)
    except IsoError:
        return {}
