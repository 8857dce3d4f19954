"""`cardrails terminal` at an acquirer that is not ours and does not always do what it should."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.chip.files import read_card
from emulator.chip.till_file import read_till
from emulator.cli import main
from iso import Message
from iso.original import OriginalData
from tests.support.iso_host import HangUp, Script, foreign_host

PIN = "4711"
Run = Callable[..., tuple[int, dict[str, Any], list[Message]]]


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    main(["cards", "issue", "--bin", "400000", "--emv", "--pin", PIN, "--out", "card.json"])
    capsys.readouterr()
    return tmp_path / "card.json"


@pytest.fixture
def run(card: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a deed at a host; gives the exit code, what was shown, and the traffic that the host heard."""

    def deed(script: Script, *words: str) -> tuple[int, dict[str, Any], list[Message]]:
        with foreign_host(script, "pos-bcd87") as host:
            name, _, port = host.address.partition(":")
            where = ("--host", name, "--port", port, "--merchant", "SHOP", "--no-sign-on", "--timeout", "0.4")
            code = main(["terminal", *words, *where, "--json"])
            shown = capsys.readouterr()
        return code, dict(json.loads(shown.out)) if shown.out else {"error": shown.err}, host.heard

    return deed


def approves(message: Message) -> Message:
    return message.reply("00", {37: "607309000001", 38: "A00001" if message.mti_class != "4" else None})


def silent(message: Message) -> None:
    return None


def only_reversals(message: Message) -> Message | None:
    return message.reply("00") if message.mti_class == "4" else None


def lies_to_the_chip(message: Message) -> Message:
    return message.reply("00", {38: "A00001", 55: "910A00112233445566773030"} if message.mti_class == "2" else {})


def hangs_up(message: Message) -> Message:
    if message.mti_class == "2":
        raise HangUp
    return message.reply("00")


PURCHASE = ("purchase", "--card", "card.json", "--amount", "1.00", "--pin", PIN)


class TestSilence:
    """A request that may have arrived is reversed until somebody says so; one that is answered is not."""

    @pytest.mark.parametrize("script", [only_reversals, hangs_up])
    def test_it_is_reversed_at_once(self, run: Run, script: Script) -> None:
        code, shown, heard = run(script, *PURCHASE)

        assert [message.mti for message in heard] == ["0200", "0420"]
        assert (heard[1][90], heard[1][39]) == (OriginalData.of(heard[0]).to_de90(), "68")
        assert (code, shown["approved"], shown["owed"]) == (1, False, 0)

    def test_what_stays_unanswered_is_kept_and_sent_first_in_the_next_run(self, run: Run, tmp_path: Path) -> None:
        _, first, heard = run(silent, *PURCHASE)
        code, second, later = run(approves, *PURCHASE)

        assert [message.mti for message in heard] == ["0200", "0420", "0421", "0421"]
        assert [message.mti for message in later] == ["0421", "0200"]
        assert later[0][90] == heard[1][90]
        assert (first["owed"], second["settled"], second["owed"], code) == (1, 1, 0, 0)

    def test_nothing_new_begins_while_something_is_owed(self, run: Run) -> None:
        run(silent, *PURCHASE)

        code, shown, heard = run(silent, *PURCHASE)

        assert {message.mti for message in heard} == {"0421"}
        assert (code, "not answered" in shown["error"]) == (1, True)

    def test_a_question_is_not_reversed(self, run: Run) -> None:
        _, shown, heard = run(silent, "balance", "--card", "card.json", "--pin", PIN)

        assert ([message.mti for message in heard], shown["owed"]) == (["0100"], 0)

    def test_an_answer_takes_the_reversal_out(self, run: Run, tmp_path: Path) -> None:
        code, shown, heard = run(approves, *PURCHASE)

        kept = read_till(tmp_path / "CARDTPK1.json")
        assert ([message.mti for message in heard], shown["owed"], code) == (["0200"], 0, 0)
        assert kept is not None
        assert (kept.till.duties, len(kept.till.sales)) == ((), 1)


class TestTheChipHasTheLastWord:
    """An approval that is not the issuer's is none: the chip declines, and the payment is taken back."""

    def test_what_it_declines_is_reversed(self, run: Run) -> None:
        code, shown, heard = run(lies_to_the_chip, *PURCHASE)

        assert [message.mti for message in heard] == ["0200", "0420"]
        assert (heard[1][39], heard[1][38]) == ("22", "A00001")
        assert (shown["chip"]["issuer_authenticated"], shown["chip"]["last"]["kind"]) == (False, "AAC")
        assert (code, shown["approved"], shown["owed"]) == (1, False, 0)

    def test_what_was_taken_back_is_counted_on_both_sides(self, run: Run, tmp_path: Path) -> None:
        run(lies_to_the_chip, *PURCHASE)

        kept = read_till(tmp_path / "CARDTPK1.json")
        assert kept is not None
        counts = kept.till.counts["840"]
        assert (counts.debits_minor, counts.credit_reversals_minor) == (100, 100)


class TestOffline:
    """A sale that the terminal approved is told of until the acquirer has taken it; its file holds no card number."""

    def test_it_is_repeated_in_the_next_run(self, run: Run, card: Path, tmp_path: Path) -> None:
        words = ("purchase", "--card", "card.json", "--amount", "1.00", "--offline", "--entry", "stripe")
        _, first, heard = run(silent, *words)
        kept = (tmp_path / "CARDTPK1.json").read_text()

        code, second, later = run(approves, "settle")

        pan = read_card(card).pan
        assert [message.mti for message in heard] == ["0220", "0221", "0221"]
        assert [(message.mti, message.pan) for message in later] == [("0221", pan)]
        assert (first["approved"], first["owed"], second["owed"], code) == (True, 1, 0, 0)
        assert pan not in kept

    def test_a_new_chip_goes_online_all_the_same(self, run: Run) -> None:
        _, shown, heard = run(approves, "purchase", "--card", "card.json", "--amount", "1.00", "--offline")

        assert [message.mti for message in heard] == ["0200"]
        assert shown["chip"]["cryptogram"]["kind"] == "ARQC"

    def test_the_chips_own_check_of_the_pin_approves_or_declines(self, run: Run, card: Path) -> None:
        run(approves, *PURCHASE)
        offline = ("purchase", "--card", "card.json", "--amount", "1.00", "--offline", "--pin")

        right, first, told = run(approves, *offline, PIN)
        declined = [run(approves, *offline, pin) for pin in ("0000", "0001", "0002", PIN)]

        assert (right, first["approved"], [message.mti for message in told]) == (0, True, ["0220"])
        for code, shown, heard in declined:
            assert (code, shown["approved"], shown["owed"], heard) == (1, False, 0, [])
            assert shown["chip"]["cryptogram"]["kind"] == "AAC"
        kept = read_card(card).chip
        assert kept is not None
        assert kept.memory.pin_tries == 0
