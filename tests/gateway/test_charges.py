"""Charges: found, described, captured in the old way; and many refunds of one at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.support.duties import work_one
from tests.support.gateway import OTHER_SECRET_KEY, Shop, declined, payment
from tests.support.oracle import check

OTHER = {"authorization": f"Bearer {OTHER_SECRET_KEY}"}
MANY = 12


def work(shop: Shop) -> None:
    """Let a worker do everything that is due."""
    while shop.portal.call(work_one, shop.gateway.ports, "worker") is not None:
        pass


def pay(shop: Shop, **form: Any) -> Any:
    paid = shop.paid(**form)
    work(shop)
    return paid


def error(answer: Any) -> Any:
    return answer.json()["error"]


def last_event(shop: Shop) -> Any:
    return shop.get("/v1/events?limit=1").json()["data"][0]


class TestDescribe:
    """What is said about a charge can change; what was paid cannot."""

    def test_it_changes_and_says_what_was_before(self, shop: Shop) -> None:
        name = pay(shop, description="Tea", metadata={"a": "1"})["latest_charge"]
        address = {"name": "Ada", "address": {"line1": "1 Main St"}}
        form = {
            "description": "Beans",
            "fraud_details": {"user_report": "safe"},
            "metadata": {"b": "2"},
            "receipt_email": "ada@example.com",
            "shipping": address,
            "transfer_group": "g1",
        }

        changed = shop.post(f"/v1/charges/{name}", form).json()

        assert (changed["description"], changed["fraud_details"]) == ("Beans", {"user_report": "safe"})
        assert (changed["metadata"], changed["receipt_email"]) == ({"a": "1", "b": "2"}, "ada@example.com")
        assert (changed["shipping"]["address"]["line1"], changed["transfer_group"]) == ("1 Main St", "g1")
        event = last_event(shop)
        assert (event["type"], event["data"]["previous_attributes"]["description"]) == ("charge.updated", "Tea")
        assert check(changed) == check(event) == []

    def test_a_transfer_group_and_a_customer_are_given_once(self, memory_shop: Shop) -> None:
        name = pay(memory_shop)["latest_charge"]
        one, other = (memory_shop.post("/v1/customers").json()["id"] for _ in range(2))

        first = memory_shop.post(f"/v1/charges/{name}", {"transfer_group": "g1", "customer": one})
        second = memory_shop.post(f"/v1/charges/{name}", {"transfer_group": "g2"})
        third = memory_shop.post(f"/v1/charges/{name}", {"customer": other})

        assert (first.json()["customer"], error(second)["param"]) == (one, "transfer_group")
        assert error(third)["param"] == "customer"

    def test_its_amount_cannot_be_given(self, memory_shop: Shop) -> None:
        answer = memory_shop.post(f"/v1/charges/{pay(memory_shop)['latest_charge']}", {"amount": 1})

        assert error(answer)["code"] == "parameter_unknown"


class TestFind:
    """Charges are listed by payment and customer; another account has none of them."""

    def test_lists_are_narrowed(self, shop: Shop) -> None:
        customer = shop.post("/v1/customers").json()["id"]
        mine = pay(shop, customer=customer)
        pay(shop)

        by_customer = shop.get(f"/v1/charges?customer={customer}").json()["data"]
        by_payment = shop.get(f"/v1/charges?payment_intent={mine['id']}").json()["data"]

        assert [charge["id"] for charge in by_customer] == [mine["latest_charge"]]
        assert by_payment == by_customer

    def test_another_accounts_charge_is_not_there(self, memory_shop: Shop) -> None:
        name = pay(memory_shop)["latest_charge"]

        paths = [f"/v1/charges/{name}", f"/v1/charges/{name}/refunds"]
        found = [memory_shop.get(path, **OTHER) for path in paths]
        tried = [
            memory_shop.post(f"/v1/charges/{name}{path}", {}, **OTHER)
            for path in ("", "/capture", "/refund", "/refunds")
        ]

        assert {answer.status_code for answer in (*found, *tried)} == {404}


class TestOldCapture:
    """`/v1/charges/{id}/capture` is the final capture of the charge's payment."""

    def test_a_part_is_taken_and_the_rest_let_go(self, shop: Shop) -> None:
        held = pay(shop, capture_method="manual")

        charge = shop.post(f"/v1/charges/{held['latest_charge']}/capture", {"amount": 1500}).json()

        assert (charge["captured"], charge["amount_captured"], charge["amount_refunded"]) == (True, 1500, 500)
        assert shop.get(f"/v1/payment_intents/{held['id']}").json()["status"] == "succeeded"
        assert check(charge) == []

    def test_what_was_captured_canceled_or_declined_is_not(self, memory_shop: Shop) -> None:
        captured = pay(memory_shop)["latest_charge"]
        held = pay(memory_shop, capture_method="manual")
        memory_shop.post(f"/v1/payment_intents/{held['id']}/cancel")
        memory_shop.gateway.acquirer.script = declined("05")
        failed = error(memory_shop.post("/v1/payment_intents", payment()))["charge"]

        names = (captured, held["latest_charge"], failed)
        errors = [error(memory_shop.post(f"/v1/charges/{name}/capture")) for name in names]

        assert [found.get("code") for found in errors[:2]] == ["charge_already_captured", "charge_already_refunded"]
        assert errors[0]["message"] == f"Charge {captured} has already been captured."
        assert "status of failed" in errors[2]["message"]


class TestOldRefunds:
    """Refunds of one charge, at its own address."""

    def test_they_are_made_found_and_changed_there(self, shop: Shop) -> None:
        name = pay(shop)["latest_charge"]

        charge = shop.post(f"/v1/charges/{name}/refund", {"amount": 300}).json()
        refund = shop.post(f"/v1/charges/{name}/refunds", {"amount": 200}).json()
        listed = shop.get(f"/v1/charges/{name}/refunds").json()
        path = f"/v1/charges/{name}/refunds/{refund['id']}"
        changed = shop.post(path, {"metadata": {"a": "1"}}).json()

        assert (charge["object"], charge["amount_refunded"]) == ("charge", 300)
        assert [item["amount"] for item in listed["data"]] == [200, 300]
        assert listed["url"] == f"/v1/charges/{name}/refunds"
        assert shop.get(path).json() == changed == {**refund, "metadata": {"a": "1"}}
        assert check(charge) == check(refund) == check(listed) == []

    def test_a_refund_of_another_charge_is_not_there(self, memory_shop: Shop) -> None:
        one, other = pay(memory_shop)["latest_charge"], pay(memory_shop)["latest_charge"]
        refund = memory_shop.post("/v1/refunds", {"charge": one}).json()["id"]

        path = f"/v1/charges/{other}/refunds/{refund}"
        answers = [memory_shop.get(path), memory_shop.post(path, {"metadata": {"a": "1"}})]

        assert [(answer.status_code, error(answer)["param"]) for answer in answers] == [(404, "refund")] * 2


class TestParallel:
    """However many ask at once, no more is given back than was captured."""

    def test_refunds_at_once_never_exceed_the_charge(self, shop: Shop) -> None:
        name = pay(shop, amount=1000)["latest_charge"]
        request = {"charge": name, "amount": 300}

        answers = shop.send_all(
            [("POST", "/v1/refunds", request, {"idempotency_key": f"key-{number}"}) for number in range(MANY)]
        )
        work(shop)

        assert Counter(answer.status_code for answer in answers) == {200: 3, 400: MANY - 3}
        sent = shop.gateway.acquirer.sent("0200")
        assert [message.amount_minor for message in sent] == [300] * 3
        assert len({message.stan for message in sent}) == 3
        assert shop.get(f"/v1/charges/{name}").json()["amount_refunded"] == 900
        listed = shop.get(f"/v1/refunds?charge={name}").json()["data"]
        assert [refund["status"] for refund in listed] == ["succeeded"] * 3

    def test_one_key_many_times_is_one_refund(self, shop: Shop) -> None:
        name = pay(shop, amount=1000)["latest_charge"]
        request = ("POST", "/v1/refunds", {"charge": name, "amount": 300}, {"idempotency_key": "one"})

        answers = shop.send_all([request] * MANY)

        assert {answer.status_code for answer in answers} <= {200, 409}
        assert len(shop.gateway.acquirer.sent("0200")) == 1
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1


class TestParameters:
    """Refunds take what Stripe's cards take, and say what they do not understand."""

    @pytest.mark.parametrize(
        ("form", "code", "param"),
        [
            ({"amount": 0}, "parameter_invalid_integer", "amount"),
            ({"amount": -5}, "parameter_invalid_integer", "amount"),
            ({"reason": "expired_uncaptured_charge"}, None, "reason"),
            ({"origin": "customer_balance"}, "parameter_unknown", "origin"),
        ],
    )
    def test_a_wrong_one_is_named(self, memory_shop: Shop, form: Any, code: str | None, param: str) -> None:
        answer = memory_shop.post("/v1/refunds", {"charge": "ch_1", **form})

        assert (answer.status_code, error(answer).get("code"), error(answer)["param"]) == (400, code, param)

    def test_an_unknown_reason_is_told_which_ones_there_are(self, memory_shop: Shop) -> None:
        answer = memory_shop.post("/v1/refunds", {"charge": "ch_1", "reason": "bored"})

        assert error(answer)["message"] == (
            "Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer"
        )
