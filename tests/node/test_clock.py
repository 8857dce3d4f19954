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


class TestAgreeing:
    """A house agrees on one offset and version; asking again changes nothing, and nothing runs backwards."""

    def test_the_same_again_changes_nothing(self, tmp_path: Path) -> None:
        clock = BusinessClock(lambda: EPOCH, tmp_path / "x.clock")

        first = clock.agree(timedelta(days=2), 5)
        again = clock.agree(timedelta(days=2), 5)

        assert first == again == EPOCH + timedelta(days=2)
        assert (clock.version, BusinessClock(lambda: EPOCH, tmp_path / "x.clock").version) == (5, 5)

    @pytest.mark.parametrize(
        ("days", "version", "rule"),
        [(3, 5, "version 5 already"), (3, 4, "version 5 already"), (1, 6, "backwards"), (40_000, 6, "at most")],
    )
    def test_what_cannot_be_is_refused(self, days: int, version: int, rule: str) -> None:
        clock = BusinessClock(lambda: EPOCH)
        clock.agree(timedelta(days=2), 5)

        with pytest.raises(ValueError, match=rule):
            clock.agree(timedelta(days=days), version)

        assert (clock.offset, clock.version) == (timedelta(days=2), 5)

    def test_it_goes_only_so_far(self) -> None:
        clock = BusinessClock(lambda: EPOCH)

        with pytest.raises(ValueError, match="at most"):
            clock.advance(timedelta(days=40_000))
