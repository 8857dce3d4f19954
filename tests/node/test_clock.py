"""Business time: wall time plus an offset that only grows, also over a restart."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from node.clock import BusinessClock
from tests.support.nodes import EPOCH


class TestBusinessTime:
    """It moves when it is told to, forward only, and remembers."""

    def test_a_restart_does_not_take_it_back(self, tmp_path: Path) -> None:
        first = BusinessClock(lambda: EPOCH, tmp_path / "switch.clock")
        first.advance(timedelta(days=3))

        again = BusinessClock(lambda: EPOCH, tmp_path / "switch.clock")

        assert again.now() == EPOCH + timedelta(days=3)
        assert again.version == 1

    def test_it_never_runs_backwards(self) -> None:
        with pytest.raises(ValueError, match="backwards"):
            BusinessClock(lambda: EPOCH).advance(timedelta(seconds=-1))
