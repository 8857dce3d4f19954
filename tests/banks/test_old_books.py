"""A database of an earlier version opens: its books pass the audit, its payments go on, its answers stay the same."""

from __future__ import annotations

import json
import sqlite3
from importlib import resources
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config

from banks.issuer.store import METADATA
from banks.ledger import AccountRow, EntryRow, HoldRow, verify
from node.migrate import upgrade
from tests.support.banks import IssuerBench, at_issuer, reversal_at_issuer

MIGRATIONS = "banks.issuer.migrations"
TABLES = ("cards", "requests", "accounts", "holds", "entries", "heads", "counters", "tombstones")
SCRIPTED = {"scripted_code": "", "answer_after_ms": 0, "answers": 1}


def old_database(path: Path, bench: IssuerBench) -> None:
    """Write what is in the books of a bench as the version before the life of payments would have."""
    config = Config()
    config.attributes["connection"] = None
    config.set_main_option("script_location", str(resources.files("node") / "alembic"))
    config.set_main_option("version_locations", str(Path(str(resources.files(MIGRATIONS))) / "versions"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    command.upgrade(config, "0002")
    database = sqlite3.connect(path)
    for table in TABLES:
        names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        for row in bench.rows(table):
            stored = {**SCRIPTED, **row, "cvv2_result": cvv2_result(row)}
            places = ", ".join("?" * len(names))
            database.execute(f"INSERT INTO {table} VALUES ({places})", [stored[name] for name in names])
    database.commit()
    database.close()


def cvv2_result(row: dict[str, Any]) -> str:
    """Return the CVV2 result that an answer carries."""
    answer: dict[str, str] = json.loads(row.get("answer") or "{}")
    return answer.get("48", "")[5:6]


def opened(path: Path) -> IssuerBench:
    """Migrate a database, and return an issuer that has restarted from it."""
    upgrade(path, MIGRATIONS)
    database = sqlite3.connect(path)
    bench = IssuerBench()
    for table in TABLES:
        bench.journal.rows[table].clear()
        columns = ", ".join(METADATA.tables[table].columns.keys())
        bench.journal.write({table: database.execute(f"SELECT {columns} FROM {table}").fetchall()})
    database.close()
    bench.restart()
    return bench


class TestOldBooks:
    """What an earlier version has written is read as it was meant."""

    def test_every_row_is_what_this_version_would_have_written(self, tmp_path: Path) -> None:
        bench = IssuerBench()
        bench.ask(at_issuer("000001"))
        bench.ask(at_issuer("000002", de4="000099999999"))
        bench.ask(at_issuer("000003"))
        old_database(tmp_path / "issuer.db", bench)

        after = opened(tmp_path / "issuer.db")

        for table in TABLES:
            assert after.rows(table) == bench.rows(table)

    def test_its_chain_and_its_open_holds_pass_the_audit(self, tmp_path: Path) -> None:
        bench = IssuerBench()
        for number in range(1, 30):
            bench.ask(at_issuer(f"{number:06d}", de4="000000000100"))
        bench.ask(reversal_at_issuer(at_issuer("000007")))
        old_database(tmp_path / "issuer.db", bench)

        rows = opened(tmp_path / "issuer.db").journal.rows

        entries = [EntryRow(*row) for row in rows["entries"].values()]
        holds = [hold for hold in (HoldRow(*row) for row in rows["holds"].values()) if hold.state == "open"]
        assert verify(entries, [AccountRow(*row) for row in rows["accounts"].values()], holds) == []

    def test_a_payment_of_then_can_be_repeated_and_reversed_now(self, tmp_path: Path) -> None:
        bench = IssuerBench()
        first = bench.ask(at_issuer())
        old_database(tmp_path / "issuer.db", bench)
        after = opened(tmp_path / "issuer.db")

        repeat = after.ask(at_issuer().as_repeat())
        after.ask(reversal_at_issuer(at_issuer()))

        assert repeat == first
        assert after.held_minor == 0
        assert after.audit() == []
