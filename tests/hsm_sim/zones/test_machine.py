"""Whatever happens to wire and nodes while keys change, no side ever meets a MAC that it cannot check."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hsm_sim.zones.kinds import KeyKind
from hsm_sim.zones.rules import ZoneRules
from iso import Message
from tests.support.zones import Side, Zones

KINDS = [KeyKind.MAC, KeyKind.PIN]


class KeysUnderWay(RuleBasedStateMachine):
    """Exchanges, traffic, loss, reconnection, time and restarts in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Zones(ZoneRules(grace_s=20.0, retry_s=2.0)).up()
        self.stans = 0

    def side(self, *, is_owner: bool) -> Side:
        return self.bench.owner if is_owner else self.bench.member

    @rule(kind=st.sampled_from(KINDS))
    def exchange(self, kind: KeyKind) -> None:
        self.bench.owner.exchange(kind)

    @rule(kind=st.sampled_from(KINDS))
    def wish(self, kind: KeyKind) -> None:
        self.bench.member.start(lambda: self.bench.member.keys.request("peer", kind))

    @rule(is_owner=st.booleans())
    def pay(self, is_owner: bool) -> None:
        self.stans += 1
        self.side(is_owner=is_owner).ask(f"{self.stans:06}")

    @rule(count=st.integers(1, 4))
    def carry(self, count: int) -> None:
        self.bench.carry(count)

    @rule()
    def overtake(self) -> None:
        if len(self.bench.held) > 1:
            self.bench.held.append(self.bench.held.pop(0))

    @rule()
    def lose(self) -> None:
        self.bench.lose()

    @rule()
    def reconnect(self) -> None:
        self.bench.cut()
        self.bench.connect()

    @rule()
    def second_connection(self) -> None:
        if len(self.bench.owner.link.connections) < 3:
            self.bench.connect()

    @rule(seconds=st.sampled_from([0.5, 3.0, 30.0]))
    def pass_time(self, seconds: float) -> None:
        # What is on a wire for longer than the grace time is rightly refused.
        self.bench.carry()
        self.bench.pass_time(seconds)

    @rule(is_owner=st.booleans())
    def restart(self, is_owner: bool) -> None:
        self.bench.cut()
        self.side(is_owner=is_owner).restart()
        self.bench.connect()

    @invariant()
    def every_mac_fits_a_key(self) -> None:
        assert (self.bench.owner.bad_macs, self.bench.member.bad_macs) == (0, 0)

    def teardown(self) -> None:
        """Let the wire be whole again: one key of each kind is left, and payments pass both ways."""
        bench = self.bench
        bench.cut()
        bench.up()
        for _ in range(20):
            bench.pass_time(5.0)
            bench.carry()
        for kind in KINDS:
            assert bench.kcv_in_use(bench.owner, kind) == bench.kcv_in_use(bench.member, kind)
            assert {state for _, state in bench.owner.states(kind)} <= {"current", "retired", "refused"}
        for side in (bench.owner, bench.member):
            self.stans += 1
            call = side.ask(f"{self.stans:06}")
            bench.carry()
            assert isinstance(side.result(call), Message)


KeysUnderWay.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestKeysUnderWay = KeysUnderWay.TestCase
