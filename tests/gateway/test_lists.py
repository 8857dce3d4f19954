"""Lists: the same pages from both stores, in time that does not depend on how many rows there are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from gateway.core.books import Books, Span
from gateway.core.records import Charge, Claim, Customer, Intent, Method
from gateway.core.records_account import Event
from gateway.core.search import read_query
from gateway.memory import MemoryBooks
from gateway.store_books import SqlBooks
from tests.support.gateway import OTHER_SECRET_KEY, Shop
from tests.support.oracle import check
from tests.support.rows import charge, customer, sql_books

BOUND = st.none() | st.integers(0, 4)


class TestPages:
    """Every page is a stretch of one order, whichever way it is asked for."""

    @given(
        st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["a", "b"]), st.booleans()), max_size=9),
        st.integers(1, 4),
        BOUND,
        BOUND,
        st.booleans(),
    )
    @settings(deadline=None)
    def test_both_stores_walk_the_same_order_both_ways(
        self, drawn: list[tuple[int, str, bool]], limit: int, start: int | None, end: int | None, is_filtered: bool
    ) -> None:
        where: dict[str, Any] = {"account": "acct_1", **({"customer": "a"} if is_filtered else {})}
        rows = [
            charge(number, created=created, customer=whose, account="acct_1" if is_own else "acct_2")
            for number, (created, whose, is_own) in enumerate(drawn)
        ]
        is_timed = start is not None or end is not None
        expected = [row.id for row in rows if row.account == "acct_1" and (not is_filtered or row.customer == "a")]
        by_id = {row.id: row for row in rows}
        expected = [
            name
            for name in expected
            if (start is None or by_id[name].created >= start) and (end is None or by_id[name].created <= end)
        ]
        if is_timed:
            expected.sort(key=lambda name: by_id[name].created)

        memory = MemoryBooks()
        with sql_books() as sql:
            for books in (memory, sql):
                for row in rows:
                    books.add(row)
                assert walked(books, where, Span(limit, None, None, start, end)) == expected[::-1]
                assert climbed(books, where, Span(limit, None, None, start, end)) == expected

    def test_a_clock_that_was_set_back_does_not_hide_a_new_row_from_who_reads_on(self) -> None:
        with sql_books() as books:
            for number, created in enumerate((500, 400, 300)):
                books.add(customer(number, created=created))

            page = books.page(Customer, {"account": "acct_1"}, Span(before="cus_1"))

            assert [row.id for row in page] == ["cus_2"]


def walked(books: Books, where: dict[str, Any], span: Span) -> list[str]:
    names: list[str] = []
    while page := books.page(Charge, where, span):
        names += [row.id for row in page]
        span = span._replace(after=names[-1])
    return names


def climbed(books: Books, where: dict[str, Any], span: Span) -> list[str]:
    """Walk from the oldest row to the newest: from the row before which there is nothing."""
    names: list[str] = []
    everything = books.page(Charge, where, span._replace(limit=100))
    if not everything:
        return []
    names.append(everything[-1].id)
    while page := books.page(Charge, where, span._replace(before=names[-1])):
        names += [row.id for row in page][::-1]
    return names


ACCOUNT = {"account": "acct_1"}
CREATED = Span(11, None, None, 10, 20)
CASES: list[tuple[Any, dict[str, Any], Span]] = [
    (kind, ACCOUNT, span)
    for kind in (Customer, Method, Intent, Charge, Event)
    for span in (Span(), Span(after="x_1"), Span(before="x_1"), CREATED, CREATED._replace(after="x_1"))
]
CASES += [
    (Customer, {**ACCOUNT, "deleted": 0}, Span()),
    (Customer, {**ACCOUNT, "email": "a@b", "deleted": 0}, Span()),
    (Method, {**ACCOUNT, "customer": "cus_1"}, Span(after="x_1")),
    (Intent, {**ACCOUNT, "customer": "cus_1"}, Span(before="x_1")),
    (Charge, {**ACCOUNT, "customer": "cus_1"}, Span()),
    (Charge, {**ACCOUNT, "intent": "pi_1"}, Span()),
    (Event, {**ACCOUNT, "type": ("charge.failed", "charge.succeeded")}, Span()),
]


class Watched:
    """What SQLite plans to do for every question that some books ask."""

    def __init__(self, books: SqlBooks) -> None:
        self.books = books
        self.plans: list[str] = []

    def __enter__(self) -> Watched:
        self.books._connection.connection.set_trace_callback(self.note)  # type: ignore[attr-defined]
        self.asked: list[str] = []
        return self

    def note(self, statement: str) -> None:
        self.asked.append(statement)

    def __exit__(self, *_: object) -> None:
        connection = self.books._connection
        connection.connection.set_trace_callback(None)  # type: ignore[attr-defined]
        for statement in self.asked:
            if statement.startswith("SELECT"):
                plan = connection.execute(text(f"EXPLAIN QUERY PLAN {statement}".replace(":", "\\:")))
                self.plans += [row[3] for row in plan]


class TestPlans:
    """No list looks at rows that it does not show, and none has to sort."""

    @pytest.mark.parametrize(("kind", "where", "span"), CASES)
    def test_a_page_is_read_along_an_index(self, kind: Any, where: dict[str, Any], span: Span) -> None:
        with sql_books() as books:
            row = {"Customer": customer(1, id="x_1"), "Charge": charge(1, id="x_1")}.get(kind.__name__)
            if row is not None:
                books.add(row)
            with Watched(books) as watched:
                books.page(kind, where, span)

        assert watched.plans
        assert [plan for plan in watched.plans if not plan.startswith("SEARCH")] == []
        assert all("INDEX" in plan for plan in watched.plans)

    def test_a_time_of_one_customer_is_found_among_that_customers_rows(self) -> None:
        with sql_books() as books, Watched(books) as watched:
            books.page(Charge, {**ACCOUNT, "customer": "cus_1"}, CREATED)

        (looked, *_) = watched.plans
        assert looked == "SEARCH charges USING INDEX charges_list_customer (account=? AND customer=?)"

    def test_a_search_looks_at_one_account_only_and_does_not_sort(self) -> None:
        with sql_books() as books, Watched(books) as watched:
            books.search(Charge, ACCOUNT, read_query('status:"failed" metadata["a"]:"b"', "charges"), 9, 10)

        looked = [plan for plan in watched.plans if "charges" in plan or "TEMP" in plan]
        assert looked
        assert [plan for plan in looked if not plan.startswith("SEARCH charges USING")] == []

    def test_old_claims_are_found_by_their_age(self) -> None:
        with sql_books() as books:
            plan = books._connection.execute(
                text("EXPLAIN QUERY PLAN SELECT seq FROM claims WHERE claimed_at < 9 ORDER BY claimed_at LIMIT 5")
            )

            assert [row[3] for row in plan] == [
                "SEARCH claims USING COVERING INDEX claims_by_claimed_at (claimed_at<?)"
            ]


class TestCursors:
    """A cursor is an id of the caller's own rows, and there is one of them."""

    def test_another_accounts_id_is_no_cursor(self, shop: Shop) -> None:
        mine = shop.post("/v1/customers").json()["id"]
        other = {"authorization": f"Bearer {OTHER_SECRET_KEY}"}
        shop.post("/v1/customers", **other)

        for name in ("starting_after", "ending_before"):
            answer = shop.get(f"/v1/customers?{name}={mine}", **other)

            found = answer.json()["error"]
            assert (answer.status_code, found["code"], found["param"]) == (400, "resource_missing", name)
            assert found["message"] == f"No such customer: '{mine}'"

    def test_both_cursors_are_one_too_many(self, memory_shop: Shop) -> None:
        one = memory_shop.post("/v1/customers").json()["id"]

        answer = memory_shop.get(f"/v1/customers?starting_after={one}&ending_before={one}")

        assert answer.status_code == 400
        assert "Please pass in only one" in answer.json()["error"]["message"]

    def test_a_page_within_a_time_goes_on_where_it_stopped(self, shop: Shop) -> None:
        names = []
        for _ in range(5):
            names.append(shop.post("/v1/customers").json()["id"])
            shop.gateway.pass_time(10)
        first = int(shop.gateway.business_at.timestamp()) - 50
        path = f"/v1/customers?limit=2&created[gte]={first + 10}&created[lt]={first + 40}"

        page = shop.get(path).json()
        more = shop.get(f"{path}&starting_after={names[2]}").json()
        back = shop.get(f"{path}&ending_before={names[1]}").json()

        assert [item["id"] for item in page["data"]] == [names[3], names[2]]
        assert [item["id"] for item in more["data"]] == [names[1]]
        assert [item["id"] for item in back["data"]] == [names[3], names[2]]
        assert (page["has_more"], more["has_more"], back["has_more"]) == (True, False, False)


class TestSearches:
    """What a search answers is read by the official client, page by page."""

    def test_pages_follow_each_other(self, shop: Shop) -> None:
        from urllib.parse import quote

        names = [shop.post("/v1/customers", {"metadata": {"tier": "gold"}}).json()["id"] for _ in range(5)]
        shop.post("/v1/customers", {"metadata": {"tier": "tin"}})
        query = quote('metadata["tier"]:"GOLD"')
        path = f"/v1/customers/search?limit=2&query={query}"

        pages, token = [], ""
        while not pages or pages[-1]["has_more"]:
            pages.append(shop.get(path + token).json())
            token = f"&page={pages[-1]['next_page']}"
        counted = shop.get(f"{path}&expand[]=total_count").json()

        assert [item["id"] for page in pages for item in page["data"]] == names[::-1]
        assert [len(page["data"]) for page in pages] == [2, 2, 1]
        assert (pages[0]["object"], pages[0]["url"], pages[-1]["next_page"]) == (
            "search_result",
            "/v1/customers/search",
            None,
        )
        assert counted["total_count"] == 5
        assert [finding for page in pages for item in page["data"] for finding in check(item)] == []

    def test_payments_and_charges_are_found_by_what_became_of_them_and_expanded(self, shop: Shop) -> None:
        from tests.support.gateway import declined, payment

        paid = shop.paid(metadata={"order": "7"})
        shop.gateway.acquirer.script = declined("51")
        shop.post("/v1/payment_intents", payment(amount=999))

        succeeded = shop.get("/v1/payment_intents/search?query=status:'succeeded'&expand[]=data.latest_charge").json()
        failed = shop.get("/v1/charges/search?query=status:'failed'%20amount<1000").json()
        by_card = shop.get("/v1/charges/search?query=payment_method_details.card.last4:4242").json()

        assert [item["id"] for item in succeeded["data"]] == [paid["id"]]
        assert succeeded["data"][0]["latest_charge"]["object"] == "charge"
        assert [item["amount"] for item in failed["data"]] == [999]
        assert len(by_card["data"]) == 2

    def test_another_accounts_rows_are_not_found(self, shop: Shop) -> None:
        shop.post("/v1/customers", {"name": "Ada"})

        found = shop.get("/v1/customers/search?query=name:'ada'", authorization=f"Bearer {OTHER_SECRET_KEY}")

        assert (found.status_code, found.json()["data"]) == (200, [])

    def test_a_deleted_customer_is_not_found(self, shop: Shop) -> None:
        name = shop.post("/v1/customers").json()["id"]
        shop.send("DELETE", f"/v1/customers/{name}")

        assert shop.get("/v1/customers/search?query=created>0").json()["data"] == []

    @pytest.mark.parametrize(
        ("query", "param"),
        [
            ("", "query"),
            ("query=", "query"),
            ("query=asdf", "query"),
            ("query=name:'4242424242424242'", "query"),
            ("query=created>0&page=xyz", "page"),
            ("query=created>0&page=MTIuYWJj", "page"),
            ("query=created>0&limit=101", "limit"),
            ("query=created>0&starting_after=cus_1", "starting_after"),
            ("query=created>0&expand[]=customer", "expand"),
        ],
    )
    def test_a_bad_search_is_refused(self, memory_shop: Shop, query: str, param: str) -> None:
        answer = memory_shop.get(f"/v1/customers/search?{query}")

        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)

    def test_the_page_of_one_query_is_none_of_another(self, memory_shop: Shop) -> None:
        for _ in range(2):
            memory_shop.post("/v1/customers")
        token = memory_shop.get("/v1/customers/search?query=created>0&limit=1").json()["next_page"]

        assert memory_shop.get(f"/v1/customers/search?query=created>0&page={token}").status_code == 200
        assert memory_shop.get(f"/v1/customers/search?query=created>1&page={token}").status_code == 400


class TestForgetting:
    """Answers that are too old to be replayed are deleted; what still runs is not."""

    @pytest.mark.parametrize("is_sql", [False, True])
    def test_only_old_answers_go(self, is_sql: bool) -> None:
        rows = [
            Claim("acct_1", f"k{at}", "d", "req", at, status, "")
            for at, status in ((1, 200), (2, 0), (3, 402), (9, 200))
        ]
        with sql_books() as sql:
            books: Books = sql if is_sql else MemoryBooks()
            for row in rows:
                books.add(row)

            counts = [books.forget_claims(5, 1), books.forget_claims(5, 10), books.forget_claims(5, 10)]

            assert counts == [1, 1, 0]
            assert [row.key for row in books.find(Claim, {})] == ["k2", "k9"]
