"""Defects of other tools that a switch would show, each as a test that ours does not have it.

One class per tool; the class docstring says what that tool does.
Source: shared facts, iso8583, "Defects of other tools".
"""

from __future__ import annotations

import pytest

from iso.private import build_private, parse_private
from tests.support.switch import PANS, TOKEN_A, TOKEN_B, Bench, request, reversal


class TestIso8583simHost:
    """Its host takes every copy for a new request, forgets DE 90, and answers every 0100 with the card number."""

    def test_the_same_request_twice_reaches_the_issuer_once_and_has_one_answer(self) -> None:
        bench = Bench()

        bench.forward(request())
        bench.issuer_answers("00")
        bench.forward(request())

        assert len(bench.sent("issuer-a")) == 1
        first, second = bench.sent("acquirer")
        assert first == second

    def test_a_reversal_of_an_unknown_original_is_accepted_with_its_de_90_and_goes_no_further(self) -> None:
        bench, asked = Bench(), reversal(request())

        bench.receive("acquirer", asked)

        (answer,) = bench.sent("acquirer")
        assert (answer.mti, answer.response_code, answer[90]) == ("0430", "00", asked[90])
        assert bench.saf() == []

    @pytest.mark.parametrize("mti", ["0400", "0401", "0420", "0421"])
    def test_a_reversal_of_a_known_original_is_answered_with_its_de_90(self, mti: str) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")
        asked = reversal(request(), mti=mti)

        bench.receive("acquirer", asked)

        answer = bench.sent("acquirer")[-1]
        assert (answer.mti, answer[90]) == (f"{mti[:2]}{int(mti[2]) + 1}0", asked[90])

    @pytest.mark.parametrize(("token", "issuer"), [(TOKEN_A, "issuer-a"), (TOKEN_B, "issuer-b")])
    @pytest.mark.parametrize("code", ["00", "51"])
    def test_towards_the_acquirer_an_answer_carries_the_token_and_never_the_card_number(
        self, token: str, issuer: str, code: str
    ) -> None:
        bench = Bench()
        bench.forward(request(de2=token))

        bench.issuer_answers(code, issuer)

        (answer,) = bench.sent("acquirer")
        assert bench.sent(issuer)[0].pan == PANS[token]
        assert answer.pan == token
        assert PANS[token] not in repr(dict(answer.fields))

    @pytest.mark.parametrize("element", [44, 62, 63])
    def test_an_element_in_which_an_issuer_writes_the_card_number_is_neither_passed_on_nor_stored(
        self, element: int
    ) -> None:
        bench, pan = Bench(), PANS[TOKEN_A]
        bench.forward(request())

        bench.issuer_answers("00", **{f"de{element}": f"card {pan}"})

        (answer,) = bench.sent("acquirer")
        assert (answer.response_code, answer.get(element)) == ("00", None)
        assert pan not in repr(bench.journal.rows)

    def test_a_tag_in_which_an_issuer_writes_the_card_number_is_left_out_and_the_others_go_on(self) -> None:
        bench, pan = Bench(), PANS[TOKEN_A]
        bench.forward(request())

        bench.issuer_answers("00", de48=build_private({"02": "M", "13": pan}))

        (answer,) = bench.sent("acquirer")
        assert parse_private(answer[48]).keys() == {"02", "10"}
        assert pan not in repr(bench.journal.rows)

    def test_what_has_no_card_number_in_it_is_passed_on(self) -> None:
        bench = Bench()
        bench.forward(request())

        bench.issuer_answers("00", de44="5", de62="304242424242424")

        (answer,) = bench.sent("acquirer")
        assert (answer[44], answer[62]) == ("5", "304242424242424")

    @pytest.mark.parametrize("ends", ["the HSM refuses", "the issuer is silent", "the reversal came first"])
    def test_a_refusal_and_a_reversals_answer_carry_the_token_too(self, ends: str) -> None:
        bench = Bench()
        if ends == "the reversal came first":
            bench.receive("acquirer", reversal(request()))
        bench.receive("acquirer", request())

        bench.open_card("V1" if ends == "the HSM refuses" else "00")
        bench.pass_time(10.0)

        answers = bench.sent("acquirer")
        assert {answer.pan for answer in answers} == {TOKEN_A}
        assert PANS[TOKEN_A] not in repr([dict(answer.fields) for answer in answers])


class TestJposSaf:
    """jPOS-EE's SAF sends one message at a time, over all destinations."""

    def test_reversals_of_different_cards_are_in_flight_together(self) -> None:
        bench = Bench()
        for stan, token in (("000001", TOKEN_A), ("000002", TOKEN_B)):
            bench.forward(request(stan, de2=token))

        bench.pass_time(10.0)
        bench.open_card()

        for issuer in ("issuer-a", "issuer-b"):
            assert [message.mti for message in bench.sent(issuer)] == ["0100", "0420"]

    def test_an_issuer_that_is_down_does_not_hold_up_the_reversals_of_another(self) -> None:
        bench = Bench()
        for stan, token in (("000001", TOKEN_A), ("000002", TOKEN_B)):
            bench.forward(request(stan, de2=token))
        bench.cut("issuer-a")

        bench.pass_time(10.0)
        bench.open_card()
        bench.issuer_answers("00", "issuer-b")

        assert [message.mti for message in bench.sent("issuer-b")] == ["0100", "0420"]
        assert [entry.link for entry in bench.machine.saf.entries.values()] == ["issuer-a"]


class TestMoovConnection:
    """moov-connection loses the first caller when a STAN repeats."""

    def test_two_requests_with_one_stan_are_both_answered_by_their_own_issuer(self) -> None:
        bench = Bench()
        bench.forward(request(de2=TOKEN_A))
        bench.forward(request(de2=TOKEN_B, de37="607309000002", de7="0314092654", de41="TERM0002"))

        bench.issuer_answers("51", "issuer-b")
        bench.issuer_answers("00", "issuer-a")

        assert [(answer.pan, answer.response_code) for answer in bench.sent("acquirer")] == [
            (TOKEN_B, "51"),
            (TOKEN_A, "00"),
        ]


class TestAcquirersOfOtherHouses:
    """They write DE 48 in their own layout, which says nothing here and must stop nothing."""

    def test_a_card_number_with_a_de_48_that_is_not_ours_is_refused_with_30(self) -> None:
        bench = Bench()

        bench.forward(request(de2=PANS[TOKEN_A], de48="theirs"))

        (answer,) = bench.sent("acquirer")
        assert answer.response_code == "30"
        assert bench.sent("issuer-a") == []
