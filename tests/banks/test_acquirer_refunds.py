"""Refunds, reversals of money, batch totals and presentment at the acquirer."""

from __future__ import annotations

import pytest

from banks.acquirer.books import AcquirerRules
from banks.acquirer.presenting import Marked, presented, unpresented
from iso import Message
from iso.original import OriginalData
from iso.replacement import ReplacementAmounts
from tests.support.acquirer import SHOP, STALL, MoneyBench, capture_of, refund_of, totals_of, undoing
from tests.support.banks import PAN, at_acquirer

PENDING = f"merchant/{SHOP.identifier}/pending"


def captured(amount_minor: int = 4_200, rules: AcquirerRules | None = None) -> MoneyBench:
    """Return an acquirer with one payment of 42.00, of which an amount has been captured."""
    bench = MoneyBench(rules)
    bench.paid()
    bench.told(capture_of(at_acquirer(), "000002", amount_minor))
    return bench


class TestRefund:
    """A refund asks the issuer, and is never more than was captured and has not been refunded."""

    def test_it_goes_on_under_the_rrn_of_the_payment_and_names_it(self) -> None:
        bench = captured()
        original = bench.sent["network"][0]

        bench.gateway_says(refund_of(at_acquirer(), "000003", 1_000))

        sent = bench.asked
        assert (sent.mti, sent.processing_code, sent.amount_minor, sent.rrn) == ("0200", "200000", 1_000, original.rrn)
        assert OriginalData.from_de90(sent[90]) == OriginalData("0100", original.stan, original.transmitted, "400001")

    def test_of_a_card_number_which_is_kept_nowhere_it_says_only_the_payment(self) -> None:
        bench = MoneyBench()
        original = at_acquirer(de2=PAN, de48=None)
        bench.paid(original)
        bench.told(capture_of(original, "000002", de2=None))

        answer = bench.paid(refund_of(original, "000003", 1_000, de2=None))

        assert answer.response_code == "00"
        assert 2 not in bench.asked

    def test_its_amount_is_taken_from_the_merchant_and_fees_stay(self) -> None:
        bench = captured()
        before = bench.pending

        answer = bench.paid(refund_of(at_acquirer(), "000003", 1_000))

        assert (answer.mti, answer.response_code) == ("0210", "00")
        assert (bench.pending, bench.balance("network")) == (before - 1_000, -3_200)
        assert bench.balance("fees/interchange") == 73
        assert bench.audit() == []

    @pytest.mark.parametrize(("amount", "code"), [(4_201, "64"), (0, "13")])
    def test_what_does_not_fit_is_refused_without_asking(self, amount: int, code: str) -> None:
        bench = captured()

        answer = bench.told(refund_of(at_acquirer(), "000003", amount))

        assert answer.response_code == code
        assert bench.advices("0200") == []

    def test_nothing_captured_is_nothing_to_refund(self) -> None:
        bench = MoneyBench()
        bench.paid()

        assert bench.told(refund_of(at_acquirer(), "000003", 1)).response_code == "64"

    def test_refunds_in_parallel_never_exceed_it(self) -> None:
        bench = captured()
        answers = bench.gateway_says(*(refund_of(at_acquirer(), f"00001{n}", 1_500) for n in range(4)))

        for request in bench.advices("0200"):
            answers += bench.network_answers("00", to=request)

        assert sorted(answer.response_code for answer in answers) == ["00", "00", "64", "64"]
        assert bench.balance("network") == -1_200

    @pytest.mark.parametrize("ending", ["declined", "silent", "not sent", "restart"])
    def test_what_did_not_happen_can_be_refunded_again(self, ending: str) -> None:
        bench = captured()
        bench.gateway_says(refund_of(at_acquirer(), "000003", 4_200))
        if ending == "declined":
            bench.network_answers("05")
        elif ending == "silent":
            bench.pass_time(15.0)
        elif ending == "not sent":
            bench.never_written("network")
        else:
            bench.restart()

        answer = bench.paid_by_rrn(refund_of(at_acquirer(), "000004", 4_200))

        assert answer.response_code == "00"
        owed = [message for message in bench.owed("0420") if OriginalData.from_de90(message[90]).mti == "0200"]
        assert len(owed) == (1 if ending in ("silent", "restart") else 0)
        assert bench.balance("network") == 0

    def test_after_a_restart_and_when_memory_has_forgotten_the_payment_it_is_found(self) -> None:
        bench = captured(rules=AcquirerRules(settled_max=1))
        for number in range(10, 13):
            bench.paid(at_acquirer(f"{number:06d}"))
        bench.restart()

        assert bench.paid(refund_of(at_acquirer(), "000003", 4_200)).response_code == "00"
        assert bench.told(refund_of(at_acquirer(), "000004", 1)).response_code == "64"

    def test_of_an_unknown_payment_it_is_refused(self) -> None:
        assert MoneyBench().told(refund_of(at_acquirer(), "000003", 1)).response_code == "25"

    @pytest.mark.parametrize(("terminal", "merchant", "code"), [("TERM0001", SHOP, "58"), ("TERM0004", STALL, "00")])
    def test_without_a_payment_only_if_the_merchant_may(self, terminal: str, merchant: object, code: str) -> None:
        bench = MoneyBench()
        shop = STALL if merchant is STALL else SHOP
        request = refund_of(at_acquirer(de41=terminal, de42=shop.identifier), "000003", 700, de90=None)
        answers = bench.gateway_says(request) or bench.network_answers("00")

        assert [answer.response_code for answer in answers] == [code]
        assert bench.balance(f"merchant/{shop.identifier}/pending") == (-700 if code == "00" else 0)

    def test_reversed_while_in_flight_it_is_undone(self) -> None:
        bench = captured()
        request = refund_of(at_acquirer(), "000003", 1_000)
        bench.gateway_says(request)
        asked = bench.asked
        bench.told(undoing(request, "000004"))

        (answer,) = bench.network_answers("00", to=asked)

        assert answer.response_code == "91"
        assert bench.balance("network") == -4_200

    def test_a_suspended_merchant_may_refund_but_not_sell(self) -> None:
        bench = captured()
        shop = bench.host.books.directory.merchants[SHOP.identifier]
        bench.host.books.put_merchant(shop.changed({"status": "suspended"}), bench.turns[-1])

        assert bench.told(at_acquirer("000005")).response_code == "03"
        assert bench.paid(refund_of(at_acquirer(), "000006", 100)).response_code == "00"


class TestReversalOfMoney:
    """What was booked is mirrored; nothing is reversed on which something else rests."""

    def test_of_a_capture_puts_everything_back_and_lets_it_be_captured_again(self) -> None:
        bench = captured()

        answer = bench.told(undoing(capture_of(at_acquirer(), "000002"), "000003"))

        assert answer.response_code == "00"
        assert {account.posted_minor for account in bench.host.books.ledger.accounts.values()} == {0}
        assert [entry["identifier"].split("/")[0] for entry in bench.rows("saf")] == ["completion", "reversal"]
        assert bench.told(capture_of(at_acquirer(), "000004")).response_code == "00"
        assert bench.audit() == []

    def test_it_goes_out_behind_the_capture(self) -> None:
        bench = captured()
        bench.told(undoing(capture_of(at_acquirer(), "000002"), "000003"))
        before = len(bench.advices("0420"))

        bench.network_answers("00", to=bench.advices("0220")[0])

        (capture, reversal) = (bench.advices("0220")[0], bench.advices("0420")[0])
        assert before == 0
        assert OriginalData.from_de90(reversal[90]) == OriginalData("0220", capture.stan, capture.transmitted, "400001")

    def test_a_part_of_a_capture_is_booked_anew_with_the_fees_of_what_remains(self) -> None:
        bench = captured()

        bench.told(undoing(capture_of(at_acquirer(), "000002"), "000003", remains_minor=4_100))
        again = bench.told(undoing(capture_of(at_acquirer(), "000002"), "000003", remains_minor=4_100))

        assert again.response_code == "00"
        assert bench.balance("network") == -4_100
        assert sum(bench.balance(f"fees/{part}") for part in ("interchange", "scheme", "acquirer")) == 149
        assert bench.audit() == []

    def test_of_a_refund_gives_it_back_to_the_merchant(self) -> None:
        bench = captured()
        before = bench.pending
        bench.paid(refund_of(at_acquirer(), "000003", 1_000))

        answer = bench.told(undoing(refund_of(at_acquirer(), "000003", 1_000), "000004"))

        assert (answer.response_code, bench.pending) == ("00", before)
        assert bench.paid_by_rrn(refund_of(at_acquirer(), "000005", 4_200)).response_code == "00"

    def test_a_capture_that_has_been_refunded_stands_until_the_refund_is_reversed(self) -> None:
        bench = captured()
        refund = refund_of(at_acquirer(), "000003", 1_000)
        bench.paid(refund)
        capture = capture_of(at_acquirer(), "000002")

        answers = [
            bench.told(message).response_code
            for message in (undoing(capture, "000004"), undoing(refund, "000005"), undoing(capture, "000006"))
        ]

        assert answers == ["21", "00", "00"]

    def test_an_authorisation_that_has_been_captured_stands_for_what_was_captured(self) -> None:
        bench = captured(3_000)

        answers = [
            bench.told(undoing(at_acquirer(), f"00001{n}", remains_minor=remains)).response_code
            for n, remains in enumerate((None, 2_999, 3_000))
        ]

        assert answers == ["21", "21", "00"]
        (reversal,) = bench.owed("0420")
        assert ReplacementAmounts.from_de95(reversal[95]).transaction_minor == 3_000
        assert reversal.amount_minor == 4_200

    def test_a_part_of_an_authorisation_lowers_what_can_be_captured(self) -> None:
        bench = MoneyBench()
        bench.paid()

        bench.told(undoing(at_acquirer(), "000003", remains_minor=3_000))

        answers = [
            bench.told(capture_of(at_acquirer(), f"00001{n}", a)).response_code for n, a in enumerate((3_001, 3_000))
        ]
        assert answers == ["64", "00"]

    def test_after_its_presentment_a_capture_is_mirrored_all_the_same(self) -> None:
        bench = captured()
        (row,) = bench.rows("clearings")
        bench.call(lambda: presented(bench.host, row["arn"]))
        bench.restart()

        answer = bench.told(undoing(capture_of(at_acquirer(), "000002"), "000003"))

        (row,) = bench.rows("clearings")
        assert answer.response_code == "00"
        assert (row["state"], bool(row["presented_at"])) == ("reversed", True)
        assert bench.balance("network") == 0


class TestPresentment:
    """What has been captured or refunded is presented once."""

    def test_only_what_the_network_knows_of_is_there_to_be_presented(self) -> None:
        bench = captured()
        before = bench.call(lambda: unpresented(bench.host, 10))
        bench.network_answers("00", to=bench.advices("0220")[0])

        after = bench.call(lambda: unpresented(bench.host, 10))

        assert (before, [(row.kind, row.amount_minor, row.number) for row in after]) == ([], [("capture", 4_200, 1)])

    def test_it_is_marked_once_and_stays_so(self) -> None:
        bench = captured()
        (row,) = bench.rows("clearings")

        marks = [bench.call(lambda: presented(bench.host, row["arn"])) for _ in range(2)]
        bench.restart()
        marks.append(bench.call(lambda: presented(bench.host, row["arn"])))

        assert marks == [Marked.DONE, Marked.BEFORE, Marked.BEFORE]
        assert bench.call(lambda: unpresented(bench.host, 10)) == []

    def test_what_was_reversed_is_not_presented(self) -> None:
        bench = captured()
        (row,) = bench.rows("clearings")
        bench.told(undoing(capture_of(at_acquirer(), "000002"), "000003"))

        assert bench.call(lambda: presented(bench.host, row["arn"])) is Marked.REVERSED
        assert bench.call(lambda: presented(bench.host, "7" * 23)) is Marked.ABSENT

    def test_pages_begin_behind_an_arn(self) -> None:
        bench = MoneyBench()
        for number in (1, 3, 5):
            request = at_acquirer(f"{number:06d}")
            bench.paid(request.with_fields({}, mti="0200"))
        first = bench.call(lambda: unpresented(bench.host, 2))

        second = bench.call(lambda: unpresented(bench.host, 2, first[-1].arn))

        assert (len(first), len(second)) == (2, 1)


class TestBatchTotals:
    """A terminal's totals are compared with the acquirer's own, and the next batch is open."""

    def busy(self) -> MoneyBench:
        """Return an acquirer with a capture, a reversed capture and a refund in the open batch."""
        bench = captured()
        bench.paid(at_acquirer("000010").with_fields({}, mti="0200"))
        bench.told(undoing(at_acquirer("000010").with_fields({}, mti="0200"), "000011"))
        bench.paid(refund_of(at_acquirer(), "000012", 1_000))
        return bench

    def stated(self, stan: str = "000500", **changes: str | None) -> Message:
        """Return the totals of that batch."""
        figures = {"de74": "1", "de75": "1", "de76": "2"}
        amounts = {"de86": "1000", "de87": "4200", "de88": "8400"}
        padded = {name: value.zfill(10) for name, value in figures.items()}
        padded |= {name: value.zfill(16) for name, value in amounts.items()}
        return totals_of(stan=stan, **{**padded, **changes})

    @pytest.mark.parametrize(("mti", "answer_mti"), [("0500", "0510"), ("0520", "0530")])
    def test_the_same_figures_are_in_balance(self, mti: str, answer_mti: str) -> None:
        answer = self.busy().told(self.stated().with_fields({}, mti=mti))

        assert (answer.mti, answer.response_code, answer.get(66)) == (answer_mti, "00", "1")
        assert answer.get(97) == f"D{3_200:016d}"

    def test_other_figures_are_not_and_its_own_come_back(self) -> None:
        answer = self.busy().told(self.stated(de88=f"{1:016d}"))

        assert (answer.response_code, answer.get(66), answer.get(88)) == ("95", "2", f"{8_400:016d}")

    def test_the_next_batch_is_empty_and_counts_on(self) -> None:
        bench = self.busy()
        bench.told(self.stated())
        bench.restart()
        bench.paid(at_acquirer("000020").with_fields({}, mti="0200"))

        answer = bench.told(totals_of(stan="000501", de76=f"{1:010d}", de88=f"{4_200:016d}"))

        assert answer.get(66) == "1"
        assert [row["number"] for row in bench.rows("batches")] == [1, 2, 3]

    @pytest.mark.parametrize("restarts", [False, True])
    def test_a_copy_gets_the_same_answer(self, restarts: bool) -> None:
        bench = self.busy()
        first = bench.told(self.stated())
        if restarts:
            bench.restart()
        bench.paid(at_acquirer("000020").with_fields({}, mti="0200"))

        again = bench.told(self.stated().as_repeat())

        assert again == first

    def test_a_batch_number_makes_a_new_message_about_the_same_batch_a_copy(self) -> None:
        bench = self.busy()
        first = bench.told(self.stated(de60="000017"))

        again = bench.told(self.stated(stan="000777", de60="000017"))

        assert (again.get(66), again.get(88), again.get(60)) == ("1", first[88], "000017")
        assert [row["number"] for row in bench.rows("batches")] == [1, 2]

    def test_without_a_figure_nothing_is_closed(self) -> None:
        bench = self.busy()
        nothing = Message("0500", {7: "0314093000", 11: "000500", 41: "TERM0001", 50: "840"})

        assert (bench.told(nothing).response_code, bench.told(nothing).get(66)) == ("30", "3")
        assert bench.told(self.stated()).get(66) == "1"

    def test_an_unknown_terminal_has_no_totals(self) -> None:
        assert MoneyBench().told(totals_of("NOBODY01")).response_code == "58"
