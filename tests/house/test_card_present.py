"""A card at a terminal, through acquirer and switch to either issuer and back, by the commands that people use."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from emulator.chip.files import CardFile, read_card
from emulator.chip.till_file import read_till
from emulator.cli import main
from tests.support.books import totals
from tests.support.house import HouseHandle, hasty, running_house

pytestmark = pytest.mark.house

PIN = "4711"
BINS = {"issuer-a": "400000", "issuer-b": "555555"}
Till = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("card-present")


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[HouseHandle]:
    with running_house(folder, hasty()) as running:
        running.house.write_ready(folder / "ready.json")
        yield running


@pytest.fixture
def command(shop: HouseHandle, folder: Path, capsys: pytest.CaptureFixture[str]) -> Till:
    """Return what runs a command and gives its JSON; `code` is the exit code that it must have."""

    def run(*words: str, code: int = 0) -> dict[str, Any]:
        got = main([*words, "--json"])
        shown = capsys.readouterr()
        assert got == code, shown.out + shown.err
        return dict(json.loads(shown.out)) if shown.out else {"error": shown.err}

    return run


@pytest.fixture
def terminal(command: Till, folder: Path) -> Till:
    def run(*words: str, code: int = 0) -> dict[str, Any]:
        return command("terminal", *words, "--ready-file", str(folder / "ready.json"), "--timeout", "10", code=code)

    return run


@pytest.fixture(params=["issuer-a", "issuer-b"])
def card(request: pytest.FixtureRequest, command: Till, folder: Path, tmp_path: Path) -> Path:
    """Return a card of an issuer that speaks the 1987 version, and of one that speaks 1993."""
    return new_card(command, folder, tmp_path, request.param)


def new_card(command: Till, folder: Path, tmp_path: Path, issuer: str = "issuer-a") -> Path:
    file = tmp_path / f"{issuer}.json"
    of = ("--bin", BINS[issuer], "--issuer", issuer, "--data-dir", str(folder))
    command("cards", "issue", *of, "--emv", "--expiry", "3012", "--pin", PIN, "--out", str(file))
    command("cards", "put", "--card", str(file), "--balance", "500.00", "--ready-file", str(folder / "ready.json"))
    return file


def altered(card: Path, change: Callable[[CardFile], CardFile]) -> None:
    card.write_text(change(read_card(card)).model_dump_json())


class TestChip:
    """The issuer checks the chip's cryptogram, and the chip checks the issuer's answer."""

    @pytest.mark.parametrize("entry", ["chip", "contactless"])
    def test_a_purchase_ends_with_a_certificate_of_the_chip(self, terminal: Till, card: Path, entry: str) -> None:
        paid = terminal("purchase", "--card", str(card), "--amount", "12.50", "--entry", entry, "--pin", PIN)

        assert (paid["approved"], paid["code"], paid["amount_minor"]) == (True, "00", 1_250)
        assert paid["chip"]["cryptogram"]["kind"] == "ARQC"
        assert (paid["chip"]["issuer_authenticated"], paid["chip"]["last"]["kind"]) == (True, "TC")
        assert (len(paid["rrn"]), paid["owed"]) == (12, 0)

    def test_a_chip_with_other_keys_is_declined(self, terminal: Till, card: Path) -> None:
        def forge(file: CardFile) -> CardFile:
            assert file.chip is not None
            keys = file.chip.keys.model_copy(update={"cryptogram": "0123456789ABCDEF0123456789ABCDEF"})
            return file.model_copy(update={"chip": file.chip.model_copy(update={"keys": keys})})

        altered(card, forge)

        paid = terminal("purchase", "--card", str(card), "--amount", "12.50", "--pin", PIN, code=1)

        assert (paid["approved"], paid["chip"]["last"]["kind"]) == (False, "AAC")
        assert paid["code"] != "00"

    def test_a_copy_of_the_chip_is_found_out_by_its_counter(self, terminal: Till, card: Path) -> None:
        copied = card.read_text()
        terminal("purchase", "--card", str(card), "--amount", "1.00", "--pin", PIN)
        card.write_text(copied)

        paid = terminal("purchase", "--card", str(card), "--amount", "1.00", "--pin", PIN, code=1)

        assert paid["approved"] is False

    def test_a_sale_that_the_chip_approves_is_told_of_later(self, terminal: Till, card: Path) -> None:
        terminal("purchase", "--card", str(card), "--amount", "1.00", "--pin", PIN)

        paid = terminal("purchase", "--card", str(card), "--amount", "3.00", "--offline")

        assert (paid["approved"], paid["chip"]["cryptogram"]["kind"], paid["owed"]) == (True, "TC", 0)


class TestPins:
    """A PIN that was typed is the PIN that the issuer verifies, whatever enciphers it on the way."""

    @pytest.mark.parametrize("key", ["tpk", "dukpt", "dukpt-aes"])
    def test_the_right_one_pays_and_a_wrong_one_does_not(self, terminal: Till, card: Path, key: str) -> None:
        words = ("purchase", "--card", str(card), "--amount", "2.00", "--pin-key", key, "--pin")

        assert terminal(*words, PIN)["code"] == "00"
        assert terminal(*words, "9999", code=1)["code"] == "55"

    def test_too_many_wrong_ones_and_the_right_one_is_of_no_use(self, terminal: Till, card: Path) -> None:
        words = ("purchase", "--card", str(card), "--amount", "2.00", "--pin")

        codes = [terminal(*words, pin, code=1)["code"] for pin in ("9999", "9999", "9999", PIN)]

        assert codes[:2] == ["55", "55"]
        assert codes[-1] == "75"

    def test_a_changed_one_counts_from_then_on(self, terminal: Till, card: Path) -> None:
        terminal("pin-change", "--card", str(card), "--pin", PIN, "--new-pin", "258013")
        words = ("purchase", "--card", str(card), "--amount", "2.00", "--pin")

        assert terminal(*words, PIN, code=1)["code"] == "55"
        assert terminal(*words, "258013")["code"] == "00"


class TestStripe:
    """A stripe proves itself by its CVV, a number that is typed in by its CVV2."""

    @pytest.mark.parametrize("entry", ["stripe", "manual"])
    def test_it_pays(self, terminal: Till, card: Path, entry: str) -> None:
        assert terminal("purchase", "--card", str(card), "--amount", "2.00", "--entry", entry)["code"] == "00"

    def test_a_wrong_cvv_is_declined(self, terminal: Till, card: Path) -> None:
        altered(card, lambda file: file.model_copy(update={"track2": file.track2[:-1] + _other(file.track2[-1])}))

        paid = terminal("purchase", "--card", str(card), "--amount", "2.00", "--entry", "stripe", code=1)

        assert paid["approved"] is False


class TestLifeOfAPayment:
    """Later messages name the payment; both sides' totals agree at the end of the batch."""

    def test_a_reservation_is_captured_in_parts_and_refunded(self, terminal: Till, card: Path) -> None:
        reserved = terminal("preauth", "--card", str(card), "--amount", "50.00", "--pin", PIN)
        of = ("--payment", reserved["rrn"])

        part = terminal("complete", *of, "--amount", "20.00", "--partial")
        rest = terminal("complete", *of, "--amount", "10.00")
        back = terminal("refund", "--card", str(card), "--amount", "5.00", *of)

        assert [one["code"] for one in (reserved, part, rest, back)] == ["00"] * 4

    def test_a_payment_is_taken_back(self, terminal: Till, card: Path) -> None:
        words = ("--card", str(card), "--pin", PIN)
        before = terminal("balance", *words)["balances"]["available"]["minor"]
        paid = terminal("purchase", *words, "--amount", "7.00")
        between = terminal("balance", *words)["balances"]["available"]["minor"]

        assert terminal("reverse", "--payment", paid["rrn"])["code"] == "00"

        assert before - between == 700

    def test_cash_comes_with_a_purchase_or_alone(self, terminal: Till, card: Path) -> None:
        words = ("--card", str(card), "--pin", PIN, "--amount", "20.00")

        assert terminal("cash", *words)["code"] == "00"
        assert terminal("cashback", *words, "--cashback", "5.00")["code"] == "00"

    def test_a_verification_moves_nothing(self, terminal: Till, card: Path) -> None:
        assert terminal("verify", "--card", str(card))["approved"] is True

    def test_the_batch_is_in_balance(self, terminal: Till, card: Path) -> None:
        terminal("purchase", "--card", str(card), "--amount", "4.00", "--pin", PIN)

        closed = terminal("batch")

        assert closed["code"] == "00"
        assert closed["ours"] == closed["theirs"]

    def test_a_batch_in_which_nothing_was_paid_is_in_balance(self, terminal: Till, card: Path) -> None:
        terminal("purchase", "--card", str(card), "--amount", "4.00", "--pin", PIN)

        closed = [terminal("batch", "--currency", currency) for currency in ("usd", "usd", "eur")]

        assert [one["code"] for one in closed] == ["00"] * 3
        for empty in closed[1:]:
            assert empty["ours"] == empty["theirs"]
            assert {int(figure.lstrip("CD")) for figure in empty["ours"].values()} == {0}


class TestSilence:
    """What nobody answers is reversed by the terminal, in this run or in the next."""

    def test_the_next_run_settles_what_is_owed(
        self, terminal: Till, command: Till, shop: HouseHandle, folder: Path, tmp_path: Path
    ) -> None:
        card = new_card(command, folder, tmp_path)
        terminal("purchase", "--card", str(card), "--amount", "1.00", "--pin", PIN)
        for mti in ("0210", "0430"):
            shop.add_fault("acquirer", "gateway", "out", mti, "drop", times=3 if mti == "0430" else 1)
        words = ("purchase", "--card", str(card), "--amount", "6.00", "--pin", PIN)

        silent = command("terminal", *words, "--ready-file", str(folder / "ready.json"), "--timeout", "1", code=1)
        owed = silent["owed"]
        settled = terminal("settle")

        kept = read_till(folder / "terminals" / "CARDTPK1.json")
        assert (silent["approved"], owed, settled["owed"]) == (False, 1, 0)
        assert kept is not None
        assert kept.till.duties == ()


class TestAnotherAcquirer:
    """A terminal also pays at any acquirer that is named by host and port, with the published test keys."""

    def test_it_is_answered_there(self, command: Till, shop: HouseHandle, tmp_path: Path) -> None:
        card = tmp_path / "published.json"
        command("cards", "issue", "--bin", "400000", "--emv", "--pin", PIN, "--out", str(card))
        place = shop.ready["nodes"]["acquirer"]
        where = ("--host", place["host"], "--port", str(place["port"]), "--merchant", "RAILSCOFFEE0001")
        till = ("--terminal", "RAILS001", "--file", str(tmp_path / "till.json"), "--timeout", "10")

        paid = command(
            "terminal", "purchase", "--card", str(card), "--amount", "2.00", "--entry", "stripe", *where, *till, code=1
        )

        assert (paid["code"], paid["approved"], paid["owed"]) == ("14", False, 0)

    def test_a_terminal_without_a_pin_key_may_send_no_pin(
        self, command: Till, shop: HouseHandle, tmp_path: Path
    ) -> None:
        card = tmp_path / "published.json"
        command("cards", "issue", "--bin", "400000", "--emv", "--pin", PIN, "--out", str(card))
        place = shop.ready["nodes"]["acquirer"]
        where = ("--host", place["host"], "--port", str(place["port"]), "--merchant", "RAILSCOFFEE0001")
        till = ("--terminal", "RAILS001", "--file", str(tmp_path / "till.json"), "--timeout", "10")

        paid = command("terminal", "balance", "--card", str(card), "--pin", PIN, *where, *till, code=1)

        assert paid["code"] == "58"


class TestSecrets:
    """No card number, track, PIN or PIN block is in what a house keeps, and its books are whole."""

    def test_nothing_of_a_card_is_in_any_file_of_the_house(
        self, terminal: Till, card: Path, shop: HouseHandle, folder: Path
    ) -> None:
        terminal("purchase", "--card", str(card), "--amount", "4.00", "--pin", PIN)
        terminal("purchase", "--card", str(card), "--amount", "4.00", "--entry", "stripe")
        terminal("pin-change", "--card", str(card), "--pin", PIN, "--new-pin", PIN)
        file = read_card(card)

        kept = _everything(folder)
        crossed = json.dumps(shop.house.crossings())

        for secret in (file.pan, file.track2, f"{file.pvki}{file.pvv}{file.cvv}"):
            assert secret not in kept
            assert secret.encode().hex() not in kept
            assert secret not in crossed

    def test_every_ledger_comes_to_zero(self, shop: HouseHandle) -> None:
        assert set(totals(shop.control).values()) == {0}


def _everything(folder: Path) -> str:
    """Return all rows of all databases of a house as text, and its other files."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".db":
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
                for (table,) in tables:
                    rows = database.execute(f'SELECT * FROM "{table}"').fetchall()
                    found += [value.hex() if isinstance(value, bytes) else str(value) for row in rows for value in row]
        elif path.is_file() and path.suffix in {".json", ".jsonl", ".log"}:
            found.append(path.read_text("utf-8"))
    return "\n".join(found)


def _other(digit: str) -> str:
    return str((int(digit) + 1) % 10)
