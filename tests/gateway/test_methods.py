"""Payment methods: whose card it is, what may be changed of it, and the names that stand for test cards."""

from __future__ import annotations

import json
import tomllib
from importlib import resources
from typing import Any

import pytest

from gateway.api.app import build_app
from gateway.core.records import Event, Method
from gateway.core.records_setup import SetupAttempt
from node.core.steps import UNKNOWN
from tests.support.gateway import ACCOUNT, CARD, OTHER_SECRET_KEY, PUBLISHABLE_KEY, Shop, approved, declined

OTHER = {"authorization": f"Bearer {OTHER_SECRET_KEY}"}
METHOD = {"type": "card", "card": CARD}
ADDRESS = {"line1": "510 Townsend St", "postal_code": "94107"}


def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


def made(shop: Shop, **form: Any) -> str:
    name: str = shop.post("/v1/payment_methods", {**METHOD, **form}).json()["id"]
    return name


def customer_with(shop: Shop, method: str) -> str:
    name: str = shop.post("/v1/customers", {"payment_method": method}).json()["id"]
    return name


def told(shop: Shop) -> list[str]:
    return [event["type"] for event in shop.get("/v1/events?limit=100").json()["data"]][::-1]


class TestUpdate:
    """What is known of a customer's card may change; the card itself does not."""

    def test_address_expiry_and_notes_change_and_the_rest_stays(self, shop: Shop) -> None:
        method = made(shop, billing_details={"name": "Ada", "address": ADDRESS}, metadata={"a": "1", "b": "2"})
        customer_with(shop, method)

        changed = shop.post(
            f"/v1/payment_methods/{method}",
            {
                "billing_details": {"email": "ada@example.com", "address": {"postal_code": "94108"}},
                "card": {"exp_month": 1, "exp_year": 2040},
                "metadata": {"a": "", "c": "3"},
                "allow_redisplay": "always",
            },
        ).json()

        billing = changed["billing_details"]
        assert (billing["name"], billing["email"]) == ("Ada", "ada@example.com")
        assert (billing["address"]["line1"], billing["address"]["postal_code"]) == ("510 Townsend St", "94108")
        assert (changed["card"]["exp_month"], changed["card"]["exp_year"]) == (1, 2040)
        assert (changed["metadata"], changed["allow_redisplay"]) == ({"b": "2", "c": "3"}, "always")
        assert shop.get(f"/v1/payment_methods/{method}").json() == changed

    def test_it_is_told_with_what_was_before(self, shop: Shop) -> None:
        method = made(shop)
        customer_with(shop, method)
        shop.post(f"/v1/payment_methods/{method}", {"card": {"exp_year": 2035}})

        (event,) = shop.get("/v1/events?type=payment_method.updated").json()["data"]

        assert event["data"]["previous_attributes"] == {"card": {"exp_year": 2034}}

    def test_the_new_expiry_goes_to_the_network(self, memory_shop: Shop) -> None:
        method = made(memory_shop)
        customer = customer_with(memory_shop, method)
        memory_shop.post(f"/v1/payment_methods/{method}", {"card": {"exp_month": 3, "exp_year": 2036}})

        memory_shop.paid(payment_method=method, customer=customer)

        assert memory_shop.gateway.acquirer.sent("0100")[0][14] == "3603"

    def test_what_the_network_said_of_an_old_address_is_forgotten(self, memory_shop: Shop) -> None:
        memory_shop.gateway.acquirer.script = lambda message: approved(message, t02="M", t04="Y")
        method = made(memory_shop, billing_details={"address": ADDRESS})
        customer = customer_with(memory_shop, method)
        memory_shop.paid(payment_method=method, customer=customer)
        before = memory_shop.get(f"/v1/payment_methods/{method}").json()["card"]["checks"]

        after = memory_shop.post(f"/v1/payment_methods/{method}", {"billing_details": {"address": {"line1": "1 Rd"}}})

        assert before == {
            "address_line1_check": "pass",
            "address_postal_code_check": "pass",
            "cvc_check": "pass",
        }
        assert after.json()["card"]["checks"]["address_line1_check"] == "unchecked"

    @pytest.mark.parametrize(
        ("form", "status", "param"),
        [
            ({"card": {"exp_year": 2020}}, 402, "exp_year"),
            ({"card": {"exp_month": 13}}, 402, "exp_month"),
            ({"card": {"number": "4242424242424242"}}, 400, "card[number]"),
            ({"type": "card"}, 400, "type"),
        ],
    )
    def test_what_cannot_be_is_refused(self, memory_shop: Shop, form: dict[str, Any], status: int, param: str) -> None:
        method = made(memory_shop)
        customer_with(memory_shop, method)

        answer = memory_shop.post(f"/v1/payment_methods/{method}", form)

        assert (answer.status_code, error(answer)["param"]) == (status, param)

    def test_a_card_of_nobody_is_not_changed(self, memory_shop: Shop) -> None:
        answer = memory_shop.post(f"/v1/payment_methods/{made(memory_shop)}", {"metadata": {"a": "1"}})

        assert (answer.status_code, error(answer)["message"]) == (
            400,
            "You must save this PaymentMethod to a customer before you can update it.",
        )

    def test_another_account_has_no_such_card(self, memory_shop: Shop) -> None:
        method = made(memory_shop)
        customer_with(memory_shop, method)
        calls = [("POST", ""), ("GET", ""), ("POST", "/attach"), ("POST", "/detach")]

        answers = [
            memory_shop.send(
                verb, f"/v1/payment_methods/{method}{path}", {"customer": "cus_0"} if path == "/attach" else "", **OTHER
            )
            for verb, path in calls
        ]

        assert [(answer.status_code, error(answer)["code"]) for answer in answers] == [
            (404, "resource_missing"),
            (404, "resource_missing"),
            (400, "resource_missing"),
            (404, "resource_missing"),
        ]


class TestDefault:
    """A card that is taken away is not its customer's default any longer."""

    def test_detaching_takes_the_default_back(self, shop: Shop) -> None:
        method = made(shop)
        customer = customer_with(shop, method)
        shop.post(f"/v1/customers/{customer}", {"invoice_settings": {"default_payment_method": method}})

        shop.post(f"/v1/payment_methods/{method}/detach")

        settings = shop.get(f"/v1/customers/{customer}").json()["invoice_settings"]
        assert settings["default_payment_method"] is None
        assert told(shop)[-2:] == ["payment_method.detached", "customer.updated"]

    def test_detaching_another_card_leaves_it(self, memory_shop: Shop) -> None:
        method, other = made(memory_shop), made(memory_shop)
        customer = customer_with(memory_shop, method)
        memory_shop.post(f"/v1/payment_methods/{other}/attach", {"customer": customer})
        memory_shop.post(f"/v1/customers/{customer}", {"invoice_settings": {"default_payment_method": method}})

        memory_shop.post(f"/v1/payment_methods/{other}/detach")

        settings = memory_shop.get(f"/v1/customers/{customer}").json()["invoice_settings"]
        assert settings["default_payment_method"] == method


class TestKept:
    """A card that pays with `setup_future_usage` stays with the customer, if there still is one."""

    FORM = {"amount": 2000, "currency": "usd", "setup_future_usage": "off_session", "payment_method_data": METHOD}

    def test_it_is_attached_and_told(self, shop: Shop) -> None:
        customer = shop.post("/v1/customers").json()["id"]

        paid = shop.post("/v1/payment_intents", {**self.FORM, "customer": customer, "confirm": True}).json()

        assert shop.get(f"/v1/payment_methods/{paid['payment_method']}").json()["customer"] == customer
        assert "payment_method.attached" in told(shop)

    def test_it_is_used_up_if_the_customer_has_gone(self, shop: Shop) -> None:
        customer = shop.post("/v1/customers").json()["id"]
        intent = shop.post("/v1/payment_intents", {**self.FORM, "customer": customer}).json()["id"]
        shop.send("DELETE", f"/v1/customers/{customer}")

        paid = shop.post(f"/v1/payment_intents/{intent}/confirm").json()

        assert paid["status"] == "succeeded"
        assert shop.get(f"/v1/payment_methods/{paid['payment_method']}").json()["customer"] is None


class TestVerifiedAttach:
    """If the settings say so, the issuer is asked about a card before it is attached."""

    @pytest.fixture
    def careful(self, memory_shop: Shop) -> Shop:
        gateway = memory_shop.gateway
        gateway.ports = gateway.ports._replace(terms=gateway.ports.terms._replace(verifies_attached=True))
        gateway.app = build_app(gateway.ports, gateway.keys, requests=gateway.requests)
        return memory_shop

    def attach(self, shop: Shop, method: str) -> Any:
        customer = shop.post("/v1/customers").json()["id"]
        return shop.post(f"/v1/payment_methods/{method}/attach", {"customer": customer}, idempotency_key="attach")

    def test_a_good_card_is_attached(self, careful: Shop) -> None:
        careful.gateway.acquirer.script = lambda message: message.reply("85", {37: "607309000001"})

        answer = self.attach(careful, made(careful))

        (asked,) = careful.gateway.acquirer.sent("0100")
        assert (answer.status_code, asked[4]) == (200, "000000000000")
        assert answer.json()["customer"].startswith("cus_")

    def test_a_declined_one_is_not(self, careful: Shop) -> None:
        careful.gateway.acquirer.script = declined("05")
        method = made(careful)

        answer = self.attach(careful, method)

        assert (answer.status_code, error(answer)["code"]) == (402, "card_declined")
        assert error(answer)["payment_method"]["id"] == method
        assert careful.get(f"/v1/payment_methods/{method}").json()["customer"] is None

    def test_silence_attaches_nothing_and_is_undone(self, careful: Shop) -> None:
        careful.gateway.acquirer.script = lambda _message: UNKNOWN

        answer = self.attach(careful, made(careful))

        assert (answer.status_code, error(answer)["code"]) == (402, "processing_error")
        assert careful.gateway.owed

    def test_a_card_of_somebody_else_is_refused_before_anybody_is_asked(self, careful: Shop) -> None:
        method = made(careful)
        self.attach(careful, method)
        other = careful.post("/v1/customers").json()["id"]

        answer = careful.post(f"/v1/payment_methods/{method}/attach", {"customer": other})

        assert (answer.status_code, len(careful.gateway.acquirer.seen)) == (400, 1)

    def test_the_same_key_asks_once(self, careful: Shop) -> None:
        method = made(careful)
        customer = careful.post("/v1/customers").json()["id"]
        path, form = f"/v1/payment_methods/{method}/attach", {"customer": customer}

        first, second = (careful.post(path, form, idempotency_key="1") for _ in range(2))

        assert first.json() == second.json()
        assert len(careful.gateway.acquirer.seen) == 1

    def test_a_virtual_card_is_asked_about_too(self, careful: Shop) -> None:
        assert self.attach(careful, "pm_card_visa").json()["customer"].startswith("cus_")
        assert len([row for row in careful.gateway.rows() if isinstance(row, SetupAttempt)]) == 1


class TestNames:
    """Every name of the testing page stands for a card that an issuer has put into circulation."""

    def test_the_issuers_know_every_number(self) -> None:
        table = json.loads((resources.files("gateway") / "data" / "virtual_cards.json").read_text("utf-8"))["cards"]
        seeded = tomllib.loads((resources.files("banks.issuer") / "seed_cards.toml").read_text("utf-8"))["cards"]

        assert set(table.values()) <= {card["pan"] for card in seeded}

    @pytest.mark.parametrize(
        ("name", "last4"),
        [
            ("pm_card_authenticationRequired", "3184"),
            ("pm_card_threeDSecure2Required", "3220"),
            ("pm_card_createDisputeInquiry", "1976"),
            ("pm_card_createIssuerFraudRecord", "5423"),
            ("pm_card_pendingRefund", "7726"),
            ("pm_card_refundFail", "5126"),
            ("pm_card_riskLevelElevated", "9235"),
            ("pm_card_avsFail", "0010"),
        ],
    )
    def test_a_name_becomes_a_card_of_the_account(self, memory_shop: Shop, name: str, last4: str) -> None:
        first, second = (memory_shop.get(f"/v1/payment_methods/{name}").json() for _ in range(2))

        assert first["card"]["last4"] == last4
        assert first["id"] != second["id"]
        assert first["card"]["fingerprint"] == second["card"]["fingerprint"]
        (row,) = (row for row in memory_shop.gateway.rows() if isinstance(row, Method) and row.id == first["id"])
        assert row.account == ACCOUNT.id

    def test_a_name_is_attached_and_listed(self, shop: Shop) -> None:
        customer = customer_with(shop, "pm_card_visa")
        shop.post("/v1/payment_methods/pm_card_mastercard/attach", {"customer": customer})

        brands = [
            card["card"]["brand"] for card in shop.get(f"/v1/customers/{customer}/payment_methods").json()["data"]
        ]

        assert brands == ["mastercard", "visa"]


class TestFingerprint:
    """The same card has the same fingerprint at one merchant, and another one at another."""

    def test_it_depends_on_the_number_and_the_merchant_alone(self, shop: Shop) -> None:
        first = shop.post("/v1/payment_methods", METHOD).json()
        later = shop.post("/v1/payment_methods", {"type": "card", "card": {**CARD, "exp_year": 2040}}).json()
        other_card = shop.get("/v1/payment_methods/pm_card_mastercard").json()
        elsewhere = shop.post("/v1/payment_methods", METHOD, **OTHER).json()

        prints = [one["card"]["fingerprint"] for one in (first, later, other_card, elsewhere)]
        assert prints[0] == prints[1]
        assert len(set(prints)) == 3

    def test_a_publishable_key_does_not_see_it(self, memory_shop: Shop) -> None:
        answer = memory_shop.post("/v1/payment_methods", METHOD, authorization=f"Bearer {PUBLISHABLE_KEY}")

        assert answer.json()["card"]["fingerprint"] is None


class TestEventsOfRefusals:
    """What is refused is not told."""

    def test_a_card_of_another_customer(self, memory_shop: Shop) -> None:
        method = made(memory_shop)
        customer_with(memory_shop, method)
        before = [row for row in memory_shop.gateway.rows() if isinstance(row, Event)]
        other = memory_shop.post("/v1/customers").json()["id"]

        answer = memory_shop.post(f"/v1/payment_methods/{method}/attach", {"customer": other})

        assert "already been attached" in error(answer)["message"]
        after = [row.type for row in memory_shop.gateway.rows() if isinstance(row, Event)]
        assert after == [*(row.type for row in before), "customer.created"]
