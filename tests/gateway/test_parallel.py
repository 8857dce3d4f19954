"""Many requests at once make one authorisation, one capture, and never more money than there is; on both stores."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from gateway.core.books import Books
from gateway.core.records import Intent, Obligation, SendRecord
from tests.support.gateway import Shop, payment

MANY = 12
OPTIONS = {
    "card": {"request_multicapture": "if_available", "request_incremental_authorization": "if_available"},
}


def held(shop: Shop) -> str:
    name: str = shop.paid(capture_method="manual", payment_method_options=OPTIONS)["id"]
    return name


def at_once(shop: Shop, *requests: tuple[str, dict[str, Any]]) -> list[Any]:
    """Post all of them at once, each under a key of its own."""
    return shop.send_all(
        [("POST", path, form, {"idempotency_key": f"key-{number}"}) for number, (path, form) in enumerate(requests)]
    )


def rows(shop: Shop, of: Any, /, **where: Any) -> list[Any]:
    def work(books: Books) -> list[Any]:
        found: list[Any] = books.find(of, where)
        return found

    return shop.portal.call(shop.gateway.store.read, work)


def intent_of(shop: Shop, name: str) -> Any:
    return shop.get(f"/v1/payment_intents/{name}").json()


class TestParallel:
    """Whoever comes second finds the state that the first one has made."""

    def test_many_confirmations_make_one_authorisation(self, shop: Shop) -> None:
        name = shop.post("/v1/payment_intents", payment(confirm=False)).json()["id"]

        answers = at_once(shop, *[(f"/v1/payment_intents/{name}/confirm", {})] * MANY)

        assert Counter(answer.status_code for answer in answers) == {200: 1, 400: MANY - 1}
        assert len(shop.gateway.acquirer.sent("0100")) == 1
        assert len(rows(shop, SendRecord, kind="capture")) == 1

    def test_one_key_many_times_is_one_payment(self, shop: Shop) -> None:
        request = ("POST", "/v1/payment_intents", payment(payment_method="pm_card_visa"), {"idempotency_key": "one"})

        answers = shop.send_all([request] * MANY)

        assert {answer.status_code for answer in answers} <= {200, 409}
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1
        assert len(shop.gateway.acquirer.sent("0100")) == 1

    def test_many_captures_take_the_money_once(self, shop: Shop) -> None:
        name = held(shop)

        answers = at_once(shop, *[(f"/v1/payment_intents/{name}/capture", {})] * MANY)

        assert Counter(answer.status_code for answer in answers) == {200: 1, 400: MANY - 1}
        assert intent_of(shop, name)["amount_received"] == 2000
        assert [record.amount for record in rows(shop, SendRecord, kind="capture")] == [2000]

    def test_many_parts_never_exceed_the_whole(self, shop: Shop) -> None:
        name = held(shop)
        form = {"amount_to_capture": 300, "final_capture": False}

        answers = at_once(shop, *[(f"/v1/payment_intents/{name}/capture", form)] * MANY)

        captures = rows(shop, SendRecord, kind="capture")
        assert sum(answer.status_code == 200 for answer in answers) == 6
        assert [record.amount for record in captures] == [300] * 6
        assert sorted(record.private[-3:] for record in captures) == [f"{number:02d}P" for number in range(1, 7)]
        assert intent_of(shop, name)["amount_capturable"] == 200

    def test_many_increments_are_asked_one_after_the_other(self, shop: Shop) -> None:
        name = held(shop)

        answers = at_once(shop, *[(f"/v1/payment_intents/{name}/increment_authorization", {"amount": 3000})] * MANY)

        assert {answer.json().get("error", {}).get("code") for answer in answers} <= {
            None,
            "lock_timeout",
            "amount_too_small",
        }
        locked = [answer for answer in answers if answer.status_code == 429]
        assert all(answer.headers["stripe-should-retry"] == "true" for answer in locked)
        assert {answer.json()["error"]["code"] for answer in locked} <= {"lock_timeout"}
        assert sum(answer.status_code == 200 for answer in answers) == 1
        assert [message.amount_minor for message in shop.gateway.acquirer.sent("0100")] == [2000, 1000]
        assert intent_of(shop, name)["amount_capturable"] == 3000

    @pytest.mark.parametrize("first", ["capture", "cancel"])
    def test_a_capture_and_a_cancellation_exclude_each_other(self, shop: Shop, first: str) -> None:
        name = held(shop)
        second = "cancel" if first == "capture" else "capture"

        answers = at_once(shop, *[(f"/v1/payment_intents/{name}/{verb}", {}) for verb in (first, second) * 3])

        (intent,) = rows(shop, Intent, id=name)
        kinds = {rows(shop, SendRecord, id=duty.send)[0].kind for duty in rows(shop, Obligation)}
        assert sum(answer.status_code == 200 for answer in answers) == 1
        assert (intent.status, kinds) in (("succeeded", {"capture"}), ("canceled", {"void"}))
