"""What has the business key of an earlier request and is none of its repeats: refused, and nothing moves."""

from __future__ import annotations

import pytest

from banks.issuer.books import IssuerRules
from iso import Message
from iso.private import build_private
from tests.support.banks import OTHER_PAN, PAN, IssuerBench, a_card, at_issuer, reversal_at_issuer

TAKES_PART = {"de48": build_private({"08": "1"})}
IN_YEN = {"de4": "000000000300", "de49": "392", "de6": "000000000210", "de51": "840"}


def bench_of(balance_minor: int = 100_000, rules: IssuerRules | None = None) -> IssuerBench:
    return IssuerBench(a_card(balance_minor=balance_minor), a_card(OTHER_PAN), rules=rules or IssuerRules())


OTHERS = [
    pytest.param({"de4": "000000090000"}, id="more money"),
    pytest.param({"de4": "000000000001"}, id="less money"),
    pytest.param({"de49": "978"}, id="other money"),
    pytest.param({"de2": OTHER_PAN}, id="another card"),
    pytest.param({"de6": "000000000001", "de51": "978"}, id="billed in other money"),
]


class TestAnotherRequest:
    """Other money or another card under a key that was used: 94, without an approval code and without a hold."""

    @pytest.mark.parametrize("changes", OTHERS)
    @pytest.mark.parametrize("is_restarted", [False, True])
    def test_is_refused(self, changes: dict[str, str], is_restarted: bool) -> None:
        bench = bench_of()
        first = bench.ask(at_issuer())
        if is_restarted:
            bench.restart()

        other = bench.ask(at_issuer(**changes))
        repeat = bench.ask(at_issuer().as_repeat())

        assert (other.response_code, other.get(38)) == ("94", None)
        assert (repeat.response_code, repeat.get(38)) == ("00", first[38])
        assert (bench.held_of(PAN), bench.held_of(OTHER_PAN)) == (4_200, 0)

    def test_is_refused_when_only_the_journal_remembers_the_first(self) -> None:
        bench = bench_of(rules=IssuerRules(settled_max=1))
        for number in range(1, 5):
            bench.ask(at_issuer(f"{number:06d}"))

        assert bench.ask(at_issuer("000001", de4="000000090000")).response_code == "94"
        assert bench.held_minor == 4 * 4_200

    def test_is_refused_while_the_first_is_decided(self) -> None:
        bench = bench_of()
        bench.hsm_answers = False
        bench.hear("network", at_issuer(), at_issuer(de4="000000090000"))
        bench.hsm_answers = True

        bench.answer_asks()

        assert sorted(answer.response_code for answer in bench.sent["network"]) == ["00", "94"]
        assert bench.held_minor == 4_200

    @pytest.mark.parametrize("is_known", [True, False])
    def test_is_refused_under_the_key_of_a_decline(self, is_known: bool) -> None:
        bench = bench_of(balance_minor=100)
        first = at_issuer() if is_known else at_issuer(de2="9900017391586001")
        declined = bench.ask(first)

        assert bench.ask(first.with_fields({4: "000000000001"})).response_code == "94"
        assert bench.ask(first.as_repeat()).response_code == declined.response_code


class TestRepeat:
    """A repeat is one although the answer says something else than was asked."""

    def test_of_a_partial_approval(self) -> None:
        bench = bench_of(balance_minor=1_000)
        first = bench.ask(at_issuer(**TAKES_PART))

        repeat = bench.ask(at_issuer(**TAKES_PART).as_repeat())
        other = bench.ask(at_issuer(**TAKES_PART, de4="000000001000"))

        assert (first.response_code, first[4]) == ("10", "000000001000")
        assert told(repeat) == told(first)
        assert other.response_code == "94"

    def test_of_what_is_billed_in_other_money(self) -> None:
        bench = bench_of()
        first = bench.ask(at_issuer(**IN_YEN))

        # A network whose rate has changed meanwhile bills the repeat otherwise.
        repeat = bench.ask(at_issuer(**{**IN_YEN, "de6": "000000000211"}).as_repeat())
        other = bench.ask(at_issuer(**{**IN_YEN, "de4": "000000000301"}))

        assert told(repeat) == told(first)
        assert (other.response_code, bench.held_minor) == ("94", 210)

    def test_while_the_hsm_is_silent(self) -> None:
        bench = bench_of()
        first = bench.ask(at_issuer())
        bench.hsm_answers = False

        assert told(bench.ask(at_issuer().as_repeat())) == told(first)

    def test_of_what_is_reversed_while_the_hsm_is_asked(self) -> None:
        bench = bench_of(rules=IssuerRules(settled_max=1))
        bench.ask(at_issuer())
        bench.restart()
        bench.hsm_answers = False
        bench.hear("network", at_issuer().as_repeat())
        bench.ask(reversal_at_issuer(at_issuer("000007"), "000907"))
        bench.ask(reversal_at_issuer(at_issuer(), "000901"))
        bench.hsm_answers = True

        bench.answer_asks()

        assert [answer.response_code for answer in bench.sent["network"] if answer.mti == "0110"] == ["00", "21"]
        assert bench.held_minor == 0

    def test_while_nobody_says_whose_card_it_is(self) -> None:
        bench = bench_of()
        first = bench.ask(at_issuer())
        bench.restart()
        bench.hsm_answers = False
        bench.hear("network", at_issuer().as_repeat())

        bench.pass_time(3.0)

        assert bench.sent["network"][-1].response_code == "96"
        bench.hsm_answers = True
        assert told(bench.ask(at_issuer().as_repeat())) == told(first)

    def test_without_any_date_it_is_one_for_a_day(self) -> None:
        bench, dateless = bench_of(), {"de12": None, "de13": None, "de37": None}
        bench.ask(at_issuer(**dateless))

        bench.ask(at_issuer(**dateless, de7="0314235959").as_repeat())
        held_today = bench.held_minor
        bench.ask(at_issuer(**dateless, de7="0315000000"))

        assert (held_today, bench.held_minor) == (4_200, 8_400)


def told(answer: Message) -> tuple[str, str | None, str | None]:
    return answer.response_code, answer.get(38), answer.get(4)
