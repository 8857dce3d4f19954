"""What undoes or confirms an authorisation at the issuer, in whatever order and however often it comes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks.issuer.books import IssuerRules
from iso import Message
from tests.support.banks import IssuerBench, a_card, a_script, advice_at_issuer, at_issuer, reversal_at_issuer

DIALECTS = pytest.mark.parametrize("speaks", ["ascii87", "ebcdic93"])


class TestReversal:
    """A reversal voids the hold, once; it is never declined."""

    @DIALECTS
    @pytest.mark.parametrize(("mti", "answer_mti"), [("0420", "0430"), ("0400", "0410"), ("0421", "0430")])
    def test_it_gives_the_money_back(self, speaks: str, mti: str, answer_mti: str) -> None:
        bench = IssuerBench(speaks=speaks)
        bench.ask(at_issuer())

        answer = bench.ask(reversal_at_issuer(at_issuer(), mti=mti))

        assert (answer.mti, answer.response_code) == (answer_mti, "00")
        assert bench.held_minor == 0
        assert bench.audit() == []

    def test_its_repeat_gets_the_same_answer_and_voids_nothing_more(self) -> None:
        bench = IssuerBench()
        bench.ask(at_issuer())
        first = bench.ask(reversal_at_issuer(at_issuer()))

        second = bench.ask(reversal_at_issuer(at_issuer()).as_repeat())

        assert first == second
        assert [row["kind"] for row in bench.rows("entries")].count("void") == 1

    def test_without_de_90_it_finds_the_payment_by_rrn_terminal_and_amount(self) -> None:
        bench = IssuerBench()
        bench.ask(at_issuer())

        bench.ask(reversal_at_issuer(at_issuer(), de90=None))

        assert bench.held_minor == 0

    def test_it_touches_no_other_payment(self) -> None:
        bench = IssuerBench()
        bench.ask(at_issuer("000001"))
        bench.ask(at_issuer("000002"))

        bench.ask(reversal_at_issuer(at_issuer("000001")))

        assert bench.held_minor == 4_200

    def test_of_a_decline_it_changes_nothing(self) -> None:
        bench = IssuerBench(a_card(script=a_script("05")))
        bench.ask(at_issuer())

        answer = bench.ask(reversal_at_issuer(at_issuer()))

        assert answer.response_code == "00"
        assert bench.rows("tombstones") == []

    def test_naming_neither_an_original_nor_a_payment_is_a_format_error(self) -> None:
        bench = IssuerBench()

        answer = bench.ask(reversal_at_issuer(at_issuer(), de90=None, de37=None))

        assert answer.response_code == "30"

    def test_after_its_hold_has_expired_it_is_still_accepted(self) -> None:
        bench = IssuerBench()
        bench.ask(at_issuer())
        bench.advance(days=8)

        answer = bench.ask(reversal_at_issuer(at_issuer()))

        assert answer.response_code == "00"
        assert bench.held_minor == 0
        assert bench.audit() == []

    def test_a_repeat_of_the_request_does_not_bring_it_back_to_life(self) -> None:
        bench = IssuerBench()
        bench.ask(at_issuer())
        bench.ask(reversal_at_issuer(at_issuer()))

        repeat = bench.ask(at_issuer().as_repeat())

        assert (repeat.response_code, repeat.get(38)) == ("21", None)
        assert bench.held_minor == 0


class TestTombstone:
    """A reversal that comes first declines its original whenever that comes."""

    @DIALECTS
    def test_the_late_original_is_declined_and_holds_nothing(self, speaks: str) -> None:
        bench = IssuerBench(speaks=speaks)
        first = bench.ask(reversal_at_issuer(at_issuer()))

        late = bench.ask(at_issuer())

        assert (first.response_code, late.response_code) == ("00", "21")
        assert bench.held_minor == 0

    def test_it_survives_a_restart(self) -> None:
        bench = IssuerBench()
        bench.ask(reversal_at_issuer(at_issuer()))
        bench.restart()

        assert bench.ask(at_issuer()).response_code == "21"

    def test_a_reversal_that_overtakes_the_decision_prevents_the_hold(self) -> None:
        bench = IssuerBench()
        bench.hsm_answers = False
        bench.hear("network", at_issuer())
        bench.hear("network", reversal_at_issuer(at_issuer()))
        bench.hsm_answers = True

        bench.answer_asks()

        assert [(answer.mti, answer.response_code) for answer in bench.sent["network"]] == [
            ("0430", "00"),
            ("0110", "21"),
        ]
        assert bench.held_minor == 0

    def test_a_late_advice_is_not_booked_either(self) -> None:
        bench = IssuerBench()
        bench.ask(reversal_at_issuer(at_issuer()))

        answer = bench.ask(advice_at_issuer(at_issuer()))

        assert answer.response_code == "00"
        assert bench.held_minor == 0


class TestAdvice:
    """A 0120 tells what stand-in decided: it confirms a hold that is there, else it books what was promised."""

    @DIALECTS
    def test_it_confirms_an_existing_hold_and_makes_no_second(self, speaks: str) -> None:
        bench = IssuerBench(speaks=speaks)
        bench.ask(at_issuer())

        answer = bench.ask(advice_at_issuer(at_issuer()))

        assert (answer.mti, answer.response_code) == ("0130", "00")
        assert bench.held_minor == 4_200

    def test_it_books_what_the_issuer_never_saw_even_without_funds(self) -> None:
        bench = IssuerBench(a_card(balance_minor=0))

        answer = bench.ask(advice_at_issuer(at_issuer()))

        assert answer.response_code == "00"
        assert bench.held_minor == 4_200
        assert bench.audit() == []

    def test_it_books_what_the_issuer_declined(self) -> None:
        bench = IssuerBench(a_card(balance_minor=0))
        bench.ask(at_issuer())

        bench.ask(advice_at_issuer(at_issuer()))

        assert bench.held_minor == 4_200

    def test_its_repeat_books_nothing_more(self) -> None:
        bench = IssuerBench()
        first = bench.ask(advice_at_issuer(at_issuer()))

        second = bench.ask(advice_at_issuer(at_issuer()).as_repeat())

        assert first == second
        assert bench.held_minor == 4_200

    def test_an_original_that_comes_after_it_holds_nothing_more(self) -> None:
        bench = IssuerBench()
        bench.ask(advice_at_issuer(at_issuer()))

        late = bench.ask(at_issuer())

        assert late.response_code == "21"
        assert bench.held_minor == 4_200

    def test_of_a_decline_books_nothing(self) -> None:
        bench = IssuerBench()

        answer = bench.ask(advice_at_issuer(at_issuer(), code="05"))

        assert answer.response_code == "00"
        assert bench.held_minor == 0

    def test_a_reversal_of_the_original_undoes_what_the_advice_booked(self) -> None:
        bench = IssuerBench()
        bench.ask(advice_at_issuer(at_issuer()))

        bench.ask(reversal_at_issuer(at_issuer()))

        assert bench.held_minor == 0

    def test_a_copy_of_an_old_reversal_after_it_changes_nothing(self) -> None:
        bench = IssuerBench()
        other = at_issuer("000002", de37="607309000001")
        bench.ask(at_issuer())
        old = reversal_at_issuer(at_issuer())
        bench.ask(old)
        bench.ask(advice_at_issuer(other))

        bench.ask(old.as_repeat())

        assert bench.held_minor == 4_200

    def test_for_an_unknown_card_it_is_refused_for_good(self) -> None:
        bench = IssuerBench()

        assert bench.ask(advice_at_issuer(at_issuer(de2="4242424242424242"))).response_code == "14"

    def test_two_that_name_nothing_are_two(self) -> None:
        bench = IssuerBench()

        for stan in ("000801", "000802"):
            bench.ask(advice_at_issuer(at_issuer(), stan=stan, de37=None, de90=None))

        assert bench.held_minor == 8_400

    def test_while_the_hsm_is_silent_it_is_asked_for_again(self) -> None:
        bench = IssuerBench()
        bench.hsm_answers = False
        bench.hear("network", advice_at_issuer(at_issuer()))
        bench.pass_time(2.0)
        refused = bench.sent["network"][-1].response_code
        bench.hsm_answers = True

        accepted = bench.ask(advice_at_issuer(at_issuer()).as_repeat()).response_code

        assert (refused, accepted) == ("96", "00")
        assert bench.held_minor == 4_200

    def test_it_waits_for_an_original_that_is_being_decided(self) -> None:
        bench = IssuerBench()
        bench.hsm_answers = False
        bench.hear("network", at_issuer())
        bench.hear("network", advice_at_issuer(at_issuer()))
        bench.hsm_answers = True

        bench.answer_asks()

        assert sorted(answer.mti for answer in bench.sent["network"]) == ["0110", "0130"]
        assert bench.held_minor == 4_200


class TestRestart:
    """Restart shows the same balances, holds and answers; what was only in memory was never decided."""

    def test_balances_holds_and_cards_are_back(self) -> None:
        bench = IssuerBench()
        bench.ask(at_issuer())
        before = bench.host.view()

        bench.restart()

        after = bench.host.view()
        assert {name: after[name] for name in ("accounts", "holds", "cards", "totals")} == {
            name: before[name] for name in ("accounts", "holds", "cards", "totals")
        }
        assert bench.audit() == []

    def test_a_request_that_was_being_decided_is_decided_anew(self) -> None:
        bench = IssuerBench()
        bench.hsm_answers = False
        bench.hear("network", at_issuer())
        bench.restart()
        bench.hsm_answers = True

        answer = bench.ask(at_issuer().as_repeat())

        assert answer.response_code == "00"
        assert bench.held_minor == 4_200

    def test_a_reversal_days_later_finds_its_hold(self) -> None:
        bench = IssuerBench()
        bench.ask(at_issuer())
        bench.advance(days=3)
        bench.restart()

        bench.ask(reversal_at_issuer(at_issuer()))

        assert bench.held_minor == 0
        assert [row["state"] for row in bench.rows("requests") if row["mti"] == "0100"] == ["reversed"]

    def test_holds_that_ran_out_while_the_node_was_down_go_at_its_start(self) -> None:
        bench = IssuerBench()
        bench.ask(at_issuer())
        bench.at = bench.at.replace(day=28)

        bench.restart()

        assert bench.held_minor == 0

    def test_numbers_go_on_where_they_were(self) -> None:
        bench = IssuerBench()
        first = bench.ask(at_issuer("000001"))
        bench.restart()

        second = bench.ask(at_issuer("000002"))

        assert first.authorisation_code != second.authorisation_code
        assert [row["identifier"] for row in bench.rows("holds")] == ["h1", "h2"]


def _message(kind: str) -> Message:
    original = at_issuer()
    messages = {
        "0100": original,
        "0101": original.as_repeat(),
        "0420": reversal_at_issuer(original),
        "0421": reversal_at_issuer(original).as_repeat(),
        "0120": advice_at_issuer(original),
        "0121": advice_at_issuer(original).as_repeat(),
    }
    return messages[kind]


class TestAnyOrder:
    """Messages of one payment may come in any order, any number of times, with restarts between them."""

    @given(
        kinds=st.lists(
            st.sampled_from(("0100", "0101", "0420", "0421", "0120", "0121", "restart")), min_size=1, max_size=8
        ),
        settled_max=st.sampled_from((1, 100)),
    )
    @settings(max_examples=150, deadline=None)
    def test_a_reversed_payment_holds_nothing_and_any_other_holds_at_most_once(
        self, kinds: list[str], settled_max: int
    ) -> None:
        bench = IssuerBench(rules=IssuerRules(settled_max=settled_max))

        for kind in kinds:
            if kind == "restart":
                bench.restart()
            else:
                bench.ask(_message(kind))

        if {"0420", "0421"} & set(kinds):
            assert bench.held_minor == 0
        elif set(kinds) - {"restart"}:
            assert bench.held_minor == 4_200
        assert bench.audit() == []

    @given(
        kinds=st.lists(st.sampled_from(("0100", "0101", "0420", "0120")), min_size=2, max_size=6),
        order=st.randoms(use_true_random=False),
    )
    @settings(max_examples=100, deadline=None)
    def test_at_once_too(self, kinds: list[str], order: object) -> None:
        bench = IssuerBench()
        bench.hsm_answers = False
        bench.hear("network", *map(_message, kinds))
        order.shuffle(bench.open_asks)  # type: ignore[attr-defined]
        bench.hsm_answers = True

        bench.answer_asks()

        assert bench.held_minor == (0 if "0420" in kinds else 4_200)
        assert len(bench.sent["network"]) == len(kinds)
        assert bench.audit() == []
