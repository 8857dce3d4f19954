"""What a transaction writes at its end: the rows as its units of work left them, each in one statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.books import KEYS, Books, Conflict, Span
from gateway.core.records import Claim, Customer, Terminal
from gateway.memory import MemoryStore
from gateway.store import SqliteStore
from gateway.store_pending import key_of
from gateway.store_tables import TABLES

TOO_LARGE = 2**63
"""No SQLite column holds this number."""


def customer(number: int, created: int = 0) -> Customer:
    return Customer(f"cus_{number}", "acct_1", created or number, None, "{}", "{}", 0)


class File:
    """A store, and the statements that change its rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changes: list[str] = []

    def write(self, *works: Callable[[Books], Any]) -> list[Any]:
        """Run units of work at the same moment; return each one's result or exception."""
        results: list[Any] = [None] * len(works)

        async def one(store: SqliteStore, index: int, work: Callable[[Books], Any]) -> None:
            try:
                results[index] = await store.write(work)
            except Exception as error:
                results[index] = error

        async def run() -> None:
            store = SqliteStore(self.path)
            store._driver.set_trace_callback(self._traced)
            async with anyio.create_task_group() as tasks:
                for index, work in enumerate(works):
                    tasks.start_soon(one, store, index, work)
            await store.aclose()

        self.changes.clear()
        anyio.run(run)
        return results

    def customers(self) -> list[tuple[str, str | None]]:
        """Return id and address of each customer in the file, in the order of insertion."""
        connection = sqlite3.connect(self.path)
        rows = connection.execute("SELECT id, email FROM customers ORDER BY seq").fetchall()
        connection.close()
        return rows

    def _traced(self, statement: str) -> None:
        if statement.startswith(("INSERT", "UPDATE")):
            self.changes.append(" ".join(statement.split()))


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "gateway.db")


class TestRowsAreWrittenOnce:
    """However often a transaction touches a row, the file hears of it once, and of what changed alone."""

    def test_a_row_that_is_made_and_changed_is_one_insert(self, file: File) -> None:
        def work(books: Books) -> None:
            books.add(customer(1))
            books.put(customer(1)._replace(email="first@b"))
            books.put(customer(1)._replace(email="last@b"))

        file.write(work)

        assert [change[:6] for change in file.changes] == ["INSERT"]
        assert file.customers() == [("cus_1", "last@b")]

    def test_a_row_that_was_read_is_told_only_what_changed(self, file: File) -> None:
        file.write(lambda books: books.add(Claim("acct_1", "key", "digest", "req_1", 7, 0, "")))

        def work(books: Books) -> None:
            held = books.get(Claim, "acct_1", "key")
            assert held is not None
            books.put(held._replace(status=200, body="{}"))

        file.write(work)

        (change,) = file.changes
        assert "status" in change
        assert "claimed_at" not in change

    def test_a_row_that_stays_as_it_was_is_not_written(self, file: File) -> None:
        file.write(lambda books: books.add(customer(1)))

        file.write(lambda books: books.put(books.get(Customer, "cus_1") or customer(2)))

        assert not file.changes

    def test_a_row_that_was_not_read_is_replaced_whole(self, file: File) -> None:
        file.write(lambda books: books.add(customer(1)))

        file.write(lambda books: books.put(customer(1)._replace(email="a@b")))

        assert file.customers() == [("cus_1", "a@b")]

    def test_rows_keep_the_order_in_which_they_were_added(self, file: File) -> None:
        def work(books: Books) -> None:
            books.add(customer(2))
            books.add(customer(1))
            books.put(customer(2)._replace(email="a@b"))

        file.write(work)

        assert file.customers() == [("cus_2", "a@b"), ("cus_1", None)]


class TestQuestionsSeeWhatIsPending:
    """Whoever asks for rows of a table sees what its transaction has told of them so far."""

    def test_found_and_listed_rows_are_those_that_were_added_and_put(self, file: File) -> None:
        file.write(lambda books: books.add(customer(1)))

        def work(books: Books) -> tuple[list[Customer], list[Customer]]:
            books.put(customer(1)._replace(email="a@b"))
            books.add(customer(2))
            found = books.find(Customer, {"account": "acct_1"})
            books.put(customer(2)._replace(email="c@d"))
            return found, books.page(Customer, {"account": "acct_1"}, Span(10))

        ((found, page),) = file.write(work)

        assert [(row.id, row.email) for row in found] == [("cus_1", "a@b"), ("cus_2", None)]
        assert [(row.id, row.email) for row in page] == [("cus_2", "c@d"), ("cus_1", "a@b")]

    def test_a_claim_that_was_forgotten_can_be_made_anew(self, file: File) -> None:
        old = Claim("acct_1", "key", "digest", "req_1", 7, 200, "{}")
        file.write(lambda books: books.add(old))

        def work(books: Books) -> Claim | None:
            assert books.get(Claim, "acct_1", "key") == old
            assert books.forget_claims(8, 10) == 1
            assert books.get(Claim, "acct_1", "key") is None
            books.add(old._replace(request="req_2"))
            return books.get(Claim, "acct_1", "key")

        assert file.write(work) == [old._replace(request="req_2")]


class TestRowsThatCannotBeKept:
    """What the file refuses at the end harms the unit of work that told it, and nobody else."""

    def test_a_key_that_exists_is_a_conflict_of_whoever_added_it(self, file: File) -> None:
        file.write(lambda books: books.add(customer(1)))

        results = file.write(lambda books: books.add(customer(1)), lambda books: books.add(customer(2)))

        assert [type(result) for result in results] == [Conflict, type(None)]
        assert [name for name, _ in file.customers()] == ["cus_1", "cus_2"]

    def test_a_value_that_no_column_holds_fails_alone_and_says_so(self, file: File) -> None:
        results = file.write(
            lambda books: books.add(customer(1, TOO_LARGE)),
            lambda books: len(books.find(Customer, {})),
            lambda books: books.put(Terminal("T", 1)),
        )

        assert [type(result) for result in results] == [OverflowError, int, type(None)]
        assert file.customers() == []

    def test_a_unit_that_is_alone_hears_of_it_too(self, file: File) -> None:
        file.write(lambda books: books.add(customer(1)))

        (result,) = file.write(lambda books: books.add(customer(1)))

        assert isinstance(result, Conflict)


Step = tuple[str, int, int]
"""What is done, to which customer, and the second in which it was made."""
STEPS = st.tuples(st.sampled_from(["get", "add", "put", "find", "page", "fail"]), st.integers(1, 3), st.integers(0, 2))
ROUNDS = st.lists(st.lists(st.lists(STEPS, max_size=5), min_size=1, max_size=4), min_size=1, max_size=4)
"""Rounds of units of work that run at the same moment, each of some steps."""


def unit(account: str, steps: Sequence[Step]) -> Callable[[Books], list[Any]]:
    """Return a unit of work on the customers of an account; its result is what it saw."""

    def work(books: Books) -> list[Any]:
        seen: list[Any] = []
        for what, number, created in steps:
            row = Customer(f"cus_{account}_{number}", account, created, None, "{}", "{}", 0)
            if what == "get":
                seen.append(books.get(Customer, row.id))
            elif what == "add":
                books.add(row)
            elif what == "put":
                books.put(row)
            elif what == "find":
                seen.append(books.find(Customer, {"account": account}))
            elif what == "page":
                seen.append(books.page(Customer, {"account": account}, Span(10)))
            else:
                raise RuntimeError("the unit of work fails")
        return seen

    return work


async def outcome(store: MemoryStore | SqliteStore, work: Callable[[Books], Any]) -> Any:
    """Return the result of a unit of work; "failed" if it did: a key that nobody read is a conflict only at the end."""
    try:
        return await store.write(work)
    except (Conflict, RuntimeError):
        return "failed"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BlockingPortal, SqliteStore]]:
    with start_blocking_portal() as portal:
        store = portal.call(SqliteStore, tmp_path_factory.mktemp("store") / "gateway.db")
        yield portal, store
        portal.call(store.aclose)


class TestAgainstRowsInMemory:
    """Whatever units of work do, together or in turn: what they see, what fails, and what is left is as in memory."""

    accounts = count()

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rounds=ROUNDS)
    def test_the_same_is_seen_and_kept(
        self, opened: tuple[BlockingPortal, SqliteStore], rounds: list[list[list[Step]]]
    ) -> None:
        portal, store = opened
        account, memory = f"acct_{next(self.accounts)}", MemoryStore()
        looking = [("find", 1, 0), ("page", 1, 0)]

        async def run() -> None:
            for units in [*rounds, [looking]]:
                works = [unit(account, steps) for steps in units]
                results: list[Any] = [None] * len(works)

                async def one(index: int, work: Callable[[Books], Any], results: list[Any]) -> None:
                    results[index] = await outcome(store, work)

                async with anyio.create_task_group() as tasks:
                    for index, work in enumerate(works):
                        tasks.start_soon(one, index, work, results)
                assert results == [await outcome(memory, work) for work in works]

        portal.call(run)

    def test_every_kind_of_row_has_its_key_in_one_piece(self) -> None:
        for kind in TABLES:
            fields = kind._fields
            assert key_of(kind(*fields)) == KEYS[kind.__name__]
