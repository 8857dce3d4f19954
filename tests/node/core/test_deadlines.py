"""Alarms: who has to be looked at next, and that a host with many links forgets none of them."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from iso import dialect
from node.core.deadlines import Alarms
from node.core.events import Connected
from node.core.host import Host
from node.core.link import LinkMachine, LinkProfile
from node.core.turn import Turn

EPOCH = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
NAMES = st.sampled_from(["a", "b", "c", "d"])
INSTANTS = st.integers(0, 20).map(float)


class TestAlarms:
    """Everybody is looked at no later than at the earliest instant that was set since they were last looked at."""

    @given(st.lists(st.tuples(NAMES, INSTANTS)), INSTANTS)
    def test_whoever_is_due_comes_once_and_nobody_else(self, wishes: list[tuple[str, float]], now: float) -> None:
        alarms = Alarms()

        for name, at in wishes:
            alarms.set(name, at)
        due = alarms.pop_due(now)

        assert sorted(due) == sorted({name for name, at in wishes if at <= now})
        assert alarms.pop_due(now) == []

    @given(st.lists(st.tuples(NAMES, INSTANTS), min_size=1))
    def test_the_next_instant_is_the_earliest(self, wishes: list[tuple[str, float]]) -> None:
        alarms = Alarms()

        for name, at in wishes:
            alarms.set(name, at)

        assert alarms.next() == min(at for _, at in wishes)

    def test_an_alarm_that_was_brought_forward_does_not_ring_a_second_time(self) -> None:
        alarms = Alarms()

        alarms.set("a", 9.0)
        alarms.set("a", 3.0)

        assert alarms.pop_due(5.0) == ["a"]
        assert alarms.pop_due(10.0) == []


class TestHost:
    """Every link echoes when it is due, however many there are and whichever of them were busy."""

    @given(st.lists(st.floats(0, 29), min_size=2, max_size=6))
    def test_each_link_echoes_at_its_own_time(self, connected_at: list[float]) -> None:
        profile = LinkProfile(echo_idle_s=30.0)
        host = Host([LinkMachine(f"link-{number}", dialect("ascii87"), profile) for number in range(len(connected_at))])
        for at, name in sorted(zip(connected_at, host.links, strict=True)):
            self._sign_on(host, name, at)

        echoes: dict[str, float] = {}
        while len(echoes) < len(connected_at):
            now = host.deadline()
            assert now is not None
            turn = Turn(EPOCH)
            host.expire(now, turn)
            for send in turn.sends:
                echoes.setdefault(send.link, now)

        assert echoes == {f"link-{number}": at + 30.0 for number, at in enumerate(connected_at)}

    @staticmethod
    def _sign_on(host: Host, link: str, at: float) -> None:
        profile = host.links[link].profile
        host.links[link].profile = profile._replace(sign_on=False)
        turn = Turn(EPOCH)
        host.handle(Connected(link, 1, dialled=True), at, turn)
        host.links[link].profile = profile
        host.expire(at, turn)
