"""Captures, single-message purchases, increments: what an acquirer books, and what it tells the network."""

from __future__ import annotations

import pytest

from banks.acquirer.books import AcquirerRules
from iso import Message
from iso.amounts import AdditionalAmount, build_amounts
from iso.original import OriginalData
from iso.private import build_private, parse_private
from tests.support.acquirer import CAFE, SHOP, MoneyBench, adding_to, capture_of, undoing
from tests.support.banks import PAN, TOKEN, at_acquirer

PENDING = f"merchant/{SHOP.identifier}/pending"
RESERVE = f"merchant/{SHOP.identifier}/reserve"


def sale(stan: str = "000001", **changes: str | None) -> Message:
    """Return a single-message purchase."""
    return at_acquirer(stan, **changes).with_fields({}, mti="0200")


class TestCapture:
    """A capture is the acquirer's own: booked, answered and owed to the network in one turn."""

    def test_the_gross_is_the_merchants_less_fees_and_reserve(self) -> None:
        bench = MoneyBench()
        bench.paid()

        answer = bench.told(capture_of(at_acquirer(), "000002"))

        assert (answer.mti, answer.response_code) == ("0230", "00")
        assert bench.balance("network") == -4_200
        fees = [bench.balance(f"fees/{part}") for part in ("interchange", "scheme", "acquirer")]
        assert fees == [73, 8, 71]
        assert (bench.balance(PENDING), bench.balance(RESERVE)) == (4_200 - 152 - 210, 210)
        assert bench.host.books.ledger.totals() == {"840": 0}
        assert bench.audit() == []

    def test_intent_clearing_ledger_and_advice_are_of_one_turn(self) -> None:
        bench = MoneyBench()
        bench.paid()

        bench.told(capture_of(at_acquirer(), "000002"))

        (turn,) = [turn for turn in bench.turns if any(sent.mti == "0230" for sent in turn.sent("gateway"))]
        tables = ("intents", "clearings", "entries", "accounts", "batches", "saf")
        assert all(turn.stored(table) for table in tables)

    def test_the_network_is_told_of_it_under_the_numbers_of_the_payment(self) -> None:
        bench = MoneyBench()
        bench.paid()
        original = bench.asked

        bench.told(capture_of(at_acquirer(), "000002", 1_000, more=True))

        (advice,) = bench.advices("0220")
        kept = (2, 3, 12, 13, 18, 19, 22, 25, 32, 37, 41, 42, 43, 49)
        assert {de: advice.get(de) for de in kept} == {de: original.get(de) for de in kept}
        assert OriginalData.from_de90(advice[90]) == OriginalData("0100", original.stan, original.transmitted, "400001")
        assert (advice.amount_minor, advice.authorisation_code, advice.response_code) == (1_000, "A1B2C3", "00")
        assert parse_private(advice[48]) == {"16": "01P"}
        assert advice.stan != original.stan

    def test_several_captures_are_numbered_and_the_last_is_final(self) -> None:
        bench = MoneyBench()
        bench.paid()

        answers = [
            bench.told(capture_of(at_acquirer(), "000002", 1_000, more=True)),
            bench.told(capture_of(at_acquirer(), "000003", 3_000)),
            bench.told(capture_of(at_acquirer(), "000004", 100)),
        ]
        bench.network_answers("00", to=bench.advices("0220")[0])

        assert [answer.response_code for answer in answers] == ["00", "00", "64"]
        assert [parse_private(advice[48])["16"] for advice in bench.advices("0220")] == ["01P", "02F"]

    def test_they_reach_the_network_one_after_the_other(self) -> None:
        bench = MoneyBench()
        bench.paid()

        bench.told(capture_of(at_acquirer(), "000002", 1_000, more=True))
        bench.told(capture_of(at_acquirer(), "000003", 3_000))

        assert len(bench.advices("0220")) == 1

    @pytest.mark.parametrize(
        ("amount", "changes", "code"),
        [
            (4_201, {}, "64"),
            (0, {}, "13"),
            (4_200, {"de49": "978"}, "64"),
            (4_200, {"de42": CAFE.identifier}, "58"),
        ],
    )
    def test_what_does_not_fit_the_payment_is_refused(self, amount: int, changes: dict[str, str], code: str) -> None:
        bench = MoneyBench()
        bench.paid()

        answer = bench.told(capture_of(at_acquirer(), "000002", amount, **changes))

        assert answer.response_code == code
        assert bench.audit() == []
        assert bench.rows("clearings") == []

    @pytest.mark.parametrize("ending", ["declined", "silent", "reversed"])
    def test_of_what_does_not_stand_is_refused(self, ending: str) -> None:
        bench = MoneyBench()
        bench.gateway_says(at_acquirer())
        if ending == "silent":
            bench.pass_time(15.0)
        else:
            bench.network_answers("51" if ending == "declined" else "00")
        if ending == "reversed":
            bench.told(undoing(at_acquirer(), "000009"))

        answer = bench.told(capture_of(at_acquirer(), "000002"))

        assert answer.response_code == "25"
        assert bench.rows("clearings") == []

    def test_within_the_tolerance_of_its_merchant_more_may_be_captured(self) -> None:
        bench = MoneyBench()
        meal = at_acquirer(de41="TERM0003", de42=CAFE.identifier)
        bench.paid(meal)

        answers = [bench.told(capture_of(meal, f"00001{n}", amount)) for n, amount in enumerate((5_041, 5_040))]

        assert [answer.response_code for answer in answers] == ["64", "00"]
        assert bench.balance(f"merchant/{CAFE.identifier}/pending") == 5_040

    def test_by_rrn_alone_and_from_another_terminal_it_is_of_the_same_payment(self) -> None:
        bench = MoneyBench()
        answer = bench.paid()

        captured = bench.told(capture_of(at_acquirer(), "000002", de90=None, de37=answer.rrn, de41="TERM0002"))

        (advice,) = bench.advices("0220")
        assert (captured.response_code, captured.terminal) == ("00", "TERM0002")
        assert (advice.rrn, advice.terminal) == (answer.rrn, "TERM0001")

    def test_while_the_authorisation_is_in_flight_it_waits_for_the_outcome(self) -> None:
        bench = MoneyBench()
        bench.gateway_says(at_acquirer())
        before = bench.gateway_says(capture_of(at_acquirer(), "000002"))

        answers = bench.network_answers("00")

        assert before == []
        assert sorted((answer.mti, answer.response_code) for answer in answers) == [("0110", "00"), ("0230", "00")]

    def test_a_copy_gets_the_stored_answer_and_books_nothing(self) -> None:
        bench = MoneyBench(AcquirerRules(settled_max=1))
        bench.paid()
        first = bench.told(capture_of(at_acquirer(), "000002"))
        bench.paid(at_acquirer("000003"))
        bench.restart()

        second = bench.told(capture_of(at_acquirer(), "000002").as_repeat())

        assert second.fields == first.fields
        assert bench.balance("network") == -4_200

    def test_a_restart_between_any_two_steps_changes_nothing(self) -> None:
        bench = MoneyBench()
        bench.paid()
        bench.restart()
        bench.told(capture_of(at_acquirer(), "000002", 1_000, more=True))
        bench.restart()
        answer = bench.told(capture_of(at_acquirer(), "000003", 3_200))
        bench.restart()

        assert answer.response_code == "00"
        assert bench.balance("network") == -4_200
        assert [row["number"] for row in bench.rows("clearings")] == [1, 2]
        assert bench.audit() == []

    def test_every_clearing_row_has_an_arn_of_its_own(self) -> None:
        bench = MoneyBench()
        for number in (1, 3, 5):
            request = at_acquirer(f"{number:06d}")
            bench.paid(request)
            bench.told(capture_of(request, f"{number + 1:06d}"))

        arns = {row["arn"] for row in bench.rows("clearings")}
        assert len(arns) == 3
        assert all(len(arn) == 23 and arn.startswith("7400001" + "6073") for arn in arns)


class TestSingleMessage:
    """A 0200 is authorised and captured at once; its reversal mirrors that."""

    def test_an_approval_is_booked_in_the_turn_of_its_answer(self) -> None:
        bench = MoneyBench()

        answer = bench.paid(sale())

        assert (answer.mti, answer.response_code) == ("0210", "00")
        assert bench.asked.mti == "0200"
        assert bench.balance("network") == -4_200
        (turn,) = [turn for turn in bench.turns if turn.sent("gateway")]
        assert turn.stored("clearings")

    def test_a_partial_approval_is_booked_as_approved(self) -> None:
        bench = MoneyBench()

        answer = bench.paid(sale(), "10", de4="000000003000")

        assert (answer.response_code, answer.amount_minor) == ("10", 3_000)
        assert bench.balance("network") == -3_000

    def test_nothing_of_it_is_left_to_capture(self) -> None:
        bench = MoneyBench()
        bench.paid(sale())

        assert bench.told(capture_of(sale(), "000002")).response_code == "64"

    def test_silence_books_nothing_and_owes_its_reversal(self) -> None:
        bench = MoneyBench()
        bench.gateway_says(sale())
        original = bench.asked

        bench.pass_time(15.0)

        (reversal,) = bench.reversals
        assert OriginalData.from_de90(reversal[90]) == OriginalData(
            "0200", original.stan, original.transmitted, "400001"
        )
        assert bench.rows("clearings") == []

    def test_its_reversal_puts_everything_back(self) -> None:
        bench = MoneyBench()
        bench.paid(sale())

        answer = bench.told(undoing(sale(), "000009"))

        assert answer.response_code == "00"
        assert {account.posted_minor for account in bench.host.books.ledger.accounts.values()} == {0}
        assert [row["state"] for row in bench.rows("clearings")] == ["reversed"]
        assert bench.audit() == []


class TestIncrement:
    """An increment is a request of its own and part of its payment."""

    def test_it_travels_under_the_rrn_of_the_payment_and_names_its_first_request(self) -> None:
        bench = MoneyBench()
        bench.paid()
        original = bench.asked

        bench.gateway_says(adding_to(at_acquirer(), "000002", 800))

        sent = bench.asked
        assert (sent.mti, sent.amount_minor, sent.rrn) == ("0100", 800, original.rrn)
        assert OriginalData.from_de90(sent[90]) == OriginalData("0100", original.stan, original.transmitted, "400001")

    def test_what_it_adds_can_be_captured(self) -> None:
        bench = MoneyBench()
        bench.paid()
        bench.paid(adding_to(at_acquirer(), "000002", 800))

        assert bench.told(capture_of(at_acquirer(), "000003", 5_000)).response_code == "00"

    def test_its_reversal_takes_only_that_away(self) -> None:
        bench = MoneyBench()
        bench.paid()
        bench.paid(adding_to(at_acquirer(), "000002", 800))
        undone = bench.told(undoing(adding_to(at_acquirer(), "000002", 800), "000004"))

        answers = [
            bench.told(capture_of(at_acquirer(), f"00001{n}", amount)) for n, amount in enumerate((4_201, 4_200))
        ]

        assert undone.response_code == "00"
        assert [answer.response_code for answer in answers] == ["64", "00"]

    def test_it_is_undone_although_more_than_the_rest_was_captured_within_the_tolerance(self) -> None:
        bench = MoneyBench()
        first = at_acquirer(de41="TERM0003", de42=CAFE.identifier)
        more = adding_to(first, "000002", 1_000)
        bench.paid(first)
        bench.paid(more)
        bench.told(capture_of(first, "000003", 4_800))

        answer = bench.told(undoing(more, "000004"))

        assert answer.response_code == "00"

    def test_of_a_payment_that_is_not_there_or_is_over_it_is_refused(self) -> None:
        bench = MoneyBench()
        unknown = bench.told(adding_to(at_acquirer(), "000002", 800))
        bench.paid()
        bench.told(capture_of(at_acquirer(), "000003"))

        over = bench.told(adding_to(at_acquirer(), "000004", 800))

        assert (unknown.response_code, over.response_code) == ("25", "25")

    def test_approved_after_the_payment_has_ended_it_is_undone(self) -> None:
        bench = MoneyBench()
        bench.paid()
        bench.gateway_says(adding_to(at_acquirer(), "000002", 800))
        asked = bench.asked
        bench.told(undoing(at_acquirer(), "000003"))

        (answer,) = bench.network_answers("00", to=asked)

        assert answer.response_code == "91"
        assert sorted(bench.states()) == ["reversed", "reversed"]
        assert len(bench.rows("saf")) == 2


class TestInquiries:
    """What asks without paying passes through, and moves nothing."""

    def test_a_verification_with_nothing_against_it_is_approved(self) -> None:
        bench = MoneyBench()

        answer = bench.paid(at_acquirer(de4="000000000000"), "85")

        assert answer.response_code == "85"
        assert bench.states() == ["approved"]

    def test_85_approves_no_purchase(self) -> None:
        bench = MoneyBench()
        bench.paid(code="85")

        assert bench.states() == ["declined"]

    def test_balances_come_back(self) -> None:
        bench = MoneyBench()
        balances = build_amounts([AdditionalAmount("00", "02", "840", 100)])

        answer = bench.paid(at_acquirer(de3="310000", de4=None), de54=balances)
        again = bench.told(at_acquirer(de3="310000", de4=None))

        assert (answer.response_code, answer.get(54), 4 in answer) == ("00", balances, False)
        assert again == answer

    def test_chip_data_comes_back_once_and_is_not_kept(self) -> None:
        bench = MoneyBench()

        answer = bench.paid(at_acquirer(de55="9F2608AABBCCDDEEFF0011"), de55="910A1122334455667788990A")
        again = bench.told(at_acquirer())

        assert (answer.get(55), again.get(55)) == ("910A1122334455667788990A", None)
        assert "9F2608" not in repr(bench.journal.rows)
        assert "1122334455" not in repr(bench.journal.rows)

    def test_a_processing_code_that_nobody_serves_is_refused(self) -> None:
        assert MoneyBench().told(at_acquirer(de3="500000")).response_code == "12"


class TestForcedSale:
    """A sale that the terminal approved itself goes to the issuer first; until then the terminal repeats it."""

    def offline(self, mti: str = "0220", **changes: str | None) -> Message:
        """Return the advice of an offline sale."""
        return at_acquirer(de48=None, de39="00", de38="OFF001", **changes).with_fields({}, mti=mti)

    def test_it_is_booked_once_the_network_has_taken_it(self) -> None:
        bench = MoneyBench()
        before = bench.gateway_says(self.offline())
        booked_before = bench.rows("clearings")

        (answer,) = bench.network_answers("00", de38="OFF001")

        assert (before, booked_before) == ([], [])
        assert (answer.mti, answer.response_code) == ("0230", "00")
        assert bench.balance("network") == -4_200

    def test_a_refusal_of_the_issuer_is_passed_on(self) -> None:
        bench = MoneyBench()

        assert bench.paid(self.offline(), "14").response_code == "14"
        assert bench.rows("clearings") == []

    def test_after_silence_its_repeat_goes_on_under_the_same_numbers(self) -> None:
        bench = MoneyBench()
        bench.gateway_says(self.offline())
        first = bench.asked
        bench.pass_time(15.0)
        silence = bench.sent["gateway"][-1]
        bench.restart()

        answer = bench.paid(self.offline().as_repeat())

        second = bench.asked
        numbers = (7, 11, 37)
        assert (silence.response_code, answer.response_code, second.mti) == ("91", "00", "0221")
        assert [second.get(de) for de in numbers] == [first.get(de) for de in numbers]
        assert bench.balance("network") == -4_200
        assert bench.reversals == []

    @pytest.mark.parametrize("code", ["91", "96", "19"])
    def test_a_network_that_cannot_take_it_now_is_told_again(self, code: str) -> None:
        bench = MoneyBench()
        first = bench.paid(self.offline(), code)

        again = bench.paid(self.offline().as_repeat())

        assert (first.response_code, again.response_code) == ("91", "00")
        assert bench.balance("network") == -4_200

    def test_while_its_repeat_is_on_its_way_nothing_makes_a_second_sale_of_it(self) -> None:
        bench = MoneyBench(AcquirerRules(settled_max=1))
        bench.paid(self.offline(), "91")
        bench.gateway_says(self.offline().as_repeat())
        on_its_way = bench.asked
        for number in range(2, 5):
            bench.paid_by_rrn(at_acquirer(f"{number:06d}", de7="0314092700"))

        waiting = bench.gateway_says(self.offline().as_repeat())
        answers = bench.network_answers("00", to=on_its_way)

        assert (waiting, [answer.response_code for answer in answers]) == ([], ["00", "00"])
        assert [row["state"] for row in bench.rows("intents") if row["mti"] == "0220"] == ["approved"]

    def test_reversed_before_it_was_confirmed_it_is_undone_at_the_network(self) -> None:
        bench = MoneyBench()
        bench.gateway_says(self.offline())
        bench.pass_time(15.0)

        answer = bench.told(undoing(self.offline(), "000009"))
        again = bench.told(self.offline().as_repeat())

        assert (answer.response_code, again.response_code) == ("00", "21")
        assert len(bench.reversals) == 1

    def test_a_card_number_passes_and_is_not_kept(self) -> None:
        bench = MoneyBench()

        bench.paid(self.offline(de2=PAN))

        assert bench.asked.pan == PAN
        assert PAN not in repr(bench.journal.rows)

    def test_a_forced_hold_can_be_captured(self) -> None:
        bench = MoneyBench()
        advice = self.offline("0120")
        bench.paid(advice)

        answer = bench.told(capture_of(advice, "000002"))

        assert answer.response_code == "00"
        assert OriginalData.from_de90(bench.advices("0220")[0][90]).mti == "0120"

    def test_an_advice_about_what_the_network_has_approved_changes_nothing(self) -> None:
        bench = MoneyBench()
        bench.paid()
        advice = self.offline("0120", de11="000002", de90=OriginalData.of(at_acquirer()).to_de90())

        answer = bench.told(advice)
        bench.told(undoing(advice, "000003"))

        assert answer.response_code == "00"
        assert len(bench.advices("0120")) == 0
        assert [OriginalData.from_de90(message[90]).mti for message in bench.reversals] == ["0100"]

    @pytest.mark.parametrize("code", ["05", "91"])
    def test_what_the_terminal_declined_is_no_sale(self, code: str) -> None:
        assert MoneyBench().told(self.offline().with_fields({39: code})).response_code == "25"


class TestSecretsOfCards:
    """What proves a card lives for one request."""

    def test_nothing_of_a_stripe_a_chip_or_a_cvv2_is_stored(self) -> None:
        bench = MoneyBench()
        secrets = {
            "de14": "3012",
            "de35": f"{PAN}=30121011234567",
            "de45": "B9900017391586415^X^3012",
            "de55": "9F2608AABBCCDDEEFF0011",
            "de48": build_private({"01": "737", "05": "0123456789ABCDEF"}),
        }

        bench.paid(at_acquirer(de2=None, **secrets), de48=build_private({"01": "737", "02": "M"}))

        stored = repr(bench.journal.rows)
        assert bench.asked.pan == PAN
        assert [
            secret for secret in (PAN, "=3012", "^X^", "9F26", "0123456789ABCDEF", "01003737") if secret in stored
        ] == []

    def test_a_token_is_kept(self) -> None:
        bench = MoneyBench()
        bench.paid()

        assert TOKEN in repr(bench.journal.rows)
