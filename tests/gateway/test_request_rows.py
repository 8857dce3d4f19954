"""Rows of the request log: no secret is in one, and what a caller sends decides little about the work of keeping it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import cards
from gateway.core.errors import excerpt, no_such, unrecognized
from gateway.core.request_rows import HIDDEN, PATH_MAX, TEXT_MAX, masked_params, masked_path
from gateway.store_requests import RequestQuery
from iso.masks import mask_text
from tests.support.gateway import PAN, SECRET_KEY, Shop
from tests.support.steps import steps_of

LONG = 262_000
CALLS_MAX = 20_000
"""Of Python's and C's functions together; without a limit, LONG digits take a million."""
KEYS = [f"{prefix}_{mode}_{'aB3' * 8}" for prefix in ("sk", "rk", "pk", "emu") for mode in ("test", "live")]


class TestWork:
    """A text is cut before card numbers are looked for in it: anybody can send a long one, without a key."""

    @pytest.mark.parametrize("length", [LONG, 2 * TEXT_MAX])
    @pytest.mark.parametrize("text", ["4", "3782822463100059999999", "4242424242424241g", "4242-4242-4242-4241 "])
    def test_keeping_it_takes_few_calls(self, text: str, length: int) -> None:
        long = (text * LONG)[:length]
        tree = {str(number): {long: long} for number in range(LONG // length)}

        assert len(steps_of(lambda: masked_params(tree))) < CALLS_MAX
        assert len(steps_of(lambda: masked_path(f"/v1/{long}"))) < CALLS_MAX

    def test_refusing_it_takes_few_calls(self) -> None:
        long = "4" * LONG

        for refuse in (excerpt, lambda text: no_such("customer", text), lambda text: unrecognized("GET", text)):
            assert len(steps_of(lambda refuse=refuse: refuse(long))) < CALLS_MAX

    def test_one_long_value_does_not_hide_the_others(self) -> None:
        kept = json.loads(masked_params({"description": "x" * LONG, "amount": "2000"}))

        assert kept == {"description": "x" * TEXT_MAX, "amount": "2000"}


class TestCut:
    """A card number at the place where a text is cut is hidden as if the text were whole."""

    @pytest.mark.parametrize("number", [PAN, "4242 4242 4242 4242", "4242-4242-4242-4242", "378282246310005"])
    @pytest.mark.parametrize("rest", ["", "x", " ", "x" * LONG, " 1" * LONG])
    def test_an_excerpt_is_that_of_the_masked_text(self, number: str, rest: str) -> None:
        for before in range(70, 104):
            text = f"{'x' * before}{number}{rest}"

            assert excerpt(text) == mask_text(text)[:100]

    @pytest.mark.parametrize("number", [PAN, "4242 4242 4242 4242", "4242 - 4242 - 4242 - 4242", "3782.822463.10005"])
    @pytest.mark.parametrize("rest", ["", "x", "x" * LONG])
    def test_of_a_row(self, number: str, rest: str) -> None:
        for before in range(30):
            value = f"{'.' * (TEXT_MAX - before)}{number}{rest}"
            path = f"/{'.' * (PATH_MAX - before)}{number}{rest}"

            assert digits_of(json.loads(masked_params({"x": value}))["x"]) <= 10
            assert digits_of(masked_path(path)) <= 10

    @given(st.text("0123456789 x", max_size=400))
    def test_what_is_cut_is_no_longer_than_it_may_be(self, text: str) -> None:
        assert len(excerpt(text, 50)) == min(50, len(text))


def digits_of(text: str) -> int:
    """Count the digits."""
    return sum(character.isdigit() for character in text)


class TestSecrets:
    """No row shows a key, a card number or what proves a card, whatever it was called and however it was written."""

    @pytest.mark.parametrize("key", KEYS)
    def test_a_key_is_hidden_wherever_it_is(self, key: str) -> None:
        kept = masked_params({"api_key": key, "note": f"my key is {key}.", key: {"x": [key]}, "KEY": key})

        assert key[-16:] not in kept + masked_path(f"/v1/customers/{key}/x")
        assert masked_path(f"/v1/customers/{key}/x") == f"/v1/customers/{key[:-24]}{HIDDEN}/x"

    @pytest.mark.parametrize("number", [PAN, KEYS[0]])
    def test_what_is_hidden_brings_nothing_forward(self, number: str) -> None:
        for length in range(TEXT_MAX, TEXT_MAX + 70):
            text = ("_secret_" + "x" * 100 + " ").ljust(length, ".") + number

            assert number[:11] not in json.loads(masked_params({"note": text}))["note"]

    @pytest.mark.parametrize(
        "name",
        [
            *("cvc", "CVC", "Cvv", "cvv2", "cvc2", "cvc ", "security_code", "Security-Code", "pin_block", "PIN"),
            *(
                "key",
                "KEY",
                "api_key",
                "apiKey",
                "secret",
                "secretKey",
                "clientSecret",
                "password",
                "expMonth",
                "track2",
            ),
        ],
    )
    def test_a_secret_is_known_by_its_name(self, name: str) -> None:
        for value in ("987", ["987"], {"0": "987"}, {"value": {"x": "987"}}):
            kept = masked_params({"card": {name: value}, "payment_method_data": {"card": {name: value}}})

            assert "987" not in kept

    @pytest.mark.parametrize("name", ["number", "Number", "number ", "PAN", "accountNumber", "card_number"])
    def test_a_card_number_is_known_by_its_name(self, name: str) -> None:
        invalid = "4242424242424241"
        kept = [json.loads(masked_params({name: value}))[name] for value in (invalid, [invalid], {"0": invalid})]

        assert kept == ["424242******4241", HIDDEN, HIDDEN]

    @pytest.mark.parametrize(
        "text",
        [
            "4242.4242.4242.4242",
            "4242/4242/4242/4242",
            "4242  4242  4242  4242",
            "4242 - 4242 - 4242 - 4242",
            "3782.822463.10005",
            "4242\u200b4242\u200b4242\u200b4242",
            "4242\u00a04242\u00a04242\u00a04242",
            "\uff14\uff12" * 8,
        ],
        ids=ascii,
    )
    def test_a_card_number_in_disguise_is_hidden(self, text: str) -> None:
        assert cards.carries_card_number(text)

        assert masked_params({"description": text}) == json.dumps({"description": HIDDEN}, separators=(",", ":"))
        assert masked_path(f"/{text}") == HIDDEN

    @pytest.mark.parametrize("authorization", ["", f"Bearer {SECRET_KEY}", f"Basic {SECRET_KEY}"])
    def test_no_row_of_a_shop_has_its_key(self, memory_shop: Shop, authorization: str) -> None:
        headers = {"authorization": authorization, "user_agent": SECRET_KEY, "idempotency_key": SECRET_KEY}
        for name in ("KEY", "api_key", "key", "description"):
            memory_shop.send("GET", f"/v1/customers?{name}={SECRET_KEY}", **headers)
            memory_shop.send("POST", "/v1/customers", {name: SECRET_KEY, f"metadata[{SECRET_KEY}]": "x"}, **headers)
        memory_shop.send("GET", f"/v1/customers/{SECRET_KEY}", **headers)

        kept = memory_shop.portal.call(memory_shop.gateway.requests.find, RequestQuery())
        assert len(kept) == 9
        assert SECRET_KEY[8:] not in repr(kept)

    def test_other_text_is_kept_as_it_came(self) -> None:
        tree = {"monkey": "1", "keys": "2", "pinned": "no", "order": "2026-11-23", "name": "J\xfcrgen"}

        assert json.loads(masked_params(tree)) == {**tree, "name": "J\\xfcrgen"}
