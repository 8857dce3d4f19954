"""Two links joined by a wire that loses, doubles and reorders: sessions heal, and every request has one end."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from iso import dialect, encode
from node.core.link import ArrivalKind, InFlightKey, LinkProfile
from node.core.session import CUT_OVER, SIGN_ON, Session, network_management
from tests.support.links import EPOCH, Wire, request

SPOKEN = dialect("ascii87")
PROFILE = LinkProfile(echo_idle_s=20.0, echo_timeout_s=5.0, sign_on_timeout_s=5.0, sign_on_wait_s=60.0)


class Pair(RuleBasedStateMachine):
    """Both sides ask, answer and echo; connections come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.wire = Wire(profile=PROFILE)
        self.sides = (self.wire.dialler, self.wire.listener)
        self.waiting: dict[int, set[InFlightKey]] = {0: set(), 1: set()}
        self.seen = [0, 0]
        self.connections = 0
        self.stan = 0

    # The wire.

    @rule()
    def connect(self) -> None:
        if len(self.sides[0].link.connections) < 3:
            self.connections += 1
            self.wire.connect(self.connections)

    @precondition(lambda self: self.sides[0].link.connections)
    @rule(data=st.data())
    def cut(self, data: st.DataObject) -> None:
        self._cut(data.draw(st.sampled_from(sorted(self.sides[0].link.connections))))

    def _cut(self, number: int) -> None:
        for at, side in enumerate(self.sides):
            side.held = [frame for frame in side.held if frame[0] != number]
            self._ended(at, side.link.disconnected(number))

    @precondition(lambda self: any(side.held for side in self.sides))
    @rule(data=st.data(), how=st.sampled_from(["carry", "carry", "carry", "lose", "double", "put last", "forge"]))
    def move(self, data: st.DataObject, how: str) -> None:
        at = data.draw(st.sampled_from([at for at, side in enumerate(self.sides) if side.held]))
        number, frame = self.sides[at].held.pop(0)
        if how == "put last":
            self.sides[at].held.append((number, frame))
        elif how == "forge":
            self._forged(1 - at, number, frame)
        elif how != "lose":
            for _ in range(2 if how == "double" else 1):
                self._carry(1 - at, number, frame)

    def _carry(self, to: int, number: int, frame: bytes) -> None:
        self.wire.receive(self.sides[to], frame, number)
        self._look(to)

    def _forged(self, to: int, number: int, frame: bytes) -> None:
        side, before = self.sides[to], self._standing(to)
        is_known = number in side.link.connections

        turn = self.wire.receive(side, frame, number, authentic=False)

        assert self._standing(to) == before
        assert {message.response_code for message in turn.sent("peer")} <= {"63"}
        assert [kind for _, kind, _ in turn.notes] == (["bad_mac"] if is_known else [])

    def _standing(self, at: int) -> object:
        link = self.sides[at].link
        connections = [(one.number, one.session, one.heard_at, one.echoes_missed) for one in link.connections.values()]
        return connections, link.in_flight, link.heard_generation, len(self.sides[at].arrivals)

    # The owners.

    @rule(at=st.sampled_from([0, 1]))
    def ask(self, at: int) -> None:
        self._ask(at)

    def _ask(self, at: int) -> InFlightKey | None:
        self.stan += 1
        side = self.sides[at]
        turn = side.turn()
        key = side.link.request(request(f"{self.stan:06}"), 10.0, self.wire.now, turn)
        side.finish(turn)
        assert (key is not None) == side.link.is_up
        if key is not None:
            self.waiting[at].add(key)
        return key

    @rule(at=st.sampled_from([0, 1]), again=st.sampled_from([SIGN_ON, CUT_OVER]))
    def manage(self, at: int, again: str) -> None:
        """A second sign-on, or a message of the owner's: neither takes anything away from the session."""
        side = self.sides[at]
        signed_on = [number for number, one in side.link.connections.items() if one.session is Session.SIGNED_ON]
        for number in signed_on:
            self.stan += 1
            side.held.append((number, encode(network_management(again, f"{self.stan:06}", EPOCH), SPOKEN)))

    @rule(seconds=st.sampled_from([0.5, 4.0, 12.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.wire.now += seconds
        for at, side in enumerate(self.sides):
            turn = side.turn()
            self._ended(at, side.link.expire(self.wire.now, turn))
            side.finish(turn)
        self._close_what_is_to_be_closed()

    def _close_what_is_to_be_closed(self) -> None:
        for side in self.sides:
            for number in [one.number for one in side.link.connections.values() if one.is_closing]:
                self._cut(number)

    def _look(self, at: int) -> None:
        side = self.sides[at]
        fresh, self.seen[at] = side.arrivals[self.seen[at] :], len(side.arrivals)
        for arrival in fresh:
            if arrival.kind is ArrivalKind.REQUEST:
                assert side.link.connections[arrival.connection].carries_traffic
                turn = side.turn()
                side.link.respond(arrival.message.reply("00"), arrival.connection, turn)
                side.finish(turn)
            elif arrival.kind is ArrivalKind.RESPONSE:
                assert arrival.key is not None
                self._ended(at, [arrival.key])
        self._close_what_is_to_be_closed()

    def _ended(self, at: int, keys: list[InFlightKey]) -> None:
        for key in keys:
            self.waiting[at].remove(key)

    # What always holds.

    @invariant()
    def every_request_waits_or_has_ended_once(self) -> None:
        for at, side in enumerate(self.sides):
            own = sum(one.management_key is not None for one in side.link.connections.values())
            assert len(self.waiting[at]) <= side.link.in_flight <= len(self.waiting[at]) + own

    @invariant()
    def the_dialler_is_not_signed_on_before_the_listener_has_heard_it(self) -> None:
        dialler, listener = (side.link.connections for side in self.sides)
        for number, connection in dialler.items():
            if connection.session is Session.SIGNED_ON:
                assert listener[number].session is not Session.CONNECTED

    def teardown(self) -> None:
        """On a wire that is whole again both sides sign on, and each one's question is answered."""
        for number in list(self.sides[0].link.connections):
            self._cut(number)
        self.connections += 1
        self.wire.connect(self.connections)
        self._settle()
        keys = [self._ask(at) for at in (0, 1)]
        self._settle()

        assert None not in keys
        assert self.waiting == {0: set(), 1: set()}

    def _settle(self) -> None:
        while any(side.held for side in self.sides):
            for at, side in enumerate(self.sides):
                held, side.held = side.held, []
                for number, frame in held:
                    self._carry(1 - at, number, frame)


Pair.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPair = Pair.TestCase
