"""Conversion rates as messages carry them (DE 9 and DE 10), and the amounts that they lead to.

A rate is seven digits and where their decimal point stands. Whoever reads it must come to the same amount, so amounts
are always worked out from the seven digits that travel, exactly, and never from a finer rate that only one side knows.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from iso.errors import IsoError, RemoteProtocolError
from iso.money import currency

__all__ = ["ConversionRate"]

_DIGITS = 7
_LENGTH = 8
_PLACES_MAX = 9


class ConversionRate(NamedTuple):
    """How many major units of one currency a major unit of another is.

    Attributes
    ----------
    places
        0..9, digits after the decimal point.
    digits
        1..9999999.

    Examples
    --------
    >>> rate = ConversionRate.of(Fraction("0.9215"))
    >>> rate.to_element(), rate.convert(1999, "USD", "EUR"), rate.convert(1999, "USD", "JPY")
    ('79215000', 1842, 18)

    Source
    ------
    n8, first digit = places of the decimal point from the right: common practice; the standard itself was not read.
    """

    places: int
    digits: int

    @classmethod
    def of(cls, value: Fraction) -> ConversionRate:
        """Give the rate with as many of its digits as fit, the last one rounded half up.

        Raises
        ------
        IsoError
            Below what nine places can say, or ten millions and more.
        """
        for places in range(_PLACES_MAX, -1, -1):
            digits = _half_up(value * 10**places)
            if digits < 10**_DIGITS:
                break
        if not 0 < digits < 10**_DIGITS:
            raise IsoError(
                "a rate that DE 9 and DE 10 cannot carry: seven digits, at most nine of them after the point"
            )
        return cls(places, digits)

    @classmethod
    def from_element(cls, value: str, element: int) -> ConversionRate:
        """Read DE 9 or DE 10.

        Raises
        ------
        RemoteProtocolError
            Not eight digits, or a rate of nothing.
        """
        if len(value) != _LENGTH or not (value.isascii() and value.isdigit()) or not int(value[1:]):
            raise RemoteProtocolError(f"DE {element}: eight digits expected", element=element, offset=0)
        return cls(int(value[0]), int(value[1:]))

    def to_element(self) -> str:
        """Write it as DE 9 and DE 10 do: str[8] decimal."""
        return f"{self.places}{self.digits:0{_DIGITS}d}"

    def value(self) -> Fraction:
        """Give it as a number."""
        return Fraction(self.digits, 10**self.places)

    def convert(self, amount_minor: int, source: str, target: str) -> int:
        """Convert an amount, rounded half up to a minor unit.

        Parameters
        ----------
        amount_minor
            In minor units of `source`; not negative.
        source, target
            Either code of the currencies.

        Raises
        ------
        IsoError
            A currency is not in the table.
        """
        return _half_up(amount_minor * self._per_minor(source, target))

    def convert_back(self, amount_minor: int, source: str, target: str) -> int:
        """Give the greatest amount of `source` that converts to no more than an amount of `target`."""
        per_minor = self._per_minor(source, target)
        # Half up: whatever stays below half a minor unit more still rounds down to the amount.
        edge = (amount_minor + Fraction(1, 2)) / per_minor
        return edge.numerator // edge.denominator - (edge.denominator == 1)

    def _per_minor(self, source: str, target: str) -> Fraction:
        return self.value() * Fraction(10 ** currency(target).exponent, 10 ** currency(source).exponent)


def _half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
