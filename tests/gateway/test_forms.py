"""Forms, parameters and their errors."""

from __future__ import annotations

import doctest
import importlib
import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import specs
from gateway.core.cards import carries_card_number
from gateway.core.errors import ApiError
from gateway.core.forms import DEPTH_MAX, FIELDS_MAX, canonical, parse_form
from gateway.core.metadata import metadata_after
from gateway.core.parameters import Choice, Hash, Integer, Items, Metadata, Period, Text, Truth, read
from tests.support.gateway import flat

NAMES = st.text("abcxyz_", min_size=1, max_size=5)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
TREES = st.recursive(VALUES, lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3))


@pytest.mark.parametrize("module", ["cards", "forms", "identifiers", "multipart"])
def test_the_examples_are_right(module: str) -> None:
    assert doctest.testmod(importlib.import_module(f"gateway.core.{module}")).failed == 0


class TestForms:
    """Brackets make trees, percent-encoded or not."""

    @given(st.dictionaries(NAMES, TREES, max_size=4))
    def test_what_a_client_encodes_is_what_is_read(self, tree: dict[str, Any]) -> None:
        pairs = flat(tree)

        literal = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs.items())
        encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs.items())

        assert parse_form(literal) == parse_form(encoded) == tree

    @given(st.text(max_size=60))
    def test_any_text_is_a_tree_or_a_refusal(self, text: str) -> None:
        with suppress(ApiError):
            assert isinstance(parse_form(text), dict)

    @given(st.dictionaries(NAMES, TREES, max_size=4))
    def test_the_order_of_parameters_does_not_matter_to_what_they_are(self, tree: dict[str, Any]) -> None:
        backwards = dict(reversed(tree.items()))

        assert canonical(tree) == canonical(backwards)

    @pytest.mark.parametrize(
        ("text", "tree"),
        [
            ("a=1&a=2", {"a": "2"}),
            ("a[]=1&a[]=2", {"a": {"0": "1", "1": "2"}}),
            ("a[][x]=1&a[][y]=2&a[][x]=3", {"a": {"0": {"x": "1", "y": "2"}, "1": {"x": "3"}}}),
            ("a=1+2&b=", {"a": "1 2", "b": ""}),
            ("a[b=1", {"a[b": "1"}),
        ],
    )
    def test_the_usual_spellings(self, text: str, tree: dict[str, Any]) -> None:
        assert parse_form(text) == tree

    @pytest.mark.parametrize(
        "text",
        [
            "a=1&a[b]=2",
            "a[b]=1&a=2",
            "a=%FF",
            "a=%00",
            "a" + "[b]" * DEPTH_MAX + "=1",
            "&".join(f"a{number}=1" for number in range(FIELDS_MAX + 1)),
        ],
        ids=["value then hash", "hash then value", "not UTF-8", "null byte", "too deep", "too many"],
    )
    def test_what_cannot_be_a_tree_is_refused(self, text: str) -> None:
        with pytest.raises(ApiError):
            parse_form(text)


SPEC = {
    "amount": Integer(1, required=True),
    "name": Text(10),
    "mode": Choice(("fast", "slow")),
    "speed": Choice(("fast", "medium", "slow")),
    "confirm": Truth(),
    "card": Hash({"number": Text(secret=True)}),
    "expand": Items(Text(), most=2),
    "created": Period(),
    "metadata": Metadata(),
}


def refused(text: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read(SPEC, parse_form(text))
    return caught.value


class TestParameters:
    """A parameter is known, present where it must be, and of its type; else the SDK's user is told which is not."""

    def test_values_have_types(self) -> None:
        values = read(
            SPEC, parse_form("amount=5&confirm=true&name=&card[number]=4&expand[]=a&created[gt]=4&created[lte]=9")
        )

        assert values == {
            "amount": 5,
            "confirm": True,
            "name": None,
            "card": {"number": "4"},
            "expand": ["a"],
            "created": {"from": 5, "to": 9},
        }

    @pytest.mark.parametrize(
        ("text", "code", "param", "message"),
        [
            ("amount=1&foo=1", "parameter_unknown", "foo", "Received unknown parameter: foo"),
            ("amount=1&foo=1&bar=2", "parameter_unknown", "foo", "Received unknown parameters: foo, bar"),
            ("amount=x&foo=1", "parameter_unknown", "foo", "Received unknown parameter: foo"),
            ("amount=1&card[cvv]=1", "parameter_unknown", "card[cvv]", "Received unknown parameter: card[cvv]"),
            ("", "parameter_missing", "amount", "Missing required param: amount."),
            ("amount=x", "parameter_invalid_integer", "amount", "Invalid integer: x"),
            ("amount=0", "parameter_invalid_integer", "amount", "greater than or equal to 1"),
            ("amount=", "parameter_invalid_empty", "amount", "You passed an empty string for 'amount'"),
            ("amount=" + "9" * 5000, "parameter_invalid_integer", "amount", "Invalid integer"),
            ("amount=1&mode=lazy", None, "mode", "Invalid mode: must be one of fast or slow"),
            ("amount=1&speed=2", None, "speed", "Invalid speed: must be one of fast, medium, or slow"),
            ("amount=1&confirm=1", "parameter_invalid_boolean", "confirm", "Invalid boolean: 1"),
            ("amount=1&card=4", "parameter_invalid_hash", "card", "must be a hash"),
            ("amount=1&name[a]=4", "parameter_invalid_string", "name", "must be a string"),
            ("amount=1&name=12345678901", "parameter_invalid_string", "name", "at most 10"),
            ("amount=1&expand[a]=b", "parameter_invalid_array", "expand", "must be a list"),
            ("amount=1&expand[]=a&expand[]=b&expand[]=c", None, "expand", "at most 2 items"),
            ("amount=1&metadata[a][b]=c", "parameter_invalid_string", "metadata[a]", "must be a string"),
            ("amount=1&metadata[" + "k" * 41 + "]=c", None, "metadata", "at most 40"),
        ],
    )
    def test_a_refusal_names_the_parameter(self, text: str, code: str | None, param: str, message: str) -> None:
        error = refused(text)

        assert (error.status, error.code, error.param) == (400, code, param)
        assert message in error.message

    @pytest.mark.parametrize(
        "text", ["name=4242424242424242", "metadata[a]=no 4242 4242 4242 4242", "metadata[4242424242424242]=x"]
    )
    def test_a_card_number_where_it_would_be_shown_is_refused(self, text: str) -> None:
        wide = {**SPEC, "name": Text(100)}

        with pytest.raises(ApiError, match="has a card number in it"):
            read(wide, parse_form(f"amount=1&{text}"))

    @given(st.uuids())
    def test_an_identifier_is_not_taken_for_a_card(self, identifier: UUID) -> None:
        assert not carries_card_number(str(identifier))
        assert not carries_card_number(f"order-{identifier.hex}")

    def test_a_card_number_in_the_wrong_place_is_masked_in_the_refusal(self) -> None:
        for text in (
            "4242424242424242=1&amount=1",
            "amount=1&confirm=4242424242424242",
            "amount=1&mode=4242424242424242",
        ):
            assert "4242424242424242" not in str(refused(text).body())

    @given(
        st.dictionaries(NAMES, TREES, max_size=4),
        st.sampled_from([n for n in dir(specs) if n.isupper() and n[0] != "_"]),
    )
    def test_any_form_is_read_or_refused_by_every_operation(self, tree: dict[str, Any], name: str) -> None:
        with suppress(ApiError):
            assert read(getattr(specs, name), tree).keys() == tree.keys()


class TestMetadata:
    """Metadata is merged key by key; an empty value removes a key, an empty whole removes all."""

    def test_keys_are_added_replaced_and_removed(self) -> None:
        assert json.loads(metadata_after('{"a": "1", "b": "2"}', {"metadata": {"b": None, "c": "3"}})) == {
            "a": "1",
            "c": "3",
        }
        assert metadata_after('{"a": "1"}', {"metadata": None}) == "{}"

    def test_fifty_keys_are_the_limit(self) -> None:
        current = {f"k{number}": "v" for number in range(50)}

        with pytest.raises(ApiError):
            metadata_after(json.dumps(current), {"metadata": {"one more": "v"}})
