"""A payment's straight line, stepped without an event loop: what is committed when, and what comes of each outcome."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.claims import Answer
from gateway.core.errors import ApiError
from gateway.core.records import Charge, Claim, Intent, Method, Obligation, SendRecord
from gateway.handlers import cancelling, capturing, cards, customers, incrementing, intents, payments
from hsm_sim.requests import MakeCryptogram, StoreCard
from iso.private import parse_private
from node.core.steps import NOT_SENT, UNKNOWN
from tests.support.gateway import CARD, OTHER_ACCOUNT, Gateway, approved, call, declined, step
from tests.support.oracle import check

METHOD = {"type": "card", "card": CARD}


def shape(answer: Answer) -> Any:
    return json.loads(answer.body)


def pay(gateway: Gateway, key: str | None = None, **changes: Any) -> Answer:
    form = {"amount": 2000, "currency": "usd", "payment_method_data": METHOD, "confirm": True, **changes}
    return step(payments.create(gateway.ports, call(form, key=key)))


def one(gateway: Gateway, kind: type) -> Any:
    rows = [row for row in gateway.rows() if isinstance(row, kind)]
    assert len(rows) == 1, rows
    return rows[0]


class TestApproval:
    """What the issuer approved is paid, and says what the network said."""

    def test_the_intent_succeeds_with_one_charge(self, gateway: Gateway) -> None:
        gateway.acquirer.script = lambda message: approved(message, t02="M")

        answer = pay(gateway)

        intent, charge = shape(answer), one(gateway, Charge)
        assert (answer.status, intent["status"], intent["amount_received"]) == (200, "succeeded", 2000)
        assert intent["latest_charge"] == charge.id
        assert (charge.response_code, charge.authorisation_code, charge.network_transaction_id) == (
            "00",
            "A1B2C3",
            "123456789012345",
        )
        assert one(gateway, Method).cvc_check == "pass"
        assert check(intent) == []

    def test_the_request_carries_the_token_and_a_cryptogram_that_the_switch_can_spend(self, gateway: Gateway) -> None:
        pay(gateway)

        (message,) = gateway.acquirer.seen
        asked = [type(request) for request in gateway.hsm.asked]
        assert asked == [StoreCard, MakeCryptogram]
        assert message.pan == one(gateway, Method).token
        assert message.pan.startswith("9999")
        assert len(parse_private(message[48])["05"]) == 16 + 4 + 8

    def test_everything_a_reversal_needs_is_committed_before_the_first_byte(self, gateway: Gateway) -> None:
        committed: list[tuple[Any, ...]] = []
        gateway.acquirer.meanwhile = lambda: committed.append(
            (one(gateway, SendRecord), one(gateway, Intent).status, one(gateway, Claim).status)
        )

        pay(gateway, key="key")

        (record, intent_status, claim_status) = committed[0]
        (message,) = gateway.acquirer.seen
        assert (record.stan, record.transmitted, record.token) == (message.stan, message.transmitted, message.pan)
        assert (record.terminal, record.merchant, record.result) == ("RAILS001", "RAILSCOFFEE0001", "")
        assert (intent_status, claim_status) == ("processing", 0)

    def test_each_attempt_has_the_next_stan_of_its_terminal(self, gateway: Gateway) -> None:
        pay(gateway, capture_method="manual")
        pay(gateway, capture_method="manual")

        assert [message.stan for message in gateway.acquirer.seen] == ["000001", "000002"]

    def test_a_card_without_a_customer_is_used_up(self, gateway: Gateway) -> None:
        method = shape(step(cards.create(gateway.ports, call(METHOD))))["id"]
        pay(gateway, payment_method=method, payment_method_data=None)

        with pytest.raises(ApiError, match="may not be used again"):
            pay(gateway, payment_method=method, payment_method_data=None)

    def test_a_card_to_be_kept_is_bound_to_the_customer(self, gateway: Gateway) -> None:
        customer = shape(step(customers.create(gateway.ports, call({}))))["id"]

        pay(gateway, customer=customer, setup_future_usage="off_session")

        assert one(gateway, Method).customer == customer


class TestDecline:
    """A decline is an outcome: it is written down, and then told with status 402."""

    @pytest.mark.parametrize(
        ("code", "stripe_code", "decline_code"),
        [
            ("05", "card_declined", "generic_decline"),
            ("51", "card_declined", "insufficient_funds"),
            ("N7", "incorrect_cvc", "incorrect_cvc"),
        ],
    )
    def test_the_error_says_why(self, gateway: Gateway, code: str, stripe_code: str, decline_code: str) -> None:
        gateway.acquirer.script = declined(code)

        answer = pay(gateway)

        error, charge = shape(answer)["error"], one(gateway, Charge)
        assert (answer.status, error["type"], error["code"]) == (402, "card_error", stripe_code)
        assert (error["decline_code"], error["network_decline_code"]) == (decline_code, code)
        assert (error["charge"], charge.status, charge.failure_code) == (charge.id, "failed", stripe_code)
        assert error["payment_intent"]["status"] == "requires_payment_method"
        assert check(error["payment_intent"]) == []

    def test_the_intent_remembers_the_error_and_takes_another_card(self, gateway: Gateway) -> None:
        gateway.acquirer.script = declined("05")
        name = shape(pay(gateway))["error"]["payment_intent"]["id"]
        gateway.acquirer.script = approved

        before = one(gateway, Intent)
        answer = step(payments.confirm(gateway.ports, call({"payment_method_data": METHOD}, name)))

        assert json.loads(before.last_error)["decline_code"] == "generic_decline"
        assert (shape(answer)["status"], shape(answer)["last_payment_error"]) == ("succeeded", None)


class TestNotSent:
    """Where not a byte left there is nothing to reverse, and the shop may try again."""

    def test_a_link_that_is_down_is_a_processing_error_without_a_duty(self, gateway: Gateway) -> None:
        gateway.acquirer.script = lambda _message: NOT_SENT

        answer = pay(gateway)

        error, charge = shape(answer)["error"], one(gateway, Charge)
        assert (answer.status, error["code"], charge.network_status) == (402, "processing_error", "not_sent_to_network")
        assert not [row for row in gateway.rows() if isinstance(row, Obligation)]

    def test_an_hsm_that_gives_no_cryptogram_stops_the_payment_before_it_is_sent(self, gateway: Gateway) -> None:
        method = shape(step(cards.create(gateway.ports, call(METHOD))))["id"]
        gateway.hsm.is_silent = True

        answer = pay(gateway, payment_method=method, payment_method_data=None)

        assert (answer.status, shape(answer)["error"]["code"]) == (402, "processing_error")
        assert gateway.acquirer.seen == []

    def test_an_hsm_that_is_silent_about_a_card_leaves_nothing_behind(self, gateway: Gateway) -> None:
        gateway.hsm.is_silent = True

        with pytest.raises(ApiError) as caught:
            pay(gateway, key="key")

        assert (caught.value.status, caught.value.kind) == (503, "api_error")
        assert gateway.rows() == []


class TestUnknown:
    """Silence is neither an approval nor a decline: the shop hears `processing`, and a reversal is owed."""

    def test_the_intent_is_processing_and_the_duty_is_written_in_the_same_commit(self, gateway: Gateway) -> None:
        gateway.acquirer.script = lambda _message: UNKNOWN

        answer = pay(gateway)

        assert (answer.status, shape(answer)["status"]) == (200, "processing")
        results = {row.kind: row.result for row in gateway.rows() if isinstance(row, SendRecord)}
        assert (one(gateway, Charge).status, results) == ("pending", {"authorise": "unknown", "void": "owed"})
        assert one(gateway, Obligation).state == "open"
        assert gateway.owed == 1
        assert check(shape(answer)) == []

    def test_an_approval_of_part_of_the_amount_is_not_a_success(self, gateway: Gateway) -> None:
        gateway.acquirer.script = declined("10")

        assert shape(pay(gateway))["status"] == "processing"

    @pytest.mark.parametrize(
        ("act", "form"),
        [
            (cancelling.cancel, {}),
            (capturing.capture, {}),
            (incrementing.increment, {"amount": 3000}),
            (payments.confirm, {}),
            (intents.update, {"amount": 3000}),
        ],
    )
    def test_a_payment_in_doubt_cannot_be_touched(self, gateway: Gateway, act: Any, form: dict[str, Any]) -> None:
        gateway.acquirer.script = lambda _message: UNKNOWN
        name = shape(pay(gateway))["id"]

        with pytest.raises(ApiError) as caught:
            step(act(gateway.ports, call(form, name)))

        assert caught.value.code == "payment_intent_unexpected_state"

    def test_a_handler_that_is_cut_short_calls_the_worker(self, gateway: Gateway) -> None:
        def cut() -> None:
            raise KeyboardInterrupt

        gateway.acquirer.meanwhile = cut

        with pytest.raises(KeyboardInterrupt):
            pay(gateway)

        assert gateway.owed == 1
        assert gateway.ports.under_way == set()
        assert one(gateway, SendRecord).result == ""


class TestWhoMayPayWithWhat:
    """A card pays for its own customer only, and another account's things do not exist."""

    def test_a_customers_card_needs_the_customer(self, gateway: Gateway) -> None:
        customer = shape(step(customers.create(gateway.ports, call({"payment_method": "pm_card_visa"}))))["id"]
        method = one(gateway, Method).id

        with pytest.raises(ApiError, match="you must also provide the Customer"):
            pay(gateway, payment_method=method, payment_method_data=None)

        answer = pay(gateway, payment_method=method, payment_method_data=None, customer=customer)
        assert shape(answer)["status"] == "succeeded"

    def test_a_card_of_another_customer_is_refused(self, gateway: Gateway) -> None:
        step(customers.create(gateway.ports, call({"payment_method": "pm_card_visa"})))
        stranger = shape(step(customers.create(gateway.ports, call({}))))["id"]

        with pytest.raises(ApiError, match="must be attached to the customer"):
            pay(gateway, payment_method=one(gateway, Method).id, payment_method_data=None, customer=stranger)

        assert gateway.acquirer.seen == []

    def test_another_accounts_intent_is_not_found(self, gateway: Gateway) -> None:
        name = shape(pay(gateway, confirm=False))["id"]

        with pytest.raises(ApiError) as caught:
            step(payments.confirm(gateway.ports, call({}, name, account=OTHER_ACCOUNT)))

        assert (caught.value.status, caught.value.code) == (404, "resource_missing")

    def test_a_payment_without_a_card_is_refused_and_leaves_nothing(self, gateway: Gateway) -> None:
        with pytest.raises(ApiError, match="missing a payment method"):
            pay(gateway, payment_method_data=None, key="key")

        assert gateway.rows() == []

    def test_a_second_confirmation_finds_the_door_closed(self, gateway: Gateway) -> None:
        name = shape(pay(gateway, confirm=False))["id"]
        inner: list[Any] = []

        def again() -> None:
            try:
                step(payments.confirm(gateway.ports, call({}, name)))
            except ApiError as error:
                inner.append(error.code)

        gateway.acquirer.meanwhile = again

        answer = step(payments.confirm(gateway.ports, call({}, name)))

        assert inner == ["payment_intent_unexpected_state"]
        assert shape(answer)["status"] == "succeeded"
        assert len(gateway.acquirer.seen) == 1


class TestWaysToPay:
    """Who may confirm, and what may be said of a payment when."""

    @pytest.mark.parametrize(
        ("form", "confirmation"),
        [({"confirmation_method": "manual"}, {}), ({}, {"off_session": "true"})],
    )
    def test_what_the_server_has_to_confirm_a_customer_cannot(
        self, gateway: Gateway, form: dict[str, Any], confirmation: dict[str, Any]
    ) -> None:
        intent = shape(pay(gateway, confirm=False, **form))
        secret = {**confirmation, "client_secret": intent["client_secret"]}

        with pytest.raises(ApiError, match="with a publishable key"):
            step(payments.confirm(gateway.ports, call(secret, intent["id"])._replace(is_public=True)))

        assert gateway.acquirer.seen == []
        answer = step(payments.confirm(gateway.ports, call(confirmation, intent["id"])))
        assert shape(answer)["status"] == "succeeded"

    def test_a_customer_confirms_with_the_client_secret(self, gateway: Gateway) -> None:
        intent = shape(pay(gateway, confirm=False))
        secret = {"client_secret": intent["client_secret"]}

        answer = step(payments.confirm(gateway.ports, call(secret, intent["id"])._replace(is_public=True)))

        assert shape(answer)["status"] == "succeeded"

    def test_what_is_said_of_a_payment_may_change_when_its_money_may_not(self, gateway: Gateway) -> None:
        name = shape(pay(gateway))["id"]

        answer = step(intents.update(gateway.ports, call({"metadata": {"order": "7"}, "description": "Tea"}, name)))

        assert (shape(answer)["metadata"], shape(answer)["description"]) == ({"order": "7"}, "Tea")
        with pytest.raises(ApiError, match="PaymentIntent's amount could not be updated") as caught:
            step(intents.update(gateway.ports, call({"amount": 3000}, name)))
        assert caught.value.param == "amount"


class TestSecrets:
    """The gateway forgets a card the moment the HSM has it."""

    def test_no_row_and_no_answer_has_the_card_number_the_cvc_or_the_cryptogram(self, gateway: Gateway) -> None:
        gateway.acquirer.script = declined("05")
        answer = pay(gateway, key="key")

        cryptogram = parse_private(gateway.acquirer.seen[0][48])["05"]
        told = repr(gateway.rows()) + answer.body
        assert [secret for secret in (CARD["number"], '"737"', "'737'", cryptogram[:16]) if str(secret) in told] == []

    def test_the_fingerprint_is_the_accounts_own(self, gateway: Gateway) -> None:
        step(cards.create(gateway.ports, call(METHOD)))
        step(cards.create(gateway.ports, call(METHOD)))
        step(cards.create(gateway.ports, call(METHOD, account=OTHER_ACCOUNT)))

        prints = [row.fingerprint for row in gateway.rows() if isinstance(row, Method)]
        assert prints[0] == prints[1] != prints[2]
