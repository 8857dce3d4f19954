"""Whatever is sent to the REST face, it is answered in Stripe's shape, is no defect of ours, and tells no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.api.routes import ENDPOINTS
from gateway.core.specs import INTENT_CREATE
from tests.support.gateway import CARD, PAN, Shop, flat, open_shop, payment
from tests.support.oracle import check

KNOWN = sorted({name for endpoint in ENDPOINTS for name in endpoint.spec})
TEXTS = st.one_of(
    st.text(max_size=8),
    st.integers().map(str),
    st.sampled_from(["true", "usd", "", PAN, "pm_card_visa", "card", "latest_charge", "tok_visa", "\0", "9" * 30]),
)
VALUES = st.recursive(
    TEXTS,
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from([*CARD, "card", "type", "gte", "0", "x"]), inner, max_size=3),
        st.lists(inner, max_size=2),
    ),
    max_leaves=6,
)
FORMS = st.dictionaries(st.one_of(st.sampled_from(KNOWN), st.text(max_size=5)), VALUES, max_size=5)


@pytest.fixture(scope="module")
def module_shop() -> Iterator[Shop]:
    with open_shop() as opened:
        opened.post("/v1/customers", {"payment_method": "pm_card_visa"})
        opened.paid()
        yield opened


def sound(answer: Any) -> None:
    """Check that an answer is one that a client can read."""
    body = answer.json()
    if answer.status_code == 200:
        assert check(body) == []
    else:
        assert 400 <= answer.status_code < 500, answer.text
        assert set(body) == {"error"}
        assert body["error"]["type"] in ("card_error", "idempotency_error", "invalid_request_error")
        assert body["error"]["message"]
    assert PAN not in answer.text


class TestAnyInput:
    """No form is answered with a 500."""

    @given(
        endpoint=st.sampled_from(ENDPOINTS), form=FORMS, identifier=st.sampled_from(["own", "x", "pm_card_visa", "%00"])
    )
    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_form_on_any_operation(
        self, module_shop: Shop, endpoint: Any, form: dict[str, Any], identifier: str
    ) -> None:
        own = next(
            (row[0] for row in module_shop.gateway.rows() if type(row).__name__.lower()[:4] == endpoint.kind[-6:][:4]),
            "x",
        )
        path = endpoint.path.replace("{id}", own if identifier == "own" else identifier).replace("{method}", "pm_0")
        text = "&".join(f"{quote(name, safe='[]')}={quote(value, safe='')}" for name, value in flat(form).items())
        body, query = ("", f"?{text}") if endpoint.method != "POST" else (text, "")

        sound(module_shop.send(endpoint.method, path + query, body))

    @given(body=st.text(max_size=100))
    def test_any_text_as_a_body(self, module_shop: Shop, body: str) -> None:
        sound(module_shop.post("/v1/payment_methods", body))

    @given(changes=st.dictionaries(st.sampled_from(sorted(INTENT_CREATE)), VALUES, max_size=2))
    def test_a_payment_with_a_few_odd_parameters(self, module_shop: Shop, changes: dict[str, Any]) -> None:
        sound(module_shop.post("/v1/payment_intents", {**payment(), **changes}))


class TestNoSecret:
    """A card number that came in the right place goes nowhere but to the HSM."""

    def test_no_row_has_one_after_a_shops_whole_day(self, memory_shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
        method = {"type": "card", "card": CARD, "billing_details": {"name": "Ada"}}
        customer = memory_shop.post("/v1/customers", {"payment_method": "pm_card_visa"}, idempotency_key="1").json()
        made = memory_shop.post("/v1/payment_methods", method, idempotency_key="2").json()
        memory_shop.post(f"/v1/payment_methods/{made['id']}/attach", {"customer": customer["id"]})
        memory_shop.paid(payment_method=made["id"], customer=customer["id"])
        memory_shop.post("/v1/payment_intents", {"amount": 2000, "currency": "usd", "payment_method_data": method})
        memory_shop.post("/v1/payment_methods", {**method, "card": {**CARD, "number": PAN[:-1] + "1"}})
        for misplaced in ({"description": PAN}, {PAN: "x"}, {"metadata": {"card": PAN}}, {"name": f"Ada {PAN}"}):
            memory_shop.post("/v1/customers", misplaced, idempotency_key=PAN)
            memory_shop.post("/v1/customers", misplaced)
        memory_shop.get(f"/v1/customers/{PAN}")
        memory_shop.get(f"/v1/{PAN}")

        kept = repr(memory_shop.gateway.rows())
        told = " ".join(f"{answer.text} {answer.headers}" for answer in memory_shop.answers)
        logged = json.dumps(capfd.readouterr())
        messages = repr([dict(message.fields) for message in memory_shop.gateway.acquirer.seen])
        assert [
            secret for secret in (PAN, '"737"', "'737'") for text in (kept, told, logged, messages) if secret in text
        ] == []
