"""The small parts of the switch: routing, names, numbers, and what memory keeps."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import CardrailsError
from node.core.turn import Turn
from switch.core.legs import Leg, LegBook, names_of_original, names_of_request, sent_at
from switch.core.numbers import BLOCK, Counter, network_transaction_id
from switch.core.routing import RouteTable, is_token
from switch.core.states import Cause
from tests.support.switch import EPOCH, TOKEN_A, request, reversal

PREFIXES = st.dictionaries(
    st.text("012345678", min_size=1, max_size=11), st.sampled_from(["issuer-a", "issuer-b"]), max_size=12
)


class TestRouting:
    """The longest prefix decides; a prefix is 1 to 11 digits."""

    @given(PREFIXES, st.text("012345678", min_size=12, max_size=19))
    def test_the_longest_fitting_prefix_decides(self, routes: dict[str, str], pan: str) -> None:
        fitting = [prefix for prefix in routes if pan.startswith(prefix)]

        link = RouteTable(routes).link_of(pan)

        assert link == (routes[max(fitting, key=len)] if fitting else None)

    @pytest.mark.parametrize("prefix", ["", "123456789012", "4x", "٤"])
    def test_a_prefix_that_is_not_1_to_11_digits_is_refused(self, prefix: str) -> None:
        with pytest.raises(CardrailsError, match="1 to 11 digits"):
            RouteTable({prefix: "issuer-a"})

    def test_no_route_may_lie_among_the_tokens(self) -> None:
        with pytest.raises(CardrailsError, match="reserved"):
            RouteTable({"99991": "issuer-a"})

        assert is_token(TOKEN_A)


class TestNames:
    """A reversal names its original as the request named itself."""

    def test_a_reversal_finds_its_original_under_both_names(self) -> None:
        assert names_of_original(reversal(request())) == names_of_request(request())

    def test_zeros_in_front_of_the_acquirer_do_not_count(self) -> None:
        assert names_of_request(request(de32="00000123456")) == names_of_request(request(de32="123456"))

    def test_a_repeat_has_another_time_and_the_same_business_name(self) -> None:
        first, repeat = names_of_request(request()), names_of_request(request(de7="0314100000").as_repeat())

        assert first.business == repeat.business
        assert first.original != repeat.original


class TestSentAt:
    """DE 7 has no year: it is the one that brings it nearest."""

    @given(
        st.timedeltas(timedelta(days=-3000), timedelta(days=3000)),
        st.timedeltas(timedelta(days=-180), timedelta(days=180)),
    )
    def test_a_time_within_half_a_year_is_found(self, years: timedelta, off: timedelta) -> None:
        near: datetime = EPOCH + years
        instant = (near + off).replace(microsecond=0)

        assert sent_at(instant.strftime("%m%d%H%M%S"), near) == instant

    def test_what_is_no_time_counts_as_now(self) -> None:
        assert sent_at("9999999999", EPOCH) == EPOCH


class TestNumbers:
    """No number is handed out twice, not even by a switch that stopped without a word."""

    @given(st.lists(st.integers(0, 2 * BLOCK), min_size=1, max_size=4))
    def test_numbers_never_repeat_across_restarts(self, lives: list[int]) -> None:
        reserved, seen = 0, set[int]()
        for drawn in lives:
            counter, turn = Counter("network_transaction_id"), Turn(EPOCH)
            counter.restore(reserved)
            numbers = [counter.next(turn) for _ in range(drawn)]
            reserved = max([reserved, *(row[1] for row in turn.stored("counters"))])

            assert len(set(numbers)) == drawn
            assert seen.isdisjoint(numbers)
            seen.update(numbers)

    def test_an_id_has_fifteen_characters(self) -> None:
        assert len(network_transaction_id(EPOCH, 10**12)) == 15


class TestBook:
    """Memory is bounded; what it lets go of is behind the horizon."""

    def test_the_oldest_ended_leg_goes_first_and_moves_the_horizon(self) -> None:
        book = LegBook(ended_max=1)
        legs = []
        for number in range(3):
            message = request(f"{number:06}")
            leg = Leg(names_of_request(message), "acquirer", "0100", EPOCH + timedelta(seconds=number))
            book.open(leg)
            leg.see(Cause.REFUSED)
            book.close(leg)
            legs.append(leg)

        assert len(book) == 1
        assert book.find(legs[2].names) is legs[2]
        assert book.horizon == EPOCH + timedelta(seconds=1)

    def test_a_leg_comes_back_from_its_row_as_it_was(self) -> None:
        leg = Leg(names_of_request(request()), "acquirer", "0100", EPOCH)
        leg.see(Cause.REFUSED)
        leg.code, leg.elements, leg.answer = "05", {11: "000001"}, {48: "x"}

        assert Leg.from_row(leg.row()).row() == leg.row()


class TestRows:
    """A leg comes back from its row as it was, whatever its elements hold."""

    @given(st.dictionaries(st.integers(2, 128), st.text(max_size=20)), st.dictionaries(st.integers(2, 128), st.text()))
    def test_elements_survive_the_row(self, elements: dict[int, str], answer: dict[int, str]) -> None:
        leg = Leg(names_of_request(request()), "acquirer", "0100", EPOCH)
        leg.elements, leg.answer = elements, answer

        again = Leg.from_row(leg.row())

        assert (again.elements, again.answer) == (elements, answer)
        assert again.row() == leg.row()

    def test_a_row_shows_elements_that_were_replaced_after_it_was_first_written(self) -> None:
        leg = Leg(names_of_request(request()), "acquirer", "0100", EPOCH)
        leg.elements = {4: "000000000100"}
        leg.row()

        leg.elements = {4: "000000000050"}

        assert Leg.from_row(leg.row()).elements == {4: "000000000050"}
