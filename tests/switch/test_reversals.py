"""Who owns an Unknown, and what becomes of a reversal: DESIGN's table of the failure points, at the switch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iso import Message
from iso.original import OriginalData
from node.core.saf import SafRules
from switch.core.rules import SwitchRules
from tests.support.switch import PANS, TOKEN_A, TOKEN_B, Bench, bare_reversal, request, reversal

Form = Callable[[Message, str], Message]
UNTIMED = OriginalData("0100", "000001", "0" * 10, "123456").to_de90()


def codes(messages: list[Message]) -> list[str]:
    return [f"{message.mti}/{message.stan}/{message.response_code}" for message in messages]


class TestIssuerTimeout:
    """When the issuer is silent past its deadline the switch answers for it and undoes the leg."""

    def test_the_reversal_is_stored_in_the_turn_that_answers_the_acquirer(self) -> None:
        bench = Bench(SwitchRules(leg_timeout_s=10.0))
        bench.forward(request())

        turn = bench.pass_time(10.0)

        assert codes(turn.sent("acquirer")) == ["0110/000001/91"]
        assert [row[:4] for row in turn.stored("saf")] == [
            ("0420/1/000001/0314092653/123456/607309000001/TERM0001", "issuer-a", TOKEN_A, "0420")
        ]
        assert [row[5] for row in turn.stored("legs")] == ["unknown"]

    def test_a_moment_before_its_deadline_nothing_happens(self) -> None:
        bench = Bench(SwitchRules(leg_timeout_s=10.0))
        bench.forward(request())

        turn = bench.pass_time(9.999)

        assert turn.is_empty

    def test_a_lost_link_is_as_unknown_as_silence(self) -> None:
        bench = Bench()
        bench.forward(request())

        turn = bench.cut("issuer-a")

        assert codes(turn.sent("acquirer")) == ["0110/000001/91"]
        assert len(turn.stored("saf")) == 1

    def test_a_link_that_is_down_leaves_nothing_to_reverse(self) -> None:
        bench = Bench(up=("acquirer", "issuer-b"))

        turn = bench.forward(request())

        assert codes(turn.sent("acquirer")) == ["0110/000001/91"]
        assert bench.saf() == []

    def test_what_was_released_but_never_written_leaves_nothing_to_reverse(self) -> None:
        bench = Bench()
        bench.forward(request())

        turn = bench.not_written("issuer-a")

        assert codes(turn.sent("acquirer")) == ["0110/000001/91"]
        assert [row[5] for row in turn.stored("legs")] == ["declined"]
        assert bench.saf() == []

    def test_an_approval_that_comes_late_is_not_passed_on(self) -> None:
        bench = Bench()
        bench.forward(request())
        late = bench.issuer_answer("00")
        bench.pass_time(10.0)

        bench.receive("issuer-a", late)

        assert codes(bench.sent("acquirer")) == ["0110/000001/91"]
        assert bench.legs() == ["unknown"]


class TestDelivery:
    """A stored reversal is opened at each send, names the original as the issuer saw it, and is sent until answered."""

    def test_it_names_the_original_as_the_issuers_leg_saw_it(self) -> None:
        bench = Bench()
        bench.pass_time(7.0)
        bench.forward(request())
        bench.pass_time(10.0)

        bench.open_card()

        sent = bench.sent("issuer-a")[-1]
        assert (sent.mti, sent.pan, sent.transmitted) == ("0420", PANS[TOKEN_A], "0314092710")
        assert OriginalData.from_de90(sent[90]) == OriginalData("0100", "000001", "0314092700", "123456")
        assert (sent.amount_minor, sent.rrn, sent[12], sent[13]) == (4200, "607309000001", "092653", "0314")

    def test_what_is_stored_holds_the_token(self) -> None:
        bench = Bench()
        bench.forward(request())

        bench.pass_time(10.0)

        assert [message.pan for message in bench.saf()] == [TOKEN_A]

    def test_a_card_number_is_opened_again_from_its_sealed_form(self) -> None:
        bench = Bench()
        bench.forward(request(de2=PANS[TOKEN_A]))
        bench.pass_time(10.0)

        bench.open_card()

        assert bench.sent("issuer-a")[-1].pan == PANS[TOKEN_A]

    def test_the_second_send_is_the_repeat_with_the_same_elements(self) -> None:
        bench = Bench(saf=SafRules(answer_timeout_s=10.0, backoff_first_s=1.0))
        bench.forward(request())
        bench.pass_time(10.0)
        bench.open_card()
        bench.pass_time(10.0)
        bench.pass_time(2.0)

        bench.open_card()

        first, second = bench.sent("issuer-a")[-2:]
        assert (first.mti, second.mti) == ("0420", "0421")
        assert first.with_fields({7: None, 15: None}).fields == second.with_fields({7: None, 15: None}).fields

    def test_the_first_send_is_no_repeat_though_the_link_was_lost_while_the_card_was_opened(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.pass_time(10.0)
        bench.cut("issuer-a")

        bench.open_card()
        before = [row[6] for row in bench.journal.rows["saf"].values()]
        bench.connect("issuer-a")
        bench.open_card()

        assert before == [0]
        assert [message.mti for message in bench.sent("issuer-a")] == ["0100", "0420"]

    def test_an_acknowledged_reversal_ends(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.pass_time(10.0)
        bench.open_card()

        bench.issuer_answers("00")

        assert bench.saf() == []
        assert [row[5] for row in bench.journal.rows["saf"].values()] == ["done"]

    def test_it_waits_until_the_link_is_back(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.cut("issuer-a")
        assert bench.waiting == {}

        bench.connect("issuer-a")
        bench.open_card()

        assert [message.mti for message in bench.sent("issuer-a")] == ["0100", "0420"]

    def test_a_silent_hsm_delays_it_and_counts_no_attempt(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.pass_time(10.0)
        bench.hsm_is_silent()
        bench.pass_time(2.0)

        bench.open_card()

        assert [message.mti for message in bench.sent("issuer-a")] == ["0100", "0420"]

    def test_a_card_that_the_hsm_no_longer_knows_is_a_visible_dead_letter(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.pass_time(10.0)

        turn = bench.open_card(code="V0")

        assert [row[5] for row in turn.stored("saf")] == ["dead"]
        assert turn.notes[-1][1] == "saf dead"

    def test_reversals_of_one_card_go_in_order_and_those_of_others_do_not_wait(self) -> None:
        bench = Bench(up=("acquirer", "issuer-a", "issuer-b"))
        for stan, card in (("000001", TOKEN_A), ("000002", TOKEN_A), ("000003", TOKEN_B)):
            bench.forward(request(stan, de2=card))
        bench.pass_time(10.0)

        bench.open_card()
        before = [message[90][4:10] for message in bench.sent("issuer-a") if message.mti == "0420"]
        bench.issuer_answers("00")
        bench.open_card()

        after = [message[90][4:10] for message in bench.sent("issuer-a") if message.mti == "0420"]
        assert before == ["000001"]
        assert after == ["000001", "000002"]
        assert [message.mti for message in bench.sent("issuer-b")] == ["0100", "0420"]

    def test_on_a_1993_leg_it_is_a_1420(self) -> None:
        bench = Bench()
        bench.forward(request(de2=TOKEN_B))
        bench.pass_time(10.0)

        turn = bench.open_card()

        assert turn.sends[0].payload[:4] == "1420".encode("cp500")
        sent = bench.sent("issuer-b")[-1]
        assert sent.pan == PANS[TOKEN_B]
        assert OriginalData.from_de90(sent[90])[:4] == ("0100", "000001", "0314092653", "123456")


class TestAcquirersReversal:
    """The switch takes a reversal over durably and answers at once; there is one reversal per leg, whoever asks."""

    def test_of_an_approval_it_is_stored_in_the_turn_that_acknowledges_it(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")

        turn = bench.receive("acquirer", reversal(request()))

        assert codes(turn.sent("acquirer")) == ["0430/000900/00"]
        assert [row[5] for row in turn.stored("legs")] == ["reversed"]
        stored = bench.saf()[0]
        assert (stored.stan, stored.authorisation_code, stored[90][:20]) == (
            "000900",
            "A00001",
            "01000000010314092653",
        )

    def test_a_second_one_is_acknowledged_and_changes_nothing(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")
        bench.receive("acquirer", reversal(request()))

        turn = bench.receive("acquirer", reversal(request()).as_repeat())

        assert codes(turn.sent("acquirer")) == ["0430/000900/00"]
        assert turn.stores == {}
        assert len(bench.saf()) == 1

    def test_of_a_leg_that_timed_out_it_adds_no_second_reversal(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.pass_time(10.0)

        turn = bench.receive("acquirer", reversal(request()))

        assert codes(turn.sent("acquirer")) == ["0430/000900/00"]
        assert len(bench.saf()) == 1

    def test_of_a_declined_leg_nothing_follows(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("51")

        turn = bench.receive("acquirer", reversal(request()))

        assert codes(turn.sent("acquirer")) == ["0430/000900/00"]
        assert bench.saf() == []

    def test_in_flight_it_turns_a_later_approval_into_a_reversal(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.receive("acquirer", reversal(request()))
        assert bench.saf() == []

        turn = bench.issuer_answers("00")

        assert codes(turn.sent("acquirer")) == ["0110/000001/21"]
        assert [row[5] for row in turn.stored("legs")] == ["reversed"]
        assert len(turn.stored("saf")) == 1

    def test_in_flight_a_later_decline_is_passed_on(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.receive("acquirer", reversal(request()))

        turn = bench.issuer_answers("51")

        assert codes(turn.sent("acquirer")) == ["0110/000001/51"]
        assert bench.saf() == []

    def test_in_flight_a_later_silence_makes_one_reversal(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.receive("acquirer", reversal(request()))

        bench.pass_time(10.0)

        assert bench.legs() == ["unknown"]
        assert len(bench.saf()) == 1

    def test_before_the_card_is_open_it_stops_the_request_here(self) -> None:
        bench = Bench()
        bench.receive("acquirer", request())

        turn = bench.receive("acquirer", reversal(request()))
        bench.open_card()

        assert codes(turn.sent("acquirer")) == ["0110/000001/21", "0430/000900/00"]
        assert bench.sent("issuer-a") == []

    def test_one_that_overtakes_its_original_leaves_a_tombstone_that_refuses_it(self) -> None:
        bench = Bench()
        bench.receive("acquirer", reversal(request()))

        bench.receive("acquirer", request())

        assert codes(bench.sent("acquirer")) == ["0430/000900/00", "0110/000001/21"]
        assert bench.sent("issuer-a") == []

    def test_a_tombstone_survives_a_restart(self) -> None:
        bench = Bench()
        bench.receive("acquirer", reversal(request()))
        again = bench.restart()

        again.receive("acquirer", request())

        assert codes(again.sent("acquirer")) == ["0110/000001/21"]

    def test_tombstones_expire_at_their_limit(self) -> None:
        bench = Bench(SwitchRules(tombstones_max=2))

        for stan in ("000001", "000002", "000003"):
            bench.receive("acquirer", reversal(request(stan)))

        assert [row[2] for row in bench.journal.rows["tombstones"].values()] == ["expired", "waiting", "waiting"]
        assert len(bench.machine.book.tombstones) == 2

    def test_one_that_comes_while_its_original_is_looked_up_waits_behind_it(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")
        again = bench.restart()

        again.do(again.arrival("acquirer", request()), again.arrival("acquirer", reversal(request())))

        assert codes(again.sent("acquirer")) == ["0110/000001/00", "0430/000900/00"]
        assert again.legs() == ["reversed"]
        assert len(again.saf()) == 1

    @pytest.mark.parametrize("mti", ["0400", "0420"])
    def test_request_and_advice_are_taken_alike(self, mti: str) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")

        turn = bench.receive("acquirer", reversal(request(), mti=mti))

        assert codes(turn.sent("acquirer")) == [f"{mti[:2]}{'10' if mti == '0400' else '30'}/000900/00"]
        assert [message.mti for message in bench.saf()] == ["0420"]

    def test_one_that_names_no_original_is_a_format_error(self) -> None:
        bench = Bench()

        turn = bench.receive("acquirer", reversal(request(), de90=None))

        assert codes(turn.sent("acquirer")) == ["0430/000900/30"]

    def test_a_repeat_with_another_time_is_found_by_its_business_name(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")
        copy = request(de7="0314092705").as_repeat()

        bench.receive("acquirer", reversal(copy))

        assert bench.legs() == ["reversed"]

    def test_one_with_a_reference_of_its_own_is_about_the_payment_all_the_same(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")

        turn = bench.receive("acquirer", reversal(request(), de37="999999999999"))

        # The HSM has recorded the payment under the request's DE 37, and opens its card for no other.
        assert [question.reference for question in turn.asked("hsm")] == [f"{request()[32]}/{request()[37]}"]
        assert bench.saf()[0].fields[37] == request()[37]


def untimed(original: Message, stan: str) -> Message:
    """Return a reversal that says what its original was, but not its DE 7."""
    return reversal(original, stan, de90=UNTIMED)


class TestDays:
    """A STAN comes round: what was reversed on one day says nothing of the same STAN on another."""

    yesterday = request(de7="0313080000", de12="080000", de13="0313", de37="607208000001")

    @pytest.mark.parametrize("form", [bare_reversal, untimed])
    def test_an_approval_is_undone_though_its_stan_was_reversed_the_day_before(self, form: Form) -> None:
        bench = Bench()
        bench.receive("acquirer", form(self.yesterday, "000900"))
        bench.forward(request())
        bench.issuer_answers("00")
        again = bench.restart()

        again.receive("acquirer", form(request(), "000901"))

        assert codes(again.sent("acquirer")) == ["0430/000901/00"]
        assert again.legs() == ["reversed"]
        assert len(again.saf()) == 1

    @pytest.mark.parametrize("restarts", [False, True])
    @pytest.mark.parametrize("form", [bare_reversal, untimed])
    def test_each_of_two_originals_that_have_not_come_is_refused_when_it_comes(
        self, form: Form, restarts: bool
    ) -> None:
        bench = Bench()
        bench.receive("acquirer", form(self.yesterday, "000900"))
        bench.receive("acquirer", form(request(), "000901"))
        bench = bench.restart() if restarts else bench

        for late in (self.yesterday, request()):
            turn = bench.receive("acquirer", late)

            assert codes(turn.sent("acquirer")) == ["0110/000001/21"]

    @pytest.mark.parametrize("form", [bare_reversal, untimed])
    def test_two_that_come_together_are_looked_for_each_by_itself(self, form: Form) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")
        again = bench.restart()

        again.do(*(again.arrival("acquirer", form(one, "000900")) for one in (self.yesterday, request())))

        assert again.legs() == ["reversed"]
        assert len(again.saf()) == len(again.machine.book.tombstones) == 1

    def test_one_that_could_be_of_any_day_is_a_format_error(self) -> None:
        bench = Bench()

        turn = bench.receive("acquirer", bare_reversal(request(), de90=UNTIMED))

        assert codes(turn.sent("acquirer")) == ["0430/000900/30"]
        assert len(bench.machine.book.tombstones) == 0


class TestRestart:
    """What was out when the switch stopped is Unknown; what had ended stays what it was."""

    def test_a_leg_that_was_out_is_reversed_in_the_first_turn(self) -> None:
        bench = Bench()
        bench.forward(request())

        again = bench.restart()

        assert [row[5] for row in again.turns[0].stored("legs")] == ["unknown"]
        assert len(again.turns[0].stored("saf")) == 1

    def test_a_leg_that_was_withdrawn_is_reversed_too(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.receive("acquirer", reversal(request()))

        again = bench.restart()

        assert again.legs() == ["unknown"]
        assert len(again.saf()) == 1

    def test_a_copy_of_such_a_leg_is_answered_inoperative(self) -> None:
        bench = Bench()
        bench.forward(request())
        again = bench.restart()

        again.receive("acquirer", request())

        assert codes(again.sent("acquirer")) == ["0110/000001/91"]

    def test_a_waiting_reversal_goes_on_as_the_repeat(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.pass_time(10.0)
        bench.open_card()

        again = bench.restart()
        again.open_card()

        assert [message.mti for message in again.sent("issuer-a")] == ["0421"]

    def test_an_old_approval_is_reversed_from_the_journal(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00")
        again = bench.restart()

        again.receive("acquirer", reversal(request()))
        again.open_card()

        assert codes(again.sent("acquirer")) == ["0430/000900/00"]
        assert again.sent("issuer-a")[0][90][:20] == "01000000010314092653"

    def test_a_second_restart_does_nothing_new(self) -> None:
        bench = Bench()
        bench.forward(request())
        again = bench.restart()

        third = again.restart()

        assert third.turns[0].stores == {}
        assert third.saf() == again.saf()
