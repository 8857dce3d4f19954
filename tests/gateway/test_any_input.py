"""Whatever is sent to the REST face, it is answered in Stripe's shape, is no defect of ours, and tells no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.routes import ENDPOINTS, Endpoint
from gateway.core.parameters import Choice, Hash, Integer, Items, Metadata, Period, Truth
from gateway.core.specs import INTENT_CREATE
from tests.support.belongings import ABSENT, belongings, path_of
from tests.support.gateway import ACCOUNT, CARD, PAN, Shop, flat, open_shop, payment
from tests.support.oracle import check

NOBODY = dict.fromkeys(ABSENT, "%00")
ODD = st.one_of(
    st.text(max_size=8),
    st.integers().map(str),
    st.sampled_from(["true", "usd", "", PAN, "pm_card_visa", "card", "tok_visa", "\0", "9" * 30, "\u202e", "1e3"]),
)
"""Texts that fit nowhere, or by chance."""
ODD_VALUES = st.recursive(
    ODD,
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from([*CARD, "card", "type", "gte", "0", "x"]), inner, max_size=3),
        st.lists(inner, max_size=2),
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(["usd", "jpy", "kwd", "pm_card_visa", "pm_card_chargeDeclined", "tok_visa", "charge.succeeded"])
SEARCHES = st.sampled_from(['email:"ada@example.com"', 'currency:"usd" AND amount>100', 'metadata["a"]:null', "amount"])


def fitting(field: Any, owned: Mapping[str, str]) -> st.SearchStrategy[Any]:
    """Return values that a field of a specification may have, or nearly."""
    if isinstance(field, Choice):
        return st.sampled_from(field.values)
    if isinstance(field, Truth):
        return st.sampled_from(["true", "false"])
    if isinstance(field, Integer):
        near = [field.least, field.least - 1, field.most, field.most + 1, 1, 12, 50, 500, 2000, 2034, 99_999_999]
        return st.sampled_from([str(number) for number in near])
    if isinstance(field, Hash):
        return hashes(field.fields, owned)
    if isinstance(field, Items):
        return st.lists(fitting(field.item, owned), max_size=3)
    if isinstance(field, Metadata):
        return st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=2)
    if isinstance(field, Period):
        return st.one_of(st.just("0"), st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), st.just("5")))
    return st.one_of(st.sampled_from(sorted(owned.values())), NAMES, SEARCHES, st.text(max_size=8))


def hashes(spec: Mapping[str, Any], owned: Mapping[str, str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return forms for a specification: what is required is mostly there, and some of the rest."""
    known = {name: fitting(field, owned) for name, field in spec.items()}
    required = {name: values for name, values in known.items() if spec[name].required}
    others = {name: values for name, values in known.items() if name not in required}
    return st.builds(
        lambda needed, more, few: {**needed, **dict(item for index, item in enumerate(more.items()) if index in few)},
        st.fixed_dictionaries(required),
        st.fixed_dictionaries({}, optional=others),
        st.sets(st.integers(0, max(0, len(others) - 1)), max_size=3),
    )


@pytest.fixture(scope="module")
def module_shop() -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


@pytest.fixture(scope="module")
def owned(module_shop: Shop) -> dict[str, str]:
    return belongings(module_shop, ACCOUNT.id)


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

    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
    @given(data=st.data())
    @settings(max_examples=20)
    def test_any_form_on_any_operation(
        self, module_shop: Shop, owned: dict[str, str], endpoint: Endpoint, data: st.DataObject
    ) -> None:
        form = data.draw(hashes(endpoint.spec, owned))
        names = st.one_of(st.sampled_from(sorted(endpoint.spec) or ["x"]), st.text(max_size=5))
        form |= data.draw(st.one_of(st.just({}), st.dictionaries(names, ODD_VALUES, max_size=2)))
        named = data.draw(st.sampled_from([owned, owned, ABSENT, dict.fromkeys(ABSENT, "pm_card_visa"), NOBODY]))
        text = "&".join(f"{quote(name, safe='[]')}={quote(value, safe='')}" for name, value in flat(form).items())
        body, query = ("", f"?{text}") if endpoint.method == "GET" else (text, "")

        sound(module_shop.send(endpoint.method, path_of(endpoint, named) + query, body))

    @given(body=st.text(max_size=100))
    def test_any_text_as_a_body(self, module_shop: Shop, body: str) -> None:
        sound(module_shop.post("/v1/payment_methods", body))

    @given(changes=st.dictionaries(st.sampled_from(sorted(INTENT_CREATE)), ODD_VALUES, max_size=2))
    def test_a_payment_with_a_few_odd_parameters(self, module_shop: Shop, changes: dict[str, Any]) -> None:
        sound(module_shop.post("/v1/payment_intents", {**payment(), **changes}))


def hostile(value: Any) -> dict[str, Any]:
    """Return what may stand in the place of a value, by what is wrong with it."""
    return {
        "empty": "",
        "huge": "9" * 400,
        "long": "y" * 6_000,
        "unicode": "\u202e\U0001f469 \u0663",
        "null byte": "\0",
        "line ends": "a\r\nb: c",
        "card number": PAN,
        "card number that begins late": "x" * 88 + PAN,
        "negative": "-1",
        "fraction": "1.5",
        "word": "null",
        "list": [value, value],
        "hash": {"x": value},
        "deep": {"x": {"y": [value]}},
    }


def almost(spec: Mapping[str, Any], form: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield forms in which one thing is wrong, with what that is."""
    for name, field in spec.items():
        inner = field.item if isinstance(field, Items) else field
        value = form.get(name, "x")
        for flaw, wrong in hostile(value).items():
            yield f"{name}: {flaw}", {**form, name: wrong}
            if isinstance(field, Items):
                yield f"{name}[0]: {flaw}", {**form, name: [wrong]}
        if isinstance(inner, Hash):
            held = value if isinstance(value, dict) else {}
            for what, wrong in almost(inner.fields, held):
                yield f"{name}.{what}", {**form, name: [wrong] if inner is not field else wrong}
        if field.required:
            yield f"{name}: missing", {other: kept for other, kept in form.items() if other != name}


def good(endpoint: Endpoint, owned: Mapping[str, str]) -> dict[str, Any]:
    """Return a form that an operation takes, with little in it."""
    values: dict[str, Any] = {
        "amount": 2000,
        "card": CARD,
        "currency": "usd",
        "customer": owned["customer"],
        "query": 'currency:"usd"' if endpoint.kind != "customer" else 'email:"ada@example.com"',
        "setup_intent": owned["setup_intent"],
        "type": "card",
    }
    return {name: values[name] for name, field in endpoint.spec.items() if field.required}


class TestAlmostValid:
    """One thing that is wrong with a form is enough for it to be refused, and what is refused has done nothing."""

    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
    def test_one_flaw_in_a_good_form(self, module_shop: Shop, owned: dict[str, str], endpoint: Endpoint) -> None:
        form = good(endpoint, owned)
        path = path_of(endpoint, owned)
        flawed = [*almost(endpoint.spec, form), ("unknown", {**form, "nonsense": "1"})]
        before = module_shop.gateway.rows()

        for flaw, wrong in flawed:
            text = urlencode(flat(wrong))
            body, query = ("", f"?{text}") if endpoint.method == "GET" else (text, "")
            answer = module_shop.send(endpoint.method, path + query, body)

            sound(answer)
            after = module_shop.gateway.rows()
            assert answer.status_code == 200 or after == before, flaw
            before = after


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
