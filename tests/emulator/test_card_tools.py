"""`cardrails cards issue` and `cardrails card`: a card is issued, pays, and everybody who should agrees."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.chip.issuing import allowed_bins, draw_pan, seeded
from emulator.cli import main
from emulator.topology import read_topology
from hsm_sim.core.vault.numbers import TOKEN_BIN
from iso import Message, decode, dialect, encode
from iso.masks import luhn_valid
from iso.subfields.bertlv import BerTlv
from tests.support.house import HouseHandle, running_house

PIN = "4711"
ISSUE = ("cards", "issue", "--bin", "400000", "--expiry", "3012", "--pin", PIN)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    got, out, err = run(capsys, *arguments, "--json")
    assert got == code, err or out
    return dict(json.loads(out))


def fields_of(answered: dict[str, Any]) -> dict[str, Any]:
    return dict(answered["fields"])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def card(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    file = folder / "card.json"
    answer(capsys, *ISSUE, "--emv", "--out", str(file))
    return file


class TestIssuing:
    """A card has everything that the issuer's HSM must find right, and only test numbers are issued."""

    @pytest.mark.parametrize(("prefix", "length"), [("400000", 16), ("555555", 16), ("378282", 15), ("99000112", 16)])
    @pytest.mark.parametrize("product", ["credit", "debit", "prepaid"])
    def test_the_hsm_finds_every_value_right(
        self, prefix: str, length: int, product: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = answer(capsys, "cards", "issue", "--bin", prefix, "--product", product)["cards"][0]

        assert made["pan"].startswith(prefix)
        assert luhn_valid(made["pan"])
        assert len(made["pan"]) == length
        for service_code, value in ((made["service_code"], "cvv"), ("000", "cvv2"), ("999", "icvv")):
            fields = ("key=@cvk", f"cvv={made[value]}", f"pan={made['pan']}", f"expiry={made['expiry']}")
            assert answer(capsys, "hsm", "send", "CY", *fields, f"service_code={service_code}")["error"] == "00"
        assert made["track2"].startswith(f"{made['pan']}={made['expiry']}{made['service_code']}")
        assert made["track1"].startswith(f"B{made['pan']}^")

    def test_the_same_seed_gives_the_same_card(self, capsys: pytest.CaptureFixture[str]) -> None:
        one, two, other = (
            answer(capsys, "cards", "issue", "--bin", "400000", "--emv", "--expiry", "3012", "--seed", seed)["cards"]
            for seed in ("monday", "monday", "tuesday")
        )

        assert one == two
        assert one[0]["pan"] != other[0]["pan"]

    def test_cards_are_kept_where_only_their_owner_reads_them(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = answer(capsys, *ISSUE, "--emv", "--count", "3", "--out", str(folder / "mine.json"))

        files = [folder / f"mine-{number}.json" for number in (1, 2, 3)]
        assert made["files"] == [str(file) for file in files]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert [json.loads(file.read_text()) for file in files] == made["cards"]
        assert len({card["pan"] for card in made["cards"]}) == 3

    def test_a_card_that_was_used_is_not_made_anew(self, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = card.read_bytes()

        code, _, err = run(capsys, *ISSUE, "--emv", "--out", str(card))

        assert code == 2
        assert "must not exist" in err
        assert card.read_bytes() == before

    def test_a_chip_says_what_is_printed(self, card: Path) -> None:
        kept = json.loads(card.read_text())
        tags = {
            node.tag: node.text
            for record in kept["chip"]["records"]
            for template in BerTlv().parse(bytes.fromhex(record))
            for node in template.children
        }

        assert tags["5A"].rstrip("F") == kept["pan"]
        assert tags["5F24"] == "301231"
        assert tags["57"].rstrip("F").replace("D", "=") == kept["chip"]["track2"]
        assert kept["chip"]["track2"].endswith(kept["icvv"])

    @pytest.mark.parametrize(
        ("change", "parts"),
        [
            (("--bin", "411111"), ["--bin", "411111", "400000", "424242", "99"]),
            (("--bin", f"{TOKEN_BIN}00"), ["--bin", TOKEN_BIN, "network tokens"]),
            (("--bin", "4000"), ["--bin", "6 to 11 digits"]),
            (("--expiry", "3013"), ["--expiry", "YYMM"]),
            (("--pin", "12x4"), ["--pin", "4 to 12 digits"]),
            (("--name", "jane"), ["--name", "capital letters"]),
            (("--cvn", "16", "--emv"), ["--cvn", "10, 18"]),
            (("--bin", "601111", "--emv"), ["--bin", "601111", "chip profile"]),
            (("--issuer", "issuer-z"), ["--issuer", "issuer-a, issuer-b"]),
            (("--issuer", "issuer-a", "--data-dir", "nowhere"), ["nowhere", "hsm.lmk"]),
            (("--data-dir", "nowhere"), ["--issuer"]),
            (("--out", "no/such/folder/card.json"), ["card.json"]),
        ],
    )
    def test_a_mistake_is_one_line(
        self, change: tuple[str, ...], parts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, _, err = run(capsys, *ISSUE, *change)

        assert code == 2
        assert err.count("\n") == 1
        assert [part for part in parts if part not in err] == []
        assert "12x4" not in err

    @given(st.sampled_from(allowed_bins()), st.text("0123456789", min_size=4, max_size=5), st.text(max_size=8))
    def test_any_number_is_a_test_number(self, prefix: str, more: str, seed: str) -> None:
        pan = draw_pan(prefix + more, seeded(seed))

        assert luhn_valid(pan)
        assert pan.startswith(prefix)

    def test_every_allowed_bin_belongs_to_an_issuer_of_the_house(self) -> None:
        nodes = read_topology(None).nodes
        routed = (*nodes.issuer_a.bins, *nodes.issuer_b.bins)

        assert [prefix for prefix in allowed_bins() if prefix != "99" and not prefix.startswith(routed)] == []


class TestAuthorising:
    """The terminal puts a real ARQC and a real PIN block into fields that go into a message as they are."""

    @pytest.mark.parametrize("key", ["tpk", "dukpt", "dukpt-aes"])
    def test_the_network_agrees(self, key: str, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
        pay = ("card", "authorise", "--card", str(card), "--amount", "42.00", "--pin", PIN, "--pin-key", key)

        said = answer(capsys, *pay, "--verify")

        assert said["approved"]
        assert said["cryptogram"]["kind"] == "ARQC"
        assert said["verified"]["cryptogram"] == "00"
        assert [step["code"] for step in said["verified"]["pin"]] == ["00", "00"]
        assert said["verified"]["issuer_authenticated"]
        assert said["verified"]["last"]["kind"] == "TC"

    def test_a_wrong_pin_is_declined_and_the_card_believes_it(
        self, card: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pay = ("card", "authorise", "--card", str(card), "--amount", "42.00", "--pin", "4712")

        said = answer(capsys, *pay, "--verify", code=1)

        assert said["verified"]["pin"][-1]["code"] == "01"
        assert said["verified"]["issuer_authenticated"]
        assert said["verified"]["last"]["kind"] == "AAC"

    @pytest.mark.parametrize("name", ["ascii87", "pos-bcd87", "net-bin87"])
    def test_the_fields_are_those_of_a_message(self, name: str, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
        said = answer(capsys, "card", "authorise", "--card", str(card), "--amount", "42.00", "--pin", PIN)

        fields = {int(element): value for element, value in fields_of(said).items()}
        message = Message("0100", {**fields, 7: "0314092653", 11: "000001"})

        spoken = dialect(name)
        read = decode(encode(message, spoken), spoken)
        assert {de: read[de].replace("D", "=") if de == 35 else read[de] for de in message.fields} == message.fields

    def test_counters_are_kept_in_both_files(self, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
        seen = []
        for _ in range(3):
            said = answer(
                capsys, "card", "authorise", "--card", str(card), "--amount", "1", "--pin", PIN, "--pin-key", "dukpt"
            )
            seen.append((said["atc"], int(said["pin"]["ksn"][-5:], 16), said["chip_data"]["9F41"]))

        assert seen == [(1, 1, "00000001"), (2, 2, "00000002"), (3, 3, "00000003")]
        assert stat.S_IMODE((card.parent / "terminal.json").stat().st_mode) == 0o600

    def test_a_card_that_cannot_be_kept_pays_nothing(self, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = card.read_bytes()

        code, out, err = run(
            capsys, "card", "authorise", "--card", str(card), "--amount", "1", "--terminal", "no/such/folder/t.json"
        )

        assert (code, out) == (2, "")
        assert "--terminal" in err
        assert card.read_bytes() == before

    @pytest.mark.parametrize(("wish", "kind", "code"), [("--online", "ARQC", 0), ("--decline", "AAC", 1)])
    def test_what_the_terminal_asks_for(
        self, wish: str, kind: str, code: int, card: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        said = answer(capsys, "card", "authorise", "--card", str(card), "--amount", "1", wish, code=code)

        assert said["cryptogram"]["kind"] == kind

    def test_a_used_card_approves_offline_with_its_own_pin_check(
        self, card: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pay = ("card", "authorise", "--card", str(card), "--amount", "5.00")
        answer(capsys, *pay, "--verify")

        said = answer(capsys, *pay, "--offline", "--pin", PIN, "--offline-pin", "--verify")

        assert said["cryptogram"]["kind"] == "TC"
        assert said["approved"]
        assert said["pin"] is None
        assert said["chip_data"]["9F34"] == "410302"

    def test_a_wrong_offline_pin_costs_a_try_that_is_kept(self, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
        said = answer(
            capsys, "card", "authorise", "--card", str(card), "--amount", "1", "--pin", "0000", "--offline-pin"
        )

        assert json.loads(card.read_text())["chip"]["memory"]["pin_tries"] == 2
        assert said["chip_data"]["95"][4:6] == "80"

    @settings(max_examples=10, deadline=None)
    @given(amount=st.integers(0, 10**10 - 1), un=st.binary(min_size=4, max_size=4))
    def test_any_amount_verifies(self, amount: int, un: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
        file = tmp_path_factory.mktemp("card") / "card.json"
        main([*ISSUE, "--emv", "--out", str(file)])
        whole, part = divmod(amount, 100)

        pay = ("--amount", f"{whole}.{part:02d}", "--un", un.hex(), "--currency", "eur", "--verify")
        code = main(["card", "authorise", "--card", str(file), *pay])

        assert code == 0

    @pytest.mark.parametrize(
        ("change", "parts"),
        [
            (("--amount", "x"), ["--amount", "42.00"]),
            (("--amount", "1.999"), ["--amount", "2 digits"]),
            (("--amount", "99999999999"), ["--amount", "12 digits"]),
            (("--un", "12"), ["--un", "8 hexadecimal"]),
            (("--un", "zz"), ["--un", "hexadecimal"]),
            (("--at", "noon"), ["--at", "2026-03-14"]),
            (("--device", "12"), ["--device", "16 hexadecimal"]),
            (("--card", "none.json"), ["none.json", "--card"]),
        ],
    )
    def test_a_mistake_is_one_line_and_costs_no_counter(
        self, change: tuple[str, ...], parts: list[str], card: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = card.read_bytes()

        code, _, err = run(capsys, "card", "authorise", "--card", str(card), "--amount", "1", *change)

        assert code == 2
        assert err.count("\n") == 1
        assert [part for part in parts if part not in err] == []
        assert card.read_bytes() == before

    @pytest.mark.parametrize(("currency", "pin", "shown"), [("xxx", PIN, "currency"), ("usd", "12", "24")])
    def test_what_the_rules_refuse_is_one_line(
        self, currency: str, pin: str, shown: str, card: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, _, err = run(
            capsys, "card", "authorise", "--card", str(card), "--amount", "1", "--currency", currency, "--pin", pin
        )

        assert code == 1
        assert err.count("\n") == 1
        assert shown in err

    def test_a_card_without_a_chip_says_how_to_get_one(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        answer(capsys, *ISSUE, "--out", str(folder / "stripe.json"))

        code, _, err = run(capsys, "card", "authorise", "--card", str(folder / "stripe.json"), "--amount", "1")

        assert code == 2
        assert "--emv" in err

    @pytest.mark.parametrize(("old", "new"), [('"atc": 0', '"atc": -1'), ('"format"', '"fromat"'), ("{", "")])
    def test_a_file_that_is_no_card_is_one_line_without_its_secrets(
        self, old: str, new: str, card: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text = card.read_text()
        card.write_text(text.replace(old, new, 1))
        keys = re.findall('"([0-9A-F]{32})"', text)

        code, _, err = run(capsys, "card", "authorise", "--card", str(card), "--amount", "1")

        assert code == 2
        assert err.count("\n") == 1
        assert [key for key in keys if key in err] == []


class TestAnswering:
    """Another issuer's answer reaches the chip through DE 55."""

    def test_the_right_one_ends_in_an_approval(self, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
        copy = card.with_name("copy.json")
        copy.write_bytes(card.read_bytes())
        pay = ("--amount", "42.00", "--un", "01020304", "--at", "2026-03-14T09:26")
        answer(capsys, "card", "authorise", "--card", str(card), *pay)
        terminal = card.with_name("other.json")
        twin = answer(capsys, "card", "authorise", "--card", str(copy), *pay, "--terminal", str(terminal), "--verify")

        said = answer(
            capsys, "card", "answer", "--card", str(card), "--chip-data", f"9108{twin['verified']['issuer_data']}"
        )

        assert said["approved"]
        assert said["issuer_authenticated"]
        assert json.loads(card.read_text())["chip"]["memory"]["pending"] is None

    @pytest.mark.parametrize(("data", "said"), [("9108" + "00" * 8, False), ("", None)])
    def test_a_wrong_one_does_not_and_none_leaves_it_to_the_terminal(
        self, data: str, said: bool | None, card: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        answer(capsys, "card", "authorise", "--card", str(card), "--amount", "1")

        got = answer(capsys, "card", "answer", "--card", str(card), "--chip-data", data, code=0 if said is None else 1)

        assert got["issuer_authenticated"] is said

    @pytest.mark.parametrize("data", ["zz", "91"])
    def test_what_is_no_chip_data_is_one_line(self, data: str, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = run(capsys, "card", "answer", "--card", str(card), "--chip-data", data)

        assert code in (1, 2)
        assert err.count("\n") == 1

    def test_without_a_payment_there_is_nothing_to_answer(self, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = run(capsys, "card", "answer", "--card", str(card), "--chip-data", "")

        assert code == 1
        assert "no ARQC" in err


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseHandle]:
    with running_house(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.mark.house
class TestOfAHouse:
    """A card of a house is made with its issuer's own keys, and checked by acquirer, switch and issuer in turn."""

    @pytest.mark.parametrize(("issuer", "prefix"), [("issuer-a", "400000"), ("issuer-b", "555555")])
    @pytest.mark.parametrize("key", ["tpk", "dukpt", "dukpt-aes"])
    def test_the_whole_chain_agrees(
        self, issuer: str, prefix: str, key: str, house: HouseHandle, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data, file = str(house.house.data_dir), str(folder / "card.json")
        answer(capsys, *ISSUE, "--bin", prefix, "--emv", "--issuer", issuer, "--data-dir", data, "--out", file)

        said = answer(
            capsys, "card", "authorise", "--card", file, "--amount", "42", "--pin", PIN, "--pin-key", key, "--verify"
        )

        assert said["approved"]
        assert [step["party"] for step in said["verified"]["pin"]] == ["acquirer", "switch", issuer]

    def test_the_running_issuer_finds_its_values_right(
        self, house: HouseHandle, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = answer(capsys, *ISSUE, "--issuer", "issuer-a", "--data-dir", str(house.house.data_dir))["cards"][0]
        ready = folder / "ready.json"
        house.house.write_ready(ready)
        check = ("CY", "key=KF00", f"cvv={made['cvv2']}", f"pan={made['pan']}", "expiry=3012", "service_code=000")

        said = answer(capsys, "hsm", "send", *check, "--party", "issuer-a", "--ready-file", str(ready))

        assert said["error"] == "00"
        code, out, _ = run(capsys, "hsm", "send", *check, "--party", "issuer-b", "--ready-file", str(ready))
        assert code == 1, out

    def test_a_terminal_of_another_network_is_refused(
        self, house: HouseHandle, card: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = str(folder / "theirs.json")
        data = str(house.house.data_dir)
        answer(capsys, *ISSUE, "--emv", "--issuer", "issuer-a", "--data-dir", data, "--out", file)
        answer(capsys, "card", "authorise", "--card", str(card), "--amount", "1")

        code, _, err = run(capsys, "card", "authorise", "--card", file, "--amount", "1")

        assert code == 2
        assert "card's network" in err
