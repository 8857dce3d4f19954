"""A response finds its request by class, version, DE 11, DE 7, DE 32 (and DE 41), and a miss is explained."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.link import InFlightKey
from node.core.matching import ANSWERED, COMPARED_MAX, LOST, TIMED_OUT, UNWRITTEN, InFlight, key_of
from tests.support.links import request

KEY = key_of(request("000124"), with_terminal=True)
PLACES = {"MTI class": 0, "MTI version": 1, "DE 11": 2, "DE 7": 3, "DE 32": 4, "DE 41": 5}


def waiting(*keys: InFlightKey, remembered_max: int = 10) -> InFlight:
    table = InFlight(remembered_max)
    for key in keys:
        table.add(key, 1, 10.0, 0.0)
    return table


def changed(place: int, value: str, key: InFlightKey = KEY) -> InFlightKey:
    parts = [*key]
    parts[place] = value
    return tuple(parts)  # type: ignore[return-value]


class TestTheKey:
    """The key of a response is that of its request; the terminal is in it only where that is agreed."""

    def test_a_response_has_the_key_of_its_request(self) -> None:
        assert key_of(request().reply("00"), with_terminal=True) == key_of(request(), with_terminal=True)

    def test_the_terminal_counts_only_where_it_is_agreed(self) -> None:
        one, other = request(de41="TERM0001"), request(de41="TERM0002")

        assert key_of(one, with_terminal=False) == key_of(other, with_terminal=False)
        assert key_of(one, with_terminal=True) != key_of(other, with_terminal=True)


class TestExplaining:
    """Whoever asks why a response was not matched is told which component differs, or what became of the request."""

    @pytest.mark.parametrize("name", PLACES)
    def test_the_component_that_differs_is_named_with_both_values(self, name: str) -> None:
        place = PLACES[name]

        said = waiting(KEY).explain(changed(place, "9"), now=1.0)

        assert said == f"{name} differs (9, {KEY[place]} expected); the nearest request (01xx 000124) is in flight"

    @pytest.mark.parametrize("name", ["DE 7", "DE 32", "DE 41"])
    def test_a_component_that_is_missing_is_named(self, name: str) -> None:
        place = PLACES[name]

        said = waiting(KEY).explain(changed(place, ""), now=1.0)

        assert said.startswith(f"{name} is missing ({KEY[place]} expected)")

    def test_several_differences_are_all_named(self) -> None:
        said = waiting(KEY).explain(changed(3, "1", changed(4, "2")), now=1.0)

        assert said.startswith("DE 7 differs (1, 0314092653 expected), DE 32 differs (2, 123456 expected)")

    def test_the_nearest_request_is_the_one_with_the_fewest_differences(self) -> None:
        near, far = changed(3, "1"), changed(3, "1", changed(4, "2"))

        said = waiting(near, far).explain(KEY, now=1.0)

        assert said.startswith("DE 7 differs (0314092653, 1 expected);")

    @pytest.mark.parametrize("how", [ANSWERED, TIMED_OUT, LOST, UNWRITTEN])
    def test_what_became_of_a_request_that_has_ended(self, how: str) -> None:
        table = waiting(KEY)
        table.end(KEY, how, now=3.0)

        assert table.explain(KEY, now=5.5) == f"{how} 2.500 s ago"

    def test_a_request_that_has_ended_is_compared_too(self) -> None:
        table = waiting(KEY)
        table.end(KEY, TIMED_OUT, now=3.0)

        said = table.explain(changed(3, "1"), now=4.0)

        assert said.endswith("the nearest request (01xx 000124) has ended")

    def test_nothing_near_is_said_to_be_so(self) -> None:
        stranger = changed(2, "777777", changed(3, "1"))

        assert waiting().explain(stranger, now=1.0) == "no request in flight"
        assert waiting(KEY).explain(stranger, now=1.0) == "no request in flight resembles it"

    def test_a_card_number_in_an_element_is_masked(self) -> None:
        said = waiting(KEY).explain(changed(5, "4242424242424242"), now=1.0)

        assert "4242424242424242" not in said


class TestLimits:
    """What is remembered and what is compared has an end, whatever a peer sends."""

    @given(st.integers(0, 60))
    def test_no_more_ended_requests_than_the_limit_are_remembered(self, count: int) -> None:
        table = InFlight(remembered_max=20)

        for number in range(count):
            key = changed(2, f"{number:06}")
            table.add(key, 1, 10.0, 0.0)
            table.end(key, ANSWERED, now=1.0)

        assert table.remembered == min(count, 20)
        assert len(table) == 0

    def test_the_oldest_requests_are_not_compared(self) -> None:
        others = [changed(2, f"{number:06}", changed(3, "1")) for number in range(200_000, 200_000 + COMPARED_MAX)]

        assert waiting(KEY, *others).explain(changed(4, "2"), now=1.0) == "no request in flight resembles it"
        assert waiting(*others[1:], KEY).explain(changed(4, "2"), now=1.0).startswith("DE 32 differs")
