"""What the official clients do beside calling methods: they walk through pages, raise, and ask again."""

from __future__ import annotations

import pytest

from tests.clients.drivers import HTTPX_WARNING, Shop, connected
from tests.clients.relay import bad_connection
from tests.support.house import HouseHandle

pytestmark = [pytest.mark.house, pytest.mark.filterwarnings(HTTPX_WARNING)]


class TestPages:
    """Auto-paging finds every object once, newest first."""

    def test_a_list_is_walked_to_its_end(self, shop: Shop, client: str) -> None:
        email = f"pages@{client}.example.com"
        made = [shop.ask("customers.create", email=email, description=str(number))["id"] for number in range(5)]

        found = shop.all("customers.list", email=email, limit=2)

        assert [customer["id"] for customer in found] == made[::-1]

    def test_a_search_is_walked_to_its_end(self, shop: Shop, client: str) -> None:
        made = [shop.pay(1000 + number, metadata={"order": f"search-{client}"})["id"] for number in range(3)]

        found = shop.all("payment_intents.search", query=f'metadata["order"]:"search-{client}"', limit=2)

        assert [intent["id"] for intent in found] == made[::-1]


class TestErrors:
    """Each refusal is the class that the client has for it, with everything that the gateway said."""

    @pytest.mark.parametrize(
        ("number", "decline_code", "network_code"),
        [("4000000000000002", "generic_decline", "05"), ("4000000000009995", "insufficient_funds", "51")],
    )
    def test_a_declined_card(self, shop: Shop, number: str, decline_code: str, network_code: str) -> None:
        card = {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
        method = shop.ask("payment_methods.create", type="card", card=card)

        refused = shop.refused(
            "payment_intents.create", amount=2000, currency="usd", payment_method=method["id"], confirm=True
        )

        error = refused.error
        assert (refused.kind, refused.status, error["code"]) == ("Card", 402, "card_declined")
        assert (error["decline_code"], error["network_decline_code"]) == (decline_code, network_code)
        assert error["payment_intent"]["status"] == "requires_payment_method"

    def test_a_parameter_that_does_not_exist(self, shop: Shop) -> None:
        refused = shop.refused("customers.create", nickname="Ada")

        assert (refused.kind, refused.status) == ("InvalidRequest", 400)
        assert refused.error["code"] == "parameter_unknown"
        assert (refused.error["param"], refused.error["message"]) == (
            "nickname",
            "Received unknown parameter: nickname",
        )

    def test_an_object_that_does_not_exist(self, shop: Shop) -> None:
        refused = shop.refused("customers.retrieve", "cus_nobody")

        assert (refused.kind, refused.status, refused.error["code"]) == ("InvalidRequest", 404, "resource_missing")

    def test_a_step_that_the_payment_cannot_take(self, shop: Shop) -> None:
        paid = shop.pay()

        refused = shop.refused("payment_intents.capture", paid["id"])

        assert (refused.kind, refused.error["code"]) == ("InvalidRequest", "payment_intent_unexpected_state")
        assert refused.error["payment_intent"]["id"] == paid["id"]

    def test_a_key_that_does_not_exist(self, house: HouseHandle, client: str) -> None:
        with connected(client, house.ready["gateway_url"], "sk_test_nobody", house.oracle) as driver:
            refused = Shop(driver).refused("balance.retrieve")

        assert (refused.kind, refused.status) == ("Authentication", 401)

    def test_a_key_that_everybody_can_read(self, house: HouseHandle, client: str) -> None:
        with connected(client, house.ready["gateway_url"], house.ready["publishable_key"], house.oracle) as driver:
            refused = Shop(driver).refused("customers.list")

        assert (refused.kind, refused.status) == ("Permission", 403)


class TestAskingAgain:
    """A request is made once, however often it is sent."""

    def test_the_same_key_has_the_same_answer(self, shop: Shop, client: str) -> None:
        wanted = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}

        first = shop.tell("payment_intents.create", key=f"order-{client}", **wanted)
        again = shop.tell("payment_intents.create", key=f"order-{client}", **wanted)
        refused = shop.refused("payment_intents.create", key=f"order-{client}", **{**wanted, "amount": 2001})

        assert again.object == first.object
        assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
        assert again.headers["original-request"] == first.headers["request-id"] != again.headers["request-id"]
        assert (refused.kind, refused.status) == ("Idempotency", 400)

    def test_a_lost_answer_is_asked_for_again_and_paid_once(self, house: HouseHandle, client: str) -> None:
        gateway_url, secret_key = house.ready["gateway_url"], house.ready["secret_key"]
        with (
            bad_connection(gateway_url) as relay,
            connected(client, relay.url, secret_key, house.oracle) as driver,
        ):
            shop = Shop(driver)
            customer = shop.ask("customers.create")
            relay.losses = 1

            paid = shop.pay(customer=customer["id"], payment_method="pm_card_visa")

            (lost,) = relay.lost
            assert (paid["status"], paid["id"]) == ("succeeded", lost.json()["id"])
            assert [intent["id"] for intent in shop.all("payment_intents.list", customer=customer["id"])] == [
                paid["id"]
            ]
