"""What a suite may say, and what is said about one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.cli import main
from emulator.conform.suite import SUITE_NAMES, parse_suite, read_suite
from iso import ConfigError

TEN = {
    "sign-on",
    "purchase",
    "decline",
    "timeout and reversal",
    "repeat",
    "duplicate",
    "late answer",
    "stand-in",
    "bad MAC",
    "malformed",
}


def suite_text(*steps: str, more: str = "") -> str:
    listed = ",\n".join(steps)
    return f'name = "mine"\n{more}\n[messages.echo]\nmti = "0800"\n[[cases]]\nname = "one"\nsteps = [\n{listed}\n]\n'


class TestShippedSuites:
    """Ten cases ship, for a switch between two ends and for a host that answers."""

    @pytest.mark.parametrize("name", SUITE_NAMES)
    def test_each_has_the_ten_cases(self, name: str) -> None:
        suite = read_suite(name)

        assert {case.name for case in suite.cases} == TEN
        assert all(case.about for case in suite.cases)

    @pytest.mark.parametrize("name", SUITE_NAMES)
    def test_they_are_listed_without_playing(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        code = main(["conform", name, "--role", "acquirer", "--target", "127.0.0.1:1", "--list"])

        printed = capsys.readouterr().out
        assert code == 0
        assert [case for case in TEN if f"  {case}: " not in printed] == []


class TestMistakes:
    """A suite that makes no sense is refused before anything is sent: file, key, value, rule."""

    @pytest.mark.parametrize(
        ("text", "key", "rule"),
        [
            ("name = ", "(syntax)", "must be TOML"),
            ('name = "empty"\n', "cases", "field required"),
            (suite_text('{ do = "dance" }'), "cases[0].steps[0].do", "'connect', 'sign-on'"),
            (
                suite_text('{ do = "connect", code = "00" }'),
                "cases[0].steps[0]",
                "code does not go with do = 'connect'",
            ),
            (suite_text('{ do = "expect" }'), "cases[0].steps[0]", "do = 'expect' needs mti"),
            (suite_text('{ do = "send" }'), "cases[0].steps[0]", "one of message, copy_of and raw"),
            (suite_text('{ do = "send", message = "nothing" }'), "(file)", "step 1: there is no message 'nothing'"),
            (suite_text('{ do = "reply", to = "asked" }'), "(file)", "no step before it saves 'asked'"),
            (
                suite_text('{ do = "send", message = "echo", fields = { 4 = "${much}" } }'),
                "(file)",
                "there is no variable 'much'",
            ),
            (suite_text('{ do = "tell", text = "${echo.de4}" }'), "(file)", "no step before it saves 'echo'"),
            (
                suite_text('{ do = "send", message = "echo", fields = { 200 = "1" } }'),
                "cases[0].steps[0].fields",
                "2 to 128",
            ),
            (
                suite_text('{ do = "expect", mti = "0810", where = [\'code = "00"\'] }'),
                "cases[0].steps[0].where[0]",
                "write == to compare",
            ),
            (suite_text('{ do = "connect" }', more='color = "red"'), "color", "extra inputs are not permitted"),
        ],
    )
    def test_the_error_names_file_key_and_rule(self, text: str, key: str, rule: str) -> None:
        with pytest.raises(ConfigError) as caught:
            parse_suite(text, "mine.toml")

        assert str(caught.value).startswith(f"mine.toml: {key}")
        assert rule in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_saved_part_has_to_exist(self) -> None:
        steps = ('{ do = "send", message = "echo", save = "sent" }', '{ do = "tell", text = "${sent.colour}" }')

        with pytest.raises(ConfigError, match="a part is an element's number or original, mti"):
            parse_suite(suite_text(*steps), "mine.toml")

    @pytest.mark.parametrize(
        ("words", "rule"),
        [
            (["nowhere.toml"], "shipped suite"),
            (["host", "--set", "colour=red"], "a variable of the suite"),
            (["host", "--set", "colour"], "NAME=VALUE"),
            (["host", "--case", "nothing"], "one of sign-on"),
            (["host", "--dialect", "net-bin87"], "has MACs"),
            (["host", "--dialect", "ascii2003"], "1987 or 1993"),
            (["host", "--dialect", "net-bin87", "--mac-key", "missing.key"], "32 or 48 or 64 hexadecimal digits"),
        ],
    )
    def test_the_command_line_too(self, words: list[str], rule: str, capsys: pytest.CaptureFixture[str]) -> None:
        code = main(["conform", *words, "--role", "acquirer", "--target", "127.0.0.1:1"])

        error = capsys.readouterr().err
        assert code == 2
        assert rule in error
        assert error.count("\n") == 1

    def test_a_key_file_is_never_shown(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "short.key"
        file.write_text("0123456789ABCDEF")

        words = ["--dialect", "net-bin87", "--mac-key", str(file), "--role", "acquirer", "--target", "127.0.0.1:1"]
        code = main(["conform", "host", *words])

        captured = capsys.readouterr()
        assert code == 2
        assert "0123456789ABCDEF" not in captured.out + captured.err
