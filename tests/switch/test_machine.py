"""The switch machine: one request, one answer, whatever happens on the way."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from hsm_sim.requests import Detokenise, SealPan
from iso import Message
from iso.original import OriginalData
from iso.private import build_private, parse_private
from iso.stan import transmission_time
from switch.core.rules import SwitchRules
from tests.support.switch import CVV2, PANS, PIN_BLOCK, PROOF, TOKEN_A, TOKEN_B, UNREADABLE, Bench, request, reversal


def codes(messages: list[Message]) -> list[str]:
    return [f"{message.mti}/{message.stan}/{message.response_code}" for message in messages]


class TestForwarding:
    """A request is opened by the HSM, routed by card number, made durable, and only then released."""

    def test_the_card_is_opened_against_the_cryptogram_and_the_payments_reference(self) -> None:
        bench = Bench()

        turn = bench.receive("acquirer", request())

        assert turn.asked("hsm") == [
            Detokenise(
                TOKEN_A, "123456/607309000001", PROOF[:16], PROOF[16:20], PROOF[20:], 4200, "840", "MERCHANT0000001"
            )
        ]
        assert turn.sends == []

    def test_the_leg_is_stored_in_the_turn_that_releases_it(self) -> None:
        bench = Bench()

        turn = bench.forward(request())

        assert [row[5] for row in turn.stored("legs")] == ["forwarded"]
        assert [message.mti for message in turn.sent("issuer-a")] == ["0100"]

    def test_the_issuer_gets_the_card_number_its_own_time_and_the_settlement_date(self) -> None:
        bench = Bench()
        bench.pass_time(5.0)

        bench.forward(request())

        message = bench.sent("issuer-a")[0]
        assert message.pan == PANS[TOKEN_A]
        assert (message.transmitted, message[15]) == ("0314092658", "0314")
        assert (message.stan, message.acquirer_id, message.rrn) == ("000001", "123456", "607309000001")
        assert (message[12], message[13], message[14]) == ("092653", "0314", "3012")

    def test_the_cryptogram_stays_here_and_the_cvv2_goes_on(self) -> None:
        bench = Bench()

        bench.forward(request())

        assert parse_private(bench.sent("issuer-a")[0][48]) == {"01": CVV2, "06": "07", "13": "trace-1", "17": "V"}

    def test_a_request_of_issuer_b_is_translated_to_1993_and_back(self) -> None:
        bench = Bench()

        bench.forward(request(de2=TOKEN_B))
        bench.issuer_answers("51", "issuer-b")

        assert [send.payload[:4] for send in bench.turns[-2].sends] == ["1100".encode("cp500")]
        assert bench.sent("issuer-b")[0].pan == PANS[TOKEN_B]
        assert codes(bench.sent("acquirer")) == ["0110/000001/51"]

    def test_a_card_number_is_forwarded_from_memory_and_stored_sealed(self) -> None:
        bench = Bench()

        asked = bench.receive("acquirer", request(de2=PANS[TOKEN_A])).asked("hsm")
        turn = bench.open_card()

        assert asked == [SealPan(PANS[TOKEN_A], "123456/607309000001")]
        assert bench.sent("issuer-a")[0].pan == PANS[TOKEN_A]
        assert [row[4] for row in turn.stored("legs")] == ["sealed:sealed-4242"]


class TestAnswers:
    """The acquirer gets its own leg back: its DE 7 and its token, and what the issuer said."""

    def test_an_approval_carries_the_token_the_acquirers_time_and_a_network_transaction_id(self) -> None:
        bench = Bench()
        bench.pass_time(5.0)
        bench.forward(request())

        bench.issuer_answers("00", de48=build_private({"02": "M"}))

        answer = bench.sent("acquirer")[0]
        assert (answer.mti, answer.pan, answer.transmitted) == ("0110", TOKEN_A, "0314092653")
        assert (answer.response_code, answer.authorisation_code, answer[15]) == ("00", "A00001", "0314")
        tags = parse_private(answer[48])
        assert (tags["02"], len(tags["10"])) == ("M", 15)

    def test_two_payments_never_share_a_network_transaction_id_not_even_across_a_restart(self) -> None:
        bench = Bench()
        bench.forward(request("000001"))
        bench.issuer_answers("00")
        again = bench.restart()
        again.pass_time(1.0)

        again.forward(request("000002", de7="0314092700"))
        again.issuer_answers("00")

        ids = [parse_private(messages[0][48])["10"] for messages in (bench.sent("acquirer"), again.sent("acquirer"))]
        assert ids[0] != ids[1]

    def test_the_outcome_is_stored_in_the_turn_that_answers(self) -> None:
        bench = Bench()
        bench.forward(request())

        turn = bench.issuer_answers("00")

        assert [(row[5], row[8]) for row in turn.stored("legs")] == [("approved", "00")]
        assert codes(turn.sent("acquirer")) == ["0110/000001/00"]

    def test_a_late_answer_is_dropped_and_traced(self) -> None:
        bench = Bench()
        bench.forward(request())
        answer = bench.issuer_answer("00")
        bench.pass_time(10.0)

        turn = bench.receive("issuer-a", answer)

        assert turn.sends == []
        assert turn.stores == {}
        assert [note[1] for note in turn.notes] == ["late", "dropped"]

    def test_the_answer_and_the_deadline_in_one_turn_is_a_tie_that_goes_to_the_answer(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.now += 10.0

        turn = bench.issuer_answers("00")

        assert codes(turn.sent("acquirer")) == ["0110/000001/00"]
        assert turn.stored("saf") == []


class TestRefusals:
    """What cannot be forwarded is refused here, once, and nothing of it reaches an issuer."""

    def test_a_cryptogram_that_buys_nothing_is_a_security_violation(self) -> None:
        for hsm_code in ("V1", "V2", "V4", "V5"):
            bench = Bench()
            bench.receive("acquirer", request())

            bench.open_card(code=hsm_code)

            assert codes(bench.sent("acquirer")) == ["0110/000001/63"]
            assert bench.sent("issuer-a") == []

    def test_a_token_without_a_cryptogram_is_not_even_asked_about(self) -> None:
        bench = Bench()

        turn = bench.receive("acquirer", request(de48=build_private({"06": "07"})))

        assert turn.asked("hsm") == []
        assert codes(turn.sent("acquirer")) == ["0110/000001/63"]

    def test_an_unknown_token_is_no_card(self) -> None:
        bench = Bench()
        bench.receive("acquirer", request())

        bench.open_card(code="V0")

        assert codes(bench.sent("acquirer")) == ["0110/000001/14"]

    def test_a_silent_hsm_is_a_malfunction_and_owes_nothing(self) -> None:
        bench = Bench()
        bench.receive("acquirer", request())

        bench.hsm_is_silent()

        assert codes(bench.sent("acquirer")) == ["0110/000001/96"]
        assert bench.saf() == []

    def test_the_time_of_the_hsm_counts_against_the_deadline(self) -> None:
        bench = Bench()
        bench.receive("acquirer", request())
        bench.pass_time(1.5)
        bench.open_card()

        bench.pass_time(8.5)

        assert codes(bench.sent("acquirer")) == ["0110/000001/91"]

    def test_a_card_that_no_route_knows_has_no_issuer(self) -> None:
        bench = Bench()
        bench.receive("acquirer", request(de2="3566002020360505"))

        bench.open_card()

        assert codes(bench.sent("acquirer")) == ["0110/000001/15"]

    def test_a_request_without_a_mandatory_element_is_a_format_error(self) -> None:
        bench = Bench()

        turn = bench.receive("acquirer", request(de41=None))

        assert codes(turn.sent("acquirer")) == ["0110/000001/30"]
        assert "DE 41 is missing" in turn.notes[0][2]

    def test_a_private_element_of_another_layout_is_a_format_error(self) -> None:
        bench = Bench()

        turn = bench.receive("acquirer", request(de48="no tags here"))

        assert codes(turn.sent("acquirer")) == ["0110/000001/30"]

    def test_a_function_that_the_switch_does_not_have_is_said_so(self) -> None:
        bench = Bench()

        turn = bench.receive("acquirer", Message("0300", request(de48=None).fields))

        assert codes(turn.sent("acquirer")) == ["0310/000001/40"]

    def test_an_issuer_may_not_ask_as_if_it_were_an_acquirer(self) -> None:
        bench = Bench()

        turn = bench.receive("issuer-a", request())

        assert codes(turn.sent("issuer-a")) == ["0110/000001/40"]
        assert turn.asks == []

    def test_at_its_limit_the_switch_answers_inoperative(self) -> None:
        bench = Bench(SwitchRules(in_flight_max=1))
        bench.forward(request("000001"))

        turn = bench.receive("acquirer", request("000002"))

        assert codes(turn.sent("acquirer")) == ["0110/000002/91"]


class TestCopies:
    """A request has one answer; a copy of it gets the same one and never reaches an issuer twice."""

    def test_a_copy_in_flight_joins_and_the_latest_copy_is_answered(self) -> None:
        bench = Bench()
        bench.forward(request())

        turn = bench.receive("acquirer", request(de7="0314092659").as_repeat())
        bench.issuer_answers("00")

        assert turn.sends == []
        assert len(bench.sent("issuer-a")) == 1
        assert [(answer.transmitted, answer.response_code) for answer in bench.sent("acquirer")] == [
            ("0314092659", "00")
        ]

    def test_what_is_asked_and_stored_is_the_first_though_the_latest_copy_says_it_otherwise(self) -> None:
        bench = Bench()
        bench.receive("acquirer", request(de22="012"))
        bench.receive("acquirer", request(de22="071"))

        turn = bench.open_card()

        (asked,), (row,) = turn.sent("issuer-a"), turn.stored("legs")
        assert (asked[22], json.loads(row[7])["22"]) == ("012", "012")

    @pytest.mark.parametrize("card", [TOKEN_A, PANS[TOKEN_A]])
    @pytest.mark.parametrize(
        "strange",
        [
            {"de48": UNREADABLE},
            {"de48": None},
            {"de52": PIN_BLOCK},
            {"de2": None, "de48": None, "de90": OriginalData.of(request("000007")).to_de90()},
        ],
        ids=["unreadable", "no tags", "a PIN", "no card"],
    )
    def test_nothing_of_a_copy_reaches_the_issuer(self, card: str, strange: dict[str, str | None]) -> None:
        alone, bench = Bench(), Bench()
        alone.forward(request(de2=card))

        bench.receive("acquirer", request(de2=card))
        bench.receive("acquirer", request(**{"de2": card, "de7": "0314092659", **strange}))
        bench.open_card()
        bench.issuer_answers("00")

        assert bench.sent("issuer-a") == alone.sent("issuer-a")
        assert [(m.transmitted, m.response_code) for m in bench.sent("acquirer")] == [("0314092659", "00")]

    def test_a_copy_of_an_answered_request_gets_the_stored_answer(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")

        bench.receive("acquirer", request())

        first, second = bench.sent("acquirer")
        assert first == second
        assert len(bench.sent("issuer-a")) == 1

    def test_a_copy_from_before_a_restart_is_answered_from_the_journal(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")
        again = bench.restart()

        again.receive("acquirer", request())

        assert again.sent("acquirer") == bench.sent("acquirer")
        assert again.sent("issuer-a") == []

    @pytest.mark.parametrize("up_s", [0.0, 100.0])
    @pytest.mark.parametrize("ahead_s", [-7200, -1, 0, 1, 7200])
    def test_a_copy_from_before_a_restart_is_found_whatever_its_acquirers_clock_says(
        self, ahead_s: int, up_s: float
    ) -> None:
        bench = Bench()
        bench.pass_time(up_s)
        asked = request(de7=transmission_time(bench.at + timedelta(seconds=ahead_s)))
        bench.forward(asked)
        bench.issuer_answers("00")
        again = bench.restart()

        again.receive("acquirer", asked)

        assert again.sent("acquirer") == bench.sent("acquirer")
        assert again.waiting == {}

    def test_a_copy_of_a_leg_that_memory_let_go_of_is_answered_from_the_journal(self) -> None:
        bench = Bench(SwitchRules(ended_max=1))
        for stan in ("000001", "000002", "000003"):
            bench.forward(request(stan))
            bench.issuer_answers("00")

        bench.receive("acquirer", request("000001"))

        assert bench.sent("acquirer")[-1] == bench.sent("acquirer")[0]
        assert len(bench.sent("issuer-a")) == 3

    def test_a_request_sent_after_the_start_is_new_without_asking_the_journal(self) -> None:
        bench = Bench()
        bench.pass_time(1.0)

        turn = bench.receive("acquirer", request(de7="0314092654"))

        assert [ask.port for ask in turn.asks] == ["hsm"]

    def test_another_request_under_a_used_name_is_a_duplicate(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")

        turn = bench.receive("acquirer", request(de4="000000999900"))

        assert codes(turn.sent("acquirer")) == ["0110/000001/94"]

    def test_another_card_number_under_a_used_name_is_a_duplicate_too(self) -> None:
        bench = Bench()
        first, other = PANS[TOKEN_A], PANS[TOKEN_B]
        bench.forward(request(de2=first, de48=None))
        bench.issuer_answers("00")

        copied = bench.receive("acquirer", request(de2=first, de48=None))
        reused = bench.receive("acquirer", request(de2=other, de48=None))

        assert codes(copied.sent("acquirer")) == ["0110/000001/00"]
        assert codes(reused.sent("acquirer")) == ["0110/000001/94"]

    def test_a_copy_of_what_was_reversed_is_no_approval(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")
        bench.receive("acquirer", reversal(request()))

        turn = bench.receive("acquirer", request())

        assert codes(turn.sent("acquirer")) == ["0110/000001/21"]


class TestUnreadable:
    """DE 48 that cannot be read is a format error of the request that brings it, whichever way its card is found."""

    @pytest.mark.parametrize("card", [TOKEN_A, PANS[TOKEN_A]])
    @pytest.mark.parametrize("mti", ["0100", "0120", "0200", "0220"])
    def test_with_a_card(self, card: str, mti: str) -> None:
        bench = Bench()

        bench.receive("acquirer", Message(mti, request(de2=card, de48=UNREADABLE).fields))
        bench.open_card()

        assert [message.response_code for message in bench.sent("acquirer")] == ["30"]
        assert bench.sent("issuer-a") == bench.saf() == []

    @pytest.mark.parametrize("card", [TOKEN_A, PANS[TOKEN_A]])
    @pytest.mark.parametrize(("mti", "code"), [("0100", "000000"), ("0200", "200000"), ("0220", "000000")])
    def test_with_the_card_of_its_original(self, card: str, mti: str, code: str) -> None:
        bench = Bench()
        original = request(de2=card)
        bench.forward(original)
        bench.issuer_answers("00")
        named = OriginalData.of(original).to_de90()
        later = request("000002", de2=None, de3=code, de37=original.rrn, de48=UNREADABLE, de90=named)

        bench.receive("acquirer", Message(mti, later.fields))
        bench.open_card()

        assert [message.response_code for message in bench.sent("acquirer")] == ["00", "30"]
        assert len(bench.sent("issuer-a")) == 1
        assert bench.saf() == []


class TestWhatIsKept:
    """Rows name the card by its token, or sealed; CVV2, cryptogram and card number are in no row, repr or view."""

    def test_no_row_of_a_whole_life_holds_a_secret(self) -> None:
        for card in (TOKEN_A, PANS[TOKEN_A]):
            bench = Bench()
            bench.forward(request(de2=card))
            bench.pass_time(10.0)
            bench.open_card()
            bench.issuer_answers("00")

            text = repr(bench.journal.rows) + repr(bench.machine.view())

            assert len(bench.journal.rows["saf"]) == 1
            for secret in (PANS[TOKEN_A], CVV2, PROOF, PROOF[:16]):
                assert secret not in text

    def test_a_leg_in_flight_shows_only_its_name(self) -> None:
        bench = Bench()
        bench.forward(request())

        leg = next(iter(bench.machine.book.by_key.values()))

        assert repr(leg) == "Leg('1/000001/0314092653/123456/607309000001/TERM0001', 'forwarded')"

    def test_the_view_counts_and_masks(self) -> None:
        bench = Bench(up=("acquirer", "issuer-a"))
        bench.forward(request())
        bench.cut("issuer-a")

        view = bench.machine.view()

        assert view["legs"]["unknown"] == 1
        assert view["links"]["issuer-b"]["up"] is False
        assert view["saf"][0]["card"] == "999912******4242"
