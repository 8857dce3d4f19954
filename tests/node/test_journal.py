"""The journal's contract, in a SQLite file, in a PostgreSQL schema and in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

from node.core.find import Find
from node.journal import Journal, MemoryJournal, Rows, SqliteJournal, StoreError, open_journal, saf_table
from tests.support.migrations import write_migrations

T = TypeVar("T")

METADATA = MetaData()
saf_table(METADATA)
Table(
    "entries",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("text", Text),
    info={"append_only": True},
)
Table("history", METADATA, Column("id", Text, primary_key=True), Column("rrn", Text), info={"open": None})
Table("marks", METADATA, Column("name", Text, primary_key=True))
Table(
    "odd",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("order", Integer, nullable=True),
    Column("hold", LargeBinary, nullable=True),
)

Open = Callable[[], Journal]


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A migration package for the tables above, written for this test."""
    return write_migrations(tmp_path, monkeypatch, "tests.node.test_journal")


@pytest.fixture(params=["sqlite", "postgresql", "memory"])
def journal_again(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Open the same journal, as often as it is called; one at a time."""
    if request.param == "memory":
        only = MemoryJournal(METADATA)
        return lambda: only
    package = request.getfixturevalue("migrations")
    if request.param == "sqlite":
        return lambda: SqliteJournal(tmp_path / "node.db", METADATA, package)
    place = request.getfixturevalue("postgres").place()
    return lambda: open_journal(place, METADATA, package)


def saf_row(identifier: str, state: str = "waiting", attempts: int = 0) -> tuple[object, ...]:
    return (identifier, "issuer-a", "card", "0420", "{}", state, attempts, "now")


def during(opened: Open, does: Callable[[Journal], Awaitable[T]]) -> T:
    """Open a journal as a node does, do something with it, close it."""

    async def life() -> T:
        journal = opened()
        try:
            await journal.load()
            return await does(journal)
        finally:
            await journal.aclose()

    return anyio.run(life)


def commit(opened: Open, *turns: dict[str, list[Any]]) -> None:
    async def do(journal: Journal) -> None:
        for stores in turns:
            await journal.commit(stores)

    during(opened, do)


def loaded(opened: Open) -> Rows:
    return during(opened, lambda journal: journal.load())


class TestTheContract:
    """All rows of a turn become durable together; a row replaces its predecessor; history is found by its columns."""

    def test_a_restart_loads_open_rows_in_order_and_no_history(self, journal_again: Open) -> None:
        commit(
            journal_again,
            {"saf": [saf_row("b"), saf_row("a"), saf_row("c")], "history": [("1", "rrn")]},
            {"saf": [saf_row("b", attempts=2), saf_row("c", state="done")]},
        )

        rows = loaded(journal_again)

        assert rows["saf"] == [saf_row("b", attempts=2), saf_row("a")]
        assert "history" not in rows

    def test_of_a_row_that_a_turn_writes_twice_the_last_words_stay_in_the_first_place(
        self, journal_again: Open
    ) -> None:
        commit(journal_again, {"saf": [saf_row("b"), saf_row("a"), saf_row("b", attempts=3), saf_row("c")]})

        assert loaded(journal_again)["saf"] == [saf_row("b", attempts=3), saf_row("a"), saf_row("c")]

    def test_history_is_found_by_its_columns_newest_last(self, journal_again: Open) -> None:
        commit(journal_again, {"history": [(str(number), "same") for number in range(5)] + [("5", "other")]})

        found = during(journal_again, lambda journal: journal.find(Find("history", {"rrn": "same"}, limit=2)))

        assert found == [("3", "same"), ("4", "same")]

    def test_what_was_committed_is_found_at_once(self, journal_again: Open) -> None:
        async def do(journal: Journal) -> list[tuple[object, ...]]:
            await journal.commit({"history": [("1", "mine")]})
            return await journal.find(Find("history", {"id": "1", "rrn": "mine"}))

        assert during(journal_again, do) == [("1", "mine")]

    @pytest.mark.parametrize(
        "again",
        [{"entries": [(1, "forged")]}, {"entries": [(1, "first")]}, {"entries": [(2, "new"), (1, "forged")]}],
        ids=["changed", "the same", "beside a new one"],
    )
    def test_an_append_only_row_is_never_replaced_and_its_turn_changes_nothing(
        self, journal_again: Open, again: dict[str, list[Any]]
    ) -> None:
        commit(journal_again, {"entries": [(1, "first")]})

        with pytest.raises(StoreError):
            commit(journal_again, {"saf": [saf_row("x")], **again})

        rows = loaded(journal_again)
        assert rows["entries"] == [(1, "first")]
        assert rows["saf"] == []

    def test_a_row_of_another_length_than_its_table_changes_nothing(self, journal_again: Open) -> None:
        with pytest.raises(StoreError):
            commit(journal_again, {"marks": [("kept",)], "history": [("1", "rrn", "more")]})

        assert loaded(journal_again)["marks"] == []

    def test_a_table_of_keys_alone_takes_a_key_twice(self, journal_again: Open) -> None:
        commit(journal_again, {"marks": [("a",), ("b",), ("a",)]}, {"marks": [("b",)]})

        assert loaded(journal_again)["marks"] == [("a",), ("b",)]

    def test_names_that_sql_knows_otherwise_and_every_kind_of_value_come_back(self, journal_again: Open) -> None:
        rows = [("k", 2**62, None, b"\x00\xff"), ("", -1, -(2**31), None), ("'\"; --", 0, 2**31 - 1, b"")]
        commit(journal_again, {"odd": rows})

        assert loaded(journal_again)["odd"] == rows

    def test_many_rows_come_back_in_order_and_what_they_have_in_common_is_in_memory_once(
        self, journal_again: Open
    ) -> None:
        rows = [saf_row(f"{number:05d}", attempts=number) for number in range(11_000)]
        commit(journal_again, {"saf": rows[::-1]})

        found = loaded(journal_again)["saf"]

        assert found == rows[::-1]
        assert len({id(row[5]) for row in found[:10_000]}) == 1

    def test_closing_twice_is_closing(self, journal_again: Open) -> None:
        async def do(journal: Journal) -> None:
            await journal.aclose()

        during(journal_again, do)

    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        turns=st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "odd": st.lists(
                        st.tuples(
                            st.sampled_from(["a", "b"]),
                            st.integers(0, 1),
                            st.none() | st.integers(-(2**31), 2**31 - 1),
                            st.none() | st.binary(max_size=3),
                        ),
                        min_size=1,
                    ),
                    "history": st.lists(
                        st.tuples(
                            st.sampled_from(["1", "2", "3"]),
                            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
                        ),
                        min_size=1,
                    ),
                },
            ),
            max_size=4,
        )
    )
    def test_it_keeps_what_memory_keeps(self, journal_again: Open, turns: list[dict[str, list[Any]]]) -> None:
        model = MemoryJournal(METADATA)
        model.write({"odd": [tuple(row) for row in loaded(journal_again)["odd"]], "history": _history(journal_again)})
        for turn in turns:
            model.write(turn)

        commit(journal_again, *turns)

        assert loaded(journal_again)["odd"] == model.read()["odd"]
        assert _history(journal_again) == [*model.rows["history"].values()]


def _history(opened: Open) -> list[tuple[object, ...]]:
    return during(opened, lambda journal: journal.find(Find("history", {}, limit=100)))
