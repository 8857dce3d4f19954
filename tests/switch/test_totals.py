"""Totals: what counts, for whom, on which date, and that nothing of it is lost."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import Message
from iso.rates import ConversionRate
from node.core.turn import Turn
from switch.core.legs import Leg, names_of_request
from switch.core.rules import SwitchRules
from switch.core.stand_in import StandInRule
from switch.core.states import Cause
from switch.core.totals import COUNTERS, Figures, Key, Totals, counter_of
from tests.support.switch import EPOCH, TOKEN_B, Bench, advice, request, reversal
from tests.support.totals import naive_totals, stored_totals

TODAY = "2026-03-14"
BOTH = [("acquirer", TODAY, "840"), ("issuer-a", TODAY, "840")]
REST = "0" * 12 + "C00000000" * 2


def financial(stan: str = "000001", **changes: str | None) -> Message:
    return Message("0200", request(stan, **changes).fields)


def approved(bench: Bench, message: Message, **changes: str) -> Bench:
    bench.forward(message)
    bench.issuer_answers("00", **changes)
    return bench


def figures(bench: Bench, member: str = "acquirer", day: str = TODAY, currency: str = "840") -> dict[str, int]:
    found = bench.machine.book.totals.of(Key(member, date.fromisoformat(day), currency))
    return {name: value for name, value in found.counts.items() if value}


class TestWhatCounts:
    """Approved messages count for both members of their leg, each kind in its own counters."""

    def test_a_purchase_is_a_debit_of_both_members(self) -> None:
        bench = approved(Bench(), financial())

        assert figures(bench, "acquirer") == figures(bench, "issuer-a") == {"debits": 1, "debits_minor": 4200}

    @pytest.mark.parametrize(
        ("message", "counted"),
        [
            (request(), {"authorisations": 1, "authorisations_minor": 4200}),
            (financial(de3="200000"), {"credits": 1, "credits_minor": 4200}),
            (financial(de3="310000"), {"inquiries": 1}),
            (financial(de3="400000"), {"transfers": 1}),
        ],
    )
    def test_each_kind_has_its_counter(self, message: Message, counted: dict[str, int]) -> None:
        assert figures(approved(Bench(), message)) == counted

    def test_a_partial_approval_counts_with_what_was_approved(self) -> None:
        bench = Bench()
        bench.forward(financial())

        bench.issuer_answers("10", de4="000000001000")

        assert figures(bench)["debits_minor"] == 1000

    @pytest.mark.parametrize("code", ["05", "51", "91"])
    def test_what_was_declined_does_not(self, code: str) -> None:
        bench = Bench()
        bench.forward(financial())

        bench.issuer_answers(code)

        assert stored_totals(bench.journal) == {}

    def test_what_is_unknown_does_not_and_neither_does_its_reversal(self) -> None:
        bench = Bench()
        bench.forward(financial())

        bench.pass_time(10.0)
        bench.receive("acquirer", reversal(financial()))

        assert stored_totals(bench.journal) == {}
        assert len(bench.saf()) == 1

    def test_what_was_withdrawn_in_flight_does_not(self) -> None:
        bench = Bench()
        bench.forward(financial())

        bench.receive("acquirer", reversal(financial()))
        bench.issuer_answers("00")

        assert stored_totals(bench.journal) == {}

    def test_stand_in_and_advices_do(self) -> None:
        bench = Bench(SwitchRules(stand_in=(StandInRule(("4",), floors={"840": 10_000}),)))
        bench.cut("issuer-a")

        bench.forward(financial())
        bench.forward(advice("0220"))

        assert figures(bench) == figures(bench, "issuer-a") == {"debits": 2, "debits_minor": 8400}

    def test_a_copy_counts_once(self) -> None:
        bench = approved(Bench(), financial())

        bench.receive("acquirer", financial().as_repeat())

        assert figures(bench)["debits"] == 1

    def test_fees_count_by_their_sign_and_go_back_with_a_reversal(self) -> None:
        message = financial(de28="D00000030", de30="C00000005")
        bench = approved(Bench(), message)

        before = figures(bench)
        bench.receive("acquirer", reversal(message))

        assert (before["debit_fees_minor"], before["credit_processing_fees_minor"]) == (30, 5)
        after = figures(bench)
        assert (after["credit_fees_minor"], after["debit_processing_fees_minor"]) == (30, 5)

    def test_each_currency_has_its_own(self) -> None:
        bench = approved(approved(Bench(), financial()), financial("000002", de49="978"))

        assert figures(bench)["debits"] == figures(bench, currency="978")["debits"] == 1

    def test_members_have_their_own(self) -> None:
        bench = approved(Bench(), financial())
        bench.forward(financial("000002", de2=TOKEN_B))
        bench.issuer_answers("00", "issuer-b")

        assert figures(bench, "acquirer")["debits"] == 2
        assert figures(bench, "issuer-a")["debits"] == figures(bench, "issuer-b")["debits"] == 1

    def test_a_member_that_settles_in_another_currency_is_counted_in_it(self) -> None:
        rate = ConversionRate.of(Fraction("0.9"))
        leg = Leg(names_of_request(financial()), "acquirer", "0200", EPOCH)
        leg.issuer = "issuer-a"
        leg.elements = {3: "000000", 4: "000000001001", 49: "840", 9: rate.to_element(), 50: "978"}
        totals = Totals()

        totals.accepted(leg, EPOCH.date())
        totals.reversed(leg, 1001, 500, EPOCH.date())

        euros = totals.of(Key("issuer-a", EPOCH.date(), "978")).counts
        assert (euros["debits_minor"], euros["credit_reversals_minor"]) == (901, 451)
        assert totals.of(Key("acquirer", EPOCH.date(), "840")).counts["debits_minor"] == 1001


class TestReversals:
    """Reversals have counters of their own, and a sale and its reversal come to nothing."""

    def test_a_reversed_sale_nets_to_zero(self) -> None:
        bench = approved(Bench(), financial())

        bench.receive("acquirer", reversal(financial()))

        assert figures(bench) == {
            "debits": 1,
            "debits_minor": 4200,
            "credit_reversals": 1,
            "credit_reversals_minor": 4200,
        }
        assert bench.machine.book.totals.of(Key("acquirer", EPOCH.date(), "840")).net_minor == 0

    def test_a_repeated_reversal_counts_once(self) -> None:
        bench = approved(Bench(), financial())

        bench.receive("acquirer", reversal(financial()))
        bench.receive("acquirer", reversal(financial(), mti="0421"))

        assert figures(bench)["credit_reversals"] == 1

    def test_a_part_counts_with_what_it_took_back(self) -> None:
        bench = approved(Bench(), financial())

        bench.receive("acquirer", reversal(financial(), "000901", de95=f"{1200:012}{REST}"))
        part = figures(bench)["credit_reversals_minor"]
        bench.receive("acquirer", reversal(financial(), "000902"))

        assert part == 3000
        assert figures(bench)["credit_reversals_minor"] == 4200
        assert figures(bench)["credit_reversals"] == 2

    def test_the_reversal_of_a_refund_debits(self) -> None:
        message = financial(de3="200000")
        bench = approved(Bench(), message)

        bench.receive("acquirer", reversal(message))

        assert (figures(bench)["debit_reversals"], figures(bench)["debit_reversals_minor"]) == (1, 4200)

    def test_one_after_a_cut_over_counts_on_its_own_date(self) -> None:
        bench = approved(Bench(), financial())
        bench.at += timedelta(days=1)

        bench.receive("acquirer", reversal(financial()))

        assert "credit_reversals" not in figures(bench)
        assert figures(bench, day="2026-03-15") == {"credit_reversals": 1, "credit_reversals_minor": 4200}
        assert bench.saf()[0][15] == "0315"


class TestDates:
    """A leg counts on the settlement date that it got when it was forwarded."""

    def test_what_is_in_flight_at_a_cut_over_keeps_its_date(self) -> None:
        bench = Bench()
        bench.forward(financial())
        bench.at += timedelta(days=1)

        bench.issuer_answers("00")
        approved(bench, financial("000002", de7="0315092653"))

        assert figures(bench)["debits"] == 1
        assert figures(bench, day="2026-03-15")["debits"] == 1
        assert [message[15] for message in bench.sent("acquirer")] == ["0314", "0315"]

    def test_what_is_answered_after_its_date_was_closed_counts_on_the_oldest_that_is_open(self) -> None:
        bench = approved(Bench(), request())
        bench.forward(request("000002"))
        bench.at += timedelta(days=40)

        bench.issuer_answers("00")

        oldest = bench.machine.days.oldest.isoformat()
        stored = stored_totals(bench.journal)
        assert stored["acquirer", TODAY, "840"] == {"authorisations": 1, "authorisations_minor": 4200}
        assert stored["acquirer", oldest, "840"] == {"authorisations": 1, "authorisations_minor": 4200}


class TestDurability:
    """A row is stored in the turn of the outcome, one for all that the turn changed, and a restart goes on from it."""

    def test_the_rows_are_in_the_turn_of_the_answer(self) -> None:
        bench = Bench()
        bench.forward(financial())

        turn = bench.issuer_answers("00")

        assert [row[:4] for row in turn.stored("totals")] == [(*key, "open") for key in BOTH]
        assert turn.sent("acquirer")[0].response_code == "00"

    def test_a_turn_with_many_outcomes_stores_each_row_once(self) -> None:
        bench = Bench()
        for number in range(1, 6):
            bench.forward(financial(f"{number:06}"))
        answers = [message.reply("00", {38: "A00001"}) for message in bench.sent("issuer-a")]

        turn = bench.do(*(bench.arrival("issuer-a", answer) for answer in answers))

        assert len(turn.stored("totals")) == 2
        assert figures(bench)["debits"] == 5

    def test_a_restart_keeps_them(self) -> None:
        bench = approved(Bench(), financial()).restart()

        approved(bench, financial("000002", de7="0314092700"))

        assert figures(bench) == {"debits": 2, "debits_minor": 8400}
        assert stored_totals(bench.journal) == naive_totals(bench.journal)

    def test_a_turn_without_outcomes_stores_none(self) -> None:
        bench = approved(Bench(), financial())

        assert bench.pass_time(1.0).stores == {}


LEGS = st.lists(
    st.tuples(
        st.sampled_from(["0100", "0200"]),
        st.sampled_from(["000000", "200000", "310000"]),
        st.integers(1, 10**9),
        st.sampled_from(["840", "978"]),
        st.sampled_from(["issuer-a", "issuer-b"]),
        st.lists(st.integers(0, 10**9), max_size=3),
    ),
    max_size=12,
)


class TestSums:
    """Counters are the sums of what was counted; all acquirers together are all issuers together."""

    @given(LEGS)
    def test_of_all_acquirers_and_of_all_issuers_are_the_same(
        self, drawn: list[tuple[str, str, int, str, str, list[int]]]
    ) -> None:
        totals, day, expected = Totals(), EPOCH.date(), dict.fromkeys(COUNTERS, 0)
        for number, (mti, code, amount, currency, issuer, lefts) in enumerate(drawn):
            leg = Leg(names_of_request(request(f"{number:06}")), f"acquirer-{number % 2}", mti, EPOCH)
            leg.issuer = issuer
            leg.elements = {3: code, 4: f"{amount:012}", 49: currency}
            totals.accepted(leg, day)
            counter = counter_of(mti[1], code)
            expected[counter] += 1
            if counter != "inquiries":
                expected[f"{counter}_minor"] += amount
            before = amount
            for left in sorted({left for left in lefts if left < amount}, reverse=True):
                totals.reversed(leg, before, left, day)
                if counter != "inquiries":
                    back = {"debits": "credit", "credits": "debit"}.get(counter, "authorisation")
                    expected[f"{back}_reversals"] += 1
                    expected[f"{back}_reversals_minor"] += before - left
                before = left

        for role in ("acquirer", "issuer"):
            rows = [found.counts for key, found in totals.figures.items() if key.member.startswith(role)]
            assert {name: sum(counts[name] for counts in rows) for name in COUNTERS} == expected

    @given(st.lists(st.integers(0, 10**9), min_size=len(COUNTERS), max_size=len(COUNTERS)))
    def test_the_net_is_credits_less_debits_with_its_sign(self, counts: list[int]) -> None:
        found = Figures(counts)

        elements = found.elements()

        net = int(elements[86]) + int(elements[87]) - int(elements[88]) - int(elements[89])
        assert elements[97] == f"{'C' if net >= 0 else 'D'}{abs(net):016}"

    def test_old_dates_are_closed_and_let_go_of(self) -> None:
        totals, turn = Totals(), Turn(EPOCH)
        leg = Leg(names_of_request(financial()), "acquirer", "0200", EPOCH)
        leg.issuer, leg.elements = "issuer-a", {3: "000000", 4: "000000000001", 49: "840"}
        leg.see(Cause.REQUESTED)
        totals.accepted(leg, EPOCH.date())

        totals.close_before(EPOCH.date() + timedelta(days=1), turn)
        totals.flush(turn)

        assert totals.figures == {}
        assert [row[3] for row in turn.stored("totals")] == ["closed", "closed"]
