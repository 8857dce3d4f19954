"""Defects of other tools that a bank would show, each as a test that ours does not have it.

One class per tool; the class docstring says what that tool does.
Source: shared facts, iso8583, "Defects of other tools".
"""

from __future__ import annotations

import pytest

from tests.support.banks import (
    PAN,
    TOKEN,
    AcquirerBench,
    IssuerBench,
    advice_at_issuer,
    at_acquirer,
    at_issuer,
    reversal_at_acquirer,
    reversal_at_issuer,
)


@pytest.fixture(params=["ascii87", "ebcdic93"])
def issuer(request: pytest.FixtureRequest) -> IssuerBench:
    """Return an issuer of either dialect."""
    return IssuerBench(speaks=request.param)


class TestIso8583simHostAsIssuer:
    """Its host approves every copy, answers a reversal without DE 90, and echoes by one list for all messages."""

    def test_the_same_request_twice_is_approved_and_held_once(self, issuer: IssuerBench) -> None:
        first = issuer.ask(at_issuer())
        second = issuer.ask(at_issuer())

        assert (first.response_code, second) == ("00", first)
        assert issuer.held_minor == 4_200
        assert [row["kind"] for row in issuer.rows("entries")].count("hold") == 1

    def test_a_copy_that_spends_the_last_money_is_not_declined_for_it(self, issuer: IssuerBench) -> None:
        first = issuer.ask(at_issuer(de4="000000100000"))
        second = issuer.ask(at_issuer(de4="000000100000").as_repeat())

        assert (first.response_code, second) == ("00", first)

    def test_a_financial_request_twice_takes_its_money_once(self, issuer: IssuerBench) -> None:
        financial = at_issuer().with_fields({}, mti="0200")

        answers = [issuer.ask(financial), issuer.ask(financial)]

        assert [(answer.mti, answer.response_code) for answer in answers] == [("0210", "00")] * 2
        assert issuer.held_minor == 4_200

    @pytest.mark.parametrize("mti", ["0400", "0401", "0420", "0421"])
    def test_a_reversal_of_an_unknown_original_is_answered_with_its_de_90(self, issuer: IssuerBench, mti: str) -> None:
        reversal = reversal_at_issuer(at_issuer(), mti=mti)

        answer = issuer.ask(reversal)

        assert (answer.mti, answer.response_code) == (f"{mti[:2]}{int(mti[2]) + 1}0", "00")
        assert answer[90] == reversal[90]

    def test_such_a_reversal_moves_no_money_and_its_original_is_declined_when_it_comes(
        self, issuer: IssuerBench
    ) -> None:
        issuer.ask(reversal_at_issuer(at_issuer()))

        late = issuer.ask(at_issuer())

        assert (late.response_code, late.get(38)) == ("21", None)
        assert (issuer.held_minor, issuer.audit()) == (0, [])

    def test_a_reversals_authorisation_code_neither_disturbs_nor_comes_back(self, issuer: IssuerBench) -> None:
        code = issuer.ask(at_issuer()).authorisation_code

        answer = issuer.ask(reversal_at_issuer(at_issuer(), de38=code))

        assert (answer.response_code, 38 in answer, 90 in answer) == ("00", False, True)
        assert issuer.held_minor == 0

    def test_what_comes_back_depends_on_the_kind_of_message(self, issuer: IssuerBench) -> None:
        original = at_issuer()
        authorisation = issuer.ask(original)
        partial = issuer.ask(reversal_at_issuer(original, de95="000000001000" + "0" * 30))

        assert {70, 90, 95}.isdisjoint(authorisation.fields)
        assert {90, 95} <= partial.fields.keys()

    def test_an_element_that_was_not_asked_is_not_answered(self) -> None:
        issuer = IssuerBench()

        answer = issuer.ask(at_issuer(de32="400001", de12=None, de42=None))

        assert {12, 33, 42}.isdisjoint(answer.fields)

    @pytest.mark.parametrize(("mti", "answer_mti"), [("0101", "0110"), ("0121", "0130"), ("0421", "0430")])
    def test_a_repeat_is_answered_like_its_first_copy(self, issuer: IssuerBench, mti: str, answer_mti: str) -> None:
        first = {
            "0101": at_issuer(),
            "0121": advice_at_issuer(at_issuer()),
            "0421": reversal_at_issuer(at_issuer()),
        }[mti]

        answers = [issuer.ask(first), issuer.ask(first.as_repeat())]

        assert [answer.mti for answer in answers] == [answer_mti] * 2


class TestIso8583simHostAsAcquirer:
    """The same host between a gateway and a network: copies, DE 90, and card numbers in answers."""

    def test_the_same_request_twice_goes_to_the_network_once_and_has_one_answer(self) -> None:
        acquirer = AcquirerBench()
        acquirer.gateway_says(at_acquirer())
        (first,) = acquirer.network_answers("00")

        (second,) = acquirer.gateway_says(at_acquirer())

        assert first == second
        assert [message.mti for message in acquirer.sent["network"]] == ["0100"]

    @pytest.mark.parametrize(("mti", "answer_mti"), [("0400", "0410"), ("0420", "0430"), ("0421", "0430")])
    def test_a_reversal_of_an_unknown_original_is_answered_with_its_de_90(self, mti: str, answer_mti: str) -> None:
        acquirer, reversal = AcquirerBench(), reversal_at_acquirer(at_acquirer(), mti=mti)

        (answer,) = acquirer.gateway_says(reversal)

        assert (answer.mti, answer.response_code, answer[90]) == (answer_mti, "25", reversal[90])
        assert acquirer.reversals == []

    def test_a_reversal_of_a_known_original_is_answered_with_its_de_90(self) -> None:
        acquirer, reversal = AcquirerBench(), reversal_at_acquirer(at_acquirer())
        acquirer.gateway_says(at_acquirer())
        acquirer.network_answers("00")

        (answer, *_) = acquirer.gateway_says(reversal)

        assert (answer.response_code, answer[90]) == ("00", reversal[90])

    @pytest.mark.parametrize("code", ["00", "51"])
    def test_the_gateway_gets_its_token_back_even_from_a_network_that_answers_with_the_card_number(
        self, code: str
    ) -> None:
        acquirer = AcquirerBench()
        acquirer.gateway_says(at_acquirer())

        (answer,) = acquirer.network_answers(code, de2=PAN, de44=PAN)

        assert (answer.pan, answer.response_code) == (TOKEN, code)
        assert PAN not in repr(dict(answer.fields))
        assert PAN not in repr(acquirer.journal.rows)
