"""Reconciliation: members say what they counted, and learn whether the switch counted the same."""

from __future__ import annotations

from datetime import timedelta

import pytest

from iso import Message
from tests.support.switch import TOKEN_B, Bench, request, reversal


def financial(stan: str = "000001", **changes: str | None) -> Message:
    return Message("0200", request(stan, **changes).fields)


def bench_with_a_sale_and_a_reversed_one() -> Bench:
    bench = Bench()
    for stan in ("000001", "000002"):
        bench.forward(financial(stan))
        bench.issuer_answers("00")
    bench.receive("acquirer", reversal(financial("000002")))
    return bench


FIGURES = {
    74: "0000000000",
    75: "0000000001",
    76: "0000000002",
    77: "0000000000",
    86: "0000000000000000",
    87: "0000000000004200",
    88: "0000000000008400",
    89: "0000000000000000",
    97: "D0000000000004200",
}


def reconciliation(mti: str = "0500", stan: str = "000700", **changes: str | None) -> Message:
    fields: dict[int, str | None] = {7: "0314230000", 11: stan, 15: "0314", 50: "840", **FIGURES}
    fields.update({int(name.removeprefix("de")): value for name, value in changes.items()})
    return Message(mti, {element: value for element, value in fields.items() if value is not None})


def answer(bench: Bench, message: Message, member: str = "acquirer") -> Message:
    bench.receive(member, message)
    return bench.sent(member)[-1]


class TestInBalance:
    """Figures that are the switch's own are in balance: DE 39 = 00, DE 66 = 1."""

    @pytest.mark.parametrize(
        ("mti", "response"), [("0500", "0510"), ("0501", "0510"), ("0520", "0530"), ("0521", "0530")]
    )
    def test_requests_and_advices_are_answered(self, mti: str, response: str) -> None:
        bench = bench_with_a_sale_and_a_reversed_one()

        told = answer(bench, reconciliation(mti))

        assert (told.mti, told.response_code, told[66], told[15], told[50]) == (response, "00", "1", "0314", "840")
        assert 88 not in told

    def test_an_issuer_reconciles_too(self) -> None:
        assert answer(bench_with_a_sale_and_a_reversed_one(), reconciliation(), "issuer-a")[66] == "1"

    def test_what_is_not_said_is_not_compared(self) -> None:
        message = Message("0500", {7: "0314230000", 11: "000700", 15: "0314", 97: "D0000000000004200"})

        assert answer(bench_with_a_sale_and_a_reversed_one(), message)[66] == "1"

    def test_nothing_counted_is_in_balance_with_zeros(self) -> None:
        zeros = {f"de{element}": ("C" if element == 97 else "") + "0" * 16 for element in (86, 87, 88, 89, 97)}
        numbers = {f"de{element}": "0" * 10 for element in (74, 75, 76, 77)}

        assert answer(Bench(), reconciliation(**zeros, **numbers))[66] == "1"

    def test_yesterday_can_be_reconciled_today(self) -> None:
        bench = bench_with_a_sale_and_a_reversed_one()
        bench.at += timedelta(days=1)

        assert answer(bench, reconciliation())[66] == "1"

    def test_a_1993_member_hears_it_in_its_action_code(self) -> None:
        bench = Bench()
        bench.forward(financial(de2=TOKEN_B))
        bench.issuer_answers("00", "issuer-b")

        figures = {"de75": "0000000000", "de76": "0000000001", "de87": "0" * 16, "de88": f"{4200:016}"}
        told = answer(bench, reconciliation(**figures), "issuer-b")
        refused = answer(bench, reconciliation(stan="000701"), "issuer-b")

        # `sent` reads the 1510 back as 0510: 500 becomes 00 and 501 becomes 95.
        assert (told.mti, told.response_code) == ("0510", "00")
        assert (refused.response_code, refused[76]) == ("95", "0000000001")


class TestOutOfBalance:
    """Other figures are out of balance: DE 39 = 95, DE 66 = 2, and the switch's own figures."""

    def test_the_answer_has_the_switchs_figures(self) -> None:
        bench = bench_with_a_sale_and_a_reversed_one()

        told = answer(bench, reconciliation(de76="0000000003", de88=f"{9999:016}"))

        assert (told.response_code, told[66]) == ("95", "2")
        assert told.only(FIGURES) == FIGURES

    def test_the_trace_says_what_differs(self) -> None:
        bench = bench_with_a_sale_and_a_reversed_one()

        turn = bench.receive("acquirer", reconciliation(de76="0000000003"))

        assert turn.notes == [
            ("acquirer", "out of balance", "0500 000700 2026-03-14 840: DE 76 0000000003, here 0000000002")
        ]

    def test_a_wrong_sign_is_out_of_balance(self) -> None:
        assert answer(bench_with_a_sale_and_a_reversed_one(), reconciliation(de97="C0000000000004200"))[66] == "2"


class TestCopies:
    """A copy gets the same answer again, whatever has been counted meanwhile; another message is compared anew."""

    @pytest.mark.parametrize("copy", [reconciliation(), reconciliation("0501", de7="0314230030")])
    def test_the_same_answer_comes_again(self, copy: Message) -> None:
        bench = bench_with_a_sale_and_a_reversed_one()
        first = answer(bench, reconciliation())

        bench.forward(financial("000003"))
        bench.issuer_answers("00")
        again = answer(bench, copy)

        assert (first[66], again[66]) == ("1", "1")

    def test_also_after_a_restart(self) -> None:
        bench = bench_with_a_sale_and_a_reversed_one()
        first = answer(bench, reconciliation(de76="0000000003"))
        bench.forward(financial("000003"))
        bench.issuer_answers("00")

        again = answer(bench.restart(), reconciliation("0501", de76="0000000003"))

        assert again.fields == first.fields

    def test_another_one_is_compared_with_what_there_is_now(self) -> None:
        bench = bench_with_a_sale_and_a_reversed_one()
        answer(bench, reconciliation())
        bench.forward(financial("000003"))
        bench.issuer_answers("00")

        assert answer(bench, reconciliation(stan="000701"))[66] == "2"


class TestRefused:
    """What cannot be compared is refused with DE 66 = 3."""

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"de15": "0315"}, "12"),
            ({"de15": "0101"}, "12"),
            ({"de15": "0230"}, "30"),
            ({"de15": None}, "30"),
            ({"de7": None}, "30"),
            ({f"de{element}": None for element in FIGURES}, "30"),
        ],
        ids=["tomorrow", "long ago", "no date", "absent", "no time", "no figure"],
    )
    def test_with_the_reason_in_its_code(self, changes: dict[str, str | None], code: str) -> None:
        told = answer(bench_with_a_sale_and_a_reversed_one(), reconciliation(**changes))

        assert (told.mti, told.response_code, told[66]) == ("0510", code, "3")

    def test_where_there_are_several_currencies_one_has_to_be_named(self) -> None:
        bench = bench_with_a_sale_and_a_reversed_one()
        bench.forward(financial("000003", de49="978"))
        bench.issuer_answers("00")

        assert answer(bench, reconciliation(de50=None)).response_code == "30"
        assert answer(bench, reconciliation(de50=None, de49="840")).response_code == "00"
