"""What coded elements mean in words: tables by version, which a dialect may extend or replace.

Networks give the same code different meanings, so no code of ours decides by these words; they are for people who read
messages. Sources: public tables of open implementations and of processors' documentation, common practice; codes
marked "general knowledge" below come from no document that we could see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from iso.meaning_tables import (
    ACCOUNTS,
    ACTIONS_1993,
    ACTIONS_2003,
    AMOUNTS,
    CONDITIONS,
    ENTRY_MODES,
    FUNCTIONS_1993,
    NETWORK_CODES,
    PIN_CAPABILITY,
    POS_1993,
    PROCESSING,
    RESPONSES,
    RESPONSES_BASE1,
)

__all__ = ["MEANINGS", "MEANINGS_BASE1", "Amounts", "Codes", "Meaning", "Part"]


class Meaning(Protocol):
    """Says in words what a value means, or None."""

    def __call__(self, value: str) -> str | None:
        """Give the words for `value`."""


class Part(NamedTuple):
    """Characters `start` to `end` of a value, words before and after their meaning, and the table."""

    start: int
    end: int
    words: str
    table: Mapping[str, str]


class Codes:
    """The meaning of a code that is looked up in one table, or part by part.

    Parameters
    ----------
    size
        Length of a value; others mean nothing.
    parts
        In the order in which they are told. Where the first part is unknown the whole value is.
    """

    __slots__ = ("parts", "size")

    def __init__(self, size: int, *parts: Part) -> None:
        self.size = size
        self.parts = parts

    def __call__(self, value: str) -> str | None:
        """Give the words of the parts that are known, joined by "; "."""
        if len(value) != self.size:
            return None
        known = [(part.words, part.table.get(value[part.start : part.end])) for part in self.parts]
        if known[0][1] is None:
            return None
        return "; ".join(words.format(meaning) for words, meaning in known if meaning is not None)

    def extended(self, table: Mapping[str, str]) -> Codes:
        """Give a copy whose first part knows more codes, or other words for them."""
        first = self.parts[0]
        return Codes(self.size, first._replace(table={**first.table, **table}), *self.parts[1:])


class Amounts:
    """The meaning of DE 54: blocks of account type 2, amount type 2, currency 3, sign 1, amount 12."""

    __slots__ = ("accounts", "amounts")

    _BLOCK, _MOST = 20, 6

    def __init__(self, accounts: Mapping[str, str], amounts: Mapping[str, str]) -> None:
        self.accounts = accounts
        self.amounts = amounts

    def __call__(self, value: str) -> str | None:
        """Tell each block; None unless the value consists of blocks."""
        blocks = [value[at : at + self._BLOCK] for at in range(0, len(value), self._BLOCK)]
        if not 1 <= len(blocks) <= self._MOST or not all(map(_is_block, blocks)):
            return None
        return "; ".join(map(self._tell, blocks))

    def _tell(self, block: str) -> str:
        account = self.accounts.get(block[:2], f"account type {block[:2]}")
        amount = self.amounts.get(block[2:4], f"amount type {block[2:4]}")
        sign = "-" if block[7] == "D" else ""
        return f"{amount} of {account}: {sign}{int(block[8:])} minor units of currency {block[4:7]}"


def _is_block(block: str) -> bool:
    return len(block) == 20 and block.isascii() and (block[:7] + block[8:]).isdigit() and block[7] in "CD"


def _whole(size: int, table: Mapping[str, str]) -> Codes:
    return Codes(size, Part(0, size, "{}", table))


_PROCESSING = Codes(
    6,
    Part(0, 2, "{}", PROCESSING),
    Part(2, 4, "from {}", ACCOUNTS),
    Part(4, 6, "to {}", ACCOUNTS),
)
_AMOUNTS = Amounts(ACCOUNTS, AMOUNTS)

_1987: dict[int, Meaning] = {
    3: _PROCESSING,
    22: Codes(3, Part(0, 2, "{}", ENTRY_MODES), Part(2, 3, "{}", PIN_CAPABILITY)),
    25: _whole(2, CONDITIONS),
    39: _whole(2, RESPONSES),
    54: _AMOUNTS,
    70: _whole(3, NETWORK_CODES),
}
_1993: dict[int, Meaning] = {
    3: _PROCESSING,
    22: Codes(12, *(Part(at, at + 1, f"{what}: {{}}", table) for at, (what, table) in POS_1993.items())),
    24: _whole(3, FUNCTIONS_1993),
    39: _whole(3, ACTIONS_1993),
    54: _AMOUNTS,
}
_2003: dict[int, Meaning] = {3: _PROCESSING, 24: _whole(3, FUNCTIONS_1993), 39: _whole(4, ACTIONS_2003)}

MEANINGS: dict[str, Mapping[int, Meaning]] = {"1987": _1987, "1993": _1993, "2003": _2003}
"""By version: element number to meaning."""

MEANINGS_BASE1: Mapping[int, Meaning] = {**_1987, 39: _whole(2, {**RESPONSES, **RESPONSES_BASE1})}
"""The 1987 meanings with the response codes that one network adds."""
