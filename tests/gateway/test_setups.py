"""A card is set up for later once its issuer has nothing against it."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import setups as table
from gateway.core.records import Method, Obligation, SendRecord
from gateway.core.records_setup import SetupAttempt, SetupIntent
from gateway.handlers import customers, setups
from gateway.handlers.duties import recover
from iso.original import OriginalData
from iso.private import ADDRESS, parse_private
from node.core.steps import NOT_SENT, UNKNOWN
from tests.gateway.test_crash import Mortal
from tests.support.duties import work_one
from tests.support.gateway import (
    CARD,
    OTHER_SECRET_KEY,
    PUBLISHABLE_KEY,
    Gateway,
    Shop,
    approved,
    call,
    declined,
    step,
)

METHOD = {"type": "card", "card": CARD}
PUBLIC = {"authorization": f"Bearer {PUBLISHABLE_KEY}"}
OTHER = {"authorization": f"Bearer {OTHER_SECRET_KEY}"}
AT_ONCE = {"payment_method_data": METHOD, "confirm": True}


def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


def nothing_against_it(message: Any) -> Any:
    return message.reply("85", {37: f"607309{message.stan}"})


def told(shop: Shop) -> list[str]:
    return [event["type"] for event in shop.get("/v1/events?limit=100").json()["data"]][::-1]


def one(gateway: Gateway, kind: Any) -> Any:
    rows = [row for row in gateway.rows() if isinstance(row, kind)]
    assert len(rows) == 1, rows
    return rows[0]


class TestVerification:
    """The issuer is asked about an amount of nothing; what it says is what the shop gets."""

    @pytest.mark.parametrize("script", [approved, nothing_against_it])
    def test_a_good_card_is_kept_for_the_customer(self, shop: Shop, script: Any) -> None:
        shop.gateway.acquirer.script = script
        customer = shop.post("/v1/customers").json()["id"]

        setup = shop.post("/v1/setup_intents", {**AT_ONCE, "customer": customer, "metadata": {"a": "1"}}).json()

        (asked,) = shop.gateway.acquirer.seen
        assert (asked.mti, asked[3], asked[4], asked[49]) == ("0100", "000000", "000000000000", "840")
        assert (setup["status"], setup["usage"], setup["last_setup_error"]) == ("succeeded", "off_session", None)
        assert shop.get(f"/v1/payment_methods/{setup['payment_method']}").json()["customer"] == customer
        assert told(shop)[1:] == ["setup_intent.created", "payment_method.attached", "setup_intent.succeeded"]
        assert shop.get(f"/v1/setup_intents/{setup['id']}").json() == setup

    def test_a_card_of_nobody_stays_one_that_can_be_attached(self, shop: Shop) -> None:
        setup = shop.post("/v1/setup_intents", AT_ONCE).json()

        customer = shop.post("/v1/customers").json()["id"]
        attached = shop.post(f"/v1/payment_methods/{setup['payment_method']}/attach", {"customer": customer})

        assert (setup["status"], setup["customer"], attached.status_code) == ("succeeded", None, 200)

    def test_a_declined_card_is_not_kept(self, shop: Shop) -> None:
        shop.gateway.acquirer.script = declined("51")
        customer = shop.post("/v1/customers").json()["id"]

        answer = shop.post("/v1/setup_intents", {**AT_ONCE, "customer": customer})

        found = error(answer)
        setup = found["setup_intent"]
        assert (answer.status_code, found["type"], found["code"]) == (402, "card_error", "card_declined")
        assert (found["decline_code"], found["network_decline_code"]) == ("insufficient_funds", "51")
        assert (setup["status"], setup["payment_method"]) == ("requires_payment_method", None)
        assert setup["last_setup_error"]["payment_method"]["customer"] is None
        assert told(shop)[1:] == ["setup_intent.created", "setup_intent.setup_failed"]
        assert shop.get(f"/v1/customers/{customer}/payment_methods").json()["data"] == []

    def test_another_card_may_be_tried_after_a_decline(self, shop: Shop) -> None:
        shop.gateway.acquirer.script = declined("05")
        setup = error(shop.post("/v1/setup_intents", AT_ONCE))["setup_intent"]
        shop.gateway.acquirer.script = approved

        again = shop.post(f"/v1/setup_intents/{setup['id']}/confirm", {"payment_method": "pm_card_mastercard"}).json()
        attempts = shop.get(f"/v1/setup_attempts?setup_intent={setup['id']}").json()["data"]

        assert (again["status"], again["last_setup_error"]) == ("succeeded", None)
        assert [attempt["status"] for attempt in attempts] == ["succeeded", "failed"]
        assert attempts[0]["id"] == again["latest_attempt"]
        assert attempts[1]["setup_error"]["decline_code"] == "generic_decline"

    def test_checks_are_those_that_the_network_made(self, shop: Shop) -> None:
        shop.gateway.acquirer.script = lambda message: approved(message, t02="M", t04="Z")
        method = {**METHOD, "billing_details": {"address": {"line1": "510 Townsend St", "postal_code": "94107"}}}
        wanted = {"address_line1_check": "fail", "address_postal_code_check": "pass", "cvc_check": "pass"}

        setup = shop.post(
            "/v1/setup_intents",
            {"payment_method_data": method, "confirm": True, "expand": ["latest_attempt", "payment_method"]},
        ).json()

        (asked,) = shop.gateway.acquirer.seen
        assert parse_private(asked[48])[ADDRESS] == "94107    510 Townsend St"
        assert setup["latest_attempt"]["payment_method_details"]["card"]["checks"] == wanted
        assert setup["payment_method"]["card"]["checks"] == wanted

    def test_nothing_that_left_is_nothing_to_undo(self, memory_shop: Shop) -> None:
        memory_shop.gateway.acquirer.script = lambda _message: NOT_SENT

        answer = memory_shop.post("/v1/setup_intents", AT_ONCE)

        assert (answer.status_code, error(answer)["code"]) == (402, "processing_error")
        assert not [row for row in memory_shop.gateway.rows() if isinstance(row, Obligation)]

    def test_without_a_cryptogram_nothing_leaves(self, memory_shop: Shop) -> None:
        setup = memory_shop.post("/v1/setup_intents", {"payment_method_data": METHOD}).json()
        memory_shop.gateway.hsm.is_silent = True

        answer = memory_shop.post(f"/v1/setup_intents/{setup['id']}/confirm")

        assert (answer.status_code, error(answer)["code"]) == (402, "processing_error")
        assert memory_shop.gateway.acquirer.seen == []

    def test_for_a_customer_who_has_gone_nobody_is_asked(self, shop: Shop) -> None:
        customer = shop.post("/v1/customers").json()["id"]
        setup = shop.post("/v1/setup_intents", {"payment_method_data": METHOD, "customer": customer}).json()
        shop.send("DELETE", f"/v1/customers/{customer}")

        answer = shop.post(f"/v1/setup_intents/{setup['id']}/confirm")

        assert (answer.status_code, error(answer)["code"]) == (400, "resource_missing")
        assert shop.gateway.acquirer.seen == []
        assert shop.get(f"/v1/setup_intents/{setup['id']}").json() == setup

    def test_a_customer_who_goes_while_the_issuer_is_asked_keeps_no_card(self, gateway: Gateway) -> None:
        customer = json.loads(step(customers.create(gateway.ports, call())).body)["id"]

        def leave() -> None:
            step(customers.delete(gateway.ports, call({}, customer)))

        gateway.acquirer.meanwhile = leave
        answer = step(setups.create(gateway.ports, call({**AT_ONCE, "customer": customer})))

        found = json.loads(answer.body)["error"]
        assert (answer.status, found["code"]) == (400, "resource_missing")
        assert found["setup_intent"]["status"] == "requires_payment_method"
        assert (one(gateway, Method).customer, one(gateway, SetupAttempt).status) == (None, "failed")

    def test_the_same_key_asks_once(self, shop: Shop) -> None:
        shop.gateway.acquirer.script = declined("05")

        first, second = (shop.post("/v1/setup_intents", AT_ONCE, idempotency_key="1") for _ in range(2))

        assert first.json() == second.json()
        assert len(shop.gateway.acquirer.seen) == 1

    def test_of_many_at_once_one_asks(self, shop: Shop) -> None:
        setup = shop.post("/v1/setup_intents", {"payment_method_data": METHOD}).json()["id"]

        answers = shop.send_all([("POST", f"/v1/setup_intents/{setup}/confirm", "", {}) for _ in range(6)])

        assert sorted(answer.status_code for answer in answers) == [200, *[400] * 5]
        assert len(shop.gateway.acquirer.seen) == 1


class TestSilence:
    """Silence is a doubt: the question is undone, and then the card is not set up."""

    def doubt(self, gateway: Gateway, key: str | None = None) -> Any:
        gateway.acquirer.script = lambda _message: UNKNOWN
        return step(setups.create(gateway.ports, call(AT_ONCE, key=key)))

    def test_it_is_processing_until_the_question_is_undone(self, gateway: Gateway) -> None:
        answer = self.doubt(gateway)
        before = json.loads(answer.body)

        step(work_one(gateway.ports, "worker"))

        question, void = gateway.acquirer.seen
        named = OriginalData.from_de90(void[90])
        setup, attempt = one(gateway, SetupIntent), one(gateway, SetupAttempt)
        assert (answer.status, before["status"]) == (200, "processing")
        assert (void.mti, void[4], named.stan) == ("0420", "000000000000", question.stan)
        assert (setup.status, setup.method, attempt.status) == ("requires_payment_method", None, "failed")
        assert json.loads(setup.last_error)["code"] == "processing_error"
        assert one(gateway, Obligation).state == "done"

    def test_a_gateway_that_dies_while_it_waits_leaves_a_doubt(self, gateway: Gateway) -> None:
        def die() -> None:
            raise KeyboardInterrupt

        gateway.acquirer.meanwhile = die
        with pytest.raises(KeyboardInterrupt):
            step(setups.create(gateway.ports, call(AT_ONCE, key="1")))
        gateway.acquirer.meanwhile = lambda: None

        step(recover(gateway.ports))
        replayed = step(setups.create(gateway.ports, call(AT_ONCE, key="1")))
        step(work_one(gateway.ports, "worker"))

        assert json.loads(replayed.body)["status"] == "processing"
        assert one(gateway, SetupIntent).status == "requires_payment_method"
        assert [message.mti for message in gateway.acquirer.seen] == ["0100", "0420"]

    @settings(max_examples=60)
    @given(dies_at=st.integers(1, 12), is_after=st.booleans(), lost=st.sets(st.integers(0, 2)))
    def test_whenever_it_dies_the_card_is_good_or_nothing_stands(
        self, dies_at: int, is_after: bool, lost: set[int]
    ) -> None:
        house = Mortal(dies_at, is_after)
        house.acquirer.loses = lambda _message: len(house.acquirer.answers) - 1 in lost

        house.asks(setups.create, AT_ONCE, key="first")
        house.settles()

        (setup,) = house.rows(SetupIntent)
        assert setup.status in ("succeeded", "requires_payment_method")
        results = {row.kind: row.result for row in house.rows(SendRecord)}
        if setup.status == "succeeded":
            assert results == {"verify": "00"}
        elif results["verify"] == "reversed":
            assert results["void"] in ("00", "25")
        else:
            assert results == {"verify": "not sent"}


class TestStates:
    """A setup moves by its table or not at all."""

    @pytest.mark.parametrize(("state", "event"), [*product(table.STATES, table.EVENTS)])
    def test_every_event_in_every_state_is_a_move_or_a_refusal(self, state: str, event: str) -> None:
        after = table.next_status(state, event)

        assert after is None or after in table.STATES
        assert state not in table.FINAL or after is None

    def test_it_is_made_changed_and_given_up(self, shop: Shop) -> None:
        made = shop.post("/v1/setup_intents", {"usage": "on_session", "description": "Club"}).json()
        path = f"/v1/setup_intents/{made['id']}"

        chosen = shop.post(path, {"payment_method": "pm_card_visa", "metadata": {"a": "1"}}).json()
        taken_back = shop.post(path, {"payment_method": ""}).json()
        canceled = shop.post(f"{path}/cancel", {"cancellation_reason": "duplicate"}).json()
        noted = shop.post(path, {"metadata": {"b": "2"}}).json()

        assert (made["status"], made["usage"]) == ("requires_payment_method", "on_session")
        assert (chosen["status"], taken_back["status"]) == ("requires_confirmation", "requires_payment_method")
        assert (canceled["status"], canceled["cancellation_reason"]) == ("canceled", "duplicate")
        assert noted["metadata"] == {"a": "1", "b": "2"}
        assert told(shop) == ["setup_intent.created", "setup_intent.canceled"]

    @pytest.mark.parametrize(
        ("path", "form"),
        [("/confirm", {"payment_method": "pm_card_visa"}), ("/cancel", {}), ("", {"payment_method": ""})],
    )
    def test_what_has_succeeded_is_over(self, memory_shop: Shop, path: str, form: dict[str, Any]) -> None:
        setup = memory_shop.post("/v1/setup_intents", AT_ONCE).json()

        answer = memory_shop.post(f"/v1/setup_intents/{setup['id']}{path}", form)

        assert (answer.status_code, error(answer)["code"]) == (400, "setup_intent_unexpected_state")
        assert error(answer)["setup_intent"] == setup

    def test_without_a_card_it_cannot_be_confirmed(self, memory_shop: Shop) -> None:
        setup = memory_shop.post("/v1/setup_intents").json()

        answers = [
            memory_shop.post(f"/v1/setup_intents/{setup['id']}/confirm"),
            memory_shop.post("/v1/setup_intents", {"confirm": True}),
        ]

        assert {error(answer)["code"] for answer in answers} == {"setup_intent_unexpected_state"}
        assert "missing a payment method" in error(answers[0])["message"]


class TestWhose:
    """A setup takes cards of its own customer or of nobody, and answers to its own account."""

    def test_the_card_of_another_customer_is_refused(self, shop: Shop) -> None:
        owner = shop.post("/v1/customers", {"payment_method": "pm_card_visa"}).json()["id"]
        method = shop.get(f"/v1/customers/{owner}/payment_methods").json()["data"][0]["id"]
        other = shop.post("/v1/customers").json()["id"]

        answers = [
            shop.post("/v1/setup_intents", {"payment_method": method}),
            shop.post("/v1/setup_intents", {"payment_method": method, "customer": other}),
            shop.post("/v1/setup_intents", {"payment_method": method, "customer": owner, "confirm": True}),
        ]

        assert [answer.status_code for answer in answers] == [400, 400, 200]
        assert [error(answer)["param"] for answer in answers[:2]] == ["customer", "payment_method"]

    def test_a_card_that_was_detached_meanwhile_is_refused(self, memory_shop: Shop) -> None:
        owner = memory_shop.post("/v1/customers", {"payment_method": "pm_card_visa"}).json()["id"]
        method = memory_shop.get(f"/v1/customers/{owner}/payment_methods").json()["data"][0]["id"]
        setup = memory_shop.post("/v1/setup_intents", {"payment_method": method, "customer": owner}).json()["id"]
        memory_shop.post(f"/v1/payment_methods/{method}/detach")

        answer = memory_shop.post(f"/v1/setup_intents/{setup}/confirm")

        assert "may not be used again" in error(answer)["message"]
        assert memory_shop.gateway.acquirer.seen == []

    def test_another_account_has_no_such_setup(self, shop: Shop) -> None:
        setup = shop.post("/v1/setup_intents", AT_ONCE).json()
        path = f"/v1/setup_intents/{setup['id']}"

        answers = [
            shop.get(path, **OTHER),
            shop.post(path, **OTHER),
            shop.post(f"{path}/confirm", **OTHER),
            shop.post(f"{path}/cancel", **OTHER),
            shop.get(f"/v1/setup_attempts?setup_intent={setup['id']}", **OTHER),
        ]

        assert [answer.status_code for answer in answers] == [404, 404, 404, 404, 400]
        assert {error(answer)["code"] for answer in answers} == {"resource_missing"}
        assert shop.get("/v1/setup_intents", **OTHER).json()["data"] == []

    def test_a_browser_confirms_with_the_client_secret(self, memory_shop: Shop) -> None:
        customer = memory_shop.post("/v1/customers").json()["id"]
        setup = memory_shop.post("/v1/setup_intents", {"customer": customer}).json()
        path, secret = f"/v1/setup_intents/{setup['id']}", setup["client_secret"]
        method = memory_shop.post("/v1/payment_methods", METHOD, **PUBLIC).json()["id"]

        refused = [
            memory_shop.post(f"{path}/confirm", {"payment_method": method, **more}, **PUBLIC)
            for more in ({}, {"client_secret": "wrong"})
        ]
        done = memory_shop.post(f"{path}/confirm", {"payment_method": method, "client_secret": secret}, **PUBLIC)
        seen = memory_shop.get(f"{path}?client_secret={secret}", **PUBLIC)

        assert [answer.status_code for answer in refused] == [400, 400]
        assert (done.json()["status"], done.json()["customer"]) == ("succeeded", None)
        assert seen.json() == done.json()
        assert memory_shop.post("/v1/setup_intents", AT_ONCE, **PUBLIC).status_code == 403


class TestLists:
    """Setups are listed by customer and by card."""

    def test_filters_narrow(self, shop: Shop) -> None:
        customer = shop.post("/v1/customers").json()["id"]
        first = shop.post("/v1/setup_intents", {**AT_ONCE, "customer": customer}).json()
        second = shop.post("/v1/setup_intents", AT_ONCE).json()

        def listed(query: str) -> list[Any]:
            data: list[Any] = shop.get(f"/v1/setup_intents{query}").json()["data"]
            return data

        assert listed("") == [second, first]
        assert listed(f"?customer={customer}") == [first]
        assert listed(f"?payment_method={second['payment_method']}") == [second]
        assert listed(f"?starting_after={second['id']}") == [first]

    def test_attempts_need_a_setup(self, memory_shop: Shop) -> None:
        answer = memory_shop.get("/v1/setup_attempts")

        assert (answer.status_code, error(answer)["param"]) == (400, "setup_intent")

    def test_everything_can_be_expanded(self, memory_shop: Shop) -> None:
        customer = memory_shop.post("/v1/customers").json()["id"]
        setup = memory_shop.post("/v1/setup_intents", {**AT_ONCE, "customer": customer}).json()

        found = memory_shop.get(
            f"/v1/setup_intents/{setup['id']}?expand[]=latest_attempt.setup_intent.customer&expand[]=payment_method.customer"
        ).json()

        assert found["latest_attempt"]["setup_intent"]["customer"]["id"] == customer
        assert found["payment_method"]["customer"]["id"] == customer

    def test_the_rows_hold_no_card_number(self, memory_shop: Shop) -> None:
        memory_shop.post("/v1/setup_intents", AT_ONCE)

        kept = repr(memory_shop.gateway.rows())
        assert CARD["number"] not in kept
        assert one(memory_shop.gateway, Method).last4 == "4242"
