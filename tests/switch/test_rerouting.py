"""Routes and currencies inside the switch: which leg goes where, with which amounts, also while the table changes."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iso.match import predicate
from iso.original import OriginalData
from node.core.saf import SafRules
from switch.core.currencies import Currencies
from switch.core.rates import RateRow, RateTable
from switch.core.routing import ROUND_ROBIN, Group, Route, RouteTable
from switch.core.rules import SwitchRules
from tests.support.switch import EPOCH, Bench, advice, request, reversal

A, B = "issuer-a", "issuer-b"
EUR, JPY = "978", "392"
RATES = RateTable([RateRow("840", EUR, Fraction("0.9"), Fraction("0.02"), Fraction("0.02"), EPOCH.replace(year=2020))])


def in_euro() -> Bench:
    """Return a switch whose issuer A bills in EUR, and whose acquirer settles in EUR."""
    currencies = Currencies(RATES, billing={A: EUR}, settlement={"acquirer": EUR})
    return Bench(SwitchRules(currencies=currencies), SafRules())


def stans(bench: Bench, link: str) -> list[str]:
    return [message.stan for message in bench.sent(link)]


class TestGroups:
    """A request goes to a link that carries traffic, if its route has one."""

    def test_the_alternate_gets_what_the_primary_cannot_take(self) -> None:
        bench = Bench()
        bench.machine.reroute(RouteTable({"4": "pair"}, groups=[Group("pair", (A, B))]))

        bench.forward(request("000001"))
        bench.issuer_answers("00")
        bench.cut(A)
        bench.forward(request("000002"))
        bench.connect(A)
        bench.forward(request("000003"))

        assert (stans(bench, A), stans(bench, B)) == (["000001", "000003"], ["000002"])

    def test_a_round_goes_over_both(self) -> None:
        bench = Bench()
        bench.machine.reroute(RouteTable({"4": "pair"}, groups=[Group("pair", (A, B), ROUND_ROBIN)]))

        for number in range(1, 5):
            bench.forward(request(f"{number:06}"))

        assert (stans(bench, A), stans(bench, B)) == (["000001", "000003"], ["000002", "000004"])

    def test_nobody_up_is_91_and_nobodys_card_is_15(self) -> None:
        bench = Bench(up=("acquirer",))
        bench.machine.reroute(RouteTable({"4": "pair"}, groups=[Group("pair", (A, B))]))

        bench.forward(request("000001"))
        bench.machine.reroute(RouteTable({"5": A}))
        bench.forward(request("000002"))

        assert [answer.response_code for answer in bench.sent("acquirer")] == ["91", "15"]

    def test_a_completion_follows_the_link_that_saw_its_original(self) -> None:
        bench = Bench()
        bench.forward(request())
        bench.issuer_answers("00", A)
        bench.machine.reroute(RouteTable({"4": B}))

        named = OriginalData("0100", "000001", request().transmitted, "123456").to_de90()
        bench.forward(advice(de37="607309000001", de90=named))
        bench.open_card()

        assert [message.mti for message in bench.sent(A)] == ["0100", "0220"]
        assert bench.sent(B) == []

    def test_a_reversal_follows_the_link_that_saw_its_original(self) -> None:
        bench = Bench()
        bench.machine.reroute(RouteTable({"4": "pair"}, groups=[Group("pair", (A, B))]))
        bench.cut(A)
        bench.forward(request())
        bench.issuer_answers("00", B)
        bench.connect(A)

        bench.receive("acquirer", reversal(request()))
        bench.open_card()

        assert [message.mti for message in bench.sent(B)] == ["0100", "0420"]
        assert bench.sent(A) == []


class TestRules:
    """A rule looks at the card number, also where the acquirer sent a token."""

    def test_a_rule_may_name_the_bin_behind_a_token(self) -> None:
        bench = Bench()
        rule = Route("cash", B, when=predicate('bin == "4242" and mcc == "5999"'))
        bench.machine.reroute(RouteTable({"4": A}, [rule]))

        bench.forward(request("000001"))
        bench.forward(request("000002", de18="5411"))

        assert (stans(bench, B), stans(bench, A)) == (["000001"], ["000002"])


class TestReloading:
    """A table is replaced as a whole: no message is lost, and what is in flight keeps its link."""

    @settings(max_examples=60)
    @given(st.lists(st.sampled_from(["ask", "open", "to a", "to b", "to nobody", "answer a", "answer b"]), max_size=40))
    def test_every_request_is_answered_once_by_the_issuer_that_got_it(self, steps: list[str]) -> None:
        bench = Bench()
        asked = 0
        tables = {"to a": {"4": A}, "to b": {"4": B}, "to nobody": {"5": A}}
        expected: dict[str, str] = {}
        opening: list[str] = []
        link: str | None = A
        for step in [*steps, "open", "answer a", "answer b"]:
            if step in tables:
                bench.machine.reroute(RouteTable(tables[step]))
                link = tables[step].get("4")
            elif step == "ask":
                asked += 1
                opening.append(f"{asked:06}")
                bench.receive("acquirer", request(opening[-1]))
            elif step == "open":
                bench.open_card()
                expected |= dict.fromkeys(opening, link or "")
                opening = []
            else:
                issuer = A if step == "answer a" else B
                answered = {message.stan for message in bench.sent("acquirer")}
                for message in [message for message in bench.sent(issuer) if message.stan not in answered]:
                    bench.receive(issuer, message.reply("00" if issuer == A else "05"))

        answers = {message.stan: message.response_code for message in bench.sent("acquirer")}
        assert len(bench.sent("acquirer")) == asked
        assert answers == {stan: {A: "00", B: "05", "": "15"}[issuer] for stan, issuer in expected.items()}
        assert bench.machine.book.legs.in_flight == 0

    def test_an_issuer_without_a_route_is_no_acquirer(self) -> None:
        bench = Bench()
        bench.machine.reroute(RouteTable({"4": A}))

        bench.receive(B, request())

        assert [answer.response_code for answer in bench.sent(B)] == ["40"]


class TestCurrencies:
    """An issuer that bills in another currency sees the merchant's amount and its own; the acquirer only its own."""

    def test_the_issuer_is_asked_in_both(self) -> None:
        bench = in_euro()

        bench.forward(request())

        asked = bench.sent(A)[-1]
        assert (asked[4], asked[49]) == ("000000004200", "840")
        assert (asked[6], asked[10], asked[51], asked[16]) == ("000000003856", "79180000", EUR, "0314")

    def test_the_acquirer_gets_its_amount_and_what_it_settles(self) -> None:
        bench = in_euro()
        bench.forward(request())

        bench.issuer_answers("00", de6="000000003856", de51=EUR)

        answer = bench.sent("acquirer")[-1]
        assert (answer[4], answer[49], answer[5], answer[9], answer[50]) == (
            "000000004200",
            "840",
            "000000003780",
            "79000000",
            EUR,
        )
        assert 6 not in answer
        assert 51 not in answer

    def test_a_copy_gets_the_same_answer(self) -> None:
        bench = in_euro()
        bench.forward(request())
        bench.issuer_answers("00")

        bench.receive("acquirer", request())

        first, second = bench.sent("acquirer")
        assert first == second

    def test_a_reversal_says_what_was_billed(self) -> None:
        bench = in_euro()
        bench.forward(request())

        bench.pass_time(10.0)
        bench.open_card()

        undone = bench.sent(A)[-1]
        assert undone.mti == "0420"
        assert (undone[4], undone[6], undone[10], undone[51]) == ("000000004200", "000000003856", "79180000", EUR)

    def test_less_approved_in_the_issuers_currency_is_less_for_the_merchant(self) -> None:
        bench = in_euro()
        bench.forward(request())

        bench.issuer_answers("10", de6="000000001928", de38="A00001")

        answer = bench.sent("acquirer")[-1]
        assert (answer.response_code, answer[4], answer[5]) == ("10", "000000002100", "000000001890")

    @pytest.mark.parametrize(("changes", "code"), [({"de49": JPY}, "12"), ({"de49": "999"}, "12")])
    def test_what_cannot_be_converted_never_leaves(self, changes: dict[str, str], code: str) -> None:
        bench = in_euro()

        bench.forward(request(**changes))

        assert [answer.response_code for answer in bench.sent("acquirer")] == [code]
        assert bench.sent(A) == []

    def test_no_acquirer_decides_what_is_billed(self) -> None:
        bench = Bench()

        bench.forward(request(de6="000000000001", de10="61000000", de51=EUR))

        assert {6, 10, 51}.isdisjoint(bench.sent(A)[-1].fields)

    def test_an_issuer_that_speaks_1993_gets_them_too(self) -> None:
        bench = Bench(SwitchRules(currencies=Currencies(RATES, {B: EUR})))
        bench.machine.reroute(RouteTable({"4": B}))

        bench.forward(request())

        asked = bench.sent(B)[-1]
        assert (asked[6], asked[10], asked[51]) == ("000000003856", "79180000", EUR)

    @pytest.mark.parametrize("currency", ["840", JPY])
    def test_an_advice_is_told_in_both_where_there_is_a_rate_and_told_anyway(self, currency: str) -> None:
        bench = in_euro()
        advice = request(de39="00", de38="A00001", de49=currency).with_fields({}, mti="0120")

        bench.receive("acquirer", advice)
        bench.open_card()
        bench.open_card()

        told = bench.sent(A)[-1]
        assert told.mti == "0120"
        assert told.get(6) == ("000000003856" if currency == "840" else None)
        assert [answer.response_code for answer in bench.sent("acquirer")] == ["00"]
