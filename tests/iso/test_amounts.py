"""DE 54 and DE 95 are typed: amounts are integers in minor units, and what does not fit is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import LocalProtocolError, RemoteProtocolError
from iso.amounts import AdditionalAmount, build_amounts, parse_amounts
from iso.replacement import ReplacementAmounts

amounts = st.integers(-(10**12) + 1, 10**12 - 1)
blocks = st.builds(
    AdditionalAmount, st.sampled_from(["00", "10", "30"]), st.sampled_from(["01", "02", "40"]), st.just("840"), amounts
)


class TestAdditionalAmounts:
    """DE 54 is up to six blocks, each with its own currency and sign."""

    @given(given_amounts=st.lists(blocks, max_size=6))
    def test_it_reads_what_it_writes(self, given_amounts: list[AdditionalAmount]) -> None:
        value = build_amounts(given_amounts)

        assert len(value) == 20 * len(given_amounts)
        assert parse_amounts(value) == tuple(given_amounts)

    @given(value=st.text("0123456789CD ", max_size=45))
    def test_any_text_is_read_or_refused(self, value: str) -> None:
        try:
            found = parse_amounts(value)
        except RemoteProtocolError as error:
            assert error.element == 54  # noqa: PT017
            return

        assert [amount.amount_minor for amount in found] == [amount.amount_minor for amount in parse_amounts(value)]

    @pytest.mark.parametrize(
        "value", ["0002840D00000000199", "0002840X000000001999", "0002840D00000000199x", "0002840C000000001999" * 7]
    )
    def test_what_is_not_such_a_block_is_refused(self, value: str) -> None:
        with pytest.raises(RemoteProtocolError):
            parse_amounts(value)

    @pytest.mark.parametrize(
        "bad", [AdditionalAmount("0", "02", "840", 1), AdditionalAmount("00", "02", "840", 10**12)]
    )
    def test_what_does_not_fit_is_not_written(self, bad: AdditionalAmount) -> None:
        with pytest.raises(LocalProtocolError):
            build_amounts([bad])

    def test_more_than_six_are_not_written(self) -> None:
        with pytest.raises(LocalProtocolError):
            build_amounts([AdditionalAmount("00", "02", "840", 1)] * 7)


class TestReplacementAmounts:
    """DE 95 says what a partial reversal leaves."""

    @given(transaction=st.integers(0, 10**12 - 1), fee=st.integers(-(10**8) + 1, 10**8 - 1))
    def test_it_reads_what_it_writes(self, transaction: int, fee: int) -> None:
        replacement = ReplacementAmounts(transaction, 7, fee, -fee)

        assert len(replacement.to_de95()) == 42
        assert ReplacementAmounts.from_de95(replacement.to_de95()) == replacement

    @pytest.mark.parametrize(
        ("value", "offset"),
        [
            ("", 0),
            ("0" * 42, 24),
            ("x" * 12 + "0" * 12 + "C00000000" * 2, 0),
            ("0" * 24 + "C00000000D0000000x", 34),
            ("0" * 12 + "\u0661" * 12 + "C00000000" * 2, 12),
        ],
    )
    def test_what_is_no_such_row_is_refused_with_its_place(self, value: str, offset: int) -> None:
        with pytest.raises(RemoteProtocolError) as caught:
            ReplacementAmounts.from_de95(value)

        assert (caught.value.element, caught.value.offset) == (95, offset)

    @pytest.mark.parametrize(
        "bad", [ReplacementAmounts(-1), ReplacementAmounts(10**12), ReplacementAmounts(0, 0, 10**8)]
    )
    def test_what_does_not_fit_is_not_written(self, bad: ReplacementAmounts) -> None:
        with pytest.raises(LocalProtocolError):
            bad.to_de95()
