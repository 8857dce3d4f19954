"""Advices of acquirers: taken over durably, answered at once, and brought to the issuer from the SAF."""

from __future__ import annotations

import pytest

from hsm_sim.requests import Detokenise
from iso import Message
from iso.original import OriginalData
from iso.private import build_private
from switch.core.rules import SwitchRules
from tests.support.switch import CVV2, PANS, PROOF, TOKEN_A, Bench, advice, request, reversal


def codes(messages: list[Message]) -> list[str]:
    return [f"{message.mti}/{message.stan}/{message.response_code}" for message in messages]


class TestTakingOver:
    """The acquirer is answered once the advice is durable here, whether or not the issuer is there."""

    @pytest.mark.parametrize(("mti", "answer"), [("0120", "0130"), ("0220", "0230"), ("0221", "0230")])
    def test_it_is_stored_in_the_turn_that_answers(self, mti: str, answer: str) -> None:
        bench = Bench(up=("acquirer",))
        bench.receive("acquirer", advice(mti))

        turn = bench.open_card()

        assert codes(turn.sent("acquirer")) == [f"{answer}/000050/00"]
        assert [row[5] for row in turn.stored("legs")] == ["advised"]
        assert [row[3] for row in turn.stored("saf")] == [mti[:3] + "0"]

    def test_a_token_is_opened_by_the_reference_of_its_payment(self) -> None:
        bench = Bench()

        turn = bench.receive("acquirer", advice())

        assert turn.asked("hsm") == [Detokenise(TOKEN_A, "123456/607309000050")]

    def test_the_issuer_gets_the_card_and_what_was_decided(self) -> None:
        bench = Bench()
        bench.forward(advice())

        bench.open_card()

        (sent,) = bench.sent("issuer-a")
        assert (sent.mti, sent.pan, sent.stan, sent.rrn) == ("0220", PANS[TOKEN_A], "000050", "607309000050")
        assert (sent.authorisation_code, sent.response_code, sent.amount_minor) == ("A00001", "00", 4_200)

    def test_it_leaves_in_the_turn_that_takes_it_over_and_the_card_is_opened_once(self) -> None:
        bench = Bench()
        bench.receive("acquirer", advice())

        turn = bench.open_card()

        assert [(message.mti, message.pan) for message in turn.sent("issuer-a")] == [("0220", PANS[TOKEN_A])]
        assert turn.asked("hsm") == []

    def test_one_that_has_to_wait_waits_without_its_card_number(self) -> None:
        bench = Bench(up=("acquirer",))
        bench.forward(advice())

        turn = bench.connect("issuer-a")

        assert turn.asked("hsm") == [Detokenise(TOKEN_A, "123456/607309000050")]
        assert bench.machine.book.opened == {}
        assert bench.sent("issuer-a") == []

    def test_it_is_repeated_until_the_issuer_takes_it(self) -> None:
        bench = Bench()
        bench.forward(advice())
        bench.open_card()
        bench.pass_time(10.0)
        bench.pass_time(2.0)
        bench.open_card()

        bench.issuer_answers("00")

        assert [message.mti for message in bench.sent("issuer-a")] == ["0220", "0221"]
        assert bench.saf() == []

    def test_a_repeat_is_answered_again_and_sent_once(self) -> None:
        bench = Bench()
        bench.forward(advice())

        turn = bench.receive("acquirer", advice().as_repeat())

        assert codes(turn.sent("acquirer")) == ["0230/000050/00"]
        assert len(bench.saf()) == 1

    def test_a_repeat_after_a_restart_is_answered_from_the_journal(self) -> None:
        bench = Bench(up=("acquirer",))
        bench.forward(advice())
        again = bench.restart(up=("acquirer",))

        again.receive("acquirer", advice().as_repeat())

        assert codes(again.sent("acquirer")) == ["0230/000050/00"]
        assert len(again.saf()) == 1

    def test_an_advice_may_have_the_numbers_of_its_request(self) -> None:
        bench = Bench()
        bench.forward(request("000050"))
        bench.issuer_answers("00")

        bench.forward(advice("0120", "000050"))

        assert codes(bench.sent("acquirer")) == ["0110/000050/00", "0130/000050/00"]

    def test_what_cannot_be_taken_over_now_is_looked_at_anew_when_it_is_repeated(self) -> None:
        bench = Bench()
        bench.receive("acquirer", advice())
        bench.hsm_is_silent()

        bench.forward(advice().as_repeat())

        assert codes(bench.sent("acquirer")) == ["0230/000050/96", "0230/000050/00"]
        assert bench.legs() == ["advised"]

    def test_no_row_of_it_holds_a_secret(self) -> None:
        for card in (TOKEN_A, PANS[TOKEN_A]):
            bench = Bench()
            private = build_private({"01": CVV2, "05": PROOF, "06": "07", "13": PANS[TOKEN_A]})

            bench.forward(advice(de2=card, de48=private, de60=f"x{PANS[TOKEN_A]}"))

            text = repr(bench.journal.rows)
            assert len(bench.saf()) == 1
            for secret in (PANS[TOKEN_A], build_private({"01": CVV2}), PROOF):
                assert secret not in text

    def test_an_advice_with_a_pin_is_a_format_error(self) -> None:
        bench = Bench()

        turn = bench.receive("acquirer", advice(de52="0123456789ABCDEF"))

        assert codes(turn.sent("acquirer")) == ["0230/000050/30"]


class TestItsOriginal:
    """DE 90 names the original as each leg saw it; a reversal finds an advice by its own name."""

    def completion(self, bench: Bench) -> Message:
        original = bench.sent("acquirer")[0] if bench.sent("acquirer") else request()
        named = OriginalData("0100", "000001", original.transmitted, "123456").to_de90()
        return advice(de37="607309000001", de90=named)

    def test_it_is_named_as_the_issuers_leg_saw_it(self) -> None:
        bench = Bench()
        bench.pass_time(5.0)
        bench.forward(request())
        bench.issuer_answers("00")
        asked = bench.sent("issuer-a")[0]

        bench.forward(self.completion(bench))
        bench.open_card()

        sent = bench.sent("issuer-a")[-1]
        assert (sent.mti, OriginalData.from_de90(sent[90])) == ("0220", OriginalData.of(asked))
        assert asked.transmitted != request().transmitted

    def test_an_original_that_memory_let_go_of_is_found_in_the_journal(self) -> None:
        bench = Bench(SwitchRules(ended_max=1))
        bench.pass_time(5.0)
        for stan in ("000001", "000002", "000003"):
            bench.forward(request(stan))
            bench.issuer_answers("00")

        bench.forward(self.completion(bench))

        assert bench.saf()[0][90][10:20] == "0314092658"

    def test_an_original_that_nobody_has_seen_keeps_the_name_it_was_given(self) -> None:
        bench = Bench()

        bench.forward(self.completion(bench))

        assert codes(bench.sent("acquirer")) == ["0230/000050/00"]
        assert bench.saf()[0][90][10:20] == "0314092653"

    def test_a_reversal_of_an_advice_goes_behind_it(self) -> None:
        bench = Bench()
        bench.forward(advice())

        bench.receive("acquirer", reversal(advice()))
        bench.open_card()
        bench.issuer_answers("00")
        bench.open_card()

        assert bench.legs() == ["reversed"]
        sent = bench.sent("issuer-a")
        assert [message.mti for message in sent] == ["0220", "0420"]
        assert sent[1][90][:10] == "0220000050"


class TestRefunds:
    """A refund follows a payment: its token is opened by the reference that the payment recorded."""

    def test_it_needs_no_cryptogram_of_its_own(self) -> None:
        bench = Bench()
        refund = Message("0200", request("000070", de3="200000", de48=None, de37="607309000001").fields)

        asked = bench.receive("acquirer", refund).asked("hsm")
        bench.open_card()
        bench.issuer_answers("00")

        assert asked == [Detokenise(TOKEN_A, "123456/607309000001")]
        assert [(m.mti, m.processing_code, m.pan) for m in bench.sent("issuer-a")] == [
            ("0200", "200000", PANS[TOKEN_A])
        ]
        assert codes(bench.sent("acquirer")) == ["0210/000070/00"]

    def test_a_refund_of_a_payment_that_the_hsm_never_saw_is_a_security_violation(self) -> None:
        bench = Bench()
        bench.receive("acquirer", Message("0200", request("000070", de3="200000", de48=None).fields))

        bench.open_card(code="V4")

        assert codes(bench.sent("acquirer")) == ["0210/000070/63"]
