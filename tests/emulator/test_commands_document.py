"""docs/reference/commands.md is true: every example prints what the document says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.cli import COMMANDS
from tests.support.console import Example, examples, run, steady, write_files

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
EXAMPLES = examples(DOCUMENT)


IN_A_HOUSE = ("send", "bank", "ledger", "clock")
"""Commands whose examples need a running house; they are run in the order of the document."""


def is_sent(example: Example) -> bool:
    return example.command.split()[1] in IN_A_HOUSE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    write_files(DOCUMENT, tmp_path)
    return tmp_path


@pytest.fixture
def house(folder: Path) -> Iterator[None]:
    from emulator.house import DEFAULT_DATA_DIR, READY_FILE
    from tests.support.house import running_house

    data_dir = folder / DEFAULT_DATA_DIR
    data_dir.mkdir()
    with running_house(data_dir) as running:
        running.house.write_ready(data_dir / READY_FILE)
        yield


class TestExamples:
    """What a console block shows is what happens; only times may differ."""

    @pytest.mark.parametrize("example", [one for one in EXAMPLES if not is_sent(one)], ids=lambda one: one.command[:60])
    def test_of_reading(self, example: Example, folder: Path) -> None:
        assert run(example.command) == example.output

    @pytest.mark.house
    @pytest.mark.usefixtures("house")
    def test_of_sending(self) -> None:
        sent = [example for example in EXAMPLES if is_sent(example)]

        assert [run(example.command) for example in sent] == [steady(example.output) for example in sent]
        assert sent


class TestCompleteness:
    """Every command has a section."""

    def test_each_command_is_described(self) -> None:
        text = DOCUMENT.read_text("utf-8")

        assert [name for name in COMMANDS if f"\n## {name}\n" not in text] == []
