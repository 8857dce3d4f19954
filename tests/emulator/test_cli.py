"""The command line: exit codes, one-line errors, JSON, and what the README promises."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.cli import main
from emulator.topology import default_text
from iso import Message, dialect, encode, framing

MESSAGE = Message("0100", {2: "4242424242424242", 4: "000000001999", 7: "1125161336", 11: "000001", 49: "840"})


def cardrails(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emulator.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)


class TestDecode:
    """Bytes become fields, masked unless test PANs are asked for; bytes that do not fit are explained."""

    @pytest.mark.parametrize("name", ["pos-bcd87", "net-bin87", "ascii87"])
    def test_a_message_is_shown_masked(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        code = main(["decode", "--dialect", name, encode(MESSAGE, dialect(name)).hex()])

        shown = capsys.readouterr().out
        assert code == 0
        assert "424242******4242" in shown
        assert "4242424242424242" not in shown

    def test_json_with_a_frame_and_the_test_pan(self, capsys: pytest.CaptureFixture[str]) -> None:
        spoken = dialect("ascii87")
        frame = framing(spoken.framing).encode(encode(MESSAGE, spoken))

        code = main(["decode", "--framed", "--json", "--reveal-test-pan", frame.hex(" ")])

        answer = json.loads(capsys.readouterr().out)
        assert code == 0
        assert answer["fields"] == {str(de): value for de, value in MESSAGE.fields.items()}

    def test_bytes_that_do_not_fit_say_where(self, capsys: pytest.CaptureFixture[str]) -> None:
        broken = encode(MESSAGE, dialect("ascii87"))[:-1]

        code = main(["decode", "--json", broken.hex()])

        answer = json.loads(capsys.readouterr().out)
        assert code == 1
        assert answer["element"] == 49
        assert "4242424242424242" not in str(answer)

    @pytest.mark.parametrize("arguments", [["xyz"], ["--file", "/nonexistent"]])
    def test_a_wrong_argument_is_one_line(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        code = main(["decode", *arguments])

        assert code == 1
        assert capsys.readouterr().err.count("\n") == 1

    def test_it_imports_neither_a_database_nor_a_web_framework(self) -> None:
        program = (
            "import sys\nfrom emulator.cli import main\nmain(['decode', '00'])\n"
            "print([m for m in ('sqlalchemy', 'fastapi', 'pydantic', 'anyio', 'cryptography') if m in sys.modules])"
        )

        shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

        assert shown.stdout.strip() == "[]"


class TestBadTopologies:
    """One line names file, key, value and rule; exit 2."""

    @pytest.mark.parametrize(
        ("old", "new", "parts"),
        [
            (
                "issuer_s = 8.0",
                "issuer_s = 12.0",
                ["deadlines", "issuer_s (12) must be shorter than switch_leg_s (10)"],
            ),
            ('dialect = "ascii87"', 'dialect = "ascii78"', ["nodes.issuer-a.dialect", "ascii78", "must be one of"]),
            ('http = "127.0.0.1:8410"', 'http = "here"', ["nodes.gateway.http", "here"]),
            ('iso = "tcp://127.0.0.1:8431"', 'iso = "udp://x"', ["nodes.switch.iso", "udp://x", "tcp://host:port"]),
            ('bins = ["4", "990001"]', 'bins = ["4x"]', ["nodes.issuer-a.bins", "1 to 11 digits"]),
            ('bins = ["4", "990001"]', 'bins = ["5"]', ["nodes", "bin 5 is routed to both issuers"]),
            ('mcc = "5814"', 'mcc = "58"', ["merchants[0].mcc", "58"]),
            ('currency = "usd"', 'currency = "xxx"', ["merchants[0].currency", "xxx", "ISO 4217"]),
            ("# [links]", "[links]\nconnections = 0", ["links.connections", "0", "greater than or equal to 1"]),
            ("[control]", "[controls]", ["controls", "not permitted"]),
            ("[deadlines]", "[deadlines", ["(syntax)", "must be TOML"]),
        ],
    )
    def test_it_is_one_line(
        self, old: str, new: str, parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "house.toml"
        text = default_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

        code = main(["up", "--topology", str(file), "--ephemeral"])

        line = capsys.readouterr().err
        assert code == 2
        assert line.count("\n") == 1
        assert [part for part in ["house.toml", *parts] if part not in line] == []

    def test_an_unknown_node_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["up", "--node", "issuer-z", "--ephemeral"]) == 2
        assert "must be one of hsm, issuer-a" in capsys.readouterr().err


class TestPortsInUse:
    """A port in use is one line, whichever node wanted it."""

    @pytest.mark.parametrize("port", ["8400", "8410", "8421", "8441", "8503"])
    def test_it_is_one_line(self, port: str, tmp_path: Path) -> None:
        from tests.support.processes import topology_on_free_ports

        topology = topology_on_free_ports(tmp_path)
        before, after = ports_of(default_text(), topology.read_text())
        here = dict(zip(before, after, strict=True))[port]
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", int(here)))
            taken.listen()

            ran = cardrails("up", "--topology", str(topology), "--data-dir", str(tmp_path / "data"))

        assert ran.returncode == 1
        assert ran.stderr.count("\n") == 1
        assert f"{here}: cannot listen: " in ran.stderr


def ports_of(*texts: str) -> list[list[str]]:
    return [re.findall(r"127\.0\.0\.1:(\d+)", text) for text in texts]


@pytest.mark.house
class TestDemo:
    """`cardrails demo` pays once through a house of its own and exits 0 only if it was approved."""

    def test_it_shows_six_hops_from_an_empty_folder(self, tmp_path: Path) -> None:
        ran = cardrails("demo", cwd=tmp_path)

        assert ran.returncode == 0, ran.stderr
        assert [line[0] for line in ran.stdout.splitlines() if " -> " in line] == list("123456")
        assert "19.99 USD  succeeded" in ran.stdout
        assert list(tmp_path.iterdir()) == []

    def test_a_declined_demo_exits_1(self) -> None:
        ran = cardrails("demo", "--json", "--method", "pm_card_chargeDeclined")

        answer = json.loads(ran.stdout)
        assert ran.returncode == 1
        assert answer["http_status"] == 402
        assert [hop["mti"] for hop in answer["hops"]] == ["0100"] * 3 + ["0110"] * 3


@pytest.mark.process
class TestUp:
    """`cardrails up` runs until Ctrl-C and leaves nothing behind that says it still runs."""

    def test_ctrl_c_stops_it_cleanly(self, tmp_path: Path) -> None:
        from tests.support.processes import process_house

        with process_house(tmp_path) as house:
            process = house.processes["house"]
            assert (house.data_dir / "ready.json").exists()

            code = process.stop()

        assert code == 0
        assert not (house.data_dir / "ready.json").exists()
        assert not process.ready_file.exists()

    def test_a_second_house_on_the_same_data_is_refused_and_does_not_hide_the_first(self, tmp_path: Path) -> None:
        from tests.support.processes import process_house

        with process_house(tmp_path) as house:
            ran = cardrails("up", "--topology", str(house.topology), "--data-dir", str(house.data_dir))

            assert ran.returncode == 1
            assert ran.stderr.count("\n") == 1
            assert "another process is writing this database" in ran.stderr
            assert (house.data_dir / "ready.json").exists()


@pytest.mark.house
class TestCards:
    """`cardrails cards` lists every test card, and prints the CVC that a running house accepts."""

    def test_without_a_house_it_says_how_to_get_the_cvcs(self, tmp_path: Path) -> None:
        ran = cardrails("cards", cwd=tmp_path)

        assert ran.returncode == 0
        assert "4242424242424242" in ran.stdout
        assert "no house is running here" in ran.stdout

    def test_with_a_house_the_printed_cvc_pays(self, tmp_path: Path) -> None:
        from tests.support.processes import process_house

        with process_house(tmp_path) as house:
            ran = cardrails("cards", "--json", "--ready-file", str(house.data_dir / "ready.json"))
            card = next(card for card in json.loads(ran.stdout) if card["number"].startswith("990001"))
            method = house.stripe().v1.payment_methods.create(
                {
                    "type": "card",
                    "card": {
                        "number": card["number"],
                        "exp_month": int(card["expiry"][:2]),
                        "exp_year": 2000 + int(card["expiry"][3:]),
                        "cvc": card["cvc"],
                    },
                }
            )
            paid = house.stripe().v1.payment_intents.create(
                {"amount": 500, "currency": "usd", "payment_method": method.id, "confirm": True}
            )

        assert card["cvc"].isdigit()
        assert paid.status == "succeeded"


class TestTotals:
    """A date that is none is a mistake of the command line, told before any house is asked."""

    def test_a_day_that_does_not_exist(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["totals", "--date", "2026-13-44"]) == 2
        assert "--date" in capsys.readouterr().err
