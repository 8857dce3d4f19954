"""The life of a payment at the issuer: more, less, completed, presented, given back, in both profiles."""

from __future__ import annotations

import pytest

from banks.core.requests import RequestRow
from banks.issuer.books import DUAL, SINGLE, IssuerRules
from banks.issuer.presenting import REFUND, Adjusted, Presented
from iso import Message
from iso.amounts import parse_amounts
from iso.original import OriginalData
from iso.private import build_private
from tests.support.banks import PAN, a_card, advice_at_issuer, at_issuer, reversal_at_issuer
from tests.support.issuer_life import LifeBench, amount, completion, financial, increment, refund, taken_back

START = 100_000
BOTH = pytest.mark.parametrize("messages", [DUAL, SINGLE])
DIALECTS = pytest.mark.parametrize("speaks", ["ascii87", "ebcdic93"])


def bench_of(messages: str = DUAL, **rules: object) -> LifeBench:
    return LifeBench(rules=IssuerRules(messages=messages, **rules))  # type: ignore[arg-type]


def reasons(bench: LifeBench) -> list[str]:
    return [RequestRow(*row).reason for row in bench.journal.rows["requests"].values()]


class TestCompletion:
    """A completion takes its amount out of what the payment holds; the final one lets the rest go."""

    @DIALECTS
    def test_a_partial_one_leaves_the_rest_held(self, speaks: str) -> None:
        bench = LifeBench(speaks=speaks)
        bench.ask(at_issuer())

        answer = bench.ask(completion(at_issuer(), 1_000, "01P"))

        assert (answer.mti, answer.response_code) == ("0230", "00")
        assert bench.money == (START, 4_200)
        assert sorted(hold.amount_minor for hold in bench.host.books.ledger.holds.values()) == [1_000, 3_200]
        assert bench.audit() == []

    @DIALECTS
    def test_the_final_one_releases_what_it_does_not_take(self, speaks: str) -> None:
        bench = LifeBench(speaks=speaks)
        bench.ask(at_issuer())

        bench.ask(completion(at_issuer(), 1_000, "01F"))

        assert bench.money == (START, 1_000)

    def test_one_that_does_not_say_is_the_final_one(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())

        bench.ask(completion(at_issuer(), 1_000))

        assert bench.held_minor == 1_000

    def test_in_the_single_message_profile_it_posts(self) -> None:
        bench = bench_of(SINGLE)
        bench.ask(at_issuer())

        bench.ask(completion(at_issuer(), 1_000, "01P"))

        assert bench.money == (START - 1_000, 3_200)
        assert bench.audit() == []

    @BOTH
    def test_the_same_number_twice_is_taken_once(self, messages: str) -> None:
        bench = bench_of(messages)
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 1_000, "01P"))
        before = bench.money

        same = bench.ask(completion(at_issuer(), 1_000, "01P", stan="000701"))
        other = bench.ask(completion(at_issuer(), 900, "01P", stan="000702"))

        assert (same.response_code, other.response_code) == ("00", "94")
        assert bench.money == before

    def test_several_may_not_take_more_than_was_authorised(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 4_000, "01P"))

        answer = bench.ask(completion(at_issuer(), 201, "02P", stan="000701"))

        assert answer.response_code == "64"
        assert bench.held_minor == 4_200
        assert reasons(bench)[-1] == "OVER_TOLERANCE"

    @pytest.mark.parametrize(("final_minor", "code"), [(5_040, "00"), (5_041, "64")])
    def test_a_restaurant_may_add_its_tip(self, final_minor: int, code: str) -> None:
        bench = LifeBench()
        bench.ask(at_issuer(de18="5812"))

        answer = bench.ask(completion(at_issuer(de18="5812"), final_minor))

        assert answer.response_code == code
        assert bench.held_minor == (final_minor if code == "00" else 4_200)
        assert bench.audit() == []

    def test_of_a_reversed_payment_is_refused(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(taken_back(at_issuer()))

        answer = bench.ask(completion(at_issuer(), 4_200))

        assert answer.response_code == "25"
        assert bench.held_minor == 0

    def test_of_a_payment_whose_reversal_came_before_it_is_refused(self) -> None:
        bench = LifeBench()
        bench.ask(taken_back(at_issuer()))

        assert bench.ask(completion(at_issuer(), 4_200)).response_code == "25"
        assert bench.held_minor == 0

    @BOTH
    def test_of_nothing_that_is_known_is_charged_by_force(self, messages: str) -> None:
        bench = bench_of(messages)

        answer = bench.ask(completion(at_issuer(), 150_000, de90=None))

        assert answer.response_code == "00"
        assert bench.account().available_minor == START - 150_000
        assert bench.audit() == []

    def test_an_original_that_comes_after_it_is_declined(self) -> None:
        bench = LifeBench()
        bench.ask(completion(at_issuer(), 4_200))

        assert bench.ask(at_issuer()).response_code == "21"
        assert bench.held_minor == 4_200

    def test_an_advice_that_comes_after_it_holds_only_what_it_left(self) -> None:
        bench = LifeBench()
        bench.ask(completion(at_issuer(), 1_000, "01P"))

        bench.ask(advice_at_issuer(at_issuer()))

        assert bench.held_minor == 4_200

    def test_while_the_hsm_is_silent_a_forced_one_is_asked_for_again(self) -> None:
        bench = LifeBench(a_card())
        bench.restart()
        bench.hsm_answers = False
        bench.hear("network", completion(at_issuer(), 4_200))
        bench.pass_time(2.0)

        assert bench.sent["network"][-1].response_code == "96"

    def test_for_a_card_that_is_not_on_file_is_refused_for_good(self) -> None:
        bench = LifeBench()

        answer = bench.ask(completion(at_issuer(), 4_200, de2="4242424242424242", de90=None))

        assert answer.response_code == "14"

    def test_in_another_currency_is_refused(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())

        assert bench.ask(completion(at_issuer(), 4_200, de49="978")).response_code == "12"

    def test_of_zero_ends_the_payment(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())

        bench.ask(completion(at_issuer(), 0, "01F"))

        assert bench.held_minor == 0

    def test_one_that_tells_of_a_decline_charges_nothing(self) -> None:
        bench = LifeBench()

        assert bench.ask(completion(at_issuer(), 4_200, de39="05")).response_code == "00"
        assert bench.held_minor == 0

    @pytest.mark.parametrize("capture", ["1F", "01X", "x1F", "001F"])
    def test_a_capture_that_is_none_is_a_format_error(self, capture: str) -> None:
        assert LifeBench().ask(completion(at_issuer(), 4_200, capture)).response_code == "30"

    def test_it_waits_for_its_presentment_no_longer_than_it_is_set_to(self) -> None:
        bench = bench_of(completed_days=30)
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 4_200))

        bench.advance(days=29.9)
        before = bench.held_minor
        bench.advance(days=0.2)

        assert (before, bench.held_minor) == (4_200, 0)


class TestIncrement:
    """An increment is a further hold of the same payment, decided like any purchase."""

    @DIALECTS
    def test_it_holds_more(self, speaks: str) -> None:
        bench = LifeBench(speaks=speaks)
        bench.ask(at_issuer())

        answer = bench.ask(increment(at_issuer(), 800))

        assert (answer.response_code, len(answer.authorisation_code)) == ("00", 6)
        assert bench.held_minor == 5_000

    def test_it_is_declined_for_lack_of_funds(self) -> None:
        bench = LifeBench(a_card(balance_minor=5_000))
        bench.ask(at_issuer())

        assert bench.ask(increment(at_issuer(), 801)).response_code == "51"
        assert bench.held_minor == 4_200

    def test_a_completion_may_take_both(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(increment(at_issuer(), 800))

        assert bench.ask(completion(at_issuer(), 5_000)).response_code == "00"
        assert bench.held_minor == 5_000

    def test_its_reversal_takes_only_its_own_part(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(increment(at_issuer(), 4_200))

        bench.ask(taken_back(increment(at_issuer(), 4_200)))

        assert bench.held_minor == 4_200
        assert bench.ask(at_issuer().as_repeat()).response_code == "00"

    def test_its_reversal_that_comes_first_leaves_the_payment_alone(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(taken_back(increment(at_issuer(), 4_200)))

        late = bench.ask(increment(at_issuer(), 4_200))

        assert late.response_code == "21"
        assert bench.held_minor == 4_200

    @pytest.mark.parametrize("after", [taken_back(at_issuer()), completion(at_issuer(), 4_200, "01F")])
    def test_of_a_payment_that_is_over_is_refused(self, after: Message) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(after)
        before = bench.held_minor

        assert bench.ask(increment(at_issuer(), 800)).response_code == "25"
        assert bench.held_minor == before

    def test_of_a_payment_that_is_not_known_is_a_payment_of_its_own(self) -> None:
        bench = LifeBench()

        assert bench.ask(increment(at_issuer(), 800)).response_code == "00"
        assert bench.held_minor == 800


class TestPreAuthorisation:
    """A pre-authorisation is held longer than a purchase, by the merchant's category."""

    @pytest.mark.parametrize(("mcc", "days"), [("5999", 7), ("7011", 30)])
    def test_it_lasts_as_its_category_says(self, mcc: str, days: int) -> None:
        bench = LifeBench()
        bench.ask(at_issuer(de18=mcc, de25="06"))

        bench.advance(days=days - 0.1)
        before = bench.held_minor
        bench.advance(days=0.2)

        assert (before, bench.held_minor) == (4_200, 0)


class TestSingleMessage:
    """A 0200 takes the money at once: posted, or in the dual-message profile held until it is presented."""

    @pytest.mark.parametrize(("messages", "money"), [(DUAL, (START, 4_200)), (SINGLE, (START - 4_200, 0))])
    def test_a_purchase(self, messages: str, money: tuple[int, int]) -> None:
        bench = bench_of(messages)

        answer = bench.ask(financial())

        assert (answer.mti, answer.response_code, len(answer.authorisation_code)) == ("0210", "00", 6)
        assert bench.money == money
        assert bench.audit() == []

    @BOTH
    def test_its_repeat_takes_nothing_more(self, messages: str) -> None:
        bench = bench_of(messages)
        first = bench.ask(financial())
        before = bench.money
        bench.restart()

        repeat = bench.ask(financial().as_repeat())

        assert (repeat.authorisation_code, bench.money) == (first.authorisation_code, before)

    @BOTH
    def test_its_reversal_gives_all_of_it_back(self, messages: str) -> None:
        bench = bench_of(messages)
        bench.ask(financial())

        bench.ask(taken_back(financial()))

        assert bench.money == (START, 0)
        assert bench.audit() == []

    @BOTH
    def test_its_partial_reversal_gives_the_difference_back(self, messages: str) -> None:
        bench = bench_of(messages)
        bench.ask(financial())

        bench.ask(taken_back(financial(), 1_200))

        assert bench.account().available_minor == START - 1_200
        assert bench.audit() == []

    @BOTH
    def test_an_advice_of_it_takes_nothing_more(self, messages: str) -> None:
        bench = bench_of(messages)
        bench.ask(financial())
        before = bench.money

        answer = bench.ask(advice_of_a_financial())

        assert (answer.mti, answer.response_code, bench.money) == ("0230", "00", before)

    @BOTH
    def test_an_advice_of_one_that_never_came_is_booked_and_its_reversal_undoes_that(self, messages: str) -> None:
        bench = bench_of(messages)
        bench.ask(advice_of_a_financial())
        booked = bench.account().available_minor

        bench.ask(taken_back(financial()))

        assert (booked, bench.money) == (START - 4_200, (START, 0))


def advice_of_a_financial() -> Message:
    named = OriginalData.of(financial()).to_de90()
    return advice_at_issuer(at_issuer(), de90=named).with_fields({}, mti="0220")


class TestReversalsInPart:
    """DE 95 says what remains; a reversal takes back the difference and never more than there is."""

    @DIALECTS
    def test_of_an_authorisation(self, speaks: str) -> None:
        bench = LifeBench(speaks=speaks)
        bench.ask(at_issuer())

        answer = bench.ask(taken_back(at_issuer(), 1_200))

        assert (answer.mti, answer.response_code) == ("0430", "00")
        assert bench.held_minor == 1_200
        assert bench.audit() == []

    def test_twice_and_then_as_a_whole(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())

        held = []
        for number, remains in enumerate((3_000, 3_500, 1_000, 0)):
            bench.ask(taken_back(at_issuer(), remains, stan=f"00091{number}"))
            held.append(bench.held_minor)

        assert held == [3_000, 3_000, 1_000, 0]

    def test_before_its_original_it_declines_that_and_limits_the_advice(self) -> None:
        bench = LifeBench()
        bench.ask(taken_back(at_issuer(), 1_200))

        late = bench.ask(at_issuer())
        bench.ask(advice_at_issuer(at_issuer()))

        assert (late.response_code, bench.held_minor) == ("21", 1_200)

    @BOTH
    def test_of_a_completion(self, messages: str) -> None:
        bench = bench_of(messages)
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 4_000, "01P"))

        bench.ask(taken_back(completion(at_issuer(), 4_000, "01P"), 1_000))

        assert bench.account().available_minor == START - 4_200
        assert bench.audit() == []

    @BOTH
    def test_of_a_final_completion_as_a_whole_the_payment_is_held_again(self, messages: str) -> None:
        bench = bench_of(messages)
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 1_000, "01F"))

        bench.ask(taken_back(completion(at_issuer(), 1_000, "01F")))

        assert bench.money == (START, 4_200)
        assert bench.audit() == []

    def test_a_hold_that_has_run_out_meanwhile_is_not_held_again(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 1_000, "01F"))
        bench.advance(days=8)

        bench.ask(taken_back(completion(at_issuer(), 1_000, "01F")))

        assert bench.held_minor == 0
        assert bench.audit() == []

    def test_of_an_authorisation_after_its_completion_leaves_the_completion(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 1_000, "01P"))

        bench.ask(taken_back(at_issuer()))

        assert bench.held_minor == 1_000

    @pytest.mark.parametrize(("remains", "held"), [(0, 4_200), (300, 300)])
    def test_of_a_final_completion_before_that_came_it_limits_what_that_takes(self, remains: int, held: int) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        late = completion(at_issuer(), 1_000, "01F")
        bench.ask(taken_back(late, remains))

        answer = bench.ask(late)

        assert (answer.response_code, bench.held_minor) == ("00", held)
        assert bench.audit() == []

    def test_one_whose_de_95_is_no_amount_is_a_format_error(self) -> None:
        reversal = reversal_at_issuer(at_issuer(), de95="x" * 42)

        assert LifeBench().ask(reversal).response_code == "30"


class TestRefund:
    """A refund is a credit on its way; posted by its presentment, or at once in the single-message profile."""

    @DIALECTS
    def test_it_waits_on_the_settlement_account(self, speaks: str) -> None:
        bench = LifeBench(speaks=speaks)

        answer = bench.ask(refund(None, 700))

        assert (answer.mti, answer.response_code) == ("0210", "00")
        assert (bench.money, bench.owed_minor) == ((START, 0), 700)
        assert bench.audit() == []

    def test_at_once_in_the_single_message_profile(self) -> None:
        bench = bench_of(SINGLE)

        bench.ask(refund(None, 700))

        assert bench.money == (START + 700, 0)
        assert bench.audit() == []

    @BOTH
    def test_its_reversal_takes_it_back(self, messages: str) -> None:
        bench = bench_of(messages)
        bench.ask(at_issuer())
        bench.ask(refund(at_issuer(), 700))

        bench.ask(taken_back(refund(at_issuer(), 700)))

        assert (bench.money, bench.owed_minor) == ((START, 4_200), 0)
        assert bench.audit() == []

    @BOTH
    @pytest.mark.parametrize("mti", ["0120", "0220"])
    def test_of_a_sale_that_its_terminal_approved_it_is_credited(self, messages: str, mti: str) -> None:
        bench = bench_of(messages)
        sale = at_issuer(de39="00", de48=None).with_fields({}, mti=mti)
        bench.ask(sale)

        answer = bench.ask(refund(sale, 700))

        assert answer.response_code == "00"

    def test_more_may_be_added_to_what_a_terminal_approved(self) -> None:
        bench = LifeBench()
        hold = at_issuer(de39="00", de48=None).with_fields({}, mti="0120")
        bench.ask(hold)

        answer = bench.ask(increment(hold, 500))

        assert answer.response_code == "00"
        assert bench.money == (START, 4_700)

    def test_its_presentment_credits_the_card(self) -> None:
        bench = LifeBench()
        bench.ask(refund(None, 700))

        outcome = bench.present(refund(None, 700), 700, kind=REFUND)

        assert outcome is Presented.POSTED
        assert (bench.money, bench.owed_minor) == ((START + 700, 0), 0)
        assert bench.audit() == []

    def test_reversed_after_its_presentment_the_opposite_is_posted(self) -> None:
        bench = LifeBench()
        bench.ask(refund(None, 700))
        bench.present(refund(None, 700), 700, kind=REFUND)

        bench.ask(taken_back(refund(None, 700)))

        assert bench.money == (START, 0)
        assert bench.audit() == []

    def test_two_equal_refunds_of_one_payment_need_two_presentments(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        for stan in ("000501", "000502"):
            bench.ask(refund(at_issuer(), 700, stan))

        outcomes = [bench.present(at_issuer(), 700, arn=arn, kind=REFUND) for arn in ("1", "2", "3")]

        assert outcomes == [Presented.POSTED, Presented.POSTED, Presented.PRESENTED_BEFORE]
        assert bench.posted_minor == START + 1_400


class TestPartialApproval:
    """Where the funds do not reach and the terminal can take less, less is approved, and said so."""

    @DIALECTS
    def test_the_rest_of_the_funds_is_approved(self, speaks: str) -> None:
        bench = LifeBench(a_card(balance_minor=1_500), speaks=speaks)

        answer = bench.ask(at_issuer(de48="080011"))

        (asked,) = parse_amounts(answer[54])
        assert (answer.response_code, answer.amount_minor) == ("10", 1_500)
        assert (asked.amount_type, asked.amount_minor) == ("57", 4_200)
        assert bench.held_minor == 1_500

    def test_its_repeat_gets_the_same_answer_after_a_restart(self) -> None:
        bench = LifeBench(a_card(balance_minor=1_500), rules=IssuerRules(settled_max=1))
        first = bench.ask(at_issuer(de48="080011"))
        bench.restart()

        assert bench.ask(at_issuer(de48="080011").as_repeat()) == first

    def test_in_the_currency_of_the_account_and_in_the_merchants(self) -> None:
        bench = LifeBench(a_card(balance_minor=1_000))

        answer = bench.ask(at_issuer(de4=amount(4_000), de49="978", de6=amount(5_000), de51="840", de48="080011"))

        assert (answer.response_code, answer[6], answer[4]) == ("10", amount(1_000), amount(800))
        assert bench.held_minor == 1_000

    @BOTH
    @pytest.mark.parametrize("mti", ["0100", "0200"])
    def test_if_stand_in_approved_all_of_it_meanwhile_all_of_it_is_taken(self, messages: str, mti: str) -> None:
        bench = LifeBench(a_card(balance_minor=1_000), rules=IssuerRules(messages=messages))
        asked = at_issuer(de48=build_private({"08": "1"})).with_fields({}, mti=mti)
        approved = bench.ask(asked)
        advice = advice_at_issuer(asked).with_fields({}, mti=f"{mti[:2]}20")

        answer = bench.ask(advice)
        posted, held = bench.money
        bench.ask(advice.as_repeat())
        again = bench.money
        bench.ask(taken_back(asked))

        assert (approved.response_code, answer.response_code) == ("10", "00")
        assert posted - held == 1_000 - 4_200
        assert again == (posted, held)
        assert bench.money == (1_000, 0)
        assert bench.audit() == []


class TestBalance:
    """A balance inquiry tells what is posted and what is available, and holds nothing."""

    @DIALECTS
    @pytest.mark.parametrize("mti", ["0100", "0200"])
    def test_both_amounts_are_in_de_54(self, speaks: str, mti: str) -> None:
        bench = LifeBench(speaks=speaks)
        bench.ask(at_issuer())
        inquiry = at_issuer("000002", de3="310000", de4=amount(0)).with_fields({}, mti=mti)

        answer = bench.ask(inquiry)

        assert answer.response_code == "00"
        assert [(block.amount_type, block.currency, block.amount_minor) for block in parse_amounts(answer[54])] == [
            ("01", "840", START),
            ("02", "840", START - 4_200),
        ]

    def test_an_overdrawn_account_is_told_as_a_debit(self) -> None:
        bench = LifeBench(a_card(balance_minor=0))
        bench.ask(completion(at_issuer(), 900, de90=None))

        answer = bench.ask(at_issuer("000002", de3="310000", de4=amount(0)))

        assert [block.amount_minor for block in parse_amounts(answer[54])] == [0, -900]


class TestPresentment:
    """A presentment posts what its message left waiting: once, and nothing where they differ."""

    def test_it_posts_a_completion(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 1_000, "01P"))

        outcome = bench.present(at_issuer(), 1_000)

        assert outcome is Presented.POSTED
        assert bench.money == (START - 1_000, 3_200)
        assert bench.audit() == []

    @BOTH
    def test_the_same_arn_again_gets_the_same_outcome_and_posts_nothing(self, messages: str) -> None:
        bench = bench_of(messages)
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 1_000))
        first = bench.present(at_issuer(), 1_000)
        before = bench.money
        bench.restart()

        again = bench.present(at_issuer(), 1_000)

        assert (again, bench.money) == (first, before)

    def test_the_same_arn_for_something_else_is_refused(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 1_000))
        bench.present(at_issuer(), 1_000)

        assert bench.present(at_issuer(), 900) is Presented.ARN_USED

    def test_the_same_arn_for_what_a_reversal_has_left_of_it_is_the_same_presentment(self) -> None:
        bench = LifeBench(rules=IssuerRules(settled_max=1))
        completed = completion(at_issuer(), 1_000)
        bench.ask(at_issuer())
        bench.ask(completed)
        bench.present(at_issuer(), 1_000)

        too_early = bench.present(at_issuer(), 400)
        bench.ask(taken_back(completed, 400))
        again = bench.present(at_issuer(), 400)

        assert (too_early, again) == (Presented.ARN_USED, Presented.POSTED)
        assert bench.posted_minor == START - 400

    def test_two_that_arrive_at_once_post_once(self) -> None:
        bench = LifeBench(rules=IssuerRules(settled_max=1))
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 1_000))
        bench.restart()
        bench.journal_answers = False
        for _ in range(2):
            bench.begin_presenting(at_issuer(), 1_000)
        bench.journal_answers = True

        bench.answer_asks()

        assert bench.results[-2:] == [Presented.POSTED] * 2
        assert bench.posted_minor == START - 1_000

    def test_after_its_hold_has_run_out_it_posts_by_force(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 4_200))
        bench.advance(days=31)

        assert bench.present(at_issuer(), 4_200) is Presented.POSTED_LATE
        assert bench.money == (START - 4_200, 0)

    def test_in_the_single_message_profile_it_only_matches(self) -> None:
        bench = bench_of(SINGLE)
        bench.ask(financial())

        assert bench.present(financial(), 4_200) is Presented.MATCHED
        assert bench.money == (START - 4_200, 0)

    def test_before_its_completion_it_posts_from_the_authorisation_and_the_completion_finds_it_done(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())

        outcome = bench.present(at_issuer(), 1_000, is_final=False)
        late = bench.ask(completion(at_issuer(), 1_000, "01P"))

        assert (outcome, late.response_code) == (Presented.POSTED_ALONE, "00")
        assert bench.money == (START - 1_000, 3_200)
        assert bench.audit() == []

    @BOTH
    @pytest.mark.parametrize(("remains", "money"), [(0, (START, 4_200)), (400, (START - 400, 3_800))])
    def test_the_reversal_of_a_completion_that_found_it_done_gives_it_back(
        self, messages: str, remains: int, money: tuple[int, int]
    ) -> None:
        bench = bench_of(messages)
        completed = completion(at_issuer(), 1_000, "01P")
        bench.ask(at_issuer())
        bench.present(at_issuer(), 1_000, is_final=False)
        bench.ask(completed)
        bench.restart()

        bench.ask(taken_back(completed, remains))

        assert bench.money == money
        assert bench.present(at_issuer(), 1_000, is_final=False) is Presented.POSTED_ALONE
        assert bench.audit() == []

    @pytest.mark.parametrize(("remains", "money"), [(0, (START, 4_200)), (400, (START - 400, 3_800))])
    def test_a_completion_that_finds_it_done_and_itself_reversed_gives_it_back(
        self, remains: int, money: tuple[int, int]
    ) -> None:
        bench = LifeBench()
        completed = completion(at_issuer(), 1_000, "01P")
        bench.ask(at_issuer())
        bench.present(at_issuer(), 1_000, is_final=False)
        bench.ask(taken_back(completed, remains))

        answer = bench.ask(completed)

        assert answer.response_code == "00"
        assert bench.money == money

    def test_what_was_presented_before_its_completion_is_what_the_completion_comes_to(self) -> None:
        bench = LifeBench()
        completed = completion(at_issuer(), 1_000, "01F")
        bench.ask(at_issuer())
        bench.present(at_issuer(), 400, is_final=True)

        answer = bench.ask(completed)
        bench.ask(taken_back(completed, 400))

        assert answer.response_code == "00"
        assert bench.money == (START - 400, 0)

    def test_a_completion_that_comes_after_a_later_one_was_presented_is_taken(self) -> None:
        bench = LifeBench()
        first, second = completion(at_issuer(), 4_200, "01P"), completion(at_issuer(), 4_200, "02P", "000701")
        bench.ask(at_issuer())
        bench.present(at_issuer(), 4_200, 2, is_final=False)

        answers = [bench.ask(message).response_code for message in (first, taken_back(first), second)]

        assert answers == ["00"] * 3
        assert bench.money == (START - 4_200, 0)

    def test_what_does_not_fit_posts_nothing_and_may_be_presented_again(self) -> None:
        bench = LifeBench()
        unknown = bench.present(at_issuer(), 1_000)
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 1_000))

        other_amount = bench.present(at_issuer(), 999)
        other_currency = bench.present(at_issuer(), 1_000, currency="978")
        fitting = bench.present(at_issuer(), 1_000)
        again = bench.present(at_issuer(), 1_000, arn="2")

        assert (unknown, other_amount, other_currency, fitting, again) == (
            Presented.UNKNOWN_PAYMENT,
            Presented.AMOUNT_DIFFERS,
            Presented.CURRENCY_DIFFERS,
            Presented.POSTED,
            Presented.PRESENTED_BEFORE,
        )
        assert bench.posted_minor == START - 1_000

    def test_of_what_has_been_taken_back_posts_nothing(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 1_000))
        bench.ask(taken_back(completion(at_issuer(), 1_000)))

        assert bench.present(at_issuer(), 1_000) is Presented.TAKEN_BACK
        assert bench.money == (START, 4_200)

    def test_in_the_merchants_currency_posts_in_the_cards(self) -> None:
        bench = LifeBench()
        abroad = {"de49": "978", "de6": amount(5_000), "de51": "840"}
        bench.ask(at_issuer(de4=amount(4_000), **abroad))
        bench.ask(completion(at_issuer(), 4_000, **abroad))

        assert bench.present(at_issuer(), 4_000, currency="978") is Presented.POSTED
        assert bench.money == (START - 5_000, 0)

    def test_reversed_after_it_the_opposite_is_posted(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 4_200))
        bench.present(at_issuer(), 4_200)

        bench.ask(taken_back(completion(at_issuer(), 4_200)))

        assert bench.posted_minor == START
        assert bench.audit() == []


class TestAdjustment:
    """An operator moves money between an account and the bank's equity, once per reference."""

    def test_credit_and_debit(self) -> None:
        bench = LifeBench()

        outcomes = [bench.adjust(500, "a"), bench.adjust(500, "a"), bench.adjust(-200, "b"), bench.adjust(1, "a")]

        assert outcomes == [Adjusted.DONE, Adjusted.DONE, Adjusted.DONE, Adjusted.REFERENCE_USED]
        assert bench.posted_minor == START + 300
        assert bench.audit() == []

    @pytest.mark.parametrize(
        ("amount_minor", "account", "outcome"),
        [
            (-START - 1, "", Adjusted.INSUFFICIENT_FUNDS),
            (0, "", Adjusted.AMOUNT_REFUSED),
            (10**12, "", Adjusted.AMOUNT_REFUSED),
            (1, "nobody", Adjusted.NO_ACCOUNT),
            (1, "equity/840", Adjusted.NO_ACCOUNT),
        ],
    )
    def test_what_cannot_be_is_refused_and_moves_nothing(
        self, amount_minor: int, account: str, outcome: Adjusted
    ) -> None:
        bench = LifeBench()

        assert bench.adjust(amount_minor, account=account) is outcome
        assert bench.posted_minor == START

    def test_what_was_refused_may_be_ordered_again(self) -> None:
        bench = LifeBench()
        bench.adjust(-START - 1, "a")
        bench.adjust(1, "b")

        assert bench.adjust(-START - 1, "a") is Adjusted.DONE


class TestSecrets:
    """Whatever a payment goes through, no card number is stored."""

    def test_no_row_has_a_card_number(self) -> None:
        bench = LifeBench()
        bench.ask(at_issuer())
        bench.ask(completion(at_issuer(), 4_200))
        bench.present(at_issuer(), 4_200)
        bench.ask(refund(at_issuer(), 700))

        assert PAN not in repr([list(rows.values()) for rows in bench.journal.rows.values()])
