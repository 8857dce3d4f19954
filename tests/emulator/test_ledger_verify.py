"""`cardrails ledger verify`: a whole ledger is whole, and whatever is changed in the file is found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from banks.acquirer.node import open_journal as acquirer_journal
from banks.issuer.node import open_journal as issuer_journal
from banks.ledger import Ledger
from emulator.cli import main
from emulator.ledgers import PROBLEMS_MAX, LedgerFileError, audit, ledger_files
from node.core.turn import Turn
from node.journal import Journal

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
ENTRIES = 6


def write(journal: Journal) -> None:
    """Open some accounts, and do every kind of thing on them."""
    ledger, turn = Ledger(), Turn(AT)
    ledger.open_account("equity/840", "840", turn, may_overdraw=True)
    ledger.open_account("card/840", "840", turn)
    ledger.transfer("equity/840", "card/840", 10_000, "opening balance", turn)
    ledger.hold("h1", "card/840", 4_000, 60, "payment/1", turn)
    ledger.hold("h2", "card/840", 500, 60, "payment/2", turn)
    ledger.hold("h3", "card/840", 700, 60, "payment/3", turn)
    ledger.post("h1", "equity/840", 3_500, "payment/1", turn)
    ledger.void("h2", "payment/2", turn)

    async def commit() -> None:
        await journal.commit(turn.stores)
        await journal.aclose()

    anyio.run(commit)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(issuer_journal(tmp_path / "issuer-a.db"))
    write(acquirer_journal(tmp_path / "acquirer.db"))
    (tmp_path / "switch.db").touch()
    return tmp_path


def verify(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main(["ledger", "verify", "--data-dir", str(folder), "--json", *words])
    return code, json.loads(capsys.readouterr().out)


def change(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        assert database.execute(statement).rowcount == 1


def columns() -> Iterator[str]:
    """Yield a change of each column of an entry."""
    yield from ("kind = 'transfer'", "debit = 'card/841'", "credit = 'card/841'", "currency = '978'")
    yield from ("at = at + 1", "amount_minor = amount_minor + 1", "hold = 'h9'", "reference = 'gift'")
    yield from (f"hash = '{'0' * 64}'", "debit_before = 0", "credit_before = 3", "sequence = 77")
    yield from ("amount_minor = 'much'", "kind = X'FF'")


class TestWhole:
    """What a bank has written is whole, in every bank's file, and two runs end at the same hash."""

    def test_every_bank_of_the_folder(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, found = verify(folder, capsys)
        again = verify(folder, capsys)

        assert (code, found["ok"]) == (0, True)
        assert again == (code, found)
        assert [(one["node"], one["entries"], one["accounts"]) for one in found["ledgers"]] == [
            ("acquirer", ENTRIES, 2),
            ("issuer-a", ENTRIES, 2),
        ]
        assert {one["hash"] for one in found["ledgers"]} == {found["ledgers"][0]["hash"]}
        assert found["ledgers"][0]["totals"] == {"840": 0}

    def test_one_bank(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        _, found = verify(folder, capsys, "--node", "issuer-a")

        assert [one["node"] for one in found["ledgers"]] == ["issuer-a"]

    def test_for_people(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        capsys.readouterr()

        assert main(["ledger", "verify", "--data-dir", str(folder), "--node", "acquirer"]) == 0

        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"acquirer: whole; {ENTRIES} entries, 2 accounts"
        assert lines[1].startswith("  head ")
        assert lines[2] == "  sums 0.00 USD"

    def test_nothing_is_written(self, folder: Path) -> None:
        before = {file.name: file.read_bytes() for file in folder.iterdir()}

        audit("issuer-a", folder / "issuer-a.db")

        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before

    def test_how_far_it_is(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[tuple[str, int, int]] = []
        monkeypatch.setattr("emulator.ledgers.PROGRESS_EVERY", 2)

        audit("issuer-a", folder / "issuer-a.db", lambda *said: told.append(said))

        assert told == [("issuer-a", done, ENTRIES) for done in (2, 4, 6)]


class TestBroken:
    """Any change of any entry, balance, hold or head is found, and the first bad entry is named."""

    @pytest.mark.parametrize("changed", list(columns()))
    def test_a_changed_entry(self, folder: Path, capsys: pytest.CaptureFixture[str], changed: str) -> None:
        change(folder / "issuer-a.db", f"UPDATE entries SET {changed} WHERE sequence = 5")

        capsys.readouterr()
        code = main(["ledger", "verify", "--data-dir", str(folder), "--node", "issuer-a"])

        printed = capsys.readouterr()
        assert code == 1
        assert "  entry 5" in printed.out or "entry 77" in printed.out or "entry 5" in printed.err

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM entries WHERE sequence = 2",
            "DELETE FROM entries WHERE sequence = 6",
            "UPDATE accounts SET posted_minor = posted_minor + 1 WHERE name = 'card/840'",
            "UPDATE accounts SET held_minor = 0 WHERE name = 'card/840'",
            "UPDATE holds SET state = 'voided' WHERE identifier = 'h3'",
            "UPDATE holds SET amount_minor = 1 WHERE identifier = 'h3'",
            "UPDATE heads SET sequence = 5",
            f"UPDATE heads SET hash = '{'f' * 64}'",
            "DELETE FROM heads",
            "DELETE FROM accounts WHERE name = 'card/840'",
        ],
    )
    def test_a_changed_row(self, folder: Path, capsys: pytest.CaptureFixture[str], statement: str) -> None:
        change(folder / "issuer-a.db", statement)

        code, found = verify(folder, capsys)

        assert (code, found["ok"]) == (1, False)
        assert [one["node"] for one in found["ledgers"] if one["problems_found"]] == ["issuer-a"]

    def test_only_the_first_problems_are_shown(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with closing(sqlite3.connect(folder / "issuer-a.db")) as database, database:
            accounts = [(f"card/{number}", "840", 1, 0, 0, 0) for number in range(50)]
            database.executemany("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)", accounts)

        _, found = verify(folder, capsys, "--node", "issuer-a")

        [one] = found["ledgers"]
        assert (len(one["problems"]), one["problems_found"]) == (PROBLEMS_MAX, 51)


class TestFiles:
    """What is no bank's file is not one; what cannot be read is said in one line."""

    def test_only_banks_have_ledgers(self, folder: Path) -> None:
        assert list(ledger_files(folder)) == ["acquirer", "issuer-a"]

    def test_a_file_of_an_earlier_version(self, folder: Path) -> None:
        with closing(sqlite3.connect(folder / "issuer-a.db")) as database, database:
            database.execute("ALTER TABLE entries DROP COLUMN debit_before")

        with pytest.raises(LedgerFileError, match="earlier version"):
            audit("issuer-a", folder / "issuer-a.db")

    def test_a_file_that_is_no_database(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "issuer-b.db").write_bytes(b"not a database, but long enough to look like one" * 40)

        assert main(["ledger", "verify", "--data-dir", str(folder)]) == 1
        assert "issuer-b.db: cannot be read as a database" in capsys.readouterr().err

    @pytest.mark.parametrize("words", [["--node", "switch"], ["--data-dir", "/nowhere"]])
    def test_a_wrong_command_line(self, folder: Path, words: list[str]) -> None:
        assert main(["ledger", "verify", *(["--data-dir", str(folder)] if "--node" in words else []), *words]) == 2

    def test_a_folder_without_banks(self, tmp_path: Path) -> None:
        assert main(["ledger", "verify", "--data-dir", str(tmp_path)]) == 2
