"""A shop's day with each official client: the same calls, the same money, whichever language the shop speaks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.drivers import HTTPX_WARNING, Shop

pytestmark = [pytest.mark.house, pytest.mark.filterwarnings(HTTPX_WARNING)]

CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
HELD: dict[str, Any] = {
    "capture_method": "manual",
    "payment_method_options": {
        "card": {"request_multicapture": "if_available", "request_incremental_authorization": "if_available"}
    },
}


class TestPayments:
    """Every step of a payment is a method of the client, and what it answers is what happened."""

    def test_a_customer_pays_with_a_card_of_her_own(self, shop: Shop) -> None:
        customer = shop.ask("customers.create", email="ada@example.com", name="Ada", metadata={"tier": "gold"})
        method = shop.ask("payment_methods.create", type="card", card=CARD)
        attached = shop.ask("payment_methods.attach", method["id"], customer=customer["id"])
        intent = shop.ask("payment_intents.create", amount=2000, currency="usd", customer=customer["id"])
        confirmed = shop.ask("payment_intents.confirm", intent["id"], payment_method=method["id"])
        found = shop.ask("payment_intents.retrieve", intent["id"], expand=["customer", "latest_charge"])

        assert (attached["customer"], intent["status"]) == (customer["id"], "requires_payment_method")
        assert (confirmed["status"], found["status"], found["amount_received"]) == ("succeeded", "succeeded", 2000)
        assert found["customer"]["metadata"] == {"tier": "gold"}
        assert found["latest_charge"]["payment_method_details"]["card"]["last4"] == "4242"

    def test_a_hold_is_captured_in_part(self, shop: Shop) -> None:
        held = shop.pay(1000, **HELD)

        captured = shop.ask("payment_intents.capture", held["id"], amount_to_capture=400)

        assert (held["status"], held["amount_capturable"]) == ("requires_capture", 1000)
        assert (captured["status"], captured["amount_received"]) == ("succeeded", 400)

    def test_a_hold_grows_and_is_captured_in_parts(self, shop: Shop) -> None:
        held = shop.pay(1000, **HELD)

        grown = shop.ask("payment_intents.increment_authorization", held["id"], amount=1500)
        part = shop.ask("payment_intents.capture", held["id"], amount_to_capture=600, final_capture=False)
        whole = shop.ask("payment_intents.capture", held["id"])

        assert (grown["amount"], grown["amount_capturable"]) == (1500, 1500)
        assert (part["status"], part["amount_capturable"]) == ("requires_capture", 900)
        assert (whole["status"], whole["amount_received"]) == ("succeeded", 1500)

    def test_a_hold_is_given_up(self, shop: Shop) -> None:
        held = shop.pay(1000, **HELD)

        canceled = shop.ask("payment_intents.cancel", held["id"], cancellation_reason="abandoned")

        assert (canceled["status"], canceled["cancellation_reason"]) == ("canceled", "abandoned")
        assert canceled["amount_capturable"] == 0

    def test_money_goes_back_until_nothing_is_left(self, shop: Shop) -> None:
        paid = shop.pay(3000)

        first = shop.ask("refunds.create", payment_intent=paid["id"], amount=1000, reason="requested_by_customer")
        rest = shop.ask("refunds.create", charge=paid["latest_charge"])
        refused = shop.refused("refunds.create", charge=paid["latest_charge"])
        charge = shop.ask("charges.retrieve", paid["latest_charge"])

        assert [(refund["status"], refund["amount"]) for refund in (first, rest)] == [
            ("succeeded", 1000),
            ("succeeded", 2000),
        ]
        assert (refused.status, refused.error["code"]) == (400, "charge_already_refunded")
        assert (charge["refunded"], charge["amount_refunded"]) == (True, 3000)

    def test_what_the_shop_earned_is_what_the_acquirer_booked(self, shop: Shop) -> None:
        paid = shop.pay(5000)

        charge = shop.ask("charges.retrieve", paid["latest_charge"], expand=["balance_transaction"])
        balance = shop.ask("balance.retrieve")

        entry = charge["balance_transaction"]
        assert (entry["amount"], entry["net"]) == (5000, 5000 - entry["fee"])
        assert 0 < entry["fee"] == sum(part["amount"] for part in entry["fee_details"])
        assert [sort["currency"] for sort in balance["pending"]] == ["usd"]

    def test_everything_that_happened_is_an_event(self, shop: Shop) -> None:
        paid = shop.pay(700)

        events = shop.ask("events.list", type="payment_intent.succeeded", limit=1)["data"]

        assert [event["data"]["object"]["id"] for event in events] == [paid["id"]]
        assert shop.ask("events.retrieve", events[0]["id"]) == events[0]


class TestSetups:
    """A card is set up for later, after its issuer was asked, and pays without its owner."""

    def test_a_card_is_set_up_and_pays_off_session(self, shop: Shop) -> None:
        customer = shop.ask("customers.create")["id"]
        setup = shop.ask("setup_intents.create", customer=customer, usage="off_session")
        token = shop.ask("tokens.create", card=CARD)["id"]
        method = shop.ask("payment_methods.create", type="card", card={"token": token})["id"]

        confirmed = shop.ask("setup_intents.confirm", setup["id"], payment_method=method)
        paid = shop.pay(900, customer=customer, payment_method=method, off_session=True)

        assert (setup["status"], confirmed["status"]) == ("requires_payment_method", "succeeded")
        assert (paid["status"], paid["payment_method"]) == ("succeeded", method)
        assert [kept["id"] for kept in shop.all("setup_intents.list", customer=customer)] == [setup["id"]]

    def test_a_card_that_its_issuer_refuses_is_not_set_up(self, shop: Shop) -> None:
        card = {**CARD, "number": "4000000000000002"}
        method = shop.ask("payment_methods.create", type="card", card=card)["id"]

        refused = shop.refused("setup_intents.create", payment_method=method, confirm=True)

        assert (refused.kind, refused.status, refused.error["code"]) == ("Card", 402, "card_declined")
        assert refused.error["setup_intent"]["status"] == "requires_payment_method"

    def test_a_setup_is_given_up(self, shop: Shop) -> None:
        setup = shop.ask("setup_intents.create")

        assert shop.ask("setup_intents.cancel", setup["id"])["status"] == "canceled"


class TestObjects:
    """Objects are changed, emptied and deleted as each client writes it on the wire."""

    def test_a_member_is_unset_by_an_empty_text(self, shop: Shop) -> None:
        made = shop.ask("customers.create", name="Grace Ⓗ öpper & söhne", metadata={"a": "1", "b": "2"})

        changed = shop.ask("customers.update", made["id"], description="", metadata={"a": "", "c": "3"})

        assert made["name"] == changed["name"] == "Grace Ⓗ öpper & söhne"
        assert (changed["description"], changed["metadata"]) == (None, {"b": "2", "c": "3"})

    def test_a_customer_is_deleted(self, shop: Shop) -> None:
        made = shop.ask("customers.create")

        deleted = shop.ask("customers.delete", made["id"])

        assert deleted == {"id": made["id"], "object": "customer", "deleted": True}

    def test_a_card_is_detached(self, shop: Shop) -> None:
        customer = shop.ask("customers.create", payment_method="pm_card_visa")
        (held,) = shop.all("payment_methods.list", customer=customer["id"], type="card")

        detached = shop.ask("payment_methods.detach", held["id"])

        assert (held["customer"], detached["customer"]) == (customer["id"], None)
        assert shop.all("payment_methods.list", customer=customer["id"], type="card") == []
