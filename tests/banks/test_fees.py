"""Fees, reserve, ARNs, and the merchants that pay them."""

from __future__ import annotations

import doctest
import importlib
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banks.core.clearings import arn, sequence_of
from banks.core.fees import ANY_CURRENCY, SHIPPED, FeePlanRow, FeePlans, split
from banks.core.merchants import Directory, Merchant, Terminal, refused_amount
from iso import LocalProtocolError
from iso.pan import luhn_valid

SHOP = Merchant("SHOP", "Shop", "5999", "US", "Here")

plans = st.builds(
    FeePlanRow,
    st.just("p"),
    st.just(ANY_CURRENCY),
    *[st.integers(0, 10_000) if index % 2 == 0 else st.integers(0, 10**9 - 1) for index in range(6)],
)


class TestSplit:
    """The parts add up to the exact fee, rounded once; none is off by a whole minor unit."""

    @given(plan=plans, amount=st.integers(0, 10**12 - 1))
    def test_of_any_amount(self, plan: FeePlanRow, amount: int) -> None:
        exact = [
            Fraction(amount * basis_points, 10_000) + fixed
            for basis_points, fixed in (
                (plan.interchange_bp, plan.interchange_minor),
                (plan.scheme_bp, plan.scheme_minor),
                (plan.acquirer_bp, plan.acquirer_minor),
            )
        ]

        fees = split(plan, amount)

        assert sum(fees) == fees.total_minor == (sum(exact) + Fraction(1, 2)).__floor__()
        assert all(abs(part - share) < 1 for part, share in zip(fees, exact, strict=True))

    def test_a_currency_of_its_own_wins_over_any(self) -> None:
        fees = FeePlans(SHIPPED)

        assert fees.of("standard", "840", 10_000).total_minor == 320
        assert fees.of("standard", "392", 10_000).total_minor == 290
        assert fees.of("gone", "840", 10_000).total_minor == 0


class TestArn:
    """An ARN names one capture or refund, and has a check digit."""

    @given(sequence=st.integers(1, 10**11 - 1), day=st.integers(0, 40_000))
    def test_it_leads_back_to_its_sequence(self, sequence: int, day: int) -> None:
        made = arn("400001", datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day), sequence)

        assert (len(made), sequence_of(made), luhn_valid(made)) == (23, sequence, True)


class TestDirectory:
    """Status, terminal and limits decide who may be paid, and how much."""

    @pytest.mark.parametrize(
        ("status", "sells", "follows"),
        [("pending", False, False), ("active", True, True), ("suspended", False, True), ("closed", False, False)],
    )
    def test_each_status(self, status: str, sells: bool, follows: bool) -> None:
        directory = Directory([SHOP.changed({"status": status})], [Terminal("T1", "SHOP")])

        assert isinstance(directory.admit("SHOP", "T1"), Merchant) is sells
        assert isinstance(directory.admit("SHOP", "T1", follows=True), Merchant) is follows

    @pytest.mark.parametrize(
        ("amount", "currency", "code"),
        [(100, "840", None), (101, "840", "61"), (101, "978", None), (1, "999", "12")],
    )
    def test_a_limit_is_in_the_merchants_currency(self, amount: int, currency: str, code: str | None) -> None:
        assert refused_amount(SHOP.changed({"amount_max_minor": 100}), amount, currency) == code

    @pytest.mark.parametrize(
        "changes",
        [
            {"identifier": "OTHER"},
            {"status": "gone"},
            {"reserve_bp": 10_001},
            {"reserve_bp": -1},
            {"currency": "usd"},
            {"mcc": "12"},
            {"colour": "red"},
        ],
    )
    def test_what_cannot_be_is_refused_and_names_its_column(self, changes: dict[str, str | int]) -> None:
        (column,) = changes

        with pytest.raises(LocalProtocolError, match=column):
            SHOP.changed(changes)

    def test_a_terminal_may_be_kept_to_some_kinds(self) -> None:
        terminal = Terminal("T1", "SHOP", capabilities="PURCHASE,REFUND")

        assert (terminal.may("REFUND"), terminal.may("CASH"), Terminal("T2", "SHOP").may("CASH")) == (True, False, True)


class TestExamples:
    """What a docstring shows is what happens."""

    @pytest.mark.parametrize("name", ["fees", "clearings", "batches", "kinds"])
    def test_of_each_module(self, name: str) -> None:
        results = doctest.testmod(importlib.import_module(f"banks.core.{name}"))

        assert results.failed == 0
