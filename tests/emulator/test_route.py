"""`cardrails route`: explained offline from a topology; docs/reference/routing.md is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from emulator.cli import main
from emulator.switching import switch_config
from emulator.topology import default_text, on_free_ports, read_topology
from iso.rates import ConversionRate
from tests.support.console import Example, examples, run

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "routing.md"
ADDED = "\n".join(re.findall(r"^```toml\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "house.toml").write_text(f"{default_text()}\n{ADDED}")
    return tmp_path


class TestTheDocument:
    """Its TOML is accepted, and its examples are what happens."""

    @pytest.mark.parametrize("example", examples(DOCUMENT), ids=lambda one: one.command[:60])
    def test_examples(self, example: Example, folder: Path) -> None:
        assert run(example.command) == example.output

    def test_the_rate_of_the_example(self, folder: Path) -> None:
        rules = switch_config(read_topology(folder / "house.toml")).rules()
        [row] = rules.currencies.rates.rows

        assert ConversionRate.of(row.rate * (1 + row.sell)).to_element() == "79353225"

    def test_routes_and_rates_survive_the_move_to_free_ports(self, folder: Path) -> None:
        topology = read_topology(folder / "house.toml")

        assert on_free_ports(topology).nodes.switch.routes == topology.nodes.switch.routes
        assert on_free_ports(topology).nodes.switch.rates == topology.nodes.switch.rates


class TestMistakes:
    """A mistake is one line with exit code 2, and no line holds a card number."""

    @pytest.mark.parametrize(
        ("arguments", "parts"),
        [
            (["9999123412344242"], ["pan", "network token"]),
            (["42424242424242424242"], ["pan", "1 to 19 digits"]),
            (["4x"], ["pan", "1 to 19 digits"]),
            (["reload"], ["FILE", "reload takes"]),
            (["4", "house.toml"], ["FILE", "belongs to reload"]),
            (["4", "--offline", "--member", "nobody"], ["--member", "must be one of acquirer"]),
            (["4", "--offline", "--down", "nobody"], ["--down", "must be one of issuer-a, issuer-b"]),
            (["4", "--offline", "--mcc", "12"], ["mcc", "12"]),
            (["4", "--offline", "--currency", "XTS"], ["currency", "XTS"]),
        ],
    )
    def test_of_the_command_line(
        self, arguments: list[str], parts: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code = main(["route", *arguments])

        error = capsys.readouterr().err
        assert code == 2
        assert error.count("\n") == 1
        assert all(part in error for part in parts)
        assert not re.search(r"\d{12}", error)

    @pytest.mark.parametrize(
        ("added", "parts"),
        [
            ('name = "x"\nto = "issuer-a"', ["route x", "prefixes, or a condition"]),
            ('name = "x"\nprefixes = ["51"]\nto = "nowhere"', ["route x", "nowhere is not one of issuer-a, issuer-b"]),
            ('name = "x"\nprefixes = ["5"]\nto = "issuer-a"', ["prefix 5 is routed twice: x, bin 5"]),
            ('name = "x"\nprefixes = ["5-"]\nto = "issuer-a"', ["nodes.switch.routes[0].prefixes"]),
            ('name = "x"\nwhen = "de4 >"\nto = "issuer-a"', ["nodes.switch.routes[0].when"]),
            ('name = "x"\nmembers = ["me"]\nto = "issuer-a"', ["route x", "member me is not one of acquirer"]),
            ('name = "x"\nprefixes = ["52-58"]\nto = "issuer-a"\nmore = 1', ["nodes.switch.routes[0].more"]),
        ],
    )
    def test_of_a_topology(
        self, added: str, parts: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = folder / "wrong.toml"
        file.write_text(f"{default_text()}\n[[nodes.switch.routes]]\n{added}\n")

        code = main(["route", "4", "--topology", str(file)])

        error = capsys.readouterr().err
        assert code == 2
        assert error.count("\n") == 1
        assert all(part in error for part in parts), error


class TestTheTable:
    """`show` lists every route in the order in which it is tried."""

    def test_as_text(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["route", "show", "--topology", "house.toml"]) == 0

        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("cash: 4242, 400000-409999; mcc == ")
        assert lines[1:3] == ["visa-credit: 4111-4119 -> pair", "own-cards: on-us -> issuer-a  (disabled)"]
        assert lines[-1] == "group pair: primary of issuer-a, issuer-b"

    def test_as_json(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["route", "show", "--offline", "--json"]) == 0

        shown = json.loads(capsys.readouterr().out)
        assert shown["routes"][0]["name"] == "bin 4"
        assert shown["groups"] == []
