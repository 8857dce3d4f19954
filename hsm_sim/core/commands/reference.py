"""The reference of host commands, written from the table: docs/reference/host-commands.md."""

from collections.abc import Sequence
from typing import Final

from hsm_sim.core.commands.groups import GROUPS, Part
from hsm_sim.core.commands.keyfields import KeyField, KeyUse
from hsm_sim.core.commands.row import Command, answer_code
from hsm_sim.core.commands.table import FAMILIES
from hsm_sim.core.errors import CODES
from hsm_sim.core.roles import OPEN, ROLES

_HEAD: Final = """# Host commands

This page is printed from the command table (`hsm_sim/core/commands/`); a test holds it equal.

A frame is two bytes of length (big-endian, of what follows), a header that is echoed (4 characters unless the
setting says otherwise), the command, its data, optionally `%` and two digits that choose the LMK, optionally X'19'
and a trailer of at most 32 bytes that is echoed. The answer's code is the command with its second character raised by
one; an error code follows, and the data after `00` or after a warning.

Notation: n`N` digits, n`H` hex digits, n`A` printable characters, n`B` bytes, `K` a key: `K` and three hex digits (a
place in the party's own key table), bare hex or `U`, `T`, `X`, `Y` and hex (under a variant LMK), `S` or `R` and a key
block. Fields in brackets are there only if their mark or their condition is. Roles: {roles}; `{open}` is the open port
under the public test LMKs. A role that a command does not name is answered `68`.
"""


def reference() -> str:
    """Return the whole page."""
    parts = [_HEAD.format(roles=", ".join(f"`{role}`" for role in ROLES), open=OPEN)]
    for family, rows in FAMILIES.items():
        parts.append(f"## {family}\n")
        parts += [_entry(row) for row in rows]
    codes = "\n".join(f"| `{code}` | {text} |" for code, text in sorted(CODES.items()))
    parts.append(f"## Error codes\n\n| code | meaning |\n| --- | --- |\n{codes}\n")
    return "\n".join(parts)


def _entry(row: Command) -> str:
    lines = [f"### {row.code} / {answer_code(row.code)}: {row.about}\n"]
    if row.fields or row.options:
        lines += ["| request field | layout |", "| --- | --- |", *_table(row.fields)]
        lines += [f"| option | {option.layout} |" for option in row.options]
        lines.append("")
    if row.answer:
        lines += ["| answer field | layout |", "| --- | --- |", *_table(row.answer), ""]
    lines += [f"- `{field.name}`: {_use(field)}" for field in row.keys]
    lines.append(f"- roles: {', '.join(role for role in (*ROLES, OPEN) if role in row.roles)}")
    if row.is_authorised:
        lines.append("- needs the authorised state, else `17`")
    if row.warnings:
        lines.append(f"- warnings that come with data: {', '.join(f'`{code}`' for code in row.warnings)}")
    lines += [f"- `{code}`: {meaning}" for code, meaning in sorted(row.codes.items())]
    lines.append(f"- {row.source}\n")
    return "\n".join(lines)


def _table(parts: Sequence[Part]) -> list[str]:
    return [
        f"| | {part.layout} |" if isinstance(part, GROUPS) else f"| {part.name} | {part.layout} |" for part in parts
    ]


def _use(field: KeyField) -> str:
    if not isinstance(field.use, KeyUse):
        return "a key of the kind that the command names"
    types = [usage for usage in field.use.usages if len(usage) == 3]
    usages = [usage for usage in field.use.usages if len(usage) == 2]
    mode = f", mode of use {field.use.mode}" if field.use.mode else ""
    return f"key type {' or '.join(types) or 'none'}; key block usage {', '.join(usages) or 'none'}{mode}"


if __name__ == "__main__":
    print(reference(), end="")
