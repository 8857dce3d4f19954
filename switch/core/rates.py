"""The network's exchange rates: which applies between two currencies at an instant, with or without a margin.

A rate is data of the operator. Where only the other direction is quoted its inverse is taken; nothing is chained over a
third currency, since which one would be a decision that no message shows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from iso.errors import CardrailsError, IsoError
from iso.money import currency
from iso.rates import ConversionRate


class Margin(Enum):
    """Which rate is wanted."""

    NONE = "none"
    """As quoted: settlement between members."""
    SELL = "sell"
    """A cardholder pays in the other currency: more of it."""
    BUY = "buy"
    """A cardholder gets money back: less of it."""


class RateRow(NamedTuple):
    """One quotation.

    Attributes
    ----------
    source, target
        ISO 4217, either code.
    rate
        Major units of `target` for one of `source`.
    sell, buy
        Parts of one that the margins are: 0.015 for 1.5 percent.
    valid_from
        Business time, aware; until the next row of the same direction.
    """

    source: str
    target: str
    rate: Fraction
    sell: Fraction
    buy: Fraction
    valid_from: datetime


class RateTable:
    """Quotations, and the rates that follow from them.

    Raises
    ------
    CardrailsError
        One line: a currency that is not in the table of ISO 4217, a currency against itself, two rows of one direction
        from the same instant, or a rate that DE 10 cannot carry.
    """

    __slots__ = ("_found", "_rows", "rows")

    def __init__(self, rows: Iterable[RateRow] = ()) -> None:
        self.rows = tuple(sorted(map(_checked, rows), key=lambda row: (row.source, row.target, row.valid_from)))
        self._rows: dict[tuple[str, str], list[RateRow]] = {}
        for row in self.rows:
            same = self._rows.setdefault((row.source, row.target), [])
            if same and same[-1].valid_from == row.valid_from:
                raise CardrailsError(f"{_name(row)}: two rates from {row.valid_from:%Y-%m-%d %H:%M}")
            same.append(row)
        self._found: dict[tuple[RateRow, bool, Margin], ConversionRate] = {}

    def rate(self, source: str, target: str, at: datetime, margin: Margin = Margin.NONE) -> ConversionRate | None:
        """Return the rate between two currencies.

        Parameters
        ----------
        source, target
            ISO 4217, numeric.
        at
            Business time.

        Returns
        -------
        ConversionRate | None
            None if neither direction is quoted at that time.
        """
        row = self._valid(source, target, at)
        inverse = row is None
        row = row or self._valid(target, source, at)
        if row is None:
            return None
        wanted = row, inverse, margin
        found = self._found.get(wanted)
        if found is None:
            found = self._found[wanted] = _rate(row, margin, inverse=inverse)
        return found

    def _valid(self, source: str, target: str, at: datetime) -> RateRow | None:
        rows = self._rows.get((source, target))
        if rows is None:
            return None
        valid = bisect_right(rows, at, key=lambda row: row.valid_from)
        return rows[valid - 1] if valid else None


def _rate(row: RateRow, margin: Margin, *, inverse: bool) -> ConversionRate:
    plain = 1 / row.rate if inverse else row.rate
    if margin is Margin.SELL:
        plain *= 1 + row.sell
    elif margin is Margin.BUY:
        plain *= 1 - row.buy
    return ConversionRate.of(plain)


def _checked(row: RateRow) -> RateRow:
    try:
        checked = row._replace(source=currency(row.source).numeric, target=currency(row.target).numeric)
        if checked.source != checked.target and row.rate > 0 and row.sell >= 0 and 0 <= row.buy < 1:
            for margin in Margin:
                _rate(checked, margin, inverse=False)
                _rate(checked, margin, inverse=True)
            return checked
        problem = f"{_name(row)}: two currencies, a rate above zero, and margins of less than 100 percent"
    except IsoError as error:
        problem = f"{_name(row)}: {error}"
    raise CardrailsError(problem)


def _name(row: RateRow) -> str:
    return f"rate from {row.source} to {row.target}"
