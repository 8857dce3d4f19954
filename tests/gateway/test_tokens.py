"""A token stands for a card once: from the browser that typed it to the server that takes it up."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from gateway.core.records_setup import Token
from tests.support.gateway import CARD, OTHER_SECRET_KEY, PAN, PUBLISHABLE_KEY, Shop

PUBLIC = {"authorization": f"Bearer {PUBLISHABLE_KEY}"}
OTHER = {"authorization": f"Bearer {OTHER_SECRET_KEY}"}
TYPED = {**CARD, "name": "Ada", "address_line1": "510 Townsend St", "address_zip": "94107", "address_country": "US"}


def tokenised(shop: Shop, **headers: str) -> str:
    name: str = shop.post("/v1/tokens", {"card": TYPED}, **headers).json()["id"]
    return name


def taken_up(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "card", "card": {"token": name}, **more}


def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


class TestToken:
    """A browser makes it with the publishable key; it shows what may be shown of the card."""

    def test_it_shows_the_card_without_its_number(self, shop: Shop) -> None:
        answer = shop.post("/v1/tokens", {"card": TYPED})

        token = answer.json()
        card = token["card"]
        assert (token["id"][:4], token["type"], token["used"]) == ("tok_", "card", False)
        assert (card["brand"], card["last4"], card["exp_month"], card["exp_year"]) == ("Visa", "4242", 12, 2034)
        assert (card["name"], card["address_zip"], card["cvc_check"]) == ("Ada", "94107", "unchecked")
        assert shop.get(f"/v1/tokens/{token['id']}").json() == token
        assert stripe.Token.construct_from(token, None).card.funding == "credit"  # type: ignore[union-attr]

    def test_a_publishable_key_makes_one_and_learns_no_fingerprint(self, memory_shop: Shop) -> None:
        answer = memory_shop.post("/v1/tokens", {"card": CARD}, **PUBLIC)

        assert (answer.status_code, answer.json()["card"]["fingerprint"]) == (200, None)
        assert memory_shop.get(f"/v1/tokens/{answer.json()['id']}", **PUBLIC).status_code == 403

    @pytest.mark.parametrize(
        ("form", "status", "code", "param"),
        [
            ({}, 400, "parameter_missing", "card"),
            ({"card": {**CARD, "number": PAN[:-1] + "1"}}, 402, "incorrect_number", "number"),
            ({"card": {**CARD, "exp_year": 2020}}, 402, "invalid_expiry_year", "exp_year"),
            ({"card": {"number": PAN}}, 400, "parameter_missing", "card[exp_month]"),
            ({"card": {**CARD, "token": "tok_visa"}}, 400, "parameter_unknown", "card[token]"),
            ({"card": {**CARD, "name": PAN}}, 400, "parameter_invalid_string", "card[name]"),
            ({"bank_account": {"country": "US"}}, 400, "parameter_unknown", "bank_account"),
        ],
    )
    def test_what_cannot_be_a_card_makes_none(
        self, memory_shop: Shop, form: dict[str, Any], status: int, code: str, param: str
    ) -> None:
        answer = memory_shop.post("/v1/tokens", form)

        assert (answer.status_code, error(answer)["code"], error(answer)["param"]) == (status, code, param)
        assert memory_shop.gateway.hsm.asked == memory_shop.gateway.rows() == []

    def test_the_same_key_makes_one_token(self, shop: Shop) -> None:
        first, second = (shop.post("/v1/tokens", {"card": CARD}, idempotency_key="1") for _ in range(2))

        assert first.json() == second.json()
        assert len(shop.gateway.hsm.asked) == 1

    def test_without_the_hsm_there_is_none(self, memory_shop: Shop) -> None:
        memory_shop.gateway.hsm.is_silent = True

        assert memory_shop.post("/v1/tokens", {"card": CARD}).status_code == 503
        assert memory_shop.gateway.rows() == []

    def test_the_cvc_is_nowhere_but_in_the_hsm(self, memory_shop: Shop) -> None:
        tokenised(memory_shop)

        (row,) = (row for row in memory_shop.gateway.rows() if isinstance(row, Token))
        assert row.has_cvc == 1
        assert "737" not in [str(value) for value in row]


class TestUse:
    """What a token was taken up for has its card; nobody takes it up twice, and no other account does."""

    def test_a_payment_method_takes_over_card_and_address(self, shop: Shop) -> None:
        name = tokenised(shop)
        before = len(shop.gateway.hsm.asked)

        method = shop.post("/v1/payment_methods", taken_up(name, billing_details={"email": "ada@example.com"})).json()

        billing = method["billing_details"]
        assert (method["card"]["last4"], method["card"]["checks"]["cvc_check"]) == ("4242", "unchecked")
        assert (billing["name"], billing["email"], billing["address"]["postal_code"]) == (
            "Ada",
            "ada@example.com",
            "94107",
        )
        assert shop.get(f"/v1/tokens/{name}").json()["used"] is True
        assert len(shop.gateway.hsm.asked) == before

    def test_a_payment_takes_one_up_directly(self, shop: Shop) -> None:
        form = {"amount": 2000, "currency": "usd", "payment_method_data": taken_up(tokenised(shop, **PUBLIC))}

        paid = shop.post("/v1/payment_intents", {**form, "confirm": True})

        assert paid.json()["status"] == "succeeded"

    def test_a_second_use_is_refused(self, shop: Shop) -> None:
        name = tokenised(shop)
        shop.post("/v1/payment_methods", taken_up(name))

        answers = [
            shop.post("/v1/payment_methods", taken_up(name)),
            shop.post("/v1/payment_intents", {"amount": 50, "currency": "usd", "payment_method_data": taken_up(name)}),
            shop.post("/v1/setup_intents", {"payment_method_data": taken_up(name)}),
        ]

        assert [(answer.status_code, error(answer)["code"]) for answer in answers] == [(400, "token_already_used")] * 3
        assert error(answers[0])["message"] == f"You cannot use a Stripe token more than once: {name}."

    def test_of_many_at_once_one_takes_it_up(self, shop: Shop) -> None:
        name = tokenised(shop)

        answers = shop.send_all([("POST", "/v1/payment_methods", taken_up(name), {}) for _ in range(6)])

        assert sorted(answer.status_code for answer in answers) == [200, *[400] * 5]

    def test_a_request_that_is_refused_leaves_it_unused(self, shop: Shop) -> None:
        name = tokenised(shop)

        refused = shop.post("/v1/setup_intents", {"payment_method_data": taken_up(name), "customer": "cus_0"})

        assert refused.status_code == 400
        assert shop.get(f"/v1/tokens/{name}").json()["used"] is False
        assert shop.post("/v1/payment_methods", taken_up(name)).status_code == 200

    def test_another_account_has_no_such_token(self, shop: Shop) -> None:
        name = tokenised(shop)

        answers = [shop.get(f"/v1/tokens/{name}", **OTHER), shop.post("/v1/payment_methods", taken_up(name), **OTHER)]

        assert [(answer.status_code, error(answer)["code"]) for answer in answers] == [
            (404, "resource_missing"),
            (400, "resource_missing"),
        ]
        assert error(answers[1])["message"] == f"No such token: '{name}'"

    def test_a_card_is_typed_or_named_by_a_token(self, memory_shop: Shop) -> None:
        answer = memory_shop.post("/v1/payment_methods", {"type": "card", "card": {**CARD, "token": "tok_visa"}})

        assert (answer.status_code, error(answer)["param"]) == (400, "card[token]")


class TestVirtualToken:
    """A virtual name is no token: it can be used as often as one likes, and looked at as one."""

    def test_it_becomes_a_token_of_the_account(self, shop: Shop) -> None:
        token = shop.get("/v1/tokens/tok_mastercard_debit").json()

        assert token["id"] != "tok_mastercard_debit"
        assert (token["card"]["brand"], token["card"]["funding"]) == ("MasterCard", "debit")
        assert shop.post("/v1/payment_methods", taken_up(token["id"])).status_code == 200

    def test_it_can_be_used_again(self, memory_shop: Shop) -> None:
        answers = [memory_shop.post("/v1/payment_methods", taken_up("tok_visa")) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 200]

    def test_the_name_of_a_payment_method_is_no_token(self, memory_shop: Shop) -> None:
        assert memory_shop.get("/v1/tokens/pm_card_visa").status_code == 404
