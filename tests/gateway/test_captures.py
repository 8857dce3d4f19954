"""Money that is held: captured whole, in part or in parts, let go, or left until its time is up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.claims import Answer
from gateway.core.errors import ApiError
from gateway.core.records import Charge, Intent
from gateway.core.terms import Terms
from gateway.handlers import cancelling, capturing, incrementing, payments
from gateway.handlers.expiring import expire_due
from iso import Message
from iso.original import OriginalData
from iso.private import parse_private
from iso.replacement import ReplacementAmounts
from node.core.steps import UNKNOWN
from tests.support.duties import work_one
from tests.support.gateway import CARD, Gateway, approved, call, declined, step
from tests.support.oracle import check

METHOD = {"type": "card", "card": CARD}
ALL = dict.fromkeys(
    ("request_multicapture", "request_incremental_authorization", "request_overcapture"), "if_available"
)
DAY_S = 24 * 3600


def shape(answer: Answer) -> Any:
    return json.loads(answer.body)


def pay(gateway: Gateway, **changes: Any) -> Any:
    form = {"amount": 1000, "currency": "usd", "payment_method_data": METHOD, "confirm": True, **changes}
    return shape(step(payments.create(gateway.ports, call(form))))


def held(gateway: Gateway, **changes: Any) -> str:
    """Hold 10.00 on a card; return the payment's id."""
    options = {"payment_method_options": {"card": ALL}, "capture_method": "manual", **changes}
    name: str = pay(gateway, **options)["id"]
    return name


def capture(gateway: Gateway, name: str, **form: Any) -> Any:
    return shape(step(capturing.capture(gateway.ports, call(form, name))))


def cancel(gateway: Gateway, name: str, **form: Any) -> Any:
    return shape(step(cancelling.cancel(gateway.ports, call(form, name))))


def increment(gateway: Gateway, name: str, amount: int) -> Any:
    return shape(step(incrementing.increment(gateway.ports, call({"amount": amount}, name))))


def settle(gateway: Gateway) -> list[Message]:
    """Work off what is owed; return the messages that it took."""
    before = len(gateway.acquirer.seen)
    while step(work_one(gateway.ports, "worker")) is not None:
        pass
    return gateway.acquirer.seen[before:]


def row(gateway: Gateway, kind: type) -> Any:
    (found,) = (row for row in gateway.rows() if isinstance(row, kind))
    return found


class TestAutomatic:
    """An approval is captured in the commit that writes it down; the acquirer hears of it by a duty."""

    @pytest.mark.parametrize("capture_method", ["automatic", "automatic_async"])
    def test_the_answer_is_succeeded_at_once_and_the_capture_follows(
        self, gateway: Gateway, capture_method: str
    ) -> None:
        intent = pay(gateway, capture_method=capture_method)
        before = [message.mti for message in gateway.acquirer.seen]
        (advice,) = settle(gateway)

        assert (intent["status"], intent["amount_received"], intent["amount_capturable"]) == ("succeeded", 1000, 0)
        assert before == ["0100"]
        assert (advice.mti, advice.amount_minor, parse_private(advice[48])["16"]) == ("0220", 1000, "01F")
        original = gateway.acquirer.seen[0]
        assert OriginalData.from_de90(advice[90])[:3] == ("0100", original.stan, original.transmitted)
        assert (advice[37], advice[38]) == (row(gateway, Charge).rrn, "A1B2C3")

    @pytest.mark.parametrize("answer", [UNKNOWN, "91", "96"])
    def test_it_is_repeated_until_it_is_accepted(self, gateway: Gateway, answer: Any) -> None:
        pay(gateway)
        gateway.acquirer.capture_script = lambda message: message.reply(answer) if isinstance(answer, str) else answer
        settle(gateway)
        gateway.acquirer.capture_script = lambda message: message.reply("00")

        gateway.pass_time(1)
        settle(gateway)
        gateway.pass_time(3600)
        settle(gateway)

        advices = gateway.acquirer.seen[1:]
        assert [message.mti for message in advices] == ["0220", "0221"]
        assert advices[0].fields == advices[1].fields

    def test_the_cards_own_capture_method_goes_before_the_payments(self, gateway: Gateway) -> None:
        intent = pay(gateway, payment_method_options={"card": {"capture_method": "manual"}})

        assert (intent["status"], intent["amount_capturable"]) == ("requires_capture", 1000)


class TestManual:
    """What is held may be captured once, for as much as is held; the rest is let go."""

    def test_it_waits_and_says_how_long(self, gateway: Gateway) -> None:
        gateway.ports = gateway.ports._replace(terms=Terms(over_capture_percent=10))
        name = held(gateway)

        intent, charge = row(gateway, Intent), row(gateway, Charge)
        assert (intent.id, intent.status, intent.amount_capturable, intent.amount_received) == (
            name,
            "requires_capture",
            1000,
            0,
        )
        assert (charge.captured, charge.expires_at) == (0, gateway.ports.created() + 7 * DAY_S)
        assert settle(gateway) == []

    @pytest.mark.parametrize(("amount", "released"), [(None, 0), (1000, 0), (400, 600)])
    def test_the_capture_is_final_and_lets_the_rest_go(
        self, gateway: Gateway, amount: int | None, released: int
    ) -> None:
        name = held(gateway)

        intent = capture(gateway, name, **({} if amount is None else {"amount_to_capture": amount}))

        (advice,), charge = settle(gateway), row(gateway, Charge)
        assert (intent["status"], intent["amount_received"], intent["amount_capturable"]) == (
            "succeeded",
            1000 - released,
            0,
        )
        assert (charge.captured, charge.amount_captured, charge.amount_released) == (1, 1000 - released, released)
        assert (advice.mti, advice.amount_minor, parse_private(advice[48])["16"]) == ("0220", 1000 - released, "01F")
        assert check(intent) == []

    def test_more_than_is_held_is_refused(self, gateway: Gateway) -> None:
        name = held(gateway)

        with pytest.raises(ApiError) as caught:
            capture(gateway, name, amount_to_capture=1001)

        assert (caught.value.code, caught.value.param) == ("amount_too_large", "amount_to_capture")
        assert row(gateway, Intent).amount_capturable == 1000

    def test_over_capture_is_for_those_who_asked_and_within_the_tolerance(self, gateway: Gateway) -> None:
        gateway.ports = gateway.ports._replace(terms=Terms(over_capture_percent=20))
        name = held(gateway)
        with pytest.raises(ApiError, match="greater than the amount you can"):
            capture(gateway, name, amount_to_capture=1201)

        intent = capture(gateway, name, amount_to_capture=1200)

        assert (intent["status"], intent["amount_received"]) == ("succeeded", 1200)

    def test_what_was_captured_cannot_be_captured_again(self, gateway: Gateway) -> None:
        name = held(gateway)
        capture(gateway, name)

        with pytest.raises(ApiError, match="has already been captured"):
            capture(gateway, name)

        assert len(settle(gateway)) == 1

    def test_what_holds_nothing_cannot_be_captured(self, gateway: Gateway) -> None:
        name = pay(gateway, confirm=False)["id"]

        with pytest.raises(ApiError, match="may be captured: requires_capture"):
            capture(gateway, name)

    def test_nothing_is_no_amount_to_capture(self, gateway: Gateway) -> None:
        name = held(gateway)

        with pytest.raises(ApiError) as caught:
            capture(gateway, name, amount_to_capture=0)

        assert caught.value.code == "parameter_invalid_integer"


class TestMulticapture:
    """Several captures take what is held in parts; each is numbered, the last one says so."""

    def test_parts_are_numbered_and_the_last_one_ends_it(self, gateway: Gateway) -> None:
        name = held(gateway)

        first = capture(gateway, name, amount_to_capture=300, final_capture=False)
        second = capture(gateway, name, amount_to_capture=200, final_capture=False)
        last = capture(gateway, name)

        told = [
            (intent["status"], intent["amount_received"], intent["amount_capturable"]) for intent in (first, second)
        ]
        assert told == [("requires_capture", 300, 700), ("requires_capture", 500, 500)]
        assert (last["status"], last["amount_received"], last["amount_capturable"]) == ("succeeded", 1000, 0)
        advices = settle(gateway)
        assert [(advice.amount_minor, parse_private(advice[48])["16"]) for advice in advices] == [
            (300, "01P"),
            (200, "02P"),
            (500, "03F"),
        ]

    def test_they_leave_in_order_even_if_the_first_is_not_accepted(self, gateway: Gateway) -> None:
        name = held(gateway)
        gateway.acquirer.capture_script = lambda _message: UNKNOWN
        capture(gateway, name, amount_to_capture=300, final_capture=False)
        settle(gateway)
        capture(gateway, name)

        assert settle(gateway) == []
        gateway.acquirer.capture_script = lambda message: message.reply("00")
        gateway.pass_time(1)
        later = settle(gateway)

        assert [(message.mti, message.amount_minor) for message in later] == [("0221", 300), ("0220", 700)]

    def test_the_rest_can_be_let_go_without_a_capture(self, gateway: Gateway) -> None:
        name = held(gateway)
        capture(gateway, name, amount_to_capture=300, final_capture=False)

        intent = capture(gateway, name, amount_to_capture=0, final_capture=True)

        _, void = settle(gateway)
        assert (intent["status"], intent["amount_received"]) == ("succeeded", 300)
        assert (void.mti, void.amount_minor) == ("0420", 1000)
        assert ReplacementAmounts.from_de95(void[95]).transaction_minor == 300

    def test_who_did_not_ask_for_it_has_one_capture(self, gateway: Gateway) -> None:
        name = held(gateway, payment_method_options={"card": {}})

        with pytest.raises(ApiError, match="can be captured once only"):
            capture(gateway, name, amount_to_capture=300, final_capture=False)


class TestCancel:
    """A payment that is given up lets go of what it holds."""

    def test_what_is_held_is_voided(self, gateway: Gateway) -> None:
        name = held(gateway)

        intent = cancel(gateway, name, cancellation_reason="duplicate")

        (void,), charge = settle(gateway), row(gateway, Charge)
        assert (intent["status"], intent["cancellation_reason"], intent["amount_capturable"]) == (
            "canceled",
            "duplicate",
            0,
        )
        assert (void.mti, void.amount_minor) == ("0420", 1000)
        assert 95 not in void
        assert (charge.captured, charge.amount_released, charge.expires_at) == (0, 1000, None)
        assert check(intent) == []

    def test_increments_are_voided_too_the_newest_first(self, gateway: Gateway) -> None:
        name = held(gateway)
        increment(gateway, name, 1500)

        cancel(gateway, name)

        root, more = gateway.acquirer.sent("0100")
        voids = settle(gateway)
        assert [OriginalData.from_de90(void[90]).stan for void in voids] == [more.stan, root.stan]

    def test_what_was_captured_stays_captured(self, gateway: Gateway) -> None:
        name = held(gateway)
        capture(gateway, name, amount_to_capture=300, final_capture=False)

        intent = cancel(gateway, name)

        _, void = settle(gateway)
        assert (intent["status"], intent["amount_received"]) == ("canceled", 300)
        assert ReplacementAmounts.from_de95(void[95]).transaction_minor == 300

    def test_nothing_leaves_for_a_payment_that_was_never_sent(self, gateway: Gateway) -> None:
        name = pay(gateway, confirm=False)["id"]

        intent = cancel(gateway, name)

        assert intent["status"] == "canceled"
        assert settle(gateway) == []


class TestExpiry:
    """An authorisation ends when its time is up by the business clock."""

    def test_it_is_let_go_when_its_days_are_over(self, gateway: Gateway) -> None:
        held(gateway)
        early = step(expire_due(gateway.ports))
        gateway.pass_time(7 * DAY_S)

        late = step(expire_due(gateway.ports))

        intent, (void,) = row(gateway, Intent), settle(gateway)
        assert (early, late) == (0, 1)
        assert (intent.status, intent.cancellation_reason) == ("canceled", "automatic")
        assert (void.mti, void.amount_minor) == ("0420", 1000)
        assert step(expire_due(gateway.ports)) == 0

    def test_it_cannot_be_captured_afterwards_even_if_nobody_has_noticed(self, gateway: Gateway) -> None:
        name = held(gateway)
        gateway.pass_time(7 * DAY_S)

        with pytest.raises(ApiError) as caught:
            capture(gateway, name)

        assert caught.value.code == "charge_expired_for_capture"

    def test_what_was_captured_of_it_succeeded(self, gateway: Gateway) -> None:
        name = held(gateway)
        capture(gateway, name, amount_to_capture=300, final_capture=False)
        gateway.pass_time(7 * DAY_S)

        step(expire_due(gateway.ports))

        intent = row(gateway, Intent)
        assert (intent.status, intent.amount_received, intent.amount_capturable) == ("succeeded", 300, 0)


class TestIncrement:
    """More is held if the issuer agrees; whatever else it says leaves the amounts as they were."""

    def test_the_difference_is_asked_for_and_the_total_held(self, gateway: Gateway) -> None:
        name = held(gateway)

        intent = increment(gateway, name, 1500)

        _, message = gateway.acquirer.sent("0100")
        assert (intent["amount"], intent["amount_capturable"], intent["status"]) == (1500, 1500, "requires_capture")
        assert message.amount_minor == 500
        assert "05" not in parse_private(message[48])
        assert (row(gateway, Charge).amount, row(gateway, Intent).busy) == (1500, None)
        assert check(intent) == []

    def test_a_decline_changes_nothing(self, gateway: Gateway) -> None:
        name = held(gateway)
        gateway.acquirer.script = declined("51")

        answer = step(incrementing.increment(gateway.ports, call({"amount": 1500}, name)))

        error, intent = shape(answer)["error"], row(gateway, Intent)
        assert (answer.status, error["decline_code"]) == (402, "insufficient_funds")
        assert error["payment_intent"]["amount_capturable"] == 1000
        assert (intent.amount, intent.amount_capturable, intent.busy) == (1000, 1000, None)
        assert settle(gateway) == []

    def test_silence_changes_nothing_and_is_undone(self, gateway: Gateway) -> None:
        name = held(gateway)
        gateway.acquirer.script = lambda _message: UNKNOWN

        answer = step(incrementing.increment(gateway.ports, call({"amount": 1500}, name)))
        with pytest.raises(ApiError) as caught:
            increment(gateway, name, 1600)
        (void,) = settle(gateway)

        assert (answer.status, shape(answer)["error"]["code"]) == (402, "processing_error")
        assert caught.value.code == "lock_timeout"
        assert (void.mti, void.amount_minor) == ("0420", 500)
        gateway.acquirer.script = approved
        assert increment(gateway, name, 1600)["amount"] == 1600

    def test_it_must_be_more_and_must_have_been_asked_for(self, gateway: Gateway) -> None:
        name = held(gateway)
        with pytest.raises(ApiError, match="must be greater than"):
            increment(gateway, name, 1000)

        plain = held(gateway, payment_method_options={"card": {}})
        with pytest.raises(ApiError, match="not eligible"):
            increment(gateway, plain, 1500)

    def test_there_is_an_end_to_it(self, gateway: Gateway) -> None:
        gateway.ports = gateway.ports._replace(terms=Terms(increments_max=2))
        name = held(gateway)
        increment(gateway, name, 1100)
        increment(gateway, name, 1200)

        with pytest.raises(ApiError, match="2 times"):
            increment(gateway, name, 1300)

    def test_a_payment_that_is_not_held_cannot_grow(self, gateway: Gateway) -> None:
        name = pay(gateway)["id"]

        with pytest.raises(ApiError, match="may be incremented: requires_capture"):
            increment(gateway, name, 1500)

    def test_it_waits_for_a_capture_that_is_on_its_way(self, gateway: Gateway) -> None:
        name = held(gateway)
        capture(gateway, name, amount_to_capture=400, final_capture=False)

        with pytest.raises(ApiError) as caught:
            increment(gateway, name, 1500)
        settle(gateway)
        increment(gateway, name, 1500)

        assert (caught.value.status, caught.value.code) == (429, "lock_timeout")
        assert (row(gateway, Intent).amount, row(gateway, Intent).amount_capturable) == (1500, 1100)

    @pytest.mark.parametrize("act", ["capture", "cancel", "increment"])
    def test_nothing_else_happens_while_the_issuer_is_asked(self, gateway: Gateway, act: str) -> None:
        name, refused = held(gateway), []
        acts: dict[str, Any] = {"capture": capture, "cancel": cancel, "increment": lambda *to: increment(*to, 1500)}

        def meanwhile() -> None:
            gateway.acquirer.meanwhile = lambda: None
            try:
                acts[act](gateway, name)
            except ApiError as error:
                refused.append((error.status, error.code))

        gateway.acquirer.meanwhile = meanwhile
        increment(gateway, name, 1500)

        assert refused == [(429, "lock_timeout")]
        assert row(gateway, Intent).amount_capturable == 1500


class TestPartialApproval:
    """Less than was asked is a success only for who said so."""

    def partial(self, message: Message) -> Message:
        answer = approved(message)
        return answer.with_fields({4: "000000000600", 39: "10"})

    def test_who_asked_for_it_gets_the_part(self, gateway: Gateway) -> None:
        gateway.acquirer.script = self.partial

        intent = pay(gateway, payment_method_options={"card": {"request_partial_authorization": "if_available"}})

        (message, advice) = [*gateway.acquirer.seen, *settle(gateway)]
        assert parse_private(message[48])["08"] == "1"
        assert (intent["status"], intent["amount"], intent["amount_received"]) == ("succeeded", 1000, 600)
        assert (advice.mti, advice.amount_minor) == ("0220", 600)

    def test_for_everybody_else_it_is_undone(self, gateway: Gateway) -> None:
        gateway.acquirer.script = self.partial

        intent = pay(gateway)

        (void,) = settle(gateway)
        assert (intent["status"], void.mti, row(gateway, Intent).status) == (
            "processing",
            "0420",
            "requires_payment_method",
        )


class TestTheNetworksFacts:
    """What the network said about card and address is told, and nothing else."""

    def test_the_address_is_sent_and_its_checks_are_told(self, gateway: Gateway) -> None:
        billing = {"address": {"line1": "510 Townsend St", "postal_code": "94107"}}
        gateway.acquirer.script = lambda message: approved(message, t02="M", t04="Z")

        pay(gateway, payment_method_data={**METHOD, "billing_details": billing})

        (message,) = gateway.acquirer.seen
        checks = json.loads(row(gateway, Charge).card)["checks"]
        assert parse_private(message[48])["03"] == "94107    510 Townsend St"
        assert checks == {
            "address_line1_check": "fail",
            "address_postal_code_check": "pass",
            "cvc_check": "pass",
        }

    def test_a_payment_without_the_customer_says_so(self, gateway: Gateway) -> None:
        pay(gateway, off_session="true")

        assert parse_private(gateway.acquirer.seen[0][48])["12"] == "M"

    def test_off_session_does_not_set_a_card_up(self, gateway: Gateway) -> None:
        with pytest.raises(ApiError, match="off_session=true"):
            pay(gateway, off_session="true", setup_future_usage="off_session")

    def test_an_advice_of_the_network_is_told(self, gateway: Gateway) -> None:
        from iso.private import build_private

        gateway.acquirer.script = lambda message: message.reply("05", {48: build_private({"11": "02"})})

        error = pay(gateway)["error"]

        assert error["network_advice_code"] == "02"
        assert row(gateway, Charge).network_advice_code == "02"


class TestCurrencies:
    """Minor units are the currency's own; three decimals end in 0."""

    @pytest.mark.parametrize(("currency", "numeric"), [("jpy", "392"), ("kwd", "414"), ("bhd", "048")])
    def test_the_amount_goes_out_as_it_is(self, gateway: Gateway, currency: str, numeric: str) -> None:
        pay(gateway, currency=currency, amount=5000)

        assert (gateway.acquirer.seen[0][49], gateway.acquirer.seen[0].amount_minor) == (numeric, 5000)

    def test_a_third_decimal_is_refused(self, gateway: Gateway) -> None:
        with pytest.raises(ApiError, match="multiple of 10"):
            pay(gateway, currency="kwd", amount=5005)

        name = held(gateway, currency="kwd", amount=5000)
        with pytest.raises(ApiError, match="multiple of 10"):
            capture(gateway, name, amount_to_capture=4005)
