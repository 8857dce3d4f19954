"""The banks' stores: migrations make the tables that the code describes, and rows have their columns in order."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, MetaData, create_engine, inspect
from sqlalchemy.ext.asyncio import create_async_engine

import banks.acquirer.store
import banks.issuer.store
from banks.core.cards import Card
from banks.core.intents import IntentRow, IntentTombstoneRow
from banks.core.memory import Memory
from banks.core.requests import CounterRow, RequestRow, TakenRequest, TombstoneRow
from banks.issuer.handler import undecided
from banks.ledger import AccountRow, EntryRow, HeadRow, HoldRow
from node.journal import DatabaseUrl, Rows, open_journal
from tests.support.banks import AcquirerBench, IssuerBench, at_acquirer, at_issuer
from tests.support.postgres import session_of

STORES = [
    pytest.param("banks.issuer.migrations", banks.issuer.store.METADATA, id="issuer"),
    pytest.param("banks.acquirer.migrations", banks.acquirer.store.METADATA, id="acquirer"),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | DatabaseUrl:
    """Where a bank's books may be."""
    if request.param == "sqlite":
        return tmp_path / "bank.db"
    found: DatabaseUrl = request.getfixturevalue("postgres").place()
    return found


class TestMigrations:
    """A database that was migrated is the one that METADATA describes."""

    @pytest.mark.parametrize(("migrations", "metadata"), STORES)
    def test_migrations_and_tables_agree(self, place: Path | DatabaseUrl, migrations: str, metadata: MetaData) -> None:
        made, keys, indexes = anyio.run(_migrated, place, migrations)

        assert made == {
            name: [(column.name, str(column.type), bool(column.nullable)) for column in table.columns]
            for name, table in metadata.tables.items()
        }
        assert keys == {name: list(table.primary_key.columns.keys()) for name, table in metadata.tables.items()}
        assert indexes == {
            (table.name, index.name, tuple(index.columns.keys()))
            for table in metadata.tables.values()
            for index in table.indexes
        }


async def _migrated(place: Path | DatabaseUrl, migrations: str) -> tuple[object, object, object]:
    """Return columns, primary keys and indexes of a database that a node has opened."""
    journal = open_journal(place, MetaData(), migrations)
    await journal.load()
    if isinstance(place, Path):
        engine = create_engine(f"sqlite:///{place}")
        with engine.connect() as connection:
            found = _shape(connection)
        engine.dispose()
    else:
        beside = create_async_engine("postgresql+asyncpg://", async_creator=partial(session_of, place))
        async with beside.connect() as session:
            found = await session.run_sync(_shape)
        await beside.dispose()
    await journal.aclose()
    return found


def _shape(connection: Connection) -> tuple[object, object, object]:
    found = inspect(connection)
    made = {
        table: [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(table)]
        for table in found.get_table_names()
        if table != "alembic_version"
    }
    keys = {table: found.get_pk_constraint(table)["constrained_columns"] for table in made}
    indexes = {
        (table, index["name"], tuple(index["column_names"])) for table in made for index in found.get_indexes(table)
    }
    return made, keys, indexes


class TestRows:
    """A row type lists its table's columns, in order."""

    @pytest.mark.parametrize(
        ("metadata", "table", "row"),
        [
            (banks.issuer.store.METADATA, "cards", Card),
            (banks.issuer.store.METADATA, "requests", RequestRow),
            (banks.issuer.store.METADATA, "tombstones", TombstoneRow),
            (banks.issuer.store.METADATA, "counters", CounterRow),
            (banks.issuer.store.METADATA, "accounts", AccountRow),
            (banks.issuer.store.METADATA, "holds", HoldRow),
            (banks.issuer.store.METADATA, "entries", EntryRow),
            (banks.issuer.store.METADATA, "heads", HeadRow),
            (banks.acquirer.store.METADATA, "intents", IntentRow),
            (banks.acquirer.store.METADATA, "tombstones", IntentTombstoneRow),
            (banks.acquirer.store.METADATA, "counters", CounterRow),
        ],
    )
    def test_of_each_table(self, metadata: MetaData, table: str, row: type[tuple[object, ...]]) -> None:
        assert list(row._fields) == metadata.tables[table].columns.keys()  # type: ignore[attr-defined]


class TestOnDisk:
    """What the memory journal takes, a file and a server take too, and give back the same in the same order."""

    @pytest.mark.parametrize(
        ("build", "metadata", "migrations"),
        [
            (lambda: _busy_issuer(), banks.issuer.store.METADATA, "banks.issuer.migrations"),
            (lambda: _busy_acquirer(), banks.acquirer.store.METADATA, "banks.acquirer.migrations"),
        ],
        ids=["issuer", "acquirer"],
    )
    def test_a_restart_from_disk_is_a_restart_from_memory(
        self,
        place: Path | DatabaseUrl,
        build: Callable[[], IssuerBench | AcquirerBench],
        metadata: MetaData,
        migrations: str,
    ) -> None:
        bench = build()

        async def kept() -> Rows:
            journal = open_journal(place, metadata, migrations)
            try:
                await journal.load()
                for turn in bench.turns:
                    if turn.stores:
                        await journal.commit(turn.stores)
                return await journal.load()
            finally:
                await journal.aclose()

        on_disk, in_memory = anyio.run(kept), bench.journal.read()
        assert on_disk == {table: [tuple(row) for row in rows] for table, rows in in_memory.items()}


def _busy_issuer() -> IssuerBench:
    bench = IssuerBench()
    for number in range(1, 5):
        bench.ask(at_issuer(f"{number:06d}"))
    return bench


def _busy_acquirer() -> AcquirerBench:
    bench = AcquirerBench()
    for number in range(1, 5):
        bench.gateway_says(at_acquirer(f"{number:06d}"))
    bench.network_answers()
    bench.pass_time(15.0)
    return bench


class TestMemory:
    """What is settled may be forgotten, oldest first; what is open or still needed may not."""

    def test_the_oldest_settled_record_goes_first(self) -> None:
        memory: Memory[TakenRequest] = Memory(settled_max=2)
        for number in range(1, 5):
            memory.add(_taken(number))
        for number in range(1, 4):
            memory.settle(_taken(number))

        assert [memory.get(str(number)) is not None for number in range(1, 5)] == [False, True, True, True]
        assert not memory.is_complete

    def test_a_pinned_record_stays_until_it_is_unpinned(self) -> None:
        memory: Memory[TakenRequest] = Memory(settled_max=1)
        kept = _taken(1)
        memory.add(kept)
        memory.settle(kept)
        memory.pin(kept)
        for number in (2, 3):
            memory.add(_taken(number))
            memory.settle(_taken(number))
        while_pinned = memory.get("1")
        memory.unpin(kept)
        memory.settle(_taken(4))

        assert while_pinned is kept
        assert memory.get("1") is None

    def test_nothing_of_a_forgotten_record_stays_behind(self) -> None:
        memory: Memory[TakenRequest] = Memory(settled_max=0)
        record = _taken(1)
        memory.add(record)

        memory.settle(record)

        assert [memory.named(name) for name in record.names()] == [[], []]

    def test_what_was_settled_again_is_as_young_as_that(self) -> None:
        memory: Memory[TakenRequest] = Memory(settled_max=2)
        for number in (1, 2, 1, 3):
            memory.add(_taken(number))
            memory.settle(_taken(number))

        assert [memory.get(str(number)) is not None for number in (1, 2, 3)] == [True, False, True]

    def test_a_record_at_work_is_not_forgotten_for_one_of_its_key_that_was_settled_before(self) -> None:
        memory: Memory[TakenRequest] = Memory(settled_max=2)
        memory.add(_taken(1))
        memory.settle(_taken(1))
        memory.forget(_taken(1))
        at_work = _taken(1)
        memory.add(at_work)

        for number in (2, 3, 4):
            memory.add(_taken(number))
            memory.settle(_taken(number))

        assert memory.get("1") is at_work

    def test_what_is_settled_while_the_journal_is_asked_stays_until_it_has_answered(self) -> None:
        memory: Memory[TakenRequest] = Memory(settled_max=1)
        memory.add(_taken(1))
        memory.settle(_taken(1))
        first, second = memory.asking(), memory.asking()
        for number in (2, 3):
            memory.add(_taken(number))
            memory.settle(_taken(number))
        memory.answered(first)
        memory.settle(_taken(3))
        meanwhile = [memory.get(str(number)) is not None for number in (1, 2, 3)]

        memory.answered(second)
        memory.settle(_taken(3))

        assert meanwhile == [False, True, True]
        assert [memory.get(str(number)) is not None for number in (2, 3)] == [False, True]

    def test_a_settled_record_that_is_taken_up_again_stays(self) -> None:
        memory: Memory[TakenRequest] = Memory(settled_max=1)
        memory.add(_taken(1))
        memory.settle(_taken(1))

        memory.reopen(_taken(1))
        for number in (2, 3):
            memory.add(_taken(number))
            memory.settle(_taken(number))

        assert memory.get("1") is not None


def _taken(number: int) -> TakenRequest:
    return TakenRequest(undecided(str(number), at_issuer(f"{number:06d}")))


class TestExamples:
    """What a docstring shows is what happens."""

    @pytest.mark.parametrize(
        "name",
        [
            "asked",
            "avs",
            "cards",
            "identity",
            "intents",
            "kinds",
            "memory",
            "merchants",
            "requests",
            "scripts",
            "tracks",
        ],
    )
    def test_of_each_module(self, name: str) -> None:
        results = doctest.testmod(importlib.import_module(f"banks.core.{name}"))

        assert results.failed == 0
