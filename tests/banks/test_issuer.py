"""The issuer's handler with a real HSM behind it: what it answers, and what it keeps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks.issuer.books import IssuerRules
from iso import LocalProtocolError, Message
from iso.private import parse_private
from tests.support.banks import CVC, OTHER_PAN, PAN, IssuerBench, a_card, a_script, at_issuer

pytestmark = pytest.mark.filterwarnings("error")


def cvv2_result(answer: Message) -> str:
    return parse_private(answer.get(48) or "")["02"]


@pytest.fixture(params=["ascii87", "ebcdic93"])
def bench(request: pytest.FixtureRequest) -> IssuerBench:
    """Return an issuer of either dialect."""
    return IssuerBench(speaks=request.param)


class TestApproval:
    """An approval holds the amount, has a code, and is on disk before it is on the wire."""

    def test_it_holds_what_it_approves(self, bench: IssuerBench) -> None:
        answer = bench.ask(at_issuer())

        assert (answer.mti, answer.response_code, len(answer.authorisation_code)) == ("0110", "00", 6)
        assert bench.held_minor == 4_200
        assert bench.audit() == []

    def test_the_answer_carries_the_trace_numbers_of_the_request(self, bench: IssuerBench) -> None:
        request = at_issuer()

        answer = bench.ask(request)

        echoed = (2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49)
        assert {de: answer.get(de) for de in echoed} == {de: request.get(de) for de in echoed}

    def test_hold_row_and_answer_leave_the_node_in_one_turn(self, bench: IssuerBench) -> None:
        bench.ask(at_issuer())

        (turn,) = [turn for turn in bench.turns if turn.sent("network")]
        assert len(turn.stored("holds")) == 1
        assert [row[10] for row in turn.stored("requests")] == ["approved"]

    def test_two_approvals_have_different_codes(self, bench: IssuerBench) -> None:
        codes = {bench.ask(at_issuer(f"{number:06d}")).authorisation_code for number in range(1, 11)}

        assert len(codes) == 10

    def test_an_account_verification_is_approved_without_a_hold(self, bench: IssuerBench) -> None:
        answer = bench.ask(at_issuer(de4="000000000000", de25="51"))

        assert answer.response_code == "00"
        assert bench.held_minor == 0

    def test_a_hold_goes_when_its_time_is_up(self, bench: IssuerBench) -> None:
        bench.ask(at_issuer())

        bench.advance(days=7.01)

        assert bench.held_minor == 0
        assert [row["state"] for row in bench.rows("holds")] == ["expired"]
        assert bench.audit() == []


class TestDecline:
    """A decline is a value with its cause on file; it holds nothing and has no authorisation code."""

    @pytest.mark.parametrize(
        ("columns", "changes", "code"),
        [
            ({"status": "lost"}, {}, "41"),
            ({"status": "stolen"}, {}, "43"),
            ({"status": "blocked"}, {}, "62"),
            ({"expiry": "2001"}, {}, "54"),
            ({}, {"de14": "3011"}, "54"),
            ({"script": a_script("05")}, {}, "05"),
            ({"script": a_script("96")}, {}, "96"),
            ({"limit_minor": 4_199}, {}, "61"),
            ({"velocity_max": 0}, {}, "65"),
            ({"balance_minor": 4_199}, {}, "51"),
            ({"balance_minor": 0}, {}, "51"),
            ({}, {"de49": "978"}, "57"),
            ({"cvc_absent": "decline"}, {}, "N7"),
            ({}, {"de2": OTHER_PAN}, "14"),
            ({}, {"de3": "500000"}, "12"),
        ],
    )
    def test_each_cause_has_its_code(self, columns: dict[str, object], changes: dict[str, str], code: str) -> None:
        bench = IssuerBench(a_card(**columns))  # type: ignore[arg-type]

        answer = bench.ask(at_issuer(**changes))

        assert answer.response_code == code
        assert answer.get(38) is None
        assert bench.held_minor == 0
        assert bench.rows("requests")[0]["reason"]

    def test_a_number_that_no_hsm_takes_is_no_card(self, bench: IssuerBench) -> None:
        assert bench.ask(at_issuer(de2="12345")).response_code == "14"

    def test_the_velocity_limit_counts_approvals_of_the_day(self) -> None:
        bench = IssuerBench(a_card(velocity_max=2))

        today = [bench.ask(at_issuer(f"{number:06d}")).response_code for number in (1, 2, 3)]
        bench.advance(days=1)
        tomorrow = bench.ask(at_issuer("000004")).response_code

        assert (today, tomorrow) == (["00", "00", "65"], "00")


class TestCvv2:
    """The HSM checks the CVV2 unless the card's row takes any."""

    def test_the_printed_one_matches(self, bench: IssuerBench) -> None:
        bench.change(cvc_rule="check")

        answer = bench.ask(at_issuer(cvv2=bench.cvv2()))

        assert (answer.response_code, cvv2_result(answer)) == ("00", "M")

    def test_another_one_does_not(self, bench: IssuerBench) -> None:
        bench.change(cvc_rule="check")
        wrong = f"{(int(bench.cvv2()) + 1) % 1000:03d}"

        answer = bench.ask(at_issuer(cvv2=wrong))

        assert (answer.response_code, cvv2_result(answer)) == ("N7", "N")

    def test_four_digits_cannot_match(self, bench: IssuerBench) -> None:
        bench.change(cvc_rule="check")

        assert bench.ask(at_issuer(cvv2="1234")).response_code == "N7"

    def test_a_classic_test_card_takes_any(self, bench: IssuerBench) -> None:
        answers = [bench.ask(at_issuer(f"{int(cvc):06d}", cvv2=cvc)) for cvc in ("001", "999", "1234")]

        assert [(answer.response_code, cvv2_result(answer)) for answer in answers] == [("00", "M")] * 3

    def test_absent_is_not_processed_and_the_row_allows_it(self, bench: IssuerBench) -> None:
        bench.change(cvc_rule="check")

        answer = bench.ask(at_issuer())

        assert (answer.response_code, cvv2_result(answer)) == ("00", "P")

    @pytest.mark.parametrize("cvc", ["000", "123", "737", "999"])
    def test_a_card_whose_key_is_not_in_the_hsm_never_verifies(self, cvc: str) -> None:
        bench = IssuerBench(a_card(cvc_rule="check", cvk="KFFF"))

        assert bench.ask(at_issuer(cvv2=cvc)).response_code == "N7"


class TestSilentHsm:
    """Without facts nothing is approved, and nobody waits longer than the HSM's deadline."""

    def test_it_answers_96_at_the_deadline(self, bench: IssuerBench) -> None:
        bench.hsm_answers = False
        bench.hear("network", at_issuer())

        bench.pass_time(2.0)

        assert bench.sent["network"][-1].response_code == "96"
        assert bench.held_minor == 0

    def test_an_answer_that_comes_later_changes_nothing(self, bench: IssuerBench) -> None:
        bench.hsm_answers = False
        bench.hear("network", at_issuer())
        bench.pass_time(2.0)
        bench.hsm_answers = True

        bench.answer_asks()

        assert len(bench.sent["network"]) == 1
        assert bench.held_minor == 0


class TestRepeats:
    """One request is decided once, however often it comes; everybody who asks gets the same answer."""

    @given(st.lists(st.booleans(), min_size=1, max_size=6))
    @settings(max_examples=25, deadline=None)
    def test_any_number_of_copies_holds_once(self, copies: list[bool]) -> None:
        bench, request = IssuerBench(), at_issuer()

        answers = [bench.ask(request.as_repeat() if is_repeat else request) for is_repeat in copies]

        assert len({(answer.response_code, answer.authorisation_code) for answer in answers}) == 1
        assert bench.held_minor == 4_200

    def test_copies_that_come_while_the_first_is_decided_wait_for_it(self, bench: IssuerBench) -> None:
        request = at_issuer()
        bench.hsm_answers = False
        bench.hear("network", request)
        bench.hear("network", request.as_repeat().with_fields({7: "0314092658"}), request)
        bench.hsm_answers = True

        bench.answer_asks()

        answers = bench.sent["network"]
        assert [answer.response_code for answer in answers] == ["00"] * 3
        assert len({answer.authorisation_code for answer in answers}) == 1
        assert bench.held_minor == 4_200

    def test_a_repeat_with_a_new_de_7_is_still_the_same_request(self, bench: IssuerBench) -> None:
        first = bench.ask(at_issuer())

        repeat = bench.ask(at_issuer(de7="0314092707").as_repeat())

        assert repeat.authorisation_code == first.authorisation_code
        assert repeat.transmitted == "0314092707"

    def test_another_rrn_is_another_request(self, bench: IssuerBench) -> None:
        bench.ask(at_issuer())

        bench.ask(at_issuer(de37="607310000001"))

        assert bench.held_minor == 8_400

    def test_a_repeat_after_a_restart_gets_the_stored_answer(self, bench: IssuerBench) -> None:
        first = bench.ask(at_issuer())
        bench.restart()

        repeat = bench.ask(at_issuer().as_repeat())

        assert repeat.authorisation_code == first.authorisation_code
        assert bench.held_minor == 4_200

    def test_a_repeat_that_memory_has_forgotten_is_found_in_the_journal(self) -> None:
        bench = IssuerBench(rules=IssuerRules(settled_max=1))
        first = bench.ask(at_issuer("000001"))
        for number in range(2, 5):
            bench.ask(at_issuer(f"{number:06d}"))

        repeat = bench.ask(at_issuer("000001").as_repeat())

        assert repeat.authorisation_code == first.authorisation_code
        assert bench.held_minor == 4 * 4_200

    def test_a_silent_journal_is_answered_96_and_asked_again_next_time(self, bench: IssuerBench) -> None:
        first = bench.ask(at_issuer())
        bench.restart()
        bench.journal_answers = False
        bench.hear("network", at_issuer().as_repeat())
        bench.pass_time(2.0)
        refused = bench.sent["network"][-1]
        bench.open_asks.clear()
        bench.journal_answers = True

        repeat = bench.ask(at_issuer().as_repeat())

        assert refused.response_code == "96"
        assert repeat.authorisation_code == first.authorisation_code


class TestParallelRequests:
    """However requests on one account overlap, they never hold more than there is."""

    @given(amounts=st.lists(st.integers(1, 60_000), min_size=2, max_size=8), order=st.randoms(use_true_random=False))
    @settings(max_examples=25, deadline=None)
    def test_they_never_overdraw(self, amounts: list[int], order: object) -> None:
        bench = IssuerBench(a_card(balance_minor=100_000))
        bench.hsm_answers = False
        requests = [at_issuer(f"{number:06d}", de4=f"{amount:012d}") for number, amount in enumerate(amounts, start=1)]
        bench.hear("network", *requests)
        order.shuffle(bench.open_asks)  # type: ignore[attr-defined]
        bench.hsm_answers = True

        bench.answer_asks()

        approved = [answer for answer in bench.sent["network"] if answer.response_code == "00"]
        assert sum(answer.amount_minor for answer in approved) == bench.held_minor <= 100_000
        assert len(bench.sent["network"]) == len(amounts)
        assert bench.audit() == []


class TestScriptedAnswers:
    """A card may be slow or silent: what it decided is decided all the same."""

    def test_a_late_answer_comes_after_its_hold(self) -> None:
        bench = IssuerBench(a_card(script=a_script(delay_ms=12_000)))
        bench.hear("network", at_issuer())
        held_before = bench.held_minor
        sent_before = list(bench.sent.get("network", []))

        bench.pass_time(12.0)

        assert (held_before, sent_before) == (4_200, [])
        assert bench.sent["network"][0].response_code == "00"

    def test_a_card_that_never_answers_still_holds(self) -> None:
        bench = IssuerBench(a_card(script=a_script(answers=0)))

        answers = bench.hear("network", at_issuer())

        assert answers == []
        assert bench.held_minor == 4_200


class TestChangingACard:
    """An operator may change what a card is allowed to do, never what it is."""

    @pytest.mark.parametrize(
        "changes", [{"account": "mine"}, {"cvk": "K000"}, {"status": "gone"}, {"expiry": "3013"}, {"colour": "red"}]
    )
    def test_anything_else_is_refused_and_changes_nothing(self, changes: dict[str, str]) -> None:
        card = a_card().card

        with pytest.raises(LocalProtocolError, match="card column"):
            card.changed(changes)

    def test_a_new_limit_counts_at_once(self) -> None:
        bench = IssuerBench()

        bench.change(limit_minor=100)

        assert bench.ask(at_issuer()).response_code == "61"


class TestRefusals:
    """What cannot be looked at is refused with the code that says why."""

    @pytest.mark.parametrize("element", [3, 4, 7, 11, 49])
    def test_a_missing_element_is_a_format_error(self, element: int) -> None:
        answer = IssuerBench().ask(at_issuer(**{f"de{element}": None}))

        assert answer.response_code == "30"

    def test_a_de_48_of_another_layout_is_a_format_error(self) -> None:
        assert IssuerBench().ask(at_issuer(de48="not ours")).response_code == "30"

    @pytest.mark.parametrize(("mti", "code"), [("0300", "12"), ("0600", "12"), ("0500", "12")])
    def test_a_function_that_is_not_there_is_said_so(self, mti: str, code: str) -> None:
        answer = IssuerBench().ask(at_issuer().with_fields({}, mti=mti))

        assert answer.response_code == code

    @pytest.mark.parametrize("element", [54, 95])
    def test_amounts_that_cannot_be_read_are_a_format_error(self, element: int) -> None:
        reversal = at_issuer(de90="0" * 42, de48=None, **{f"de{element}": "x" * 42}).with_fields({}, mti="0420")

        assert IssuerBench().ask(reversal).response_code == "30"


class TestSecrets:
    """Neither card number nor CVV2 is in any row, view or text."""

    def test_no_row_has_a_card_number_or_a_cvv2(self, bench: IssuerBench) -> None:
        bench.ask(at_issuer(cvv2=CVC))

        stored = repr([list(rows.values()) for rows in bench.journal.rows.values()])
        assert PAN not in stored
        assert f"'{CVC}'" not in stored
        assert PAN not in repr(bench.host.view())
        assert PAN not in repr(a_card())
