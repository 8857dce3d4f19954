"""A payment through six processes is one trail, also after one of them was killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emulator.cli import main
from tests.support.processes import process_house
from tests.support.waiting import eventually

pytestmark = pytest.mark.process

HOPS = 24
"""Sent and received at each end of three links, there and back: the authorisation and the capture behind it."""


class TestSixProcesses:
    """Commands find every control port through the ready files, and what was kept outlives `kill -9`."""

    def test_a_trail_before_and_after_a_kill(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        with process_house(tmp_path, one_process=False) as house:
            params = {"amount": 1999, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
            intent = house.stripe().v1.payment_intents.create(params)  # type: ignore[arg-type]
            trace = ["trace", "--json", "--payment", intent.id]
            trace += ["--ready-file", str(house.processes["gateway"].ready_file)]

            def trail() -> tuple[int, list[Any]]:
                return main(trace), json.loads(capsys.readouterr().out)["messages"]

            # The capture travels after the shop has its answer.
            assert eventually(lambda: len(trail()[1]) == HOPS)
            before = trail()
            house.kill("switch")
            partly = main(["metrics", *trace[4:]]), capsys.readouterr()
            house.start("switch")
            after = trail()

        assert before[0] == 0
        assert after == before
        assert partly[0] == 0
        assert "switch does not answer and is left out" in partly[1].err
        assert 'node="acquirer"' in partly[1].out
