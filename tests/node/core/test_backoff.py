"""Pauses between attempts double up to a limit; chance takes away at most half."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.core.backoff import pause_s


class TestPause:
    """Between half of the full pause and all of it; the full pause doubles and has an end."""

    @given(st.integers(1, 10_000), st.floats(0, 1))
    def test_it_is_between_half_and_all_of_the_full_pause(self, failures: int, share: float) -> None:
        full_s = min(0.05 * 2 ** min(failures - 1, 50), 5.0)

        assert full_s / 2 <= pause_s(failures, 0.05, 5.0, share) <= full_s

    def test_it_doubles_up_to_its_limit(self) -> None:
        assert [pause_s(failures, 1.0, 5.0, 1.0) for failures in (1, 2, 3, 4, 99)] == [1.0, 2.0, 4.0, 5.0, 5.0]
