"""The acquirer's handler: what it passes on, what it refuses, and who owns an unknown outcome."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks.acquirer.books import TOKEN_BIN, AcquirerRules
from hsm_sim.core.vault import TOKEN_BIN as VAULT_TOKEN_BIN
from iso import Message
from iso.original import OriginalData
from iso.private import build_private
from node.core.events import Connected
from tests.support.banks import (
    PAN,
    TOKEN,
    AcquirerBench,
    at_acquirer,
    reversal_at_acquirer,
)


class TestPassingOn:
    """A 0100 goes on under the acquirer's own numbers, and its answer comes back under the gateway's."""

    def test_the_network_gets_a_new_stan_an_rrn_and_the_shops_particulars(self) -> None:
        bench = AcquirerBench()

        bench.gateway_says(at_acquirer("000777"))

        sent = bench.asked
        assert (sent.mti, sent.stan, sent.rrn) == ("0100", "000001", "607309000001")
        assert (sent.acquirer_id, sent.get(18), sent.get(19)) == ("400001", "5999", "840")
        assert sent.get(43) == "The Shop                 Springfield  US"

    def test_what_is_between_gateway_and_issuer_passes_unchanged(self) -> None:
        bench, request = AcquirerBench(), at_acquirer()

        bench.gateway_says(request)

        kept = (2, 3, 4, 12, 13, 14, 22, 25, 41, 42, 48, 49)
        assert {de: bench.asked.get(de) for de in kept} == {de: request.get(de) for de in kept}

    def test_the_answer_has_the_gateways_numbers_and_the_networks_verdict(self) -> None:
        bench, request = AcquirerBench(), at_acquirer("000777")
        bench.gateway_says(request)

        (answer,) = bench.network_answers("00", de48=build_private({"02": "M", "10": "NTID00000000001"}), de15="0314")

        assert (answer.mti, answer.stan, answer.transmitted) == ("0110", "000777", request.transmitted)
        assert (answer.response_code, answer.authorisation_code, answer.rrn) == ("00", "A1B2C3", "607309000001")
        assert answer.get(48) == build_private({"02": "M", "10": "NTID00000000001"})

    @pytest.mark.parametrize("code", ["05", "51", "54", "N7", "14", "91", "Z9"])
    def test_a_decline_is_passed_as_it_is(self, code: str) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())

        (answer,) = bench.network_answers(code)

        assert answer.response_code == code
        assert bench.states() == ["declined"]

    def test_the_intent_is_committed_with_the_request_and_the_outcome_with_the_answer(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        (asking,) = [turn for turn in bench.turns if turn.sent("network")]
        bench.network_answers()
        (answering,) = [turn for turn in bench.turns if turn.sent("gateway")]

        assert [row[4] for row in asking.stored("intents")] == ["sent"]
        assert [row[4] for row in answering.stored("intents")] == ["approved"]

    def test_every_request_gets_a_stan_of_its_own(self) -> None:
        bench = AcquirerBench()

        for number in range(1, 6):
            bench.gateway_says(at_acquirer(f"{number:06d}"))

        assert [message.stan for message in bench.sent["network"]] == [f"{number:06d}" for number in range(1, 6)]


class TestRefusals:
    """What an acquirer can judge itself never reaches the network."""

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"de42": "NOBODY         "}, "03"),
            ({"de42": "MERCHANT0000002", "de41": "TERM0002"}, "03"),
            ({"de41": "TERM0002"}, "58"),
            ({"de41": "UNKNOWN1"}, "58"),
            ({"de4": None}, "30"),
            ({"de49": None}, "30"),
        ],
    )
    def test_each_has_its_code(self, changes: dict[str, str | None], code: str) -> None:
        bench = AcquirerBench()

        (answer,) = bench.gateway_says(at_acquirer(**changes))

        assert answer.response_code == code
        assert bench.sent.get("network") is None

    @pytest.mark.parametrize(("mti", "code"), [("0140", "40"), ("0240", "40"), ("0540", "40"), ("0600", "12")])
    def test_a_function_that_is_not_there_is_said_so(self, mti: str, code: str) -> None:
        (answer,) = AcquirerBench().gateway_says(at_acquirer().with_fields({}, mti=mti))

        assert answer.response_code == code

    def test_a_reversal_without_a_readable_original_is_a_format_error(self) -> None:
        (answer,) = AcquirerBench().gateway_says(reversal_at_acquirer(at_acquirer(), de90=None))

        assert answer.response_code == "30"

    def test_requests_of_the_network_are_not_taken(self) -> None:
        bench = AcquirerBench()

        (answer,) = bench.hear("network", at_acquirer(de48=None))

        assert answer.response_code == "40"


class TestUnknown:
    """Silence of the network is answered 91 and owes it a reversal in the same turn; nothing sent owes nothing."""

    def test_silence_stores_the_reversal_in_the_turn_that_answers_the_gateway(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())

        bench.pass_time(15.0)

        (turn,) = [turn for turn in bench.turns if turn.sent("gateway")]
        assert turn.sent("gateway")[0].response_code == "91"
        assert len(turn.stored("saf")) >= 1
        assert bench.states() == ["unknown"]

    def test_a_lost_link_is_silence(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())

        bench.cut("network")

        assert [answer.response_code for answer in bench.sent["gateway"]] == ["91"]
        assert [row["state"] for row in bench.rows("saf")] == ["waiting"]

    def test_the_reversal_names_the_original_as_the_network_saw_it(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer("000777"))
        original = bench.asked

        bench.pass_time(15.0)

        (reversal,) = bench.reversals
        named = OriginalData.from_de90(reversal[90])
        assert (named.mti, named.stan, named.transmitted, named.acquirer_id) == (
            "0100",
            original.stan,
            original.transmitted,
            "400001",
        )
        kept = (2, 3, 4, 12, 13, 18, 19, 32, 37, 41, 42, 43, 49)
        assert {de: reversal.get(de) for de in kept} == {de: original.get(de) for de in kept}
        assert (reversal.stan != original.stan, reversal.get(38), reversal.get(48)) == (True, None, None)

    def test_the_reversal_is_repeated_until_it_is_acknowledged(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.pass_time(15.0)
        bench.pass_time(10.0)
        bench.pass_time(2.0)

        bench.network_answers("00", to=bench.reversals[-1])

        assert [message.mti for message in bench.reversals] == ["0420", "0421"]
        assert [row["state"] for row in bench.rows("saf")] == ["done"]

    def test_a_late_approval_never_reaches_the_gateway(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        original = bench.asked
        bench.pass_time(15.0)

        answers = bench.network_answers("00", to=original)

        assert answers == []
        assert bench.states() == ["unknown"]

    def test_a_link_that_is_down_is_answered_91_and_owes_nothing(self) -> None:
        bench = AcquirerBench()
        bench.cut("network")

        (answer,) = bench.gateway_says(at_acquirer())

        assert answer.response_code == "91"
        assert bench.rows("saf") == []
        assert bench.states() == ["declined"]

    def test_a_request_that_was_never_written_owes_nothing(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())

        bench.never_written("network")

        assert [answer.response_code for answer in bench.sent["gateway"]] == ["91"]
        assert bench.rows("saf") == []

    def test_a_later_reversal_of_the_gateway_makes_no_second_one(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.pass_time(15.0)

        (answer,) = bench.gateway_says(reversal_at_acquirer(at_acquirer()))

        assert answer.response_code == "00"
        assert len(bench.rows("saf")) == 1


class TestReversal:
    """A gateway's reversal is taken over durably, acknowledged at once, and passed on once."""

    @pytest.mark.parametrize(("mti", "answer_mti"), [("0420", "0430"), ("0421", "0430"), ("0400", "0410")])
    def test_of_an_approval_goes_to_the_network(self, mti: str, answer_mti: str) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.network_answers()

        (answer,) = bench.gateway_says(reversal_at_acquirer(at_acquirer(), mti=mti))

        assert (answer.mti, answer.response_code) == (answer_mti, "00")
        assert [(message.mti, message.get(38)) for message in bench.reversals] == [("0420", "A1B2C3")]
        assert bench.states() == ["reversed"]

    def test_of_an_approval_is_passed_on_only_once(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.network_answers()
        first = bench.gateway_says(reversal_at_acquirer(at_acquirer()))

        second = bench.gateway_says(reversal_at_acquirer(at_acquirer()).as_repeat())

        assert first == second
        assert len(bench.rows("saf")) == 1

    def test_of_a_decline_changes_nothing(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.network_answers("51")

        (answer,) = bench.gateway_says(reversal_at_acquirer(at_acquirer()))

        assert answer.response_code == "00"
        assert bench.rows("saf") == []

    def test_while_in_flight_waits_for_the_outcome_and_then_undoes_an_approval(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        original = bench.asked
        (acknowledged,) = bench.gateway_says(reversal_at_acquirer(at_acquirer()))
        before = list(bench.reversals)

        (answer,) = bench.network_answers("00", to=original)

        assert (acknowledged.response_code, before) == ("00", [])
        assert (answer.response_code, answer.get(38)) == ("91", None)
        assert [message.get(38) for message in bench.reversals] == ["A1B2C3"]
        assert bench.states() == ["reversed"]

    def test_while_in_flight_has_nothing_to_undo_after_a_decline(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        original = bench.asked
        bench.gateway_says(reversal_at_acquirer(at_acquirer()))

        bench.network_answers("51", to=original)

        assert bench.rows("saf") == []

    def test_of_a_request_never_seen_leaves_a_tombstone(self) -> None:
        bench = AcquirerBench()

        (answer,) = bench.gateway_says(reversal_at_acquirer(at_acquirer()))
        (late,) = bench.gateway_says(at_acquirer())

        assert answer.response_code == "25"
        assert late.response_code == "91"
        assert bench.sent.get("network") is None

    def test_days_later_and_after_a_restart_it_still_finds_its_original(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.network_answers()
        bench.advance(days=5)
        bench.restart()

        (answer,) = bench.gateway_says(reversal_at_acquirer(at_acquirer()))

        assert answer.response_code == "00"
        assert len(bench.reversals) == 1

    def test_a_silent_journal_is_answered_96_so_that_it_is_asked_again(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.network_answers()
        bench.restart()
        bench.journal_answers = False
        bench.gateway_says(reversal_at_acquirer(at_acquirer()))

        bench.pass_time(2.0)

        assert bench.sent["gateway"][-1].response_code == "96"


class TestRepeats:
    """The gateway's key is DE 41, 11 and 7: a copy of a request is the same request."""

    def test_a_copy_gets_the_stored_answer(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        (first,) = bench.network_answers(de48=build_private({"02": "M"}))

        (second,) = bench.gateway_says(at_acquirer().as_repeat())

        assert second == first
        assert len(bench.sent["network"]) == 1

    def test_copies_in_flight_wait_for_the_one_answer(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer(), at_acquirer().as_repeat(), at_acquirer())

        answers = bench.network_answers()

        assert [answer.response_code for answer in answers] == ["00"] * 3
        assert len(bench.sent["network"]) == 1

    def test_a_copy_after_a_restart_gets_the_stored_answer(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        (first,) = bench.network_answers()
        bench.restart()

        (second,) = bench.gateway_says(at_acquirer())

        assert second == first

    def test_a_copy_that_memory_has_forgotten_is_found_in_the_journal(self) -> None:
        bench = AcquirerBench(AcquirerRules(settled_max=1))
        bench.gateway_says(at_acquirer("000001"))
        (first,) = bench.network_answers()
        for number in range(2, 5):
            bench.gateway_says(at_acquirer(f"{number:06d}"))
            bench.network_answers()

        (second,) = bench.gateway_says(at_acquirer("000001"))

        assert second == first

    def test_a_copy_of_what_has_been_undone_is_never_an_approval(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.network_answers()
        bench.gateway_says(reversal_at_acquirer(at_acquirer()))

        (again,) = bench.gateway_says(at_acquirer().as_repeat())

        assert (again.response_code, again.get(38)) == ("91", None)


class TestRestart:
    """What was in flight at a crash is Unknown: it is reversed, and its numbers are never used again."""

    def test_an_intent_in_flight_is_reversed_when_the_network_is_back(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        original = bench.asked
        bench.restart("gateway")
        stored = [row["state"] for row in bench.rows("saf")]

        bench.do(Connected("network", 99, dialled=True))

        (reversal,) = bench.reversals
        assert stored == ["waiting"]
        assert OriginalData.from_de90(reversal[90]).stan == original.stan
        assert bench.states() == ["unknown"]

    def test_a_second_crash_makes_no_second_reversal(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.restart()

        bench.restart()

        assert len(bench.rows("saf")) == 1

    def test_a_reversal_in_flight_goes_on_as_a_repeat(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.pass_time(15.0)

        bench.restart()

        assert [message.mti for message in bench.reversals] == ["0420", "0421"]

    def test_no_stan_is_used_twice(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer("000001"))
        bench.restart()

        bench.gateway_says(at_acquirer("000002"))

        stans = [message.stan for message in bench.sent["network"]]
        assert len(set(stans)) == len(stans) == 3

    def test_a_tombstone_survives(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(reversal_at_acquirer(at_acquirer()))
        bench.restart()

        (late,) = bench.gateway_says(at_acquirer())

        assert late.response_code == "91"


class TestSecrets:
    """What may be stored is stored; a card number, a CVV2 or a cryptogram never is."""

    def test_the_token_range_is_that_of_the_vault(self) -> None:
        assert TOKEN_BIN == VAULT_TOKEN_BIN

    def test_no_row_has_the_cryptogram(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.network_answers(de48=build_private({"01": "737", "02": "M"}))

        stored = repr(bench.journal.rows)
        assert "0123456789ABCDEF" not in stored
        assert TOKEN in stored
        assert [row["private"] for row in bench.rows("intents")] == [build_private({"02": "M"})]

    def test_a_card_number_passes_but_is_not_kept(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer(de2=PAN, de48=None))
        passed = bench.asked.pan
        bench.pass_time(15.0)

        assert passed == PAN
        assert PAN not in repr(bench.journal.rows)
        assert PAN not in repr(bench.host.view())
        assert [message.get(2) for message in bench.reversals] == [None]


def _step(bench: AcquirerBench, step: str, request: Message) -> None:
    if step == "request":
        bench.gateway_says(request)
    elif step == "reversal":
        bench.gateway_says(reversal_at_acquirer(request))
    elif step in ("approve", "decline"):
        pending = [message for message in bench.sent.get("network", []) if message.mti == "0100"]
        if pending:
            bench.network_answers("00" if step == "approve" else "05", to=pending[-1])
    elif step == "acknowledge":
        if bench.reversals:
            bench.network_answers("00", to=bench.reversals[-1])
    elif step == "silence":
        bench.pass_time(15.0)
    else:
        bench.restart()


class TestAnyOrder:
    """Whatever happens in whatever order, nobody is told of an approval that is undone, and undoing happens once."""

    @given(
        st.lists(
            st.sampled_from(("request", "reversal", "approve", "decline", "acknowledge", "silence", "restart")),
            min_size=1,
            max_size=10,
        )
    )
    @settings(max_examples=200, deadline=None)
    def test_of_one_payment(self, steps: list[str]) -> None:
        bench, request = AcquirerBench(), at_acquirer()

        for step in steps:
            _step(bench, step, request)

        (state,) = bench.states() or ["never seen"]
        approvals = [
            index
            for index, message in enumerate(bench.sent.get("gateway", []))
            if message.mti == "0110" and message.response_code == "00"
        ]
        undone = state in ("unknown", "reversed")
        assert len(bench.rows("saf")) == int(undone)
        assert not (state == "unknown" and approvals)
        if "reversal" in steps[: _first_approval(steps)]:
            assert not approvals


def _first_approval(steps: list[str]) -> int:
    return steps.index("approve") if "approve" in steps else len(steps)
