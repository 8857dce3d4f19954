"""Customers: what is kept of them, which card is their default, and what is left when they are deleted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.gateway import OTHER_SECRET_KEY, Shop

OTHER = {"authorization": f"Bearer {OTHER_SECRET_KEY}"}
ADDRESS = {"line1": "510 Townsend St", "city": "San Francisco", "postal_code": "94107", "country": "US"}


def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


def made(shop: Shop, **form: Any) -> dict[str, Any]:
    answer = shop.post("/v1/customers", form)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


class TestCustomer:
    """What is given is kept, what is not named stays, and what is emptied goes."""

    def test_everything_that_is_said_of_one_is_shown(self, shop: Shop) -> None:
        form = {
            "address": ADDRESS,
            "balance": -500,
            "business_name": "Ada & Co",
            "description": "Club",
            "email": "ada@example.com",
            "individual_name": "Ada Lovelace",
            "invoice_prefix": "ADA",
            "invoice_settings": {
                "custom_fields": [{"name": "VAT", "value": "7"}],
                "footer": "Thank you",
                "rendering_options": {"amount_tax_display": "exclude_tax"},
            },
            "name": "Ada",
            "next_invoice_sequence": 7,
            "phone": "+441",
            "preferred_locales": ["en", "fr"],
            "shipping": {"name": "Ada", "address": ADDRESS, "phone": "+442"},
            "tax_exempt": "reverse",
        }

        customer = made(shop, **form)

        plain = {name for name, value in form.items() if not isinstance(value, dict)}
        assert {name: customer[name] for name in plain} == {name: form[name] for name in plain}
        assert customer["address"]["city"] == customer["shipping"]["address"]["city"] == "San Francisco"
        settings = customer["invoice_settings"]
        assert (settings["footer"], settings["custom_fields"]) == ("Thank you", [{"name": "VAT", "value": "7"}])
        assert settings["rendering_options"] == {"amount_tax_display": "exclude_tax", "template": None}

    def test_what_is_emptied_goes_and_the_rest_stays(self, shop: Shop) -> None:
        customer = made(
            shop,
            name="Ada",
            tax_exempt="exempt",
            address=ADDRESS,
            invoice_settings={"footer": "Thank you", "custom_fields": [{"name": "VAT", "value": "7"}]},
        )

        changed = shop.post(
            f"/v1/customers/{customer['id']}",
            {"name": "", "tax_exempt": "", "address": "", "invoice_settings": {"footer": ""}},
        ).json()

        assert (changed["name"], changed["tax_exempt"], changed["address"]) == (None, "none", None)
        assert changed["invoice_settings"]["footer"] is None
        assert changed["invoice_settings"]["custom_fields"] == [{"name": "VAT", "value": "7"}]

    def test_an_update_tells_what_was_before(self, memory_shop: Shop) -> None:
        customer = made(memory_shop, name="Ada", metadata={"a": "1", "b": "2"})
        path = f"/v1/customers/{customer['id']}"

        memory_shop.post(path, {"name": "Bea", "metadata": {"a": ""}})
        memory_shop.post(path, {"name": "Bea"})

        (event,) = memory_shop.get("/v1/events?type=customer.updated").json()["data"]
        assert event["data"]["previous_attributes"] == {"name": "Ada", "metadata": {"a": "1"}}

    @pytest.mark.parametrize(
        ("form", "param"),
        [
            ({"email": "nobody"}, "email"),
            ({"tax_exempt": "maybe"}, "tax_exempt"),
            ({"invoice_prefix": "no"}, "invoice_prefix"),
            ({"invoice_settings": {"custom_fields": [{"name": "VAT"}]}}, "invoice_settings[custom_fields][0][value]"),
            ({"test_clock": "clock_1"}, "test_clock"),
            ({"payment_method": "pm_0"}, "payment_method"),
            ({"source": "tok_visa"}, "source"),
        ],
    )
    def test_what_cannot_be_is_refused(self, memory_shop: Shop, form: dict[str, Any], param: str) -> None:
        answer = memory_shop.post("/v1/customers", form)

        assert (answer.status_code, error(answer)["param"]) == (400, param)
        assert memory_shop.gateway.rows() == []

    def test_there_are_no_customers_of_a_test_clock(self, memory_shop: Shop) -> None:
        answer = memory_shop.get("/v1/customers?test_clock=clock_1")

        assert (answer.status_code, error(answer)["code"]) == (400, "resource_missing")

    def test_the_email_filter_knows_upper_and_lower_case(self, shop: Shop) -> None:
        customer = made(shop, email="Ada@example.com")

        found = [
            shop.get(f"/v1/customers?email={text}").json()["data"] for text in ("Ada@example.com", "ada@example.com")
        ]

        assert found == [[customer], []]


class TestDefault:
    """The default is a card of the customer."""

    @pytest.mark.parametrize("name", ["pm_card_visa", None])
    def test_a_first_card_may_be_the_default_at_once(self, shop: Shop, name: str | None) -> None:
        name = name or shop.get("/v1/payment_methods/pm_card_visa").json()["id"]

        customer = made(shop, payment_method=name, invoice_settings={"default_payment_method": name})

        (method,) = shop.get(f"/v1/customers/{customer['id']}/payment_methods").json()["data"]
        assert customer["invoice_settings"]["default_payment_method"] == method["id"]
        expanded = shop.get(f"/v1/customers/{customer['id']}?expand[]=invoice_settings.default_payment_method").json()
        assert expanded["invoice_settings"]["default_payment_method"] == method

    def test_a_card_of_somebody_else_may_not(self, shop: Shop) -> None:
        owner = made(shop, payment_method="pm_card_visa")["id"]
        method = shop.get(f"/v1/customers/{owner}/payment_methods").json()["data"][0]["id"]
        settings = {"invoice_settings": {"default_payment_method": method}}

        answers = [shop.post("/v1/customers", settings), shop.post(f"/v1/customers/{made(shop)['id']}", settings)]

        assert [error(answer)["param"] for answer in answers] == ["invoice_settings[default_payment_method]"] * 2

    def test_it_can_be_taken_back(self, memory_shop: Shop) -> None:
        customer = made(
            memory_shop, payment_method="pm_card_visa", invoice_settings={"default_payment_method": "pm_card_visa"}
        )

        changed = memory_shop.post(
            f"/v1/customers/{customer['id']}", {"invoice_settings": {"default_payment_method": ""}}
        ).json()

        assert changed["invoice_settings"]["default_payment_method"] is None


class TestDeletion:
    """A customer who is deleted takes cards and personal data along; what was paid stays."""

    def test_cards_go_and_payments_stay(self, shop: Shop) -> None:
        customer = made(
            shop,
            email="ada@example.com",
            payment_method="pm_card_visa",
            invoice_settings={"default_payment_method": "pm_card_visa"},
        )["id"]
        (method,) = shop.get(f"/v1/customers/{customer}/payment_methods").json()["data"]
        paid = shop.paid(payment_method=method["id"], customer=customer)
        setup = shop.post("/v1/setup_intents", {"customer": customer}).json()["id"]

        deleted = shop.send("DELETE", f"/v1/customers/{customer}")

        assert deleted.json() == {"id": customer, "object": "customer", "deleted": True}
        intent = shop.get(f"/v1/payment_intents/{paid['id']}?expand[]=customer").json()
        assert intent["customer"] == deleted.json()
        assert shop.get(f"/v1/payment_methods/{method['id']}").json()["customer"] is None
        assert shop.get("/v1/customers").json()["data"] == []
        assert shop.get(f"/v1/setup_intents/{setup}?expand[]=customer").json()["customer"] == deleted.json()
        assert shop.get(f"/v1/customers/{customer}/payment_methods").status_code == 404
        kinds = [event["type"] for event in shop.get("/v1/events?limit=3").json()["data"]]
        assert kinds[:2] == ["customer.deleted", "payment_method.detached"]

    def test_nothing_can_be_made_for_one(self, memory_shop: Shop) -> None:
        customer = made(memory_shop)["id"]
        memory_shop.send("DELETE", f"/v1/customers/{customer}")

        answers = [
            memory_shop.post("/v1/payment_intents", {"amount": 2000, "currency": "usd", "customer": customer}),
            memory_shop.post("/v1/setup_intents", {"customer": customer}),
            memory_shop.post("/v1/payment_methods/pm_card_visa/attach", {"customer": customer}),
            memory_shop.send("DELETE", f"/v1/customers/{customer}"),
        ]

        assert [answer.status_code for answer in answers] == [400, 400, 400, 404]
        assert {error(answer)["code"] for answer in answers} == {"resource_missing"}


class TestWhose:
    """Another account's customers are as absent as customers that never were."""

    def test_another_account_finds_none(self, shop: Shop) -> None:
        customer = made(shop, payment_method="pm_card_visa", email="ada@example.com")["id"]
        path = f"/v1/customers/{customer}"
        (method,) = shop.get(f"{path}/payment_methods").json()["data"]

        answers = [
            shop.get(path, **OTHER),
            shop.post(path, {"name": "X"}, **OTHER),
            shop.send("DELETE", path, **OTHER),
            shop.get(f"{path}/payment_methods", **OTHER),
            shop.get(f"{path}/payment_methods/{method['id']}", **OTHER),
        ]

        assert [(answer.status_code, error(answer)["code"]) for answer in answers] == [(404, "resource_missing")] * 5
        assert shop.get("/v1/customers?email=ada%40example.com", **OTHER).json()["data"] == []

    def test_a_card_is_found_under_its_own_customer_only(self, memory_shop: Shop) -> None:
        owner, other = made(memory_shop, payment_method="pm_card_visa")["id"], made(memory_shop)["id"]
        (method,) = memory_shop.get(f"/v1/customers/{owner}/payment_methods").json()["data"]

        answer = memory_shop.get(f"/v1/customers/{other}/payment_methods/{method['id']}")

        assert (answer.status_code, error(answer)["code"]) == (404, "resource_missing")
