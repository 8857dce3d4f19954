"""The network's rates, and the amounts that it adds for members with other currencies."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from iso import CardrailsError
from iso.rates import ConversionRate
from switch.core.currencies import OWN, Currencies, UnconvertibleError
from switch.core.rates import Margin, RateRow, RateTable
from switch.rate_settings import RateSettings, checked_rates
from tests.support.switch import EPOCH, request

USD, EUR, JPY, KWD = "840", "978", "392", "414"
LONG_AGO = EPOCH - timedelta(days=900)


def row(
    source: str = USD, target: str = EUR, rate: str = "0.9", since: datetime = LONG_AGO, margin: str = "0"
) -> RateRow:
    return RateRow(source, target, Fraction(rate), Fraction(margin), Fraction(margin), since)


def currencies(*rows: RateRow) -> Currencies:
    return Currencies(RateTable(rows or [row(margin="0.02")]), {"issuer-a": EUR}, {"issuer-b": EUR, "acquirer": EUR})


class TestRateTable:
    """The latest row of a direction that is valid; else the inverse of the other direction; else none."""

    @given(st.lists(st.integers(0, 400), min_size=1, max_size=8, unique=True), st.integers(-10, 410))
    def test_the_latest_valid_row_counts(self, days: list[int], at: int) -> None:
        table = RateTable(row(rate=str(day + 1), since=EPOCH + timedelta(days=day)) for day in days)
        valid = [day for day in days if day <= at]

        found = table.rate(USD, EUR, EPOCH + timedelta(days=at))

        assert (found and found.value()) == (max(valid) + 1 if valid else None)

    def test_the_other_direction_is_turned_round(self) -> None:
        table = RateTable([row(rate="0.8")])

        assert table.rate(EUR, USD, EPOCH) == ConversionRate.of(Fraction("1.25"))
        assert table.rate(EUR, JPY, EPOCH) is None

    def test_the_quoted_direction_goes_first(self) -> None:
        table = RateTable([row(rate="0.8"), row(EUR, USD, "1.3")])

        assert table.rate(EUR, USD, EPOCH) == ConversionRate.of(Fraction("1.3"))

    @pytest.mark.parametrize(("source", "target"), [(USD, EUR), (EUR, USD)])
    def test_a_cardholder_pays_more_and_gets_less_in_either_direction(self, source: str, target: str) -> None:
        table = RateTable([row(margin="0.02")])

        rates = [table.rate(source, target, EPOCH, margin) for margin in (Margin.BUY, Margin.NONE, Margin.SELL)]

        values = [rate.value() for rate in rates if rate]
        assert values == sorted(values)
        assert len(set(values)) == 3

    @pytest.mark.parametrize(
        ("rows", "part"),
        [
            ([row(), row(rate="0.8")], "two rates from"),
            ([row(target=USD)], "two currencies"),
            ([row(rate="0")], "above zero"),
            ([row(rate="0.00000000001")], "seven digits"),
            ([row(source="999")], "not in the table"),
        ],
    )
    def test_what_makes_no_table_is_named(self, rows: list[RateRow], part: str) -> None:
        with pytest.raises(CardrailsError, match=f"rate from .* to .*{part}"):
            RateTable(rows)


class TestRateSettings:
    """A topology writes rates as decimals, margins in percent, and days."""

    def test_a_row_as_it_is_written(self) -> None:
        written = {"from": "usd", "to": "EUR", "rate": "0.92", "sell": "1.5", "valid_from": date(2026, 1, 2)}

        read = RateSettings.model_validate(written).row()

        assert read == RateRow(
            USD, EUR, Fraction("0.92"), Fraction("0.015"), Fraction(0), datetime(2026, 1, 2, tzinfo=UTC)
        )

    @pytest.mark.parametrize(
        "changes", [{"to": "XTS"}, {"rate": "1,5"}, {"rate": "-1"}, {"sell": "100"}, {"more": "1"}]
    )
    def test_a_mistake_is_refused(self, changes: dict[str, str]) -> None:
        with pytest.raises(ValidationError):
            RateSettings.model_validate({"from": "USD", "to": "EUR", "rate": "1", **changes})

    def test_what_makes_no_table_is_refused_as_a_whole(self) -> None:
        twice = RateSettings.model_validate({"from": "USD", "to": "EUR", "rate": "1"})

        with pytest.raises(ValueError, match="two rates"):
            checked_rates((twice, twice))


class TestTheIssuersLeg:
    """DE 6, 10 and 51 for an issuer that bills in another currency; DE 5, 9 and 50 for one that settles in another."""

    def test_billing_is_the_merchants_amount_at_the_selling_rate(self) -> None:
        changes = currencies().for_issuer(request(), "issuer-a", EPOCH)

        assert changes == {6: "000000003856", 10: "79180000", 51: EUR, 16: "0314"}

    def test_a_refund_is_billed_at_the_buying_rate(self) -> None:
        changes = currencies().for_issuer(request(de3="200000"), "issuer-a", EPOCH)

        assert changes[10] == "78820000"

    def test_settlement_has_no_margin(self) -> None:
        changes = currencies().for_issuer(request(), "issuer-b", EPOCH)

        assert changes == {5: "000000003780", 9: "79000000", 50: EUR, 16: "0314"}

    def test_nothing_is_added_where_the_currency_is_the_merchants(self) -> None:
        assert currencies().for_issuer(request(de49=EUR), "issuer-a", EPOCH) == {}
        assert Currencies().for_issuer(request(), "issuer-a", EPOCH) == {}

    def test_what_an_acquirer_says_there_does_not_pass(self) -> None:
        said = {f"de{element}": "000000000001"[:12] for element in OWN}

        assert Currencies().for_issuer(request(**said), "issuer-a", EPOCH) == dict.fromkeys(OWN)

    @pytest.mark.parametrize(
        ("changes", "code"), [({"de49": JPY}, "12"), ({"de49": "999"}, "12"), ({"de4": "999999999999"}, "13")]
    )
    def test_what_cannot_be_converted_is_refused(self, changes: dict[str, str], code: str) -> None:
        dear = currencies(row(rate="2"))

        with pytest.raises(UnconvertibleError) as refused:
            dear.for_issuer(request(**changes), "issuer-a", EPOCH)

        assert refused.value.code == code

    @given(st.integers(0, 10**9), st.sampled_from([(USD, JPY, "149.37"), (JPY, KWD, "0.00206"), (KWD, USD, "3.25")]))
    def test_whoever_reads_de_10_comes_to_de_6(self, amount: int, pair: tuple[str, str, str]) -> None:
        source, target, rate = pair
        billing = Currencies(RateTable([row(source, target, rate, margin="0.013")]), {"issuer-a": target})

        changes = billing.for_issuer(request(de4=f"{amount:012d}", de49=source), "issuer-a", EPOCH)

        spoken = ConversionRate.from_element(changes[10] or "", 10)
        assert int(changes[6] or "") == spoken.convert(amount, source, target)


class TestTheAcquirersAnswer:
    """An acquirer gets its own amount back, and DE 5, 9 and 50 if it settles in another currency."""

    def test_settlement_is_of_what_was_approved(self) -> None:
        asked = request()
        answer = asked.reply("10", {4: "000000002000"})

        found = currencies().for_acquirer(asked, {}, answer, "acquirer", EPOCH)

        assert found == {5: "000000001800", 9: "79000000", 50: EUR, 16: "0314"}
        assert currencies().for_acquirer(asked, {}, answer, "another", EPOCH) == {}

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ({6: "000000001928"}, "000000002100"),
            ({6: "000000001928", 4: "000000002000"}, None),
            ({6: "000000003856"}, None),
            ({6: "what"}, None),
            ({}, None),
        ],
    )
    def test_an_amount_approved_in_the_issuers_currency_becomes_the_merchants(
        self, said: dict[int, str], expected: str | None
    ) -> None:
        asked = request()
        sent = {4: asked[4], 49: USD, **currencies().for_issuer(asked, "issuer-a", EPOCH)}

        answer = asked.reply("10", said)
        found = currencies().for_acquirer(asked, {k: v for k, v in sent.items() if v}, answer, "another", EPOCH)

        assert found.get(4) == expected

    def test_an_approval_stands_where_settlement_cannot_be_converted(self) -> None:
        asked = request(de49=JPY)

        assert currencies().for_acquirer(asked, {}, asked.reply("00"), "acquirer", EPOCH) == {}
