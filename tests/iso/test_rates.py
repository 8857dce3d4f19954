"""Rates as DE 9 and DE 10 carry them, and the amounts that follow from them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import IsoError, RemoteProtocolError
from iso.rates import ConversionRate

CURRENCIES = st.sampled_from(["JPY", "USD", "EUR", "KWD", "CLP", "BHD"])
RATES = st.builds(ConversionRate, st.integers(0, 9), st.integers(1, 9_999_999))
AMOUNTS = st.integers(0, 10**12 - 1)
EXPONENTS = {"JPY": 0, "CLP": 0, "USD": 2, "EUR": 2, "KWD": 3, "BHD": 3}


class TestElements:
    """Eight digits: the places after the point, then seven digits of the rate."""

    @given(RATES)
    def test_what_is_written_is_read_back(self, rate: ConversionRate) -> None:
        assert ConversionRate.from_element(rate.to_element(), 10) == rate

    def test_known_values(self) -> None:
        assert ConversionRate.of(Fraction("0.9215")).to_element() == "79215000"
        assert ConversionRate.of(Fraction("149.37")).to_element() == "41493700"
        assert ConversionRate.from_element("61234567", 10).value() == Fraction("1.234567")

    @given(st.fractions(Fraction(1, 10**8), 9_999_999))
    def test_a_rate_keeps_the_most_digits_that_fit(self, value: Fraction) -> None:
        rate = ConversionRate.of(value)

        assert abs(rate.value() - value) <= Fraction(1, 2 * 10**rate.places)
        assert rate.places == 9 or round(value * 10 ** (rate.places + 1)) >= 9_999_999

    @pytest.mark.parametrize("value", ["0", "0.0000000004", "9999999.5", "10000000"])
    def test_what_does_not_fit_is_refused(self, value: str) -> None:
        with pytest.raises(IsoError, match="seven digits"):
            ConversionRate.of(Fraction(value))

    @pytest.mark.parametrize("value", ["", "1234567", "6123456x", "60000000", "612345678"])
    def test_what_is_no_rate_is_refused(self, value: str) -> None:
        with pytest.raises(RemoteProtocolError, match="DE 9"):
            ConversionRate.from_element(value, 9)


class TestConverting:
    """Half up to a minor unit of the target, whatever the two exponents are."""

    @pytest.mark.parametrize(
        ("amount", "source", "target", "rate", "expected"),
        [
            (1999, "USD", "EUR", "0.9215", 1842),
            (1999, "USD", "JPY", "149.37", 2986),
            (1500, "JPY", "USD", "0.0067", 1005),
            (1500, "JPY", "KWD", "0.00206", 3090),
            (1234, "KWD", "JPY", "485.4", 599),
            (1005, "KWD", "USD", "1", 101),
            (1004, "KWD", "USD", "1", 100),
            (0, "USD", "EUR", "0.9215", 0),
        ],
    )
    def test_known_values(self, amount: int, source: str, target: str, rate: str, expected: int) -> None:
        assert ConversionRate.of(Fraction(rate)).convert(amount, source, target) == expected

    @given(AMOUNTS, CURRENCIES, CURRENCIES, RATES)
    def test_it_is_never_off_by_more_than_half_a_minor_unit(
        self, amount: int, source: str, target: str, rate: ConversionRate
    ) -> None:
        exact = Fraction(amount, 10 ** EXPONENTS[source]) * rate.value() * 10 ** EXPONENTS[target]

        assert -Fraction(1, 2) < rate.convert(amount, source, target) - exact <= Fraction(1, 2)

    @given(AMOUNTS, CURRENCIES, CURRENCIES, RATES)
    def test_back_is_the_most_that_costs_no_more(
        self, amount: int, source: str, target: str, rate: ConversionRate
    ) -> None:
        back = rate.convert_back(amount, source, target)

        assert rate.convert(back, source, target) <= amount < rate.convert(back + 1, source, target)

    @given(AMOUNTS, RATES.filter(lambda rate: rate.value() >= 1))
    def test_there_and_back_is_the_same_where_the_target_is_finer(self, amount: int, rate: ConversionRate) -> None:
        assert rate.convert_back(rate.convert(amount, "USD", "KWD"), "USD", "KWD") == amount

    def test_an_unknown_currency_is_refused(self) -> None:
        with pytest.raises(IsoError):
            ConversionRate(0, 1).convert(1, "USD", "XTS")
