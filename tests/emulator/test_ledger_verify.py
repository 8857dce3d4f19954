"""`cardrails ledger verify`: a whole ledger is whole, and whatever is changed in the file is found."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from banks.acquirer.node import open_journal as acquirer_journal
from banks.issuer.node import open_journal as issuer_journal
from banks.ledger import Ledger
from emulator.cli import main
from emulator.house import BANKS
from emulator.ledger_sources import BooksError
from emulator.ledgers import PROBLEMS_MAX, audit, ledger_files
from emulator.topology import default_text
from node.core.turn import Turn
from node.journal import DatabaseUrl, Journal
from tests.support.conform import free_port
from tests.support.postgres import PASSWORD, PostgresServer, session_of
from tests.support.processes import with_databases

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
        await journal.load()
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


def on_server(place: DatabaseUrl, *statements: str) -> None:
    async def run() -> None:
        session = await session_of(place)
        try:
            for statement in statements:
                assert not (await session.execute(statement)).endswith(" 0")
        finally:
            await session.close()

    anyio.run(run)


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


class TestBooksElsewhere:
    """A bank whose books are not in the folder is named, and nothing is whole without it."""

    @pytest.fixture(params=["issuer-b.messages.db", "ready.json", "ready-issuer-b.json"])
    def sign(self, folder: Path, request: pytest.FixtureRequest) -> Path:
        sign = folder / str(request.param)
        sign.write_text(json.dumps({"nodes": {"issuer-b": {}, "switch": {}}}) if sign.suffix == ".json" else "")
        return sign

    @pytest.mark.usefixtures("sign")
    def test_it_is_named(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, found = verify(folder, capsys)
        shown = main(["ledger", "verify", "--data-dir", str(folder)])

        assert (code, found["ok"], found["elsewhere"]) == (1, False, ["issuer-b"])
        assert [one["node"] for one in found["ledgers"]] == ["acquirer", "issuer-a"]
        assert shown == 1
        said = capsys.readouterr().out.splitlines()
        assert said[-1] == "issuer-b: its books are not in this folder; --topology says where"

    @pytest.mark.usefixtures("sign")
    @pytest.mark.parametrize(("node", "code"), [("issuer-a", 0), ("issuer-b", 1)])
    def test_only_who_asks_for_it_is_told(
        self, folder: Path, capsys: pytest.CaptureFixture[str], node: str, code: int
    ) -> None:
        assert verify(folder, capsys, "--node", node)[0] == code

    def test_a_ready_file_beside_the_folder_counts(
        self, folder: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ready = tmp_path_factory.mktemp("elsewhere") / "ready.json"
        ready.write_text(json.dumps({"nodes": {"issuer-b": {}}, "data_dir": str(folder)}))

        code = main(["ledger", "verify", "--ready-file", str(ready)])

        assert (code, "issuer-b: its books are not" in capsys.readouterr().out) == (1, True)

    def test_where_all_are_elsewhere_all_are_named(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for bank in BANKS:
            (tmp_path / f"{bank}.messages.db").touch()

        code, found = verify(tmp_path, capsys)

        assert (code, found["elsewhere"]) == (1, list(BANKS))

    @pytest.mark.usefixtures("sign")
    def test_a_topology_without_a_server_does_not_say_where(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "topology.toml").write_text(default_text())

        code = main(["ledger", "verify", "--data-dir", str(folder), "--topology", str(folder / "topology.toml")])

        assert (code, "nor does the topology name a server" in capsys.readouterr().out) == (1, True)


class TestServer:
    """Books on a database server are audited as those in a file are, while the bank writes them."""

    @pytest.fixture
    def url(self, folder: Path, postgres: PostgresServer) -> str:
        url = postgres.url()
        (folder / "issuer-a.db").unlink()
        (folder / "issuer-a.messages.db").touch()
        (folder / "topology.toml").write_text(with_databases(default_text(), {"issuer-a": url}))
        return url

    def test_the_same_entries_come_to_the_same(
        self, folder: Path, url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write(issuer_journal(DatabaseUrl.parse(url)))

        code, found = verify(folder, capsys, "--topology", str(folder / "topology.toml"))

        assert (code, found["ok"], found["elsewhere"]) == (0, True, [])
        in_file, on_server = found["ledgers"]
        assert (in_file["node"], on_server["node"]) == ("acquirer", "issuer-a")
        assert on_server["file"] == str(DatabaseUrl.parse(url))
        assert PASSWORD not in json.dumps(found)
        same = ("entries", "accounts", "hash", "totals", "problems_found")
        assert [on_server[name] for name in same] == [in_file[name] for name in same]

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE entries SET amount_minor = amount_minor + 1 WHERE sequence = 5",
            "DELETE FROM entries WHERE sequence = 6",
            "UPDATE accounts SET posted_minor = posted_minor + 1 WHERE name = 'card/840'",
            "UPDATE holds SET state = 'voided' WHERE identifier = 'h3'",
            "DELETE FROM heads",
        ],
    )
    def test_what_was_changed_is_found(
        self, folder: Path, url: str, capsys: pytest.CaptureFixture[str], statement: str
    ) -> None:
        place = DatabaseUrl.parse(url)
        write(issuer_journal(place))
        on_server(place, statement)

        code, found = verify(folder, capsys, "--topology", str(folder / "topology.toml"))

        assert (code, found["ok"]) == (1, False)
        assert [one["node"] for one in found["ledgers"] if one["problems_found"]] == ["issuer-a"]

    @pytest.mark.parametrize("chunk_rows", [1, 4, 5_000])
    def test_it_is_one_snapshot_however_it_is_read(
        self, url: str, monkeypatch: pytest.MonkeyPatch, chunk_rows: int
    ) -> None:
        monkeypatch.setattr("emulator.ledgers.PROGRESS_EVERY", 2)
        monkeypatch.setattr("emulator.ledger_server.CHUNK_ROWS", chunk_rows)
        place = DatabaseUrl.parse(url)
        write(issuer_journal(place))

        def empty(_node: str, read: int, _expected: int) -> None:
            if read == 2:
                on_server(place, *(f"DELETE FROM {table}" for table in ("entries", "accounts", "holds", "heads")))

        during, after = audit("issuer-a", place, empty), audit("issuer-a", place)

        assert (during.entries, during.problems) == (ENTRIES, [])
        assert after.entries == 0

    def test_the_bank_may_write_meanwhile_and_stays_the_only_writer(self, url: str) -> None:
        place = DatabaseUrl.parse(url)
        journal, audits = issuer_journal(place), []

        async def write_around_an_audit() -> None:
            await journal.load()
            for row in (("card/840", "840", 0, 0, 0, 0), ("card/978", "978", 0, 0, 0, 0)):
                await journal.commit({"accounts": [row]})
                audits.append(await anyio.to_thread.run_sync(audit, "issuer-a", place))
            await journal.aclose()

        anyio.run(write_around_an_audit)

        assert [(one.accounts, one.problems) for one in audits] == [(1, []), (2, [])]

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [("password", "password authentication failed"), ("port", "cannot be read"), ("schema", "no bank has kept")],
    )
    def test_a_server_that_gives_nothing_is_said_without_the_password(
        self, folder: Path, postgres: PostgresServer, capsys: pytest.CaptureFixture[str], wrong: str, says: str
    ) -> None:
        url = postgres.url(password=f"not-{PASSWORD}" if wrong == "password" else PASSWORD)
        url = url.replace(f":{postgres.port}/", f":{free_port()}/") if wrong == "port" else url
        (folder / "topology.toml").write_text(with_databases(default_text(), {"issuer-a": url}))
        capsys.readouterr()

        code = main(["ledger", "verify", "--data-dir", str(folder), "--topology", str(folder / "topology.toml")])

        said = capsys.readouterr().err
        assert (code, says in said, said.count("\n")) == (1, True, 1), said
        assert PASSWORD not in said

    def test_a_server_that_goes_away_meanwhile_is_said(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("emulator.ledgers.PROGRESS_EVERY", 2)
        monkeypatch.setattr("emulator.ledger_server.CHUNK_ROWS", 1)
        place = DatabaseUrl.parse(url)
        write(issuer_journal(place))
        ours = "application_name = 'cardrails ledger verify'"

        def end(_node: str, _read: int, _expected: int) -> None:
            on_server(place, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")

        with pytest.raises(BooksError, match=re.escape(place.shown)):
            audit("issuer-a", place, end)

    def test_a_schema_of_an_earlier_version(self, url: str) -> None:
        place = DatabaseUrl.parse(url)
        write(issuer_journal(place))
        on_server(place, "ALTER TABLE entries DROP COLUMN debit_before")

        with pytest.raises(BooksError, match="earlier version"):
            audit("issuer-a", place)


class TestFiles:
    """What is no bank's file is not one; what cannot be read is said in one line."""

    def test_only_banks_have_ledgers(self, folder: Path) -> None:
        assert list(ledger_files(folder)) == ["acquirer", "issuer-a"]

    def test_a_file_of_an_earlier_version(self, folder: Path) -> None:
        with closing(sqlite3.connect(folder / "issuer-a.db")) as database, database:
            database.execute("ALTER TABLE entries DROP COLUMN debit_before")

        with pytest.raises(BooksError, match="earlier version"):
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
