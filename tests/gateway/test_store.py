"""The store port: both adapters keep the same promises."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from gateway.core.books import Books, Conflict, Span, Store
from gateway.core.records import Claim, Customer, Obligation, Terminal
from gateway.memory import MemoryStore
from gateway.store import MIGRATIONS, SqliteStore
from gateway.store_tables import METADATA
from node.journal import StoreError
from node.migrate import upgrade

T = TypeVar("T")


def customer(number: int, account: str = "acct_1", created: int = 0) -> Customer:
    return Customer(f"cus_{number}", account, created or number, None, "{}", "{}", 0)


def duty(charge: str, due_at: int, leased_until: int | None = None, state: str = "open") -> Obligation:
    return Obligation(f"{charge}/capture/1", charge, state, 0, due_at, leased_until, None)


class Keeper:
    """A store with a blocking face."""

    def __init__(self, store: Store, portal: BlockingPortal) -> None:
        self.store = store
        self.portal = portal

    def write(self, work: Callable[[Books], T]) -> T:
        return self.portal.call(self.store.write, work)

    def read(self, work: Callable[[Books], T]) -> T:
        return self.portal.call(self.store.read, work)

    def keep(self, *rows: Any) -> None:
        self.write(lambda books: [books.add(row) for row in rows])

    def write_together(self, works: list[Callable[[Books], Any]]) -> list[Any]:
        """Run units of work at the same moment; return each one's result or exception."""

        async def run() -> list[Any]:
            results: list[Any] = [None] * len(works)

            async def one(index: int, work: Callable[[Books], Any]) -> None:
                try:
                    results[index] = await self.store.write(work)
                except Exception as error:
                    results[index] = error

            async with anyio.create_task_group() as tasks:
                for index, work in enumerate(works):
                    tasks.start_soon(one, index, work)
            return results

        return self.portal.call(run)


@pytest.fixture(params=["memory", "sqlite"])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Keeper]:
    with start_blocking_portal() as portal:
        store: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "gateway.db")
        yield Keeper(store, portal)
        portal.call(store.aclose)


class TestRows:
    """A row is what was last put under its key."""

    def test_a_row_that_was_added_is_found_by_its_key(self, keeper: Keeper) -> None:
        keeper.keep(customer(1))

        assert keeper.read(lambda books: books.get(Customer, "cus_1")) == customer(1)
        assert keeper.read(lambda books: books.get(Customer, "cus_2")) is None

    def test_a_key_of_two_columns_needs_both(self, keeper: Keeper) -> None:
        row = Claim("acct_1", "key", "digest", "req_1", 0, 0, "")
        keeper.keep(row, row._replace(account="acct_2", status=200))

        found = keeper.write(lambda books: books.get(Claim, "acct_2", "key"))

        assert found is not None
        assert found.status == 200

    def test_put_replaces_a_row_and_keeps_its_place(self, keeper: Keeper) -> None:
        keeper.keep(customer(1), customer(2))

        keeper.write(lambda books: books.put(customer(1)._replace(email="a@b")))

        rows = keeper.read(lambda books: books.find(Customer, {}))
        assert [(row.id, row.email) for row in rows] == [("cus_1", "a@b"), ("cus_2", None)]

    def test_put_inserts_a_row_that_is_not_there(self, keeper: Keeper) -> None:
        keeper.write(lambda books: books.put(Terminal("RAILS001", 7)))

        assert keeper.read(lambda books: books.get(Terminal, "RAILS001")) == Terminal("RAILS001", 7)

    def test_a_second_row_with_the_same_key_is_a_conflict(self, keeper: Keeper) -> None:
        keeper.keep(customer(1))

        with pytest.raises(Conflict):
            keeper.keep(customer(1)._replace(email="other@b"))

        assert keeper.read(lambda books: books.get(Customer, "cus_1")) == customer(1)


class TestUnitsOfWork:
    """A unit of work happens whole or not at all, whoever it shares a transaction with."""

    def test_an_exception_undoes_everything_the_unit_did(self, keeper: Keeper) -> None:
        keeper.keep(customer(1))

        def work(books: Books) -> None:
            books.put(customer(1)._replace(email="changed@b"))
            books.add(customer(2))
            raise ValueError("mine")

        with pytest.raises(ValueError, match="mine"):
            keeper.write(work)

        assert keeper.read(lambda books: books.find(Customer, {})) == [customer(1)]

    def test_a_unit_sees_what_it_wrote(self, keeper: Keeper) -> None:
        def work(books: Books) -> Customer | None:
            books.add(customer(1))
            return books.get(Customer, "cus_1")

        assert keeper.write(work) == customer(1)

    def test_neighbours_do_not_notice_a_unit_that_fails_after_it_wrote(self, keeper: Keeper) -> None:
        def fails(books: Books) -> None:
            books.add(customer(9))
            raise ValueError("mine alone")

        results = keeper.write_together(
            [lambda books: books.add(customer(1)), fails, lambda books: books.add(customer(2)), fails]
        )

        assert [type(result) for result in results] == [type(None), ValueError, type(None), ValueError]
        rows = keeper.read(lambda books: books.find(Customer, {}))
        assert {row.id for row in rows} == {"cus_1", "cus_2"}

    def test_units_of_one_moment_see_each_other_in_order(self, keeper: Keeper) -> None:
        def count(books: Books) -> int:
            row = books.get(Terminal, "T") or Terminal("T", 0)
            books.put(row._replace(stan=row.stan + 1))
            return row.stan + 1

        results = keeper.write_together([count] * 20)

        assert sorted(results) == list(range(1, 21))

    def test_a_conflict_belongs_to_the_unit_that_came_second(self, keeper: Keeper) -> None:
        results = keeper.write_together([lambda books: books.add(customer(1))] * 3)

        assert sum(isinstance(result, Conflict) for result in results) == 2


class TestPages:
    """A list is newest first, whatever the clock said, and its cursors walk it without gaps."""

    def test_pages_walk_from_the_newest_to_the_oldest(self, keeper: Keeper) -> None:
        keeper.keep(*(customer(number, created=5) for number in range(1, 6)))
        walked, after = [], None

        while page := keeper.read(lambda books: books.page(Customer, {}, Span(2, after))):  # noqa: B023
            walked += [row.id for row in page]
            after = walked[-1]

        assert walked == ["cus_5", "cus_4", "cus_3", "cus_2", "cus_1"]

    def test_a_page_before_a_row_is_the_one_next_to_it(self, keeper: Keeper) -> None:
        keeper.keep(*(customer(number) for number in range(1, 6)))

        page = keeper.read(lambda books: books.page(Customer, {}, Span(2, before="cus_2")))

        assert [row.id for row in page] == ["cus_4", "cus_3"]

    def test_time_bounds_are_inclusive(self, keeper: Keeper) -> None:
        keeper.keep(*(customer(number) for number in range(1, 6)))

        page = keeper.read(lambda books: books.page(Customer, {}, Span(created_from=2, created_to=4)))

        assert [row.id for row in page] == ["cus_4", "cus_3", "cus_2"]

    def test_only_rows_that_fit_are_listed(self, keeper: Keeper) -> None:
        keeper.keep(customer(1), customer(2, account="acct_2"))

        page = keeper.read(lambda books: books.page(Customer, {"account": "acct_2"}, Span()))

        assert [row.id for row in page] == ["cus_2"]

    def test_any_value_of_a_tuple_fits_and_pages_of_them_walk_both_ways(self, keeper: Keeper) -> None:
        keeper.keep(*(customer(number)._replace(email="abc"[number % 3]) for number in range(1, 10)))
        where = {"account": "acct_1", "email": ("a", "c")}

        first = keeper.read(lambda books: books.page(Customer, where, Span(4)))
        rest = keeper.read(lambda books: books.page(Customer, where, Span(4, after=first[-1].id)))
        back = keeper.read(lambda books: books.page(Customer, where, Span(1, before=rest[0].id)))
        none = keeper.read(lambda books: books.page(Customer, {"email": ()}, Span(4)))

        assert [row.id for row in first] == ["cus_9", "cus_8", "cus_6", "cus_5"]
        assert [row.id for row in rest] == ["cus_3", "cus_2"]
        assert back == [first[-1]]
        assert none == []

    def test_a_cursor_that_names_nothing_lists_nothing(self, keeper: Keeper) -> None:
        keeper.keep(customer(1))

        assert keeper.read(lambda books: books.page(Customer, {}, Span(after="cus_0"))) == []


class TestDuties:
    """A duty can be taken when it is open, due, and nobody holds it."""

    def test_the_longest_due_comes_first_and_leased_or_done_ones_do_not(self, keeper: Keeper) -> None:
        keeper.keep(
            duty("later", 90),
            duty("first", 10),
            duty("future", 101),
            duty("held", 5, leased_until=200),
            duty("lapsed", 20, leased_until=100),
            duty("done", 1, state="done"),
        )

        assert [row.charge for row in keeper.read(lambda books: books.due(100, 10))] == ["first", "lapsed", "later"]


class TestFile:
    """The SQLite file has one writer and one shape."""

    def test_another_writer_is_refused(self, tmp_path: Path) -> None:
        with start_blocking_portal() as portal:
            store = SqliteStore(tmp_path / "gateway.db")

            with pytest.raises(StoreError, match="another process"):
                SqliteStore(tmp_path / "gateway.db")

            portal.call(store.aclose)

    def test_rows_survive_a_restart(self, tmp_path: Path) -> None:
        with start_blocking_portal() as portal:
            first = SqliteStore(tmp_path / "gateway.db")
            Keeper(first, portal).keep(customer(1))
            portal.call(first.aclose)

            second = SqliteStore(tmp_path / "gateway.db")

            assert Keeper(second, portal).read(lambda books: books.get(Customer, "cus_1")) == customer(1)
            portal.call(second.aclose)

    def test_who_reads_sees_one_moment(self, tmp_path: Path) -> None:
        async def run() -> tuple[Customer | None, Customer | None]:
            store = SqliteStore(tmp_path / "gateway.db")
            await store.write(lambda books: books.add(customer(1)))

            def work(books: Books) -> tuple[Customer | None, Customer | None]:
                before = books.get(Customer, "cus_1")
                await_only(store.write(lambda books: books.put(customer(1)._replace(email="b@example.com"))))
                return before, books.get(Customer, "cus_1")

            seen = await store.read(work)
            await store.aclose()
            return seen

        assert anyio.run(run) == (customer(1), customer(1))

    def test_a_commit_that_is_refused_is_told_to_everybody_in_the_group(self, tmp_path: Path) -> None:
        with start_blocking_portal() as portal:
            keeper = Keeper(SqliteStore(tmp_path / "gateway.db"), portal)
            intruder = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
            intruder.execute("BEGIN IMMEDIATE")

            results = keeper.write_together([lambda books: books.put(customer(1))] * 2)
            intruder.execute("ROLLBACK")
            intruder.close()

            assert [type(result) for result in results] == [StoreError] * 2
            assert keeper.write(lambda books: books.find(Customer, {})) == []
            portal.call(keeper.store.aclose)

    def test_migrations_and_tables_agree(self, tmp_path: Path) -> None:
        migrated, declared = tmp_path / "migrated.db", tmp_path / "declared.db"
        upgrade(migrated, MIGRATIONS)
        engine = create_engine(f"sqlite:///{declared}", poolclass=NullPool)
        METADATA.create_all(engine)

        assert shape(migrated) == shape(declared)


def shape(path: Path) -> dict[str, Any]:
    found = inspect(create_engine(f"sqlite:///{path}", poolclass=NullPool))
    return {
        table: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(table)],
            found.get_pk_constraint(table)["constrained_columns"],
            sorted((item["name"], tuple(item["column_names"])) for item in found.get_unique_constraints(table)),
            sorted((item["name"], tuple(item["column_names"])) for item in found.get_indexes(table)),
        )
        for table in sorted(found.get_table_names())
        if table != "alembic_version"
    }
