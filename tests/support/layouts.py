"""Commands made from the table's layouts alone, for tests that walk over every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.groups import Literal, Marked, Part, When
from hsm_sim.core.commands.keyfields import KeyField
from hsm_sim.core.commands.row import Command
from hsm_sim.core.errors import HsmError

USUAL: dict[str, str] = {
    "key_type": "FFF",
    "type_code": "FF",
    "length_flag": "F",
    "count": "2",
    "bdk_type": "1",
    "reserved": "0",
}
"""Values by field name that lead on to the key fields of a row."""

CHOICES: tuple[dict[str, str], ...] = (
    {},
    *({"mode": mode} for mode in "1234B"),
    {"mode": "1", "zmk_flag": "1"},
    {"zmk_flag": "1"},
)
"""Further values, where one sample of a row does not reach every key field; a row leaves out what it cannot take."""

_TEXTS = tuple(character * length for character in "01CFNK;" for length in range(1, 41))
_CANDIDATES = (*(text.encode() for text in _TEXTS), b"123456789012;", b"00", b"J" + b"0" * 32, b"")


def samples(row: Command, keys: dict[str, str]) -> Iterator[tuple[bytes, dict[str, Value]]]:
    """Build commands of a row: well-formed, with the given keys in its key fields; their content means nothing."""
    seen = set()
    for choice in CHOICES:
        values: dict[str, Value] = {}
        data = _written(row.fields, {**USUAL, **choice}, keys, values)
        if data not in seen:
            seen.add(data)
            yield row.code.encode() + data, values


def _written(parts: Sequence[Part], wanted: dict[str, str], keys: dict[str, str], values: dict[str, Value]) -> bytes:
    data = b""
    for part in parts:
        if isinstance(part, Literal):
            data += part.mark
        elif type(part) is When:
            data += _written(part.parts, wanted, keys, values) if part.applies(values) else b""
        elif not isinstance(part, Marked):
            data += _one(part, wanted, keys, values)
    return data


def _one(part: Part, wanted: dict[str, str], keys: dict[str, str], values: dict[str, Value]) -> bytes:
    name = getattr(part, "name", "")
    given = [keys.get(name, "K000")] if isinstance(part, KeyField) else [wanted[name]] if name in wanted else []
    given += getattr(part, "options", ())
    announced = getattr(part, "behind", 0)
    behind = b"0" * (announced(values) if callable(announced) else announced)
    for candidate in (*(text.encode() for text in given), *_CANDIDATES):
        read = dict(values)
        try:
            if hasattr(part, "parse"):
                end = part.parse(candidate + behind, 0, read)
            else:
                read[name], end = part.read(candidate + behind, 0, read)
        except (HsmError, IndexError):
            continue
        if end == len(candidate):
            values.update(read)
            return candidate
    raise AssertionError(f"no sample for {name or type(part).__name__}")
