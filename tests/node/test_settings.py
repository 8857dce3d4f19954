"""A mistake in a settings file is one line: file, key, value, rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from iso import ConfigError
from node.settings import Section, TomlSettings, load, parse


class Port(Section):
    number: int = Field(ge=0, le=65_535)


class Sample(TomlSettings):
    title: str = "house"
    port: Port


class TestMistakes:
    """Each kind of mistake names the file, the key, the value and the rule, on one line."""

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("[port]\nnumber = 70000", ["port.number", "70000", "less than or equal to 65535"]),
            ("[port]\nnumber = 'x'", ["port.number", "'x'", "valid integer"]),
            ("[port]\nnumber = 1\nnmae = 2", ["port.nmae", "2", "not permitted"]),
            ("title = 'a'", ["port", "(absent)", "required"]),
            ("[port", ["(syntax)", "must be TOML"]),
            ("title = '4242424242424242'\nport = 4242424242424242", ["port", "424242******4242"]),
        ],
    )
    def test_it_is_one_line(self, text: str, parts: list[str]) -> None:
        with pytest.raises(ConfigError) as caught:
            parse(Sample, text, "sample.toml")

        line = str(caught.value)
        assert "\n" not in line
        assert "4242424242424242" not in line
        assert [part for part in ["sample.toml", *parts] if part not in line] == []

    def test_a_missing_file_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="must be readable"):
            load(Sample, tmp_path / "absent.toml")


class TestTheEnvironment:
    """`CARDRAILS_A__B` overrides `a.b` of the file."""

    def test_it_wins_over_the_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CARDRAILS_PORT__NUMBER", "99")

        assert parse(Sample, "[port]\nnumber = 1", "sample.toml").port.number == 99
