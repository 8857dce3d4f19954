"""What a link counts: each answer in one bucket, declines by code, and no growth by what a peer invents."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.core.meters import BUCKETS_S, CODES_MAX, OTHER, LinkMeters
from tests.support.links import Wire, request


class TestLatencies:
    """An answer falls into the first bucket whose bound is not below it."""

    @given(st.lists(st.floats(0, 100), max_size=50))
    def test_every_answer_is_in_one_bucket(self, latencies: list[float]) -> None:
        meters = LinkMeters()

        for latency in latencies:
            meters.answered(latency, "00")

        for index, bound in enumerate(BUCKETS_S):
            assert sum(meters.latencies[: index + 1]) == sum(latency <= bound for latency in latencies)
        assert sum(meters.latencies) == len(latencies)

    def test_a_link_measures_from_request_to_answer(self) -> None:
        wire = Wire().signed_on()
        turn = wire.dialler.turn()
        wire.dialler.link.request(request(), 10.0, wire.now, turn)
        wire.dialler.finish(turn)
        wire.now += 0.3

        wire.carry()
        answer = wire.listener.arrivals[-1].message.reply("51")
        wire.listener.link.respond(answer, 1, turn := wire.listener.turn())
        wire.listener.finish(turn)
        wire.carry()

        meters = wire.dialler.link.meters
        assert (sum(meters.latencies), round(meters.latency_sum_s, 3)) == (1, 0.3)
        assert meters.declines == {"51": 1}


class TestDeclines:
    """Approvals are no declines, and invented codes share one name."""

    def test_approvals_are_left_out(self) -> None:
        meters = LinkMeters()

        for code in ("00", "51", "08", "51", "91"):
            meters.answered(0.1, code)

        assert meters.declines == {"51": 2, "91": 1}

    def test_a_peer_that_invents_codes_does_not_grow_anything(self) -> None:
        meters = LinkMeters()

        for number in range(3 * CODES_MAX):
            meters.answered(0.1, f"x{number}")

        assert len(meters.declines) == CODES_MAX + 1
        assert meters.declines[OTHER] == 2 * CODES_MAX
