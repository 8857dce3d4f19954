"""The words of a predicate, and the error that points at one."""

from __future__ import annotations

import re
from typing import NamedTuple

from iso.errors import IsoError
from iso.masks import mask_text

__all__ = ["SOURCE_MAX", "MatchError", "Token", "tokens"]

SOURCE_MAX = 4000
"""The longest predicate, in characters."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<string>"(?:[^"\\]|\\["\\])*"|'(?:[^'\\]|\\['\\])*')
    |(?P<number>-?[0-9][0-9_]*(?![0-9A-Za-z_.]))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)
    |(?P<mark>==|!=|<=|>=|<|>|\(|\)|,)""",
    re.VERBOSE,
)


class MatchError(IsoError):
    """A predicate is not one; show `pointed()` to whoever wrote it.

    Attributes
    ----------
    source
        The predicate, with card numbers masked.
    position
        Index in `source` of the first character that is wrong, from 0.
    rule
        What was expected there.
    """

    def __init__(self, source: str, position: int, rule: str) -> None:
        super().__init__(f"at character {position + 1}: {rule}")
        self.source = mask_text(source)
        self.position = position
        self.rule = rule

    def pointed(self) -> str:
        """Give three lines: the predicate, a caret under the fault, and the rule."""
        before = self.source[: self.position]
        # A long or broken source is shown from the line of the fault on, so that the caret stands under it.
        line = before.rpartition("\n")[2]
        rest = self.source[self.position :].partition("\n")[0]
        return f"{line}{rest}\n{' ' * len(line)}^\n{self.rule}"


class Token(NamedTuple):
    """One word: `kind` is "string", "number", "name", "mark" or "end"; `position` its index in the source."""

    kind: str
    text: str
    position: int


def tokens(source: str) -> list[Token]:
    """Cut a predicate into words; the last one is "end". Raises MatchError at what is no word."""
    if len(source) > SOURCE_MAX:
        raise MatchError(source, SOURCE_MAX, f"a predicate has at most {SOURCE_MAX} characters")
    found: list[Token] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise MatchError(source, at, _hint(source, at))
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match.group(), at))
        at = match.end()
    found.append(Token("end", "", len(source)))
    return found


def _hint(source: str, at: int) -> str:
    character = source[at]
    if character in "\"'":
        return "this string does not end"
    if character == "=":
        return "write == to compare"
    if character in "&|!":
        return "write and, or, not"
    if character.isdigit() or character == "-":
        return "a number is whole: no point, no letters"
    return "a character that the language does not have"
