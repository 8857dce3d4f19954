"""States, cards, amounts, verdicts and messages: the tables of the gateway."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.amounts import check_amount, known_currency
from gateway.core.cards import card_of, product_of
from gateway.core.errors import ApiError
from gateway.core.messages import Cryptogram, address_field, authorisation_request, owed_message
from gateway.core.obligations import as_duty, incurred, instant, micros, with_duty
from gateway.core.records import SendRecord
from gateway.core.responses import APPROVED_CODES, DECLINES, Kind, decline, outcome_of
from gateway.core.sends import CAPTURE, INCREMENT, REFUND, VOID, Origin, following
from gateway.memory import MemoryStore
from iso import Message, decode, dialect, encode
from iso.original import OriginalData
from iso.private import build_private, parse_private
from iso.replacement import ReplacementAmounts
from node.core.steps import NOT_SENT, UNKNOWN
from tests.support.gateway import CARD, PAN

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


class TestCards:
    """What cannot be a card is refused with Stripe's words; what can be is not judged."""

    @pytest.mark.parametrize(
        ("number", "brand", "funding"),
        [
            (PAN, "visa", "credit"),
            ("5555555555554444", "mastercard", "credit"),
            ("2223003122003222", "mastercard", "credit"),
            ("5200828282828210", "mastercard", "debit"),
            ("378282246310005", "amex", "credit"),
            ("6011111111111117", "discover", "credit"),
            ("3056930009020004", "diners", "credit"),
            ("3566002020360505", "jcb", "credit"),
            ("6200000000000005", "unionpay", "credit"),
            ("9900010000000000", "unknown", "unknown"),
        ],
    )
    def test_the_first_digits_tell_the_brand(self, number: str, brand: str, funding: str) -> None:
        product = product_of(number)

        assert (product.brand, product.funding) == (brand, funding)

    def test_a_card_is_split_into_what_goes_to_the_hsm_and_what_may_be_kept(self) -> None:
        data, face = card_of({**CARD, "number": "4242 4242-4242 4242", "exp_year": 34}, NOW)

        assert (data.pan, data.expiry, data.cvc) == (PAN, "3412", "737")
        assert face == ("424242", "4242", 12, 2034, "visa", "credit", "US")
        assert PAN not in repr(data)
        assert "737" not in repr(data)

    @pytest.mark.parametrize(
        ("changes", "code", "param"),
        [
            ({"number": "4242424242424241"}, "incorrect_number", "number"),
            ({"number": "42424242"}, "invalid_number", "number"),
            ({"number": "4242x24242424242"}, "invalid_number", "number"),
            ({"number": "٤242424242424242"}, "invalid_number", "number"),
            ({"exp_month": 13}, "invalid_expiry_month", "exp_month"),
            ({"exp_month": 2, "exp_year": 2026}, "invalid_expiry_month", "exp_month"),
            ({"exp_year": 2025}, "invalid_expiry_year", "exp_year"),
            ({"exp_year": 2080}, "invalid_expiry_year", "exp_year"),
            ({"cvc": "12"}, "invalid_cvc", "cvc"),
            ({"cvc": "12a"}, "invalid_cvc", "cvc"),
        ],
    )
    def test_what_cannot_be_a_card_is_a_card_error(self, changes: dict[str, object], code: str, param: str) -> None:
        with pytest.raises(ApiError) as caught:
            card_of({**CARD, **changes}, NOW)

        assert (caught.value.status, caught.value.kind) == (402, "card_error")
        assert (caught.value.code, caught.value.param) == (code, param)

    def test_a_card_is_good_until_the_end_of_its_month(self) -> None:
        assert card_of({**CARD, "exp_month": 3, "exp_year": 2026}, NOW)[0].expiry == "2603"


class TestAmounts:
    """An amount fits the currency, the element and Stripe's limits."""

    @pytest.mark.parametrize(
        ("amount", "code"),
        [(49, "amount_too_small"), (50, None), (99_999_999, None), (100_000_000, "amount_too_large")],
    )
    def test_limits_are_inclusive(self, amount: int, code: str | None) -> None:
        found = None
        try:
            check_amount(amount, known_currency("usd"))
        except ApiError as error:
            found = error.code

        assert found == code

    @pytest.mark.parametrize("code", ["xxx", "840", "", "us", "dollars"])
    def test_only_alphabetic_codes_of_known_currencies_count(self, code: str) -> None:
        with pytest.raises(ApiError):
            known_currency(code)


REQUEST = Message("0100", {7: "0314092653", 11: "000001"})


class TestVerdicts:
    """DE 39 becomes Stripe's words by a table, and an approval is only what the issuer clearly approved."""

    @pytest.mark.parametrize(
        ("code", "expected", "decline_code"),
        [
            ("05", "card_declined", "generic_decline"),
            ("51", "card_declined", "insufficient_funds"),
            ("41", "card_declined", "lost_card"),
            ("43", "card_declined", "stolen_card"),
            ("54", "expired_card", "expired_card"),
            ("N7", "incorrect_cvc", "incorrect_cvc"),
            ("96", "processing_error", "processing_error"),
            ("65", "card_declined", "card_velocity_exceeded"),
            ("91", "card_declined", "issuer_not_available"),
            ("ZZ", "card_declined", "generic_decline"),
        ],
    )
    def test_the_test_cards_codes_are_told_as_on_stripe(self, code: str, expected: str, decline_code: str) -> None:
        assert decline(code)[:2] == (expected, decline_code)

    @given(st.text("0123456789ABCNR", min_size=2, max_size=2))
    def test_every_code_is_exactly_one_of_three_outcomes(self, code: str) -> None:
        kind = outcome_of(REQUEST.reply(code)).kind

        assert kind is (Kind.APPROVED if code in APPROVED_CODES else Kind.UNKNOWN if code == "10" else Kind.DECLINED)

    def test_no_code_is_both_an_approval_and_a_decline(self) -> None:
        assert not APPROVED_CODES & set(DECLINES)

    def test_silence_is_unknown_and_a_link_that_is_down_is_not(self) -> None:
        assert outcome_of(UNKNOWN).kind is Kind.UNKNOWN
        assert outcome_of(NOT_SENT).kind is Kind.NOT_SENT

    def test_an_answer_without_a_code_is_unknown(self) -> None:
        assert outcome_of(Message("0110", {11: "000001"})).kind is Kind.UNKNOWN

    @pytest.mark.parametrize("letter", ["M", "N", "P", "S", "U", "X"])
    def test_the_cvv2_result_becomes_a_check(self, letter: str) -> None:
        outcome = outcome_of(REQUEST.reply("00", {48: build_private({"02": letter})}))

        assert outcome.cvc_check == {
            "M": "pass",
            "N": "fail",
            "P": "unchecked",
            "S": "unavailable",
            "U": "unavailable",
        }.get(letter)

    def test_a_foreign_private_element_does_not_cost_an_approval(self) -> None:
        assert outcome_of(REQUEST.reply("00", {48: "not ours"})).kind is Kind.APPROVED


def send_record(**changes: object) -> SendRecord:
    record = SendRecord(
        id="ch_1/authorise/1",
        kind="authorise",
        account="acct_1",
        subject="ch_1",
        charge="ch_1",
        intent="pi_1",
        terminal="RAILS1",
        merchant="RAILSCOFFEE",
        stan="000007",
        transmitted="0314092653",
        local_time="092653",
        local_date="0314",
        token="9999123456784242",
        expiry="3412",
        amount=2000,
        remains=None,
        currency="840",
        original=None,
        original_data="",
        rrn=None,
        authorisation_code=None,
        private=build_private({"06": "07", "13": "t" * 32}),
        trace="t" * 32,
        request="req_1",
        claim=None,
        result="",
    )
    return record._replace(**changes)  # type: ignore[arg-type]


APPROVED = send_record(rrn="607309000007", authorisation_code="A1B2C3", result="00")
LATER = datetime(2026, 3, 14, 9, 27, 18, tzinfo=UTC)
ORIGIN = Origin("RAILS1", "RAILSCOFFEE", "u" * 32)


def follow_up(kind: str, original: SendRecord = APPROVED, **changes: Any) -> SendRecord:
    return following(MemoryStore().books, kind, original, ORIGIN, LATER, **changes)


class TestMessages:
    """What leaves is what was committed, in a form that the acquirer's dialect can carry."""

    def test_the_authorisation_request_survives_the_link(self) -> None:
        spoken = dialect("pos-bcd87")

        message = authorisation_request(send_record(), Cryptogram("A" * 16, "0001", "B" * 8))
        arrived = decode(encode(message, spoken), spoken)

        assert arrived == message
        assert (arrived.pan, arrived.amount_minor, arrived.stan, arrived[14]) == (
            "9999123456784242",
            2000,
            "000007",
            "3412",
        )
        assert (arrived[22], arrived[25], arrived[41], arrived[42]) == ("810", "59", "RAILS1  ", "RAILSCOFFEE    ")
        assert parse_private(arrived[48]) == {"05": "A" * 16 + "0001" + "B" * 8, "06": "07", "13": "t" * 32}

    def test_the_reversal_names_the_original_and_carries_no_private_element(self) -> None:
        spoken = dialect("pos-bcd87")

        message = owed_message(follow_up(VOID), attempts=1)
        arrived = decode(encode(message, spoken), spoken)

        assert arrived == message
        assert (arrived.mti, arrived.stan, arrived.transmitted) == ("0420", "000001", "0314092718")
        assert (arrived[12], arrived[13], arrived.rrn) == ("092653", "0314", "607309000007")
        assert OriginalData.from_de90(arrived[90]) == OriginalData("0100", "000007", "0314092653")
        assert 48 not in arrived

    def test_a_partial_void_says_what_remains(self) -> None:
        message = owed_message(follow_up(VOID, remains=700), attempts=1)

        assert (message[4], ReplacementAmounts.from_de95(message[95]).transaction_minor) == ("000000002000", 700)

    def test_a_capture_completes_the_original(self) -> None:
        spoken = dialect("pos-bcd87")

        message = owed_message(follow_up(CAPTURE, number=2, amount=500, tags={"16": "02P"}), attempts=1)
        arrived = decode(encode(message, spoken), spoken)

        assert arrived == message
        assert (arrived.mti, arrived.amount_minor, arrived[38], arrived[39]) == ("0220", 500, "A1B2C3", "00")
        assert (arrived[12], arrived.rrn) == ("092653", "607309000007")
        assert OriginalData.from_de90(arrived[90]).mti == "0100"
        assert parse_private(arrived[48]) == {"13": "u" * 32, "16": "02P"}

    def test_an_increment_is_a_request_of_its_own_for_the_difference(self) -> None:
        message = authorisation_request(follow_up(INCREMENT, amount=300))

        assert (message.mti, message.amount_minor, message[12], message[14]) == ("0100", 300, "092718", "3412")
        assert OriginalData.from_de90(message[90]) == OriginalData("0100", "000007", "0314092653")
        assert "05" not in parse_private(message[48])

    def test_a_refund_is_a_credit_about_the_authorisation(self) -> None:
        message = owed_message(follow_up(REFUND, subject="re_1", amount=300), attempts=1)

        assert (message.mti, message[3], message.amount_minor, message[12]) == ("0200", "200000", 300, "092718")
        assert OriginalData.from_de90(message[90]).stan == "000007"

    @pytest.mark.parametrize(("kind", "first", "second"), [("void", "0420", "0421"), ("capture", "0220", "0221")])
    def test_every_later_attempt_is_the_repeat_with_the_same_elements(self, kind: str, first: str, second: str) -> None:
        record = follow_up(kind)

        messages = [owed_message(record, attempts) for attempts in (1, 2)]

        assert [message.mti for message in messages] == [first, second]
        assert messages[0].fields == messages[1].fields

    def test_an_address_is_a_postcode_of_nine_and_then_the_line(self) -> None:
        address = {"line1": "5\u00e910 Townsend  St", "postal_code": "94107-1234-5"}

        assert address_field({"address": address}) == "94107-123" + "510 Townsend St"
        assert (address_field(None), address_field({"address": {"city": "X"}})) == ("", "")

    def test_a_cryptogram_is_not_shown(self) -> None:
        assert "ABCD" not in repr(Cryptogram("ABCD" * 4, "0001", "12345678"))


class TestObligations:
    """A row and its duty say the same."""

    @given(st.datetimes(timezones=st.just(UTC)))
    def test_instants_keep_their_microseconds(self, at: datetime) -> None:
        assert instant(micros(at)) == at

    def test_a_duty_goes_into_a_row_and_back(self) -> None:
        row = incurred(send_record(), NOW)

        assert with_duty(row, as_duty(row)) == row
