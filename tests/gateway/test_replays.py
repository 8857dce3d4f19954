"""Whoever asks again after a death is answered in the manner of the first request: the same object, as much of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import ApiError
from gateway.handlers import payments, refunds
from gateway.handlers.context import Call
from tests.gateway.test_crash import CREATE, Mortal
from tests.support.gateway import CARD, call

STEPS_MAX = 8
"""No request here takes more of them."""


def house_with_payment() -> tuple[Mortal, dict[str, Any]]:
    """Return a gateway that lives for ever, and a payment that it has captured."""
    house = Mortal(0, is_after=False)
    paid = house.asks(payments.create, CREATE, key="paid")
    house.settles()
    return house, paid


def refund_by_charge(house: Mortal, paid: dict[str, Any]) -> tuple[Any, Call]:
    return refunds.refund_charge, call({"amount": 500}, paid["latest_charge"], key="k")


def refund_with_its_charge(house: Mortal, paid: dict[str, Any]) -> tuple[Any, Call]:
    form = {"charge": paid["latest_charge"], "amount": 500, "expand": ["charge", "payment_intent.latest_charge"]}
    return refunds.create, call(form, key="k")


def payment_with_its_charge(house: Mortal, paid: dict[str, Any]) -> tuple[Any, Call]:
    return payments.create, call({**CREATE, "expand": ["latest_charge"]}, key="k")


def confirmation_by_a_browser(house: Mortal, paid: dict[str, Any]) -> tuple[Any, Call]:
    form = {"amount": 1000, "currency": "usd", "metadata": {"margin": "40%"}}
    intent = house.asks(payments.create, form, key="made")
    confirm = {"client_secret": intent["client_secret"], "payment_method_data": {"type": "card", "card": CARD}}
    return payments.confirm, call(confirm, intent["id"], key="k")._replace(is_public=True)


REQUESTS = [refund_by_charge, refund_with_its_charge, payment_with_its_charge, confirmation_by_a_browser]


def manner_of(body: Any) -> Any:
    """Return what is the same in all answers to a request: objects, and what is empty for whoever may not see it."""
    expanded = {name: manner_of(value) for name, value in body.items() if isinstance(value, dict) and "object" in value}
    return body["object"], expanded, body.get("customer"), body.get("metadata")


class TestReplays:
    """A process dies before or after any of its steps; another one takes over, and the shop repeats its request."""

    @pytest.mark.parametrize("request_of", REQUESTS)
    @given(dies_at=st.integers(0, STEPS_MAX), is_after=st.booleans())
    def test_after_a_death(
        self, request_of: Callable[[Mortal, dict[str, Any]], tuple[Any, Call]], dies_at: int, is_after: bool
    ) -> None:
        house, paid = house_with_payment()
        handler, asked = request_of(house, paid)
        undisturbed = answer_of(house, handler, asked)
        house, paid = house_with_payment()
        handler, asked = request_of(house, paid)
        house.dies_at, house.is_after = house.steps + dies_at, is_after

        first, second = (answer_of(house, handler, asked) for _ in range(2))

        assert manner_of(first) == manner_of(undisturbed)
        assert first == second

    @pytest.mark.parametrize("request_of", REQUESTS)
    def test_each_request_has_so_many_steps(
        self, request_of: Callable[[Mortal, dict[str, Any]], tuple[Any, Call]]
    ) -> None:
        house, paid = house_with_payment()
        handler, asked = request_of(house, paid)
        before = house.steps

        answer_of(house, handler, asked)

        assert 3 <= house.steps - before <= STEPS_MAX


def answer_of(house: Mortal, handler: Any, asked: Call) -> Any:
    """Ask; if the first request is still under way by its key, let the worker end it, and ask again."""
    try:
        answer = house.lives(lambda: handler(house.gateway.ports, asked))
    except ApiError as error:
        if error.code != "idempotency_key_in_use":
            raise
        house.settles()
        answer = house.lives(lambda: handler(house.gateway.ports, asked))
    assert answer is not None
    return json.loads(answer.body)
