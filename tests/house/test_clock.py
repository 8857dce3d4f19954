"""`cardrails clock`: one business time for a whole house, and which nodes did not hear of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emulator.cli import main
from node.calendar_settings import read_calendar
from node.house_clock import moved
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house
THURSDAY_BEFORE_EASTER = datetime(2026, 4, 2, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseHandle]:
    folder = tmp_path_factory.mktemp("clocked")
    with running_house(folder) as handle:
        handle.house.write_ready(folder / "ready.json")
        yield handle


def clock(house: HouseHandle, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main(["clock", *words, "--json", "--ready-file", str(house.house.data_dir / "ready.json")])
    return code, json.loads(capsys.readouterr().out)


def offsets(shown: Any) -> set[tuple[float, int]]:
    return {(node["offset_s"], node["version"]) for node in shown["nodes"].values()}


class TestDistance:
    """Business days keep the time of day and skip weekends and holidays; everything else is plain time."""

    @pytest.mark.parametrize(
        ("by", "days"),
        [((1, "bd"), 5), ((2, "bd"), 6), ((0, "bd"), 0), ((1, "d"), 1), ((36, "h"), 1.5), ((2, "w"), 14)],
    )
    def test_from_the_thursday_before_easter(self, by: tuple[int, str], days: float) -> None:
        assert moved(THURSDAY_BEFORE_EASTER, by, read_calendar()) == timedelta(days=days)


class TestAdvancing:
    """Every node gets the same offset and version."""

    def test_all_nodes_agree(self, running: HouseHandle, capsys: pytest.CaptureFixture[str]) -> None:
        _, before = clock(running, capsys, "show")
        code, after = clock(running, capsys, "advance", "36h")
        _, shown = clock(running, capsys)

        [(offset_s, version)] = offsets(after)
        assert code == 0
        assert set(after["nodes"]) == {"gateway", "acquirer", "switch", "issuer-a", "issuer-b", "hsm"}
        assert (offset_s, version) == (
            max(offset for offset, _ in offsets(before)) + 36 * 3600,
            max(version for _, version in offsets(before)) + 1,
        )
        assert offsets(shown) == offsets(after)

    def test_a_node_that_stayed_behind_comes_along(
        self, running: HouseHandle, capsys: pytest.CaptureFixture[str]
    ) -> None:
        running.control.advance("switch", timedelta(days=3))

        _, split = clock(running, capsys, "show")
        _, after = clock(running, capsys, "advance", "1d")

        assert len(offsets(split)) == 2
        assert len(offsets(after)) == 1
        assert max(offset for offset, _ in offsets(after)) == max(offset for offset, _ in offsets(split)) + 86_400

    def test_people_see_it(self, running: HouseHandle, capsys: pytest.CaptureFixture[str]) -> None:
        capsys.readouterr()

        assert main(["clock", "advance", "1bd", "--ready-file", str(running.house.data_dir / "ready.json")]) == 0

        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 6
        assert all(" version " in line and "Z  " in line for line in lines)

    def test_a_node_that_does_not_answer_is_named(
        self, running: HouseHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ready = running.house.ready_info()
        away = {"control_url": "http://127.0.0.1:9", "nodes": {"issuer-c": {}}, "data_dir": ready["data_dir"]}
        file = running.house.data_dir / "ready-issuer-c.json"
        file.write_text(json.dumps(away))
        try:
            code, after = clock(running, capsys, "advance", "1h")
        finally:
            file.unlink()

        assert code == 1
        assert after["silent"] == ["issuer-c"]
        assert len(after["nodes"]) == 6


class TestMistakes:
    """A wrong amount is a wrong command line."""

    @pytest.mark.parametrize(
        "words", [["advance"], ["advance", "2"], ["advance", "-1d"], ["advance", "2bdx"], ["show", "1d"]]
    )
    def test_of_the_command_line(self, words: list[str]) -> None:
        try:
            code = main(["clock", *words])
        except SystemExit as error:
            code = int(str(error.code))

        assert code == 2

    def test_further_than_it_goes(self, running: HouseHandle, capsys: pytest.CaptureFixture[str]) -> None:
        code, after = clock(running, capsys, "advance", "99999w")

        assert code == 1
        assert len(after["silent"]) == 6
