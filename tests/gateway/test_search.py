"""The search language: what is written is what is read, and every store finds what the rule says."""

from __future__ import annotations

import doctest
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import books as port
from gateway.core import search
from gateway.core.books import Books
from gateway.core.errors import ApiError
from gateway.core.records import Charge, Customer
from gateway.core.search import CLAUSES_MAX, SEARCHABLE, Clause, matches, parse, read_query
from gateway.memory import MemoryBooks
from tests.support.rows import charge, customer, intent, sql_books

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
WORDS = st.sampled_from(["ada", "ADA Lovelace", "ada@example.com", "äDA", 'a"b', "a'b", "a\\b", "😀", "", "17", "null"])
VALUES = st.one_of(TEXT, WORDS)
FIELDS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,6}", fullmatch=True).filter(lambda name: name != "metadata")
OPERATORS = st.sampled_from([":", "~", ">", "<", ">=", "<="])
CLAUSES = st.one_of(
    st.builds(Clause, FIELDS, st.none(), OPERATORS, st.none() | VALUES, st.booleans()),
    st.builds(Clause, st.just("metadata"), VALUES, OPERATORS, st.none() | VALUES, st.booleans()),
)


def quoted(text: str, mark: str) -> str:
    return mark + text.replace("\\", "\\\\").replace(mark, f"\\{mark}") + mark


def written(clauses: list[Clause], glue: str, mark: str = '"') -> str:
    pieces = []
    for one in clauses:
        key = "" if one.key is None else f"[{quoted(one.key, mark)}]"
        value = "null" if one.value is None else quoted(one.value, mark)
        pieces.append(f"{'-' if one.is_negated else ''}{one.field}{key}{one.operator}{value}")
    return glue.join(pieces)


class TestLanguage:
    """A query is its clauses, however they are quoted and joined."""

    @given(
        st.lists(CLAUSES, min_size=1, max_size=CLAUSES_MAX),
        st.sampled_from([" ", "  ", " AND ", " and ", " OR ", " or "]),
        st.sampled_from("\"'"),
    )
    def test_what_is_written_is_what_is_read(self, clauses: list[Clause], glue: str, mark: str) -> None:
        is_any = len(clauses) > 1 and glue.strip().lower() == "or"

        assert parse(written(clauses, glue, mark)) == (clauses, is_any)

    @given(st.text(max_size=40) | st.text("a:~-'\"\\[]>< \n", max_size=40))
    def test_any_text_is_a_query_or_a_refusal(self, text: str) -> None:
        with suppress(ApiError):
            read_query(text, "customers")

    def test_numbers_and_truth_values_need_no_quotes(self) -> None:
        clauses, _ = parse("amount>=1000 refunded:true payment_method_details.card.last4:0005")

        assert [one.value for one in clauses] == ["1000", "true", "0005"]

    def test_the_example_is_right(self) -> None:
        assert doctest.testmod(search).failed == 0

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "unable to parse"),
            ("asdf", "unable to parse"),
            ("email:ada", "unable to parse"),
            ('email:"ada', "unable to parse"),
            ('email:"ada"x', "unable to parse"),
            ('metadata:"x"', "unable to parse"),
            ('email["x"]:"x"', "unable to parse"),
            ("created>1 AND", "unable to parse"),
            ("AND created>1", "unable to parse"),
            ("created>1 AND OR created<9", "unable to parse"),
            ('(email:"ada")', "unable to parse"),
            ("created>1 AND created<9 OR created:5", "not with both"),
            ("created>1 created<9 OR created:5", "not with both"),
            (" ".join(["created>1"] * 11), "at most 10 clauses"),
            ('foo:"bar"', "Field `foo` is an unsupported search field for resource `customers`."),
            ('created:"soon"', "needs a whole number"),
            ("created:" + "9" * 30, "unable to parse"),
            ('email>"a"', "Operator `>` is not supported"),
            ("created~123", "Operator `~` is not supported"),
            ("created>null", "`null` may only be used"),
            ('email~"ad"', "at least 3 characters"),
        ],
    )
    def test_a_refusal_says_what_is_wrong(self, text: str, message: str) -> None:
        with pytest.raises(ApiError) as caught:
            read_query(text, "customers")

        assert (caught.value.status, caught.value.param) == (400, "query")
        assert message in caught.value.message

    def test_a_long_hostile_query_is_refused_quickly(self) -> None:
        for text in ('a:"' + "\\" * 50_001, "a" * 50_000, "-" * 50_000, "a." * 25_000 + ":", 'a:"' + '\\"' * 25_000):
            with pytest.raises(ApiError):
                parse(text)


def found(text: str, *rows: Any, resource: str = "customers") -> list[str]:
    return [row.id for row in rows if matches(read_query(text, resource), row)]


class TestMeaning:
    """Equality and substrings do not see the case of letters; an absent value only equals null."""

    @pytest.mark.parametrize(
        ("text", "numbers"),
        [
            ('email:"ADA@example.com"', [1]),
            ('email~"example"', [1, 2]),
            ('-email:"ada@example.com"', [2, 3]),
            ("email:null", [3]),
            ("-email:null", [1, 2]),
            ('name:"ada lovelace"', [1]),
            ('metadata["tier"]:"GOLD"', [2]),
            ('metadata["Tier"]:"gold"', []),
            ('metadata["tier"]:null', [1, 3]),
            ('-metadata["tier"]:null', [2]),
            ("created>1 created<3", [2]),
            ("created<=1 OR created>=3", [1, 3]),
            ('created>1 name:"ada lovelace"', []),
        ],
    )
    def test_customers(self, text: str, numbers: list[int]) -> None:
        rows = (
            customer(1, email="ada@example.com", name="Ada Lovelace"),
            customer(2, email="Eve@Example.com", metadata={"tier": "gold"}),
            customer(3),
        )

        assert found(text, *rows) == [f"cus_{number}" for number in numbers]

    def test_an_id_is_found_in_its_own_case_only(self) -> None:
        row = intent(1, customer="cus_aB")

        assert found('customer:"cus_aB"', row, resource="payment_intents") == ["pi_1"]
        assert found('customer:"cus_ab"', row, resource="payment_intents") == []

    def test_a_charge_is_found_by_its_card_its_postal_code_and_whether_it_was_given_back(self) -> None:
        row = charge(
            1,
            card={"last4": "0005", "exp_month": 12, "brand": "amex"},
            details={"billing_details": {"address": {"postal_code": "SW1A 1AA"}}},
            status="succeeded",
            amount_released=500,
            amount_refunded=1500,
        )

        for text in (
            "payment_method_details.card.last4:0005",
            "payment_method_details.card.exp_month>11",
            'billing_details.address.postal_code:"sw1a 1aa"',
            "refunded:true disputed:false",
            'payment_method_details.card.brand:"amex" -status:"failed"',
        ):
            assert found(text, row, resource="charges") == ["ch_1"], text
        assert found("refunded:true", row._replace(amount_released=0), resource="charges") == []


def known(resource: str) -> st.SearchStrategy[str]:
    """Return legal clauses on a resource."""

    def of(name: str) -> st.SearchStrategy[Clause]:
        kind = SEARCHABLE[resource][name].type.value
        value = {"numeric": st.integers(0, 8).map(str)}.get(kind, VALUES)
        signs = {"numeric": [":", ">", "<", ">=", "<="], "string": [":", "~"]}.get(kind, [":"])
        legal = st.builds(Clause, st.just(name), st.none(), st.sampled_from(signs), value, st.booleans())
        null = st.builds(Clause, st.just(name), st.none(), st.just(":"), st.none(), st.booleans())
        return st.one_of(legal.filter(lambda one: one.operator != "~" or len(one.value or "") > 2), null)

    entry = st.builds(Clause, st.just("metadata"), VALUES, st.just(":"), st.none() | VALUES, st.booleans())
    clause = st.one_of(entry, *(of(name) for name in SEARCHABLE[resource]))
    return st.builds(written, st.lists(clause, min_size=1, max_size=3), st.sampled_from([" ", " OR "]))


NOTES = st.dictionaries(VALUES, VALUES, max_size=2)
CUSTOMERS = st.builds(
    lambda number, **more: customer(number, **more),
    st.integers(0, 8),
    email=st.none() | VALUES,
    name=st.none() | VALUES,
    phone=st.none() | VALUES,
    metadata=NOTES,
)
CHARGES = st.builds(
    lambda number, card, code, **more: charge(
        number, card=card, details={"billing_details": code and {"address": {"postal_code": code}}}, **more
    ),
    st.integers(0, 8),
    st.fixed_dictionaries(
        {},
        optional={"brand": VALUES, "last4": VALUES, "exp_month": st.integers(0, 8), "exp_year": st.integers(0, 8)},
    ),
    st.none() | VALUES,
    amount=st.integers(0, 8),
    amount_released=st.integers(0, 4),
    amount_refunded=st.integers(0, 4),
    customer=st.none() | VALUES,
    status=VALUES | st.just("succeeded"),
    metadata=NOTES,
)


class TestStores:
    """Both stores find what the rule says, newest first, in pieces or at once, in the asked account only."""

    @given(st.lists(CUSTOMERS, max_size=6), known("customers"), st.integers(1, 4))
    @settings(deadline=None)
    def test_customers(self, rows: list[Customer], text: str, limit: int) -> None:
        self.agree(Customer, rows, text, "customers", limit)

    @given(st.lists(CHARGES, max_size=6), known("charges"), st.integers(1, 4))
    @settings(deadline=None)
    def test_charges(self, rows: list[Charge], text: str, limit: int) -> None:
        self.agree(Charge, rows, text, "charges", limit)

    def agree(self, kind: Any, drawn: list[Any], text: str, resource: str, limit: int) -> None:
        rows = [row._replace(id=f"row_{index}") for index, row in enumerate(drawn)]
        strangers = [row._replace(id=f"other_{index}", account="acct_2") for index, row in enumerate(drawn)]
        query = read_query(text, resource)

        memory = MemoryBooks()
        with sql_books() as sql:
            for pair in zip(strangers, rows, strict=True):
                for row in pair:
                    memory.add(row)
                    sql.add(row)
            walked = [walk(books, kind, query, limit) for books in (memory, sql)]

        expected = [row for row in reversed(rows) if matches(query, row)]
        assert walked == [expected, expected]


def walk(books: Books, kind: Any, query: search.Query, limit: int) -> list[Any]:
    rows, below = [], None
    while True:
        step = books.search(kind, {"account": "acct_1"}, query, below, limit)
        rows += [row for _, row in step.rows]
        below = step.below
        if below is None:
            return rows


class TestScan:
    """One step of a search looks at a bounded number of rows, and says where the next one goes on."""

    def test_a_needle_is_found_in_several_steps(self) -> None:
        query = read_query('email:"needle@example.com"', "customers")
        count = port.SCAN_MAX + 5
        memory = MemoryBooks()
        with sql_books() as sql:
            for books in (memory, sql):
                books.add(customer(0, email="needle@example.com"))
                for number in range(1, count):
                    books.add(customer(number))
                first = books.search(Customer, {"account": "acct_1"}, query, None, 10)
                second = books.search(Customer, {"account": "acct_1"}, query, first.below, 10)

                assert (first.rows, first.below) == ([], 6)
                assert [row.id for _, row in second.rows] == ["cus_0"]
                assert second.below is None

    def test_metadata_of_a_row_is_read_as_json(self) -> None:
        row = customer(1, metadata={'a"b': "€"})

        assert json.loads(row.metadata) == {'a"b': "€"}
        assert found("metadata['a\"b']:'€'", row) == ["cus_1"]
