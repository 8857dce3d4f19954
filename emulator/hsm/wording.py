r"""A host command as people write it down, and its answer as they want to read it.

Two ways: the command as it stands on the wire (`CW...`, bytes as `\x1F`, or `hex:4357...`), or its code and
`NAME=VALUE` for each field of its layout. Fields that are bytes on the wire take hexadecimal, or `text:...`; key fields
take `@NAME` for a published test key (`emulator.hsm.keyring`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from emulator.hsm.keyring import VARIANT_LMK, key_field
from hsm_sim.core.commands.fields import Block, Field, Raw, Rest, Value
from hsm_sim.core.commands.groups import GROUPS, Part, fields_of
from hsm_sim.core.commands.keyfields import KeyField, KeyUse
from hsm_sim.core.commands.row import Command, answer_code
from hsm_sim.core.commands.table import COMMANDS, FAMILIES
from hsm_sim.core.commands.wire import decode_answer, decode_command, encode_command
from hsm_sim.core.errors import CODES, OK, HsmError
from hsm_sim.core.roles import OPEN, ROLES
from iso import CardrailsError, ConfigError, RemoteProtocolError

_HEX_MARK = "hex:"
_TEXT_MARK = "text:"
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})|\\(\\)")
_BYTES = (Block, Raw, Rest)
_LMK = "lmk"
_PUBLISHED = "@"


class Asked(NamedTuple):
    """A command that is ready to be sent.

    Attributes
    ----------
    code
        str[2], or what stands in its place.
    data
        Code and data, without header.
    values
        By the names of the table, as far as they can be read; an answer may need them to be read.
    trailer
        Bytes at the end that the answer repeats.
    """

    code: str
    data: bytes
    values: dict[str, Value]
    trailer: bytes = b""

    def __repr__(self) -> str:
        return f"Asked({self.code!r})"


class Said(NamedTuple):
    """An answer.

    Attributes
    ----------
    answer_code, error
        str[2] each.
    meaning
        The error code in words.
    fields
        By the names of the table; bytes in hex.
    data
        What followed the error code, if the table could not read it.
    """

    answer_code: str
    error: str
    meaning: str
    fields: dict[str, str]
    data: str = ""

    def __repr__(self) -> str:
        return f"Said({self.answer_code!r}, {self.error!r})"

    @property
    def is_done(self) -> bool:
        """Whether the command was carried out: no error, or a warning that came with its data."""
        return self.error == OK or bool(self.fields)


def read_command(words: Sequence[str], lmk: str = "") -> Asked:
    """Read a command from the command line.

    Parameters
    ----------
    words
        The whole command as one word, or code and `NAME=VALUE` words.
    lmk
        LMK identifier to add, two digits.

    Raises
    ------
    ConfigError
        A field is unknown or repeated, or a word is neither.
    CardrailsError
        A value does not fit its field, or hexadecimal is not.
    """
    if len(words) > 1 or (len(words[0]) == 2 and COMMANDS.get(words[0]) and COMMANDS[words[0]].fields):
        return _by_names(words[0], words[1:], lmk)
    data = _raw(words[0])
    code = data[:2].decode("latin-1")
    row = COMMANDS.get(code)
    values: dict[str, Value] = {}
    trailer = b""
    if row is not None:
        try:
            values, _, trailer = decode_command(row, data, 2)
        except HsmError:
            values, trailer = {}, b""  # the HSM says what is wrong with it
    if lmk:
        data = data[: len(data) - len(trailer)] + b"%" + lmk.encode("ascii") + trailer
    return Asked(code, data, values, trailer)


def read_answer(asked: Asked, answer: bytes) -> Said:
    """Read the answer to a command by the table; what the table does not know is shown as it is."""
    body = answer[: len(answer) - len(asked.trailer)] if asked.trailer else answer
    code, error = body[:2].decode("latin-1"), body[2:4].decode("latin-1")
    meaning = COMMANDS[asked.code].codes.get(error, "") if asked.code in COMMANDS else ""
    meaning = meaning or CODES.get(error, "not in the table of codes")
    values: dict[str, Value] = {}
    if asked.code in COMMANDS:
        try:
            _, values = decode_answer(asked.code, body, asked.values)
        except (RemoteProtocolError, KeyError):
            values = {}
    fields = {name: _shown(value) for name, value in values.items()}
    data = "" if fields else _shown(body[4:]) if not body[4:].isascii() else _printable(body[4:])
    return Said(code, error, meaning, fields, data)


def answer_lines(said: Said, is_verbose: bool = True) -> list[str]:
    """Return an answer for people."""
    lines = [f"{said.answer_code}  {said.error} {said.meaning}"]
    width = max(map(len, said.fields), default=0)
    lines += [f"  {name.ljust(width)}  {value}" for name, value in said.fields.items()]
    if said.data and is_verbose:
        lines.append(f"  {said.data}")
    return lines


def list_lines() -> list[str]:
    """Return every command in a line, by family."""
    lines: list[str] = []
    for family, rows in FAMILIES.items():
        lines += [family, *(f"  {row.code} {answer_code(row.code)}  {row.about}" for row in rows)]
    return lines


def layout_of(code: str) -> Command:
    """Return the row of a command; `ConfigError` if there is none."""
    row = COMMANDS.get(code.upper())
    if row is None:
        raise ConfigError("command line", "CODE", code, f"must be one of {' '.join(sorted(COMMANDS))}")
    return row


def layout_lines(row: Command) -> list[str]:
    """Return everything that the table says about a command, for people."""
    lines = [f"{row.code} {answer_code(row.code)}  {row.about}"]
    for title, parts in (("request", row.fields), ("options", row.options), ("answer", row.answer)):
        if parts:
            lines += [title, *(f"  {name.ljust(16)} {layout}" for name, layout in _layout(parts))]
    if row.keys:
        lines += ["keys", *(f"  {field.name.ljust(16)} {use_of(field)}" for field in row.keys)]
    if row.codes:
        lines += ["codes", *(f"  {code.ljust(16)} {meaning}" for code, meaning in sorted(row.codes.items()))]
    lines.append(f"roles   {', '.join(roles_of(row))}")
    if row.is_authorised:
        lines.append("needs the authorised state, else 17")
    lines.append(f"source  {row.source}")
    return lines


def layout_json(row: Command) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "code": row.code,
        "answer_code": answer_code(row.code),
        "about": row.about,
        "request": [{"name": name, "layout": layout} for name, layout in _layout(row.fields)],
        "options": [layout for _, layout in _layout(row.options)],
        "answer": [{"name": name, "layout": layout} for name, layout in _layout(row.answer)],
        "keys": {field.name: use_of(field) for field in row.keys},
        "codes": dict(row.codes),
        "roles": roles_of(row),
        "authorised": row.is_authorised,
        "source": row.source,
    }


def roles_of(row: Command) -> list[str]:
    """Return who may send a command, in the order of a payment's path."""
    return [role for role in (*ROLES, OPEN) if role in row.roles]


def use_of(field: KeyField) -> str:
    """Return what a key must be for."""
    if not isinstance(field.use, KeyUse):
        return "of the kind that the fields before it name"
    types = " ".join(usage for usage in field.use.usages if len(usage) == 3)
    usages = " ".join(usage for usage in field.use.usages if len(usage) == 2)
    mode = f", mode {field.use.mode}" if field.use.mode else ""
    return f"key type {types or 'none'}; key block usage {usages or 'none'}{mode}"


def _layout(parts: Sequence[Part]) -> list[tuple[str, str]]:
    return [("", part.layout) if isinstance(part, GROUPS) else (part.name, part.layout) for part in parts]


def _by_names(code: str, words: Sequence[str], lmk: str) -> Asked:
    row = layout_of(code)
    known = {field.name: field for field in fields_of((*row.fields, *row.options))}
    values: dict[str, Value] = {_LMK: lmk} if lmk else {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ConfigError("command line", row.code, "hidden", "takes NAME=VALUE words, or the command as one word")
        if name not in known or name in values:
            rule = "must be given once" if name in values else f"must be one of {', '.join(known) or 'none'}"
            raise ConfigError("command line", f"{row.code} field", name, rule)
        values[name] = _value(known[name], text, lmk)
    return Asked(row.code, encode_command(row.code, values), values)


def published(text: str, lmk: str) -> str:
    """Return a key field; `@NAME` is a published test key under an LMK ("": under 00)."""
    return key_field(text[1:], lmk or VARIANT_LMK) if text.startswith(_PUBLISHED) else text


def _value(field: Field, text: str, lmk: str) -> Value:
    if isinstance(field, KeyField):
        return published(text, lmk)
    if not isinstance(field, _BYTES):
        return text
    if text.startswith(_TEXT_MARK):
        return _unescaped(text.removeprefix(_TEXT_MARK))
    return _from_hex(text.removeprefix(_HEX_MARK))


def _raw(word: str) -> bytes:
    return _from_hex(word.removeprefix(_HEX_MARK)) if word.startswith(_HEX_MARK) else _unescaped(word)


def _unescaped(text: str) -> bytes:
    def byte(found: re.Match[str]) -> str:
        return "\\" if found[2] else chr(int(found[1], 16))

    try:
        return _ESCAPE.sub(byte, text).encode("latin-1")
    except UnicodeEncodeError:
        pass
    raise CardrailsError(r"a command is written in ASCII, other bytes as \x1F, or all of it as hex:...")


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    raise CardrailsError("bytes must be given as hexadecimal digits, two for each byte, or as text:...")


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else value.hex().upper()


def _printable(data: bytes) -> str:
    text = data.decode("ascii")
    return text if text.isprintable() else data.hex().upper()
