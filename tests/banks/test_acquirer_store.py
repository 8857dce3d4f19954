"""The acquirer's tables: rows in their columns' order, earlier databases, and the directory that is in them."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from banks.acquirer.host import build_acquirer
from banks.acquirer.migrations import versions
from banks.acquirer.store import METADATA
from banks.core.batches import BatchRow
from banks.core.clearings import ClearingRow
from banks.core.fees import FeePlanRow
from banks.core.merchants import Directory, Merchant, Terminal
from banks.ledger import AccountRow, EntryRow, HeadRow, HoldRow
from iso import dialect
from node.journal import SqliteJournal
from node.migrate import revisions, upgrade
from tests.support.acquirer import SHOP, MoneyBench, capture_of, refund_of, totals_of
from tests.support.banks import AcquirerBench, at_acquirer

MIGRATIONS = "banks.acquirer.migrations"


def make_earlier(path: Path, bench: AcquirerBench) -> None:
    """Write the rows of a bench into a database of the revision before the acquirer had a ledger."""
    package = path.parent / "earlier_acquirer"
    (package / "versions").mkdir(parents=True)
    (package / "__init__.py").touch()
    for file in sorted(Path(versions.__path__[0]).glob("000[12]_*.py")):
        shutil.copy(file, package / "versions")
    upgrade(path, "earlier_acquirer")
    database = sqlite3.connect(path)
    for table in ("intents", "counters"):
        names = [column[1] for column in database.execute(f"PRAGMA table_info({table})")]
        for row in bench.rows(table):
            places = ",".join("?" for _ in names)
            database.execute(f"INSERT INTO {table} VALUES ({places})", [row[name] for name in names])
    database.commit()
    database.close()


class TestRows:
    """A row type lists its table's columns, in order."""

    @pytest.mark.parametrize(
        ("table", "row"),
        [
            ("clearings", ClearingRow),
            ("merchants", Merchant),
            ("terminals", Terminal),
            ("fee_plans", FeePlanRow),
            ("batches", BatchRow),
            ("accounts", AccountRow),
            ("holds", HoldRow),
            ("entries", EntryRow),
            ("heads", HeadRow),
        ],
    )
    def test_of_each_table(self, table: str, row: type[tuple[object, ...]]) -> None:
        assert list(row._fields) == METADATA.tables[table].columns.keys()  # type: ignore[attr-defined]


class TestOnDisk:
    """What the memory journal takes, SQLite takes too, and gives back the same."""

    @pytest.mark.trio
    async def test_a_restart_from_sqlite_is_a_restart_from_memory(self, tmp_path: Path) -> None:
        bench = MoneyBench()
        bench.paid()
        bench.told(capture_of(at_acquirer(), "000002", 1_000, more=True))
        bench.paid(refund_of(at_acquirer(), "000003", 500))
        bench.told(totals_of())
        journal = SqliteJournal(tmp_path / "acquirer.db", METADATA, MIGRATIONS)
        try:
            for turn in bench.turns:
                if turn.stores:
                    await journal.commit(turn.stores)

            on_disk = await journal.load()
        finally:
            await journal.aclose()

        in_memory = bench.journal.read()
        assert {table: sorted(map(tuple, rows)) for table, rows in on_disk.items()} == {
            table: sorted(map(tuple, rows)) for table, rows in in_memory.items()
        }


class TestEarlierDatabases:
    """A database of an earlier version opens, and what it approved can be captured."""

    @pytest.mark.trio
    async def test_an_approval_of_before_is_a_payment_that_stands(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "acquirer.db"
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer())
        bench.network_answers()
        monkeypatch.syspath_prepend(str(tmp_path))
        make_earlier(path, bench)

        journal = SqliteJournal(path, METADATA, MIGRATIONS)
        try:
            (row,) = journal.select("intents", {"state": "approved"}, 10)
            counters = (await journal.load())["counters"]
        finally:
            await journal.aclose()

        later = MoneyBench()
        later.journal.write({"intents": [row], "counters": counters})
        later.restart()
        assert later.told(capture_of(at_acquirer(), "000002")).response_code == "00"
        assert later.balance("network") == -4_200

    def test_there_is_one_revision_per_step(self) -> None:
        assert revisions(MIGRATIONS)[:3] == ["0001", "0002", "0003"]


class TestDirectory:
    """What is in the database wins over what the configuration says; the configuration only adds."""

    def test_a_change_outlives_a_restart_with_the_old_configuration(self) -> None:
        bench = MoneyBench()
        shop = bench.host.books.directory.merchants[SHOP.identifier]
        bench.host.books.put_merchant(shop.changed({"reserve_bp": 0}), bench.turns[-1])
        bench.journal.write({"merchants": bench.turns[-1].stored("merchants")})

        bench.restart()

        assert bench.host.books.directory.merchants[SHOP.identifier].reserve_bp == 0

    def test_what_is_new_in_the_configuration_is_added(self) -> None:
        bench = MoneyBench()
        more = Directory([Merchant("NEW", "New", "5999", "US", "Here")], [Terminal("TERM0009", "NEW")])
        bench._build = lambda: build_acquirer(dialect("pos-bcd87"), dialect("net-bin87"), more)

        bench.start()

        directory = bench.host.books.directory
        assert {"NEW", SHOP.identifier} <= directory.merchants.keys()
        assert {"TERM0009", "TERM0001"} <= directory.terminals.keys()
