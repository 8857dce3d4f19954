"""Prefixes and ranges of card numbers, and how a range becomes prefixes.

A range is what BIN files name; prefixes are what a lookup per length can find. Every range of numbers is a few prefixes
(at most 18 for each digit of its ends), so that a table of ranges costs no more per message than one of prefixes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from iso.errors import CardrailsError

PREFIX_MAX: Final = 11
"""Longest prefix that a route may have: as many digits as a BIN file of the networks distinguishes."""

TOKEN_PREFIX: Final = "9999"
"""Reserved prefix of the network tokens."""


class Span(NamedTuple):
    """Card numbers from one prefix to another of the same length, both included.

    Attributes
    ----------
    low, high
        str[1..11] decimal.
    """

    low: str
    high: str

    @property
    def bounds(self) -> tuple[int, int]:
        """The first and the last number of `PREFIX_MAX` digits inside."""
        return int(self.low.ljust(PREFIX_MAX, "0")), int(self.high.ljust(PREFIX_MAX, "9"))

    @property
    def width(self) -> int:
        """How many numbers of `PREFIX_MAX` digits are inside; the narrower span decides."""
        first, last = self.bounds
        return last - first + 1

    def text(self) -> str:
        """Return it as it is written: "4242" or "400000-409999"."""
        return self.low if self.low == self.high else f"{self.low}-{self.high}"

    def prefixes(self) -> list[str]:
        """Return the fewest prefixes that are the span together."""
        return _prefixes(self.low, self.high)


def span(text: str) -> Span:
    """Read a prefix or a range.

    Parameters
    ----------
    text
        "4242", or "400000-409999" with ends of the same length.

    Returns
    -------
    Span

    Raises
    ------
    CardrailsError
        Not 1 to 11 digits, ends of different lengths or in the wrong order, or an end lies among the network tokens.

    Examples
    --------
    >>> span("400000-401999").prefixes(), span("4242").prefixes(), span("38-51").prefixes()
    (['400', '401'], ['4242'], ['38', '39', '4', '50', '51'])
    """
    low, dash, high = text.partition("-")
    found = Span(low, high if dash else low)
    for end in found:
        if not (end.isascii() and end.isdigit() and len(end) <= PREFIX_MAX):
            raise CardrailsError(f"a route's prefix has 1 to {PREFIX_MAX} digits")
    if len(found.low) != len(found.high) or found.low > found.high:
        raise CardrailsError(f"range {found.text()}: both ends have as many digits, and the lower one comes first")
    # A short prefix such as 99 may lie around the tokens: they are opened before they are routed.
    if any(end.startswith(TOKEN_PREFIX) for end in found):
        raise CardrailsError(f"prefix {TOKEN_PREFIX} is reserved for network tokens")
    return found


def overlap(spans: list[Span]) -> tuple[Span, Span] | None:
    """Return two spans that overlap without one lying inside the other: no rule says which of them decides."""
    around: list[Span] = []
    for one in sorted(spans, key=lambda each: (each.bounds[0], -each.bounds[1])):
        while around and around[-1].bounds[1] < one.bounds[0]:
            around.pop()
        if around and one.bounds[1] > around[-1].bounds[1]:
            return around[-1], one
        around.append(one)
    return None


def is_token(number: str) -> bool:
    """Whether DE 2 holds a network token and not a card number."""
    return number.startswith(TOKEN_PREFIX)


def _prefixes(low: str, high: str) -> list[str]:
    if low.strip("0") == "" and high.strip("9") == "":
        return [""]
    found: list[str] = []
    for digit in "0123456789"[int(low[0]) : int(high[0]) + 1]:
        rest_low = low[1:] if digit == low[0] else "0" * (len(low) - 1)
        rest_high = high[1:] if digit == high[0] else "9" * (len(high) - 1)
        found += [digit + rest for rest in _prefixes(rest_low, rest_high)]
    return found
