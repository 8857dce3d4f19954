"""Partial reversals: a part of what was approved is undone, never more than there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import Message
from switch.core.rules import SwitchRules
from switch.core.stand_in import StandInRule
from tests.support.switch import Bench, request, reversal

REST = "0" * 12 + "C00000000" * 2


def partial(left_minor: int, stan: str = "000900", **changes: str | None) -> Message:
    return reversal(request(), stan, de95=f"{left_minor:012d}{REST}", **changes)


def approved() -> Bench:
    bench = Bench()
    bench.forward(request())
    bench.issuer_answers("00")
    return bench


def last_code(bench: Bench) -> str:
    return bench.sent("acquirer")[-1].response_code


class TestAPart:
    """The issuer gets a 0420 with DE 95; the leg stays approved and remembers what is left."""

    def test_it_is_stored_in_the_turn_that_acknowledges_it(self) -> None:
        bench = approved()

        turn = bench.receive("acquirer", partial(3_000))

        (entry,) = bench.saf()
        assert turn.sent("acquirer")[0].response_code == "00"
        assert [(row[5], row[11]) for row in turn.stored("legs")] == [("approved", '{"000900": 3000}')]
        assert (entry.mti, entry.stan, entry.amount_minor, entry[95]) == (
            "0420",
            "000900",
            4_200,
            f"{3_000:012d}{REST}",
        )
        assert entry[90][:10] == "0100000001"

    def test_a_repeat_of_it_changes_nothing(self) -> None:
        bench = approved()
        bench.receive("acquirer", partial(3_000))

        turn = bench.receive("acquirer", partial(3_000).as_repeat())

        assert (last_code(bench), turn.stores, len(bench.saf())) == ("00", {}, 1)

    def test_a_late_repeat_of_an_earlier_part_changes_nothing(self) -> None:
        bench = approved()
        bench.receive("acquirer", partial(3_000, "000900"))
        bench.receive("acquirer", partial(1_000, "000901"))

        turn = bench.receive("acquirer", partial(3_000, "000900").as_repeat())

        assert (last_code(bench), turn.stores, len(bench.saf())) == ("00", {}, 2)

    @given(st.lists(st.integers(1, 6_000), min_size=1, max_size=6))
    def test_what_is_left_only_ever_shrinks(self, wanted: list[int]) -> None:
        bench, left = approved(), 4_200

        for number, left_minor in enumerate(wanted):
            bench.receive("acquirer", partial(left_minor, f"{900 + number:06}"))
            assert last_code(bench) == ("64" if left_minor > left else "00")
            left = min(left, left_minor)

        told = [int(message[95][:12]) for message in bench.saf()]
        assert told == sorted(set(told), reverse=True)
        assert min([4_200, *told]) == left

    def test_nothing_left_is_the_whole(self) -> None:
        bench = approved()

        bench.receive("acquirer", partial(0))

        assert bench.legs() == ["reversed"]
        assert [95 in message for message in bench.saf()] == [False]

    def test_the_rest_can_be_reversed_afterwards_even_after_a_restart(self) -> None:
        bench = approved()
        bench.receive("acquirer", partial(3_000))
        again = bench.restart()

        again.receive("acquirer", partial(3_500, "000902"))
        again.receive("acquirer", reversal(request(), "000903"))

        assert [message.response_code for message in again.sent("acquirer")] == ["64", "00"]
        assert again.legs() == ["reversed"]
        assert len(again.saf()) == 2

    def test_of_a_partial_approval_no_more_is_left_than_was_approved(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("10", de4="000000002000", de38="A00001")

        bench.receive("acquirer", partial(3_000, "000900"))
        bench.receive("acquirer", partial(1_500, "000901"))

        assert [message.response_code for message in bench.sent("acquirer")] == ["10", "64", "00"]

    def test_on_a_1993_leg_it_is_a_1420_with_both_amounts(self) -> None:
        bench = Bench()
        bench.forward(request(de2="9999123412340002"))
        bench.issuer_answers("00", "issuer-b")
        bench.receive("acquirer", partial(3_000, de2="9999123412340002"))

        bench.open_card()

        sent = bench.sent("issuer-b")[-1]
        assert (sent.mti, sent.amount_minor, sent[95][:12]) == ("0420", 4_200, f"{3_000:012d}")


class TestNothingToPart:
    """Where there is nothing of which a part could be undone, nothing is."""

    @pytest.mark.parametrize("opens", [False, True])
    def test_before_the_answer_the_acquirer_is_told_to_come_again(self, opens: bool) -> None:
        bench = Bench()
        bench.receive("acquirer", request())
        if opens:
            bench.open_card()

        bench.receive("acquirer", partial(3_000))

        assert (last_code(bench), bench.saf()) == ("09", [])

    def test_of_a_request_that_nobody_has_seen_it_is_not_located_and_leaves_no_tombstone(self) -> None:
        bench = Bench()

        bench.receive("acquirer", partial(3_000))
        bench.forward(request())

        assert last_code(bench) == "25"
        assert [message.mti for message in bench.sent("issuer-a")] == ["0100"]

    @pytest.mark.parametrize("end", ["declined", "unknown", "reversed"])
    def test_of_what_has_ended_without_an_approval_nothing_follows(self, end: str) -> None:
        bench = Bench()
        bench.forward(request())
        if end == "unknown":
            bench.pass_time(10.0)
        else:
            bench.issuer_answers("51" if end == "declined" else "00")
        if end == "reversed":
            bench.receive("acquirer", reversal(request()))
        before = len(bench.saf())

        bench.receive("acquirer", partial(3_000))

        assert (last_code(bench), bench.legs(), len(bench.saf())) == ("00", [end], before)

    @pytest.mark.parametrize("text", ["x" * 42, " " * 42])
    def test_a_replacement_amount_that_is_none_is_a_format_error(self, text: str) -> None:
        bench = approved()

        bench.receive("acquirer", reversal(request(), de95=text))

        assert last_code(bench) == "30"
        assert bench.legs() == ["approved"]

    def test_of_what_stand_in_approved_it_goes_behind_the_advice(self) -> None:
        rule = StandInRule(("4",), floors={"840": 5_000})
        bench = Bench(SwitchRules(stand_in=(rule,)), up=("acquirer",))
        bench.forward(request())

        bench.receive("acquirer", partial(3_000))

        assert bench.legs() == ["stood in"]
        assert [(message.mti, 95 in message) for message in bench.saf()] == [("0120", False), ("0420", True)]
