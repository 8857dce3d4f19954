"""The REST face: objects as an official client reads them, errors as Stripe words them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.gateway import (
    CARD,
    OTHER_SECRET_KEY,
    PAN,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    Shop,
    declined,
    payment,
)
from tests.support.oracle import check

METHOD = {"type": "card", "card": CARD}


def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


class TestObjects:
    """Every object that is answered fits the official client's own types."""

    def test_a_customer_lives_and_dies(self, shop: Shop) -> None:
        made = shop.post("/v1/customers", {"email": "ada@example.com", "name": "Ada", "metadata": {"a": "1", "b": "2"}})
        name = made.json()["id"]

        changed = shop.post(f"/v1/customers/{name}", {"name": "", "metadata": {"a": "", "c": "3"}})
        found = shop.get(f"/v1/customers/{name}")
        deleted = shop.send("DELETE", f"/v1/customers/{name}")
        gone = shop.get(f"/v1/customers/{name}")

        assert (made.json()["email"], changed.json()["name"]) == ("ada@example.com", None)
        assert changed.json()["metadata"] == {"b": "2", "c": "3"}
        assert found.json() == changed.json()
        assert deleted.json() == gone.json() == {"id": name, "object": "customer", "deleted": True}
        assert shop.post(f"/v1/customers/{name}", {"name": "X"}).status_code == 404
        assert [check(answer.json()) for answer in (made, changed, found, deleted)] == [[]] * 4

    def test_a_payment_method_is_made_bound_listed_and_let_go(self, shop: Shop) -> None:
        customer = shop.post("/v1/customers").json()["id"]
        method = shop.post("/v1/payment_methods", {**METHOD, "billing_details": {"name": "Ada"}}).json()

        attached = shop.post(f"/v1/payment_methods/{method['id']}/attach", {"customer": customer})
        listed = shop.get(f"/v1/customers/{customer}/payment_methods?type=card")
        also_listed = shop.get(f"/v1/payment_methods?customer={customer}")
        found = shop.get(f"/v1/customers/{customer}/payment_methods/{method['id']}")
        detached = shop.post(f"/v1/payment_methods/{method['id']}/detach")

        card = method["card"]
        assert (card["brand"], card["last4"], card["exp_month"], card["exp_year"]) == ("visa", "4242", 12, 2034)
        assert (attached.json()["customer"], detached.json()["customer"]) == (customer, None)
        assert listed.json()["data"] == also_listed.json()["data"] == [attached.json()] == [found.json()]
        assert listed.json()["url"] == f"/v1/customers/{customer}/payment_methods"
        again = shop.post(f"/v1/payment_methods/{method['id']}/attach", {"customer": customer})
        assert "may not be used again" in error(again)["message"]
        assert [check(answer.json()) for answer in (attached, listed, found, detached)] == [[]] * 4

    def test_an_intent_is_made_changed_and_canceled(self, shop: Shop) -> None:
        made = shop.post("/v1/payment_intents", {"amount": 2000, "currency": "USD", "description": "Coffee"})
        name = made.json()["id"]

        changed = shop.post(f"/v1/payment_intents/{name}", {"amount": 2500, "metadata": {"order": "7"}})
        canceled = shop.post(f"/v1/payment_intents/{name}/cancel", {"cancellation_reason": "abandoned"})
        refused = shop.post(f"/v1/payment_intents/{name}", {"amount": 1})

        assert (made.json()["status"], made.json()["currency"]) == ("requires_payment_method", "usd")
        assert (changed.json()["amount"], changed.json()["description"]) == (2500, "Coffee")
        assert (canceled.json()["status"], canceled.json()["cancellation_reason"]) == ("canceled", "abandoned")
        assert canceled.json()["canceled_at"] == int(shop.gateway.business_at.timestamp())
        assert (refused.status_code, error(refused)["code"]) == (400, "payment_intent_unexpected_state")
        assert [check(answer.json()) for answer in (made, changed, canceled)] == [[]] * 3

    def test_a_card_that_is_chosen_and_taken_back_moves_the_status(self, shop: Shop) -> None:
        name = shop.post("/v1/payment_intents", {"amount": 2000, "currency": "usd"}).json()["id"]

        chosen = shop.post(f"/v1/payment_intents/{name}", {"payment_method": "pm_card_visa"}).json()
        taken_back = shop.post(f"/v1/payment_intents/{name}", {"payment_method": ""}).json()

        assert (chosen["status"], taken_back["status"]) == ("requires_confirmation", "requires_payment_method")
        assert taken_back["payment_method"] is None

    def test_a_charge_tells_what_the_network_said(self, shop: Shop) -> None:
        intent = shop.paid()

        charge = shop.get(f"/v1/charges/{intent['latest_charge']}").json()
        listed = shop.get(f"/v1/charges?payment_intent={intent['id']}").json()

        card = charge["payment_method_details"]["card"]
        assert (charge["paid"], charge["captured"], charge["payment_intent"]) == (True, True, intent["id"])
        assert (card["authorization_code"], card["network_transaction_id"]) == ("A1B2C3", "123456789012345")
        assert charge["outcome"]["network_status"] == "approved_by_network"
        assert listed["data"] == [charge]
        assert check(charge) == check(listed) == []

    def test_a_declined_charge_tells_why(self, shop: Shop) -> None:
        shop.gateway.acquirer.script = declined("51")

        answer = shop.post("/v1/payment_intents", payment())
        charge = shop.get(f"/v1/charges/{error(answer)['charge']}").json()

        assert (answer.status_code, error(answer)["decline_code"]) == (402, "insufficient_funds")
        assert charge["outcome"]["network_decline_code"] == "51"
        assert charge["outcome"]["type"] == "issuer_declined"
        assert (charge["status"], charge["failure_code"], charge["paid"]) == ("failed", "card_declined", False)
        assert check(charge) == check(error(answer)["payment_intent"]) == []

    @pytest.mark.parametrize("name", ["pm_card_visa", "pm_card_mastercard", "pm_card_chargeDeclined"])
    def test_a_virtual_name_becomes_a_payment_method_of_the_account(self, shop: Shop, name: str) -> None:
        method = shop.get(f"/v1/payment_methods/{name}").json()

        assert method["id"].startswith("pm_")
        assert method["id"] != name
        assert check(method) == []

    def test_a_token_stands_for_a_card_too(self, memory_shop: Shop) -> None:
        method = memory_shop.post("/v1/payment_methods", {"type": "card", "card": {"token": "tok_visa"}}).json()
        unknown = memory_shop.post("/v1/payment_methods", {"type": "card", "card": {"token": "tok_nope"}})

        assert method["card"]["last4"] == "4242"
        assert error(unknown)["code"] == "resource_missing"


class TestLists:
    """Lists are newest first, paged by cursors, and another account's rows are not in them."""

    def test_pages_walk_both_ways(self, shop: Shop) -> None:
        names = [shop.post("/v1/customers").json()["id"] for _ in range(5)][::-1]

        first = shop.get("/v1/customers?limit=2").json()
        second = shop.get(f"/v1/customers?limit=2&starting_after={names[1]}").json()
        last = shop.get(f"/v1/customers?limit=2&starting_after={names[3]}").json()
        back = shop.get(f"/v1/customers?limit=2&ending_before={names[4]}").json()

        ids = [[item["id"] for item in page["data"]] for page in (first, second, last, back)]
        assert ids == [names[0:2], names[2:4], names[4:], names[2:4]]
        assert [page["has_more"] for page in (first, second, last, back)] == [True, True, False, True]
        assert first["url"] == "/v1/customers"

    def test_filters_narrow(self, shop: Shop) -> None:
        shop.post("/v1/customers", {"email": "a@example.com"})
        shop.gateway.pass_time(10)
        later = shop.post("/v1/customers", {"email": "b@example.com"}).json()

        by_email = shop.get("/v1/customers?email=b%40example.com").json()["data"]
        by_time = shop.get(f"/v1/customers?created[gte]={later['created']}").json()["data"]

        assert by_email == by_time == [later]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("limit=0", "parameter_invalid_integer"),
            ("limit=101", "parameter_invalid_integer"),
            ("starting_after=cus_0", "resource_missing"),
        ],
    )
    def test_a_bad_page_is_refused(self, memory_shop: Shop, query: str, code: str) -> None:
        answer = memory_shop.get(f"/v1/customers?{query}")

        assert (answer.status_code, error(answer)["code"]) == (400, code)

    def test_another_account_sees_nothing(self, shop: Shop) -> None:
        intent = shop.paid()
        other = {"authorization": f"Bearer {OTHER_SECRET_KEY}"}

        lists = [
            shop.get(f"/v1/{name}", **other).json()["data"]
            for name in ("payment_intents", "charges", "payment_methods")
        ]
        found = [
            shop.get(path, **other)
            for path in (
                f"/v1/payment_intents/{intent['id']}",
                f"/v1/charges/{intent['latest_charge']}",
                f"/v1/payment_methods/{intent['payment_method']}",
            )
        ]

        assert lists == [[], [], []]
        assert [(answer.status_code, error(answer)["code"]) for answer in found] == [(404, "resource_missing")] * 3


class TestExpand:
    """An id becomes its object where the client asks for it."""

    def test_paths_go_as_deep_as_four(self, shop: Shop) -> None:
        customer = shop.post("/v1/customers").json()
        intent = shop.paid(customer=customer["id"], expand=["latest_charge.customer", "payment_method", "customer"])

        assert intent["latest_charge"]["customer"] == intent["customer"] == customer
        assert intent["payment_method"]["object"] == "payment_method"
        assert check(intent) == []

    def test_lists_expand_their_items(self, shop: Shop) -> None:
        shop.paid()

        listed = shop.get("/v1/payment_intents?expand[]=data.latest_charge").json()

        assert listed["data"][0]["latest_charge"]["object"] == "charge"
        assert check(listed) == []

    @pytest.mark.parametrize(
        "path",
        ["amount", "latest_charge.amount", "", "a.b.c.d.e", "data.customer", "latest_charge.payment_intent.bogus"],
    )
    def test_a_path_that_cannot_be_expanded_is_refused_before_anything_is_sent(
        self, memory_shop: Shop, path: str
    ) -> None:
        answer = memory_shop.post("/v1/payment_intents", payment(expand=[path]))

        assert (answer.status_code, error(answer)["param"]) == (400, "expand")
        assert memory_shop.gateway.acquirer.seen == []


class TestKeys:
    """Who may do what is decided by the key, before anything else."""

    def test_bearer_and_basic_are_both_understood(self, memory_shop: Shop) -> None:
        basic = "Basic " + base64.b64encode(f"{SECRET_KEY}:".encode()).decode()

        assert memory_shop.get("/v1/customers", authorization=basic).status_code == 200

    @pytest.mark.parametrize(
        ("authorization", "message"),
        [
            ("", "You did not provide an API key"),
            ("Bearer ", "You did not provide an API key"),
            ("Basic ???", "You did not provide an API key"),
            ("Bearer sk_test_wrongwrongwrongwrong", "Invalid API Key provided: sk_test_********rong"),
            (f"Bearer {PAN}", "Invalid API Key provided: ****************"),
        ],
    )
    def test_a_wrong_key_is_401(self, memory_shop: Shop, authorization: str, message: str) -> None:
        answer = memory_shop.get("/v1/customers", authorization=authorization)

        assert answer.status_code == 401
        assert error(answer)["message"].startswith(message)

    def test_a_publishable_key_makes_cards_and_pays_with_a_client_secret(self, memory_shop: Shop) -> None:
        public = {"authorization": f"Bearer {PUBLISHABLE_KEY}"}
        intent = memory_shop.post("/v1/payment_intents", {"amount": 2000, "currency": "usd"}).json()
        path, secret = f"/v1/payment_intents/{intent['id']}", intent["client_secret"]

        method = memory_shop.post("/v1/payment_methods", METHOD, **public).json()["id"]
        seen = memory_shop.get(f"{path}?client_secret={secret}", **public)
        unseen = [memory_shop.get(f"{path}{query}", **public) for query in ("", "?client_secret=wrong")]
        paid = memory_shop.post(f"{path}/confirm", {"payment_method": method, "client_secret": secret}, **public)

        assert seen.json() == intent
        assert [answer.status_code for answer in unseen] == [400, 400]
        assert paid.json()["status"] == "succeeded"

    def test_a_publishable_key_does_nothing_else(self, memory_shop: Shop) -> None:
        public = {"authorization": f"Bearer {PUBLISHABLE_KEY}"}

        answers = [
            memory_shop.get("/v1/customers", **public),
            memory_shop.post("/v1/payment_intents", payment(), **public),
        ]

        assert [(answer.status_code, error(answer)["code"]) for answer in answers] == [(403, "secret_key_required")] * 2

    def test_a_browser_may_send_its_publishable_key_as_a_parameter(self, memory_shop: Shop) -> None:
        answer = memory_shop.post("/v1/payment_methods", {**METHOD, "key": PUBLISHABLE_KEY}, authorization="")
        secret = memory_shop.post("/v1/payment_methods", {**METHOD, "key": SECRET_KEY}, authorization="")

        assert (answer.status_code, secret.status_code) == (200, 401)


class TestErrors:
    """What is wrong with a request is said in Stripe's body, with Stripe's codes."""

    @pytest.mark.parametrize(
        ("form", "status", "code", "param"),
        [
            ({"currency": "usd"}, 400, "parameter_missing", "amount"),
            ({"amount": 2000}, 400, "parameter_missing", "currency"),
            ({"amount": 2000, "currency": "usd", "foo": 1}, 400, "parameter_unknown", "foo"),
            ({"amount": "12.5", "currency": "usd"}, 400, "parameter_invalid_integer", "amount"),
            ({"amount": -1, "currency": "usd"}, 400, "parameter_invalid_integer", "amount"),
            ({"amount": 1, "currency": "usd"}, 400, "amount_too_small", "amount"),
            ({"amount": 2000, "currency": "xyz"}, 400, None, "currency"),
            ({"amount": 2000, "currency": "usd", "capture_method": "later"}, 400, None, "capture_method"),
            ({"amount": 2000, "currency": "usd", "customer": "cus_0"}, 400, "resource_missing", "customer"),
            ({"amount": 2000, "currency": "usd", "payment_method": "pm_0"}, 400, "resource_missing", "payment_method"),
            (payment(payment_method_data=METHOD), 400, None, "payment_method_data"),
            ({"amount": 2000, "currency": "usd", "metadata": {f"k{n}": "v" for n in range(51)}}, 400, None, "metadata"),
        ],
    )
    def test_a_bad_intent(
        self, memory_shop: Shop, form: dict[str, Any], status: int, code: str | None, param: str
    ) -> None:
        answer = memory_shop.post("/v1/payment_intents", form)

        found = error(answer)
        assert (answer.status_code, found["type"]) == (status, "invalid_request_error")
        assert (found.get("code"), found["param"]) == (code, param)
        assert memory_shop.gateway.rows() == []

    @pytest.mark.parametrize(
        ("card", "code"),
        [
            ({"number": "4242424242424241"}, "incorrect_number"),
            ({"exp_year": 2020}, "invalid_expiry_year"),
            ({"cvc": "1"}, "invalid_cvc"),
        ],
    )
    def test_a_bad_card_is_a_card_error_and_goes_nowhere(
        self, memory_shop: Shop, card: dict[str, Any], code: str
    ) -> None:
        answer = memory_shop.post("/v1/payment_methods", {"type": "card", "card": {**CARD, **card}})

        assert (answer.status_code, error(answer)["type"], error(answer)["code"]) == (402, "card_error", code)
        assert memory_shop.gateway.hsm.asked == []

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/nothing"),
            ("PUT", "/v1/customers"),
            ("DELETE", "/v1/payment_intents/pi_1"),
            ("GET", "/v1/customers/"),
            ("GET", "/"),
        ],
    )
    def test_an_unknown_address_is_404(self, memory_shop: Shop, method: str, path: str) -> None:
        answer = memory_shop.send(method, path)

        assert answer.status_code == 404
        assert error(answer)["message"].startswith(f"Unrecognized request URL ({method}: {path}). ")

    def test_an_unknown_id_is_404(self, memory_shop: Shop) -> None:
        answer = memory_shop.get("/v1/customers/cus_0")

        assert (answer.status_code, error(answer)["message"]) == (404, "No such customer: 'cus_0'")
        assert error(answer)["code"] == "resource_missing"

    def test_a_body_that_is_no_form_is_refused(self, memory_shop: Shop) -> None:
        json_body = memory_shop.post("/v1/customers", '{"email": "a@b"}', content_type="application/json")
        long_body = memory_shop.post("/v1/customers", "name=" + "x" * 30_000)
        not_utf8 = memory_shop.send("POST", "/v1/customers", b"name=\xff")  # type: ignore[arg-type]

        assert [answer.status_code for answer in (json_body, long_body, not_utf8)] == [400, 413, 400]

    def test_a_store_that_refuses_is_an_api_error_without_details(
        self, memory_shop: Shop, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def broken(_books: Any) -> None:
            raise RuntimeError(PAN)

        memory_shop.gateway.store.write = lambda _work: memory_shop.gateway.store.read(broken)  # type: ignore[method-assign]

        answer = memory_shop.post("/v1/customers")

        assert (answer.status_code, error(answer)["type"]) == (500, "api_error")
        assert PAN not in answer.text


class TestHeaders:
    """Headers tell which request this was, and whether to try again."""

    def test_every_answer_has_a_request_id_and_the_clients_version(self, memory_shop: Shop) -> None:
        mine = memory_shop.get("/v1/customers", stripe_version="2020-08-27")
        default = memory_shop.get("/v1/nothing")

        assert mine.headers["request-id"].startswith("req_")
        assert mine.headers["request-id"] != default.headers["request-id"]
        assert (mine.headers["stripe-version"], default.headers["stripe-version"]) == (
            "2020-08-27",
            "2026-10-28.endive",
        )
        assert mine.headers["content-type"] == "application/json"

    def test_the_trace_id_of_a_payment_travels_in_its_message(self, memory_shop: Shop) -> None:
        from iso.private import TRACE_ID, parse_private

        answer = memory_shop.post("/v1/payment_intents", payment())

        (message,) = memory_shop.gateway.acquirer.seen
        assert parse_private(message[48])[TRACE_ID] == answer.headers["emu-trace-id"]

    def test_a_decline_is_not_worth_a_retry_and_an_absent_hsm_is(self, memory_shop: Shop) -> None:
        memory_shop.gateway.acquirer.script = declined("05")
        declining = memory_shop.post("/v1/payment_intents", payment())
        memory_shop.gateway.hsm.is_silent = True
        absent = memory_shop.post("/v1/payment_intents", payment())

        assert (declining.status_code, declining.headers["stripe-should-retry"]) == (402, "false")
        assert (absent.status_code, absent.headers["stripe-should-retry"]) == (503, "true")
