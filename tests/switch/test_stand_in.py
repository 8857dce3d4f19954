"""Stand-in: what the switch promises in an issuer's place, and that the issuer hears of it once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.requests import VerifyCvv
from iso import Message
from iso.original import OriginalData
from iso.private import parse_private
from node.core.turn import Turn
from switch.core.breaker import BreakerRules
from switch.core.rules import SwitchRules
from switch.core.stand_in import Asked, Ground, StandIn, StandInRule, Used, judge
from tests.support.switch import CVV2, EPOCH, PANS, TOKEN_A, TOKEN_B, Bench, request, reversal

USD = "840"
RULE = StandInRule(("4",), floors={USD: 5_000}, count_max=2, amounts_max={USD: 8_000})
STANDING = SwitchRules(stand_in=(RULE,))
ASKED = Asked(TOKEN_A, "000000", 4_200, USD, "5999", "3012", "P", has_pin=False)


def codes(messages: list[Message]) -> list[str]:
    return [f"{message.mti}/{message.stan}/{message.response_code}" for message in messages]


@dataclass
class Case:
    """A request that a ground declines."""

    ground: Ground
    rule: dict[str, object] = field(default_factory=dict)
    asked: dict[str, object] = field(default_factory=dict)
    used: Used = field(default_factory=lambda: Used(TOKEN_A, USD, "2026-03-14"))


CASES = [
    Case(Ground.DECLINES_ALL, rule={"declines_all": True}),
    Case(Ground.HOT, rule={"hot": frozenset({TOKEN_A})}),
    Case(Ground.UNSUPPORTED, asked={"processing_code": "200000"}),
    Case(Ground.UNSUPPORTED, asked={"amount_minor": 0}),
    Case(Ground.PIN, asked={"has_pin": True}),
    Case(Ground.EXPIRED, asked={"expiry": "2602"}),
    Case(Ground.CVV2_WRONG, asked={"cvv2": "N"}),
    Case(Ground.CVV2_UNKNOWN, asked={"cvv2": "U"}),
    Case(Ground.CVV2_ABSENT, rule={"needs_cvv2": True}),
    Case(Ground.MCC, rule={"mcc_refused": frozenset({"5999"})}),
    Case(Ground.MCC, rule={"mcc_allowed": frozenset({"5411"})}),
    Case(Ground.NO_FLOOR, asked={"currency": "978"}),
    Case(Ground.OVER_FLOOR, asked={"amount_minor": 5_001}),
    Case(Ground.OVER_COUNT, used=Used(TOKEN_A, USD, "2026-03-14", 2, 100)),
    Case(Ground.OVER_AMOUNT, used=Used(TOKEN_A, USD, "2026-03-14", 1, 3_801)),
]


class TestRules:
    """The grounds of a decline are tried in order; a request that none of them touches is approved."""

    @pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.ground.name}-{[*case.rule, *case.asked]}")
    def test_each_ground_declines_by_itself(self, case: Case) -> None:
        rule, asked = RULE._replace(**case.rule), ASKED._replace(**case.asked)

        assert judge(rule, asked, case.used, EPOCH) is case.ground

    def test_what_is_within_every_limit_is_approved(self) -> None:
        used = Used(TOKEN_A, USD, "2026-03-14", 1, 3_800)

        assert judge(RULE, ASKED, used, EPOCH) is Ground.APPROVED

    @given(st.lists(st.integers(1, 6_000), max_size=12))
    def test_no_card_ever_gets_more_than_a_days_allowance(self, amounts: list[int]) -> None:
        stand_in, turn = StandIn([RULE]), Turn(EPOCH)

        granted = [
            amount
            for amount in amounts
            if stand_in.decide(RULE, ASKED._replace(amount_minor=amount), turn).ground is Ground.APPROVED
        ]

        assert len(granted) <= 2
        assert sum(granted) <= 8_000
        assert all(amount <= 5_000 for amount in granted)

    def test_a_new_day_brings_a_new_allowance(self) -> None:
        stand_in = StandIn([RULE])
        for _ in range(2):
            stand_in.decide(RULE, ASKED._replace(amount_minor=100), Turn(EPOCH))

        today = stand_in.decide(RULE, ASKED, Turn(EPOCH))
        tomorrow = stand_in.decide(RULE, ASKED, Turn(EPOCH + timedelta(days=1)))

        assert (today.code, tomorrow.code) == ("65", "00")

    def test_what_was_used_survives_a_restart(self) -> None:
        before, turn = StandIn([RULE]), Turn(EPOCH)
        for _ in range(2):
            before.decide(RULE, ASKED._replace(amount_minor=100), turn)
        after = StandIn([RULE])
        after.restore(turn.stored("stand_in")[-1:])

        assert after.decide(RULE, ASKED, turn).ground is Ground.OVER_COUNT

    def test_the_longest_prefix_of_all_rules_wins(self) -> None:
        closer = StandInRule(("4242",), declines_all=True)
        stand_in = StandIn([RULE, closer])

        assert [stand_in.rule_of(pan) for pan in ("4242424242424242", "4111", "5111")] == [closer, RULE, None]


class TestApproval:
    """Stand-in's approval is an approval: 0110/00 to the acquirer, a 0120 to the issuer, and never a 0420."""

    def test_a_silent_issuer_is_stood_in_for_in_one_turn(self) -> None:
        bench = Bench(STANDING)
        bench.forward(request())

        turn = bench.pass_time(10.0)

        (answer,) = turn.sent("acquirer")
        assert (answer.response_code, answer.authorisation_code[:1]) == ("00", "S")
        assert parse_private(answer[48])["09"] == "silent/switch"
        assert [row[5] for row in turn.stored("legs")] == ["stood in"]
        assert [row[3] for row in turn.stored("saf")] == ["0120"]
        assert turn.stored("stand_in") == [(TOKEN_A, USD, "2026-03-14", 1, 4_200)]

    @pytest.mark.parametrize("moment", ["down", "not written", "lost"])
    def test_a_link_that_fails_is_as_good_a_reason(self, moment: str) -> None:
        bench = Bench(STANDING, up=("acquirer",) if moment == "down" else ("acquirer", "issuer-a"))

        bench.forward(request())
        if moment == "not written":
            bench.not_written("issuer-a")
        elif moment == "lost":
            bench.cut("issuer-a")

        assert codes(bench.sent("acquirer")) == ["0110/000001/00"]
        assert [message.mti for message in bench.saf()] == ["0120"]

    def test_the_advice_says_what_was_promised_and_about_which_request(self) -> None:
        bench = Bench(STANDING)
        bench.forward(request())
        asked = bench.sent("issuer-a")[0]
        bench.pass_time(10.0)

        bench.open_card()

        sent, answer = bench.sent("issuer-a")[-1], bench.sent("acquirer")[0]
        assert (sent.mti, sent.pan, sent.response_code) == ("0120", PANS[TOKEN_A], "00")
        assert (sent.authorisation_code, sent.amount_minor) == (answer.authorisation_code, 4_200)
        assert (sent.stan, sent.rrn, sent[12], sent[13]) == (asked.stan, asked.rrn, asked[12], asked[13])
        assert OriginalData.from_de90(sent[90]) == OriginalData.of(asked)
        assert parse_private(sent[48]) == parse_private(answer[48])

    def test_it_never_has_the_name_of_its_original_on_the_wire(self) -> None:
        bench = Bench(STANDING)
        bench.forward(request())
        bench.cut("issuer-a")

        bench.connect("issuer-a")
        bench.open_card()

        asked, sent = bench.sent("issuer-a")
        assert (sent.stan, sent.transmitted) == (asked.stan, "0314092654")

    @pytest.mark.parametrize("code", ["00", "51"])
    def test_an_answer_that_comes_late_changes_nothing(self, code: str) -> None:
        bench = Bench(STANDING)
        bench.forward(request())
        late = bench.issuer_answer(code)
        bench.pass_time(10.0)

        turn = bench.receive("issuer-a", late)

        assert turn.stores == {}
        assert codes(bench.sent("acquirer")) == ["0110/000001/00"]
        assert [message.mti for message in bench.saf()] == ["0120"]

    def test_a_copy_gets_the_stored_answer_and_makes_no_second_advice(self) -> None:
        bench = Bench(STANDING)
        bench.forward(request())
        bench.pass_time(10.0)

        bench.receive("acquirer", request().as_repeat())

        first, second = bench.sent("acquirer")
        assert first == second
        assert len(bench.saf()) == 1

    def test_a_reversal_follows_its_advice_and_does_not_overtake_it(self) -> None:
        bench = Bench(STANDING)
        bench.forward(request())
        bench.pass_time(10.0)

        bench.receive("acquirer", reversal(request()))
        bench.open_card()
        before = [message.mti for message in bench.sent("issuer-a")]
        bench.issuer_answers("00")
        bench.open_card()

        assert before == ["0100", "0120"]
        assert [message.mti for message in bench.sent("issuer-a")] == ["0100", "0120", "0420"]
        assert bench.sent("issuer-a")[1][90] == bench.sent("issuer-a")[2][90]

    def test_a_financial_request_is_advised_with_a_0220(self) -> None:
        bench = Bench(STANDING)
        bench.forward(Message("0200", request().fields))

        bench.pass_time(10.0)

        assert codes(bench.sent("acquirer")) == ["0210/000001/00"]
        assert [(message.mti, message[90][:4]) for message in bench.saf()] == [("0220", "0200")]

    def test_what_was_promised_before_a_restart_is_advised_after_it(self) -> None:
        bench = Bench(STANDING)
        bench.forward(request())
        bench.pass_time(10.0)

        again = bench.restart()
        again.open_card()

        assert [message.mti for message in again.sent("issuer-a")] == ["0120"]
        assert again.machine.book.stand_in.used(TOKEN_A, USD, EPOCH).approvals == 1

    def test_two_approvals_never_share_a_code_not_even_across_a_restart(self) -> None:
        bench = Bench(STANDING)
        bench.forward(request("000001", de4="000000000100"))
        bench.pass_time(10.0)
        again = bench.restart()
        again.pass_time(11.0)

        again.forward(request("000002", de4="000000000100", de7="0314092703"))
        again.pass_time(10.0)

        answers = bench.sent("acquirer") + again.sent("acquirer")
        assert [answer.response_code for answer in answers] == ["00", "00"]
        assert answers[0].authorisation_code != answers[1].authorisation_code


class TestDecline:
    """Where stand-in does not approve, the request is declined, and undone if it may have been written."""

    def test_after_silence_the_code_is_stand_ins_and_a_reversal_is_owed(self) -> None:
        bench = Bench(STANDING)
        bench.forward(request(de4="000000009900"))

        turn = bench.pass_time(10.0)

        assert codes(turn.sent("acquirer")) == ["0110/000001/61"]
        assert [row[3] for row in turn.stored("saf")] == ["0420"]

    def test_if_nothing_was_written_nothing_is_reversed(self) -> None:
        bench = Bench(STANDING, up=("acquirer",))

        turn = bench.forward(request(de4="000000009900"))

        assert codes(turn.sent("acquirer")) == ["0110/000001/61"]
        assert bench.saf() == []

    def test_a_card_without_a_rule_is_answered_91_as_if_there_were_no_stand_in(self) -> None:
        bench = Bench(STANDING, up=("acquirer",))

        turn = bench.forward(request(de2=TOKEN_B))

        assert codes(turn.sent("acquirer")) == ["0110/000001/91"]
        assert "stand-in" not in [kind for _, kind, _ in turn.notes]

    def test_what_its_acquirer_has_reversed_is_not_stood_in_for(self) -> None:
        bench = Bench(STANDING)
        bench.forward(request())
        bench.receive("acquirer", reversal(request()))

        bench.pass_time(10.0)

        assert codes(bench.sent("acquirer")) == ["0430/000900/00", "0110/000001/91"]
        assert [message.mti for message in bench.saf()] == ["0420"]

    def test_a_silent_hsm_is_no_reason_to_stand_in(self) -> None:
        bench = Bench(STANDING)
        bench.receive("acquirer", request())

        bench.hsm_is_silent()

        assert codes(bench.sent("acquirer")) == ["0110/000001/96"]

    def test_decline_all_declines_with_the_code_of_its_rule(self) -> None:
        rule = StandInRule(("4",), declines_all=True, decline_code="57")
        bench = Bench(SwitchRules(stand_in=(rule,)), up=("acquirer",))

        bench.forward(request())

        assert codes(bench.sent("acquirer")) == ["0110/000001/57"]

    def test_a_forced_rule_does_not_ask_the_issuer(self) -> None:
        bench = Bench(SwitchRules(stand_in=(RULE._replace(is_forced=True),)))

        bench.forward(request())

        assert codes(bench.sent("acquirer")) == ["0110/000001/00"]
        assert [message.mti for message in bench.sent("issuer-a")] == []


class TestCvv2:
    """Where the issuer shares its CVK, the switch has the CVV2 verified before it needs to know."""

    RULES = SwitchRules(stand_in=(RULE._replace(cvk="KF10"),))

    def test_it_is_asked_in_the_batch_that_seals_a_card_number(self) -> None:
        bench = Bench(self.RULES, up=("acquirer",))
        pan = PANS[TOKEN_A]

        turn = bench.receive("acquirer", request(de2=pan, de48=f"01003{CVV2}"))

        assert [type(asked).__name__ for asked in turn.asked("hsm")] == ["SealPan", "VerifyCvv"]
        assert turn.asked("hsm")[1] == VerifyCvv("KF10", pan, "3012", "000", CVV2)

    @pytest.mark.parametrize(("checked", "code"), [("00", "00"), ("01", "N7"), ("68", "91")])
    def test_its_result_decides(self, checked: str, code: str) -> None:
        bench = Bench(self.RULES, up=("acquirer",))
        bench.receive("acquirer", request())
        bench.open_card()

        bench.open_card(checked=checked)

        assert codes(bench.sent("acquirer")) == [f"0110/000001/{code}"]

    def test_an_issuer_that_answers_verifies_it_itself(self) -> None:
        bench = Bench(self.RULES)
        bench.receive("acquirer", request())
        bench.open_card()
        bench.open_card(checked="01")

        assert parse_private(bench.sent("issuer-a")[0][48])["01"] == CVV2


class TestBreaker:
    """An issuer that has been silent too often is spared, and its cardholders' time with it; a probe finds it again."""

    RULES = STANDING._replace(breaker=BreakerRules(timeouts=2, window_s=60.0, probe_s=20.0))

    def dead(self) -> Bench:
        bench = Bench(self.RULES)
        for stan in ("000001", "000002"):
            bench.forward(request(stan, de4="000000000100"))
            bench.pass_time(10.0)
        bench.hsm_is_silent()
        return bench

    def test_after_enough_silences_a_request_is_answered_at_once(self) -> None:
        bench = self.dead()
        sent_before = len(bench.sent("issuer-a"))

        bench.receive("acquirer", request("000003", de2=PANS[TOKEN_A]))
        turn = bench.open_card()

        assert codes(turn.sent("acquirer")) == ["0110/000003/00"]
        assert bench.machine.view()["breakers open"] == ["issuer-a"]
        assert parse_private(turn.sent("acquirer")[0][48])["09"] == "breaker/switch"
        assert [m for m in bench.sent("issuer-a")[sent_before:] if m.mti == "0100"] == []

    def test_a_probe_goes_through_and_its_answer_closes_the_breaker(self) -> None:
        bench = self.dead()
        bench.pass_time(20.0)
        bench.hsm_is_silent()

        bench.forward(request("000004", de2=PANS[TOKEN_A]))
        probe = [message for message in bench.sent("issuer-a") if message.stan == "000004"]
        bench.receive("issuer-a", probe[0].reply("00", {38: "A00004"}))
        bench.forward(request("000005", de2=PANS[TOKEN_A]))

        assert [m.stan for m in bench.sent("issuer-a") if m.mti == "0100"][-2:] == ["000004", "000005"]

    def test_an_issuer_that_comes_back_is_asked_at_once(self) -> None:
        bench = self.dead()
        bench.cut("issuer-a")
        bench.connect("issuer-a")

        bench.forward(request("000006", de2=PANS[TOKEN_A]))

        assert "000006" in [message.stan for message in bench.sent("issuer-a") if message.mti == "0100"]

    def test_silences_that_lie_far_apart_do_not_open_it(self) -> None:
        bench = Bench(self.RULES._replace(breaker=BreakerRules(timeouts=2, window_s=5.0)))
        for stan in ("000001", "000002", "000003"):
            bench.forward(request(stan, de2=TOKEN_B))
            bench.pass_time(10.0)
            bench.hsm_is_silent()

        assert [m.stan for m in bench.sent("issuer-b") if m.mti == "0100"] == ["000001", "000002", "000003"]
