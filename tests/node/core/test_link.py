"""A link decodes, signs on, matches, echoes and times out; it never reverses and never answers for its owner."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from iso import Message, decode, dialect, encode
from node.core.events import Connected, Received
from node.core.link import ArrivalKind, InFlightKey, LinkMachine, LinkProfile
from node.core.session import Session
from node.core.turn import Turn
from tests.support.links import EPOCH, Side, Wire, request


def ask(wire: Wire, message: Message, timeout_s: float = 10.0) -> InFlightKey | None:
    turn = wire.dialler.turn()
    key = wire.dialler.link.request(message, timeout_s, wire.now, turn)
    wire.dialler.finish(turn)
    return key


def answer(wire: Wire, message: Message) -> None:
    turn = wire.listener.turn()
    wire.listener.link.respond(message, 1, turn)
    wire.listener.finish(turn)
    wire.carry()


def kinds(side: Side) -> list[ArrivalKind]:
    return [arrival.kind for arrival in side.arrivals]


class TestSignOn:
    """The side that dialled signs on; before that nothing financial passes."""

    def test_both_sides_carry_traffic_after_the_sign_on(self) -> None:
        wire = Wire().signed_on()

        assert wire.dialler.link.is_up
        assert wire.listener.link.is_up
        assert (kinds(wire.dialler), kinds(wire.listener)) == ([ArrivalKind.SIGNED_ON], [ArrivalKind.SIGNED_ON])

    def test_a_request_before_it_is_not_sent(self) -> None:
        wire = Wire()
        wire.connect()

        assert ask(wire, request()) is None

    def test_a_request_that_comes_before_it_is_answered_inoperative(self) -> None:
        wire = Wire()
        wire.connect()
        wire.dialler.held = []

        turn = wire.receive(wire.listener, encode(request(), dialect("ascii87")))

        assert [message.response_code for message in turn.sent("peer")] == ["91"]
        assert wire.listener.arrivals == []

    def test_a_sign_on_that_is_refused_closes_the_connection(self) -> None:
        wire = Wire()
        wire.connect()
        sign_on = decode(wire.dialler.held.pop()[1], dialect("ascii87"))

        wire.receive(wire.dialler, encode(sign_on.reply("91"), dialect("ascii87")))

        assert wire.dialler.closed() == [1]
        assert not wire.dialler.link.is_up

    def test_a_sign_on_that_nobody_answers_closes_the_connection(self) -> None:
        wire = Wire()
        wire.connect()

        wire.expire(wire.dialler, 5.0)

        assert wire.dialler.closed() == [1]

    def test_without_network_management_a_connection_carries_traffic_at_once(self) -> None:
        wire = Wire(profile=LinkProfile(sign_on=False))
        wire.connect()

        assert ask(wire, request()) is not None
        assert wire.dialler.link.deadline() == 10.0

    def test_a_second_sign_on_changes_nothing(self) -> None:
        wire = Wire()
        wire.connect()
        sign_on = wire.dialler.held[0][1]
        wire.carry()

        turn = wire.receive(wire.listener, sign_on)

        assert [message.response_code for message in turn.sent("peer")] == ["00"]
        assert wire.listener.link.connections[1].session is Session.SIGNED_ON
        assert kinds(wire.listener) == [ArrivalKind.SIGNED_ON]

    def test_each_connection_signs_on_for_itself(self) -> None:
        wire = Wire().signed_on(1)
        wire.connect(2)
        before = [one.session for one in wire.listener.link.connections.values()]
        wire.carry()

        assert before == [Session.SIGNED_ON, Session.CONNECTED]
        assert [one.session for one in wire.listener.link.connections.values()] == [Session.SIGNED_ON] * 2

    def test_after_a_sign_off_nothing_financial_is_sent(self) -> None:
        wire = Wire().signed_on()
        sign_off = Message("0800", {7: "0314092653", 11: "000777", 70: "002"})

        wire.receive(wire.dialler, encode(sign_off, dialect("ascii87")))

        assert ask(wire, request()) is None
        assert wire.dialler.link.connections[1].session is Session.SIGNED_OFF

    @pytest.mark.parametrize("code", ["101", "161", "201", "999"])
    def test_network_management_beyond_the_session_is_the_owners(self, code: str) -> None:
        wire = Wire().signed_on()
        odd = Message("0800", {7: "0314092653", 11: "000777", 70: code})

        turn = wire.receive(wire.listener, encode(odd, dialect("ascii87")))

        assert (turn.sends, wire.listener.arrivals[-1].kind) == ([], ArrivalKind.MANAGEMENT)


class TestSignOff:
    """Who is about to stop says so: nothing new leaves or is taken, what is in flight still gets its answer."""

    def sign_off(self, side: Side, wire: Wire) -> Turn:
        turn = side.turn()
        side.link.sign_off(wire.now, turn)
        return side.finish(turn)

    def test_it_is_said_on_every_connection(self) -> None:
        wire = Wire().signed_on(1).signed_on(2)

        turn = self.sign_off(wire.dialler, wire)

        assert [(send.connection, send.message.get(70)) for send in turn.sends] == [(1, "002"), (2, "002")]

    @pytest.mark.parametrize("name", ["dialler", "listener"])
    def test_either_side_may_sign_off_and_then_neither_carries_traffic(self, name: str) -> None:
        wire = Wire().signed_on()

        self.sign_off(getattr(wire, name), wire)
        wire.carry()

        assert not wire.dialler.link.is_up
        assert not wire.listener.link.is_up
        assert ask(wire, request()) is None

    def test_the_peer_is_told_and_tells_its_owner(self) -> None:
        wire = Wire().signed_on()

        self.sign_off(wire.dialler, wire)
        wire.carry()

        assert kinds(wire.listener) == [ArrivalKind.SIGNED_ON, ArrivalKind.SIGNED_OFF]

    def test_what_is_in_flight_is_answered_all_the_same(self) -> None:
        wire = Wire().signed_on()
        key = ask(wire, request())
        wire.carry()

        self.sign_off(wire.dialler, wire)
        wire.carry()
        answer(wire, request().reply("00"))

        assert (wire.dialler.arrivals[-1].kind, wire.dialler.arrivals[-1].key) == (ArrivalKind.RESPONSE, key)
        assert wire.dialler.link.in_flight == 0

    def test_a_request_that_crosses_it_is_refused(self) -> None:
        wire = Wire().signed_on()
        ask(wire, request())
        self.sign_off(wire.listener, wire)

        wire.carry()

        assert (wire.dialler.arrivals[-1].kind, wire.dialler.arrivals[-1].message.response_code) == (
            ArrivalKind.RESPONSE,
            "91",
        )

    def test_a_sign_on_afterwards_is_refused_and_a_new_connection_closed(self) -> None:
        wire = Wire().signed_on()
        self.sign_off(wire.listener, wire)
        wire.carry()
        sign_on = Message("0800", {7: "0314092653", 11: "000777", 70: "001"})

        turn = wire.receive(wire.listener, encode(sign_on, dialect("ascii87")))
        wire.connect(2)

        assert [message.response_code for message in turn.sent("peer")] == ["91"]
        assert wire.listener.closed() == [2]

    def test_a_signed_off_line_is_still_probed(self) -> None:
        wire = Wire().signed_on()
        self.sign_off(wire.listener, wire)
        wire.carry()

        turn = wire.expire(wire.dialler, 30.0)

        assert [message.get(70) for message in turn.sent("peer")] == ["301"]

    def test_a_sign_off_that_nobody_answers_has_an_end(self) -> None:
        wire = Wire().signed_on()
        self.sign_off(wire.dialler, wire)

        wire.expire(wire.dialler, 5.0)

        assert wire.dialler.link.in_flight == 0

    def test_without_network_management_nothing_is_said(self) -> None:
        wire = Wire(profile=LinkProfile(sign_on=False))
        wire.connect()

        turn = self.sign_off(wire.dialler, wire)

        assert turn.sends == []
        assert ask(wire, request()) is None


class TestEcho:
    """An idle link is asked whether it is alive; three misses close it, any word from the peer heals it."""

    def test_an_idle_link_echoes(self) -> None:
        wire = Wire().signed_on()

        turn = wire.expire(wire.dialler, 30.0)

        assert [message.get(70) for message in turn.sent("peer")] == ["301"]

    def test_a_missed_echo_makes_the_session_suspect_and_still_usable(self) -> None:
        wire = Wire().signed_on()
        wire.expire(wire.dialler, 30.0)
        wire.dialler.held = []

        wire.expire(wire.dialler, 5.0)

        assert wire.dialler.link.connections[1].session is Session.SUSPECT
        assert ask(wire, request()) is not None

    def test_any_word_from_the_peer_heals_it(self) -> None:
        wire = Wire().signed_on()
        wire.expire(wire.dialler, 30.0)
        wire.dialler.held = []
        wire.expire(wire.dialler, 5.0)

        wire.receive(wire.dialler, encode(request(), dialect("ascii87")))

        assert wire.dialler.link.connections[1].session is Session.SIGNED_ON

    def test_three_missed_echoes_close_it(self) -> None:
        wire = Wire().signed_on()

        for _ in range(60):
            wire.expire(wire.dialler, 5.0)
            if wire.dialler.closed():
                break

        assert wire.dialler.closed() == [1]
        echoes = [send for turn in wire.dialler.turns for send in turn.sends if send.message.get(70) == "301"]
        assert len(echoes) == 3

    def test_a_link_with_traffic_is_not_asked(self) -> None:
        wire = Wire().signed_on()

        for number in range(10):
            ask(wire, request(f"{number:06}"))
            wire.carry()
            answer(wire, request(f"{number:06}").reply("00"))
            assert wire.expire(wire.dialler, 20.0).sends == []

    def test_requests_go_to_the_connections_that_answer_echoes_as_long_as_there_are_any(self) -> None:
        wire = Wire().signed_on(1).signed_on(2)
        wire.expire(wire.dialler, 29.0)
        wire.receive(wire.dialler, encode(request(), dialect("ascii87")), number=2)
        wire.expire(wire.dialler, 1.0)
        wire.dialler.held = []
        wire.expire(wire.dialler, 5.0)

        for number in range(4):
            ask(wire, request(f"{number:06}"))

        assert wire.dialler.link.connections[1].session is Session.SUSPECT
        assert {number for number, _ in wire.dialler.held} == {2}

    def test_a_connection_that_is_to_be_closed_carries_nothing_new(self) -> None:
        wire = Wire().signed_on()
        turn = wire.dialler.turn()

        wire.dialler.link.malformed(1, "00 ff", turn)

        assert ask(wire, request()) is None


class TestUninvited:
    """Whoever dials and never signs on does not keep its place."""

    def test_its_connection_is_closed_once(self) -> None:
        wire = Wire()
        wire.connect()

        wire.expire(wire.listener, 59.0)
        assert wire.listener.closed() == []
        wire.expire(wire.listener, 1.0)
        wire.expire(wire.listener, 60.0)

        assert wire.listener.closed() == [1]

    def test_the_machine_asks_to_be_woken_for_it(self) -> None:
        wire = Wire(profile=LinkProfile(sign_on_wait_s=7.0))
        wire.connect()

        assert wire.listener.link.deadline() == 7.0


class TestMatching:
    """A response belongs to the request with the same class, version, DE 11, DE 7 and DE 32, once."""

    def test_a_response_is_matched_once(self) -> None:
        wire = Wire().signed_on()
        key = ask(wire, request())
        wire.carry()

        answer(wire, request().reply("00"))
        answer(wire, request().reply("00"))

        assert kinds(wire.dialler)[1:] == [ArrivalKind.RESPONSE, ArrivalKind.LATE]
        assert wire.dialler.arrivals[1].key == key

    @pytest.mark.parametrize(
        ("changes", "name"), [({7: "0314092659"}, "DE 7"), ({32: "654321"}, "DE 32")], ids=["DE 7", "DE 32"]
    )
    def test_a_miss_names_the_element_that_differs(self, changes: dict[int, str], name: str) -> None:
        wire = Wire().signed_on()
        ask(wire, request())
        wire.carry()

        answer(wire, request().reply("00", changes))

        assert kinds(wire.dialler)[-1] is ArrivalKind.LATE
        assert f"{name} differs" in wire.dialler.turns[-1].notes[0][2]

    def test_the_answer_to_a_reversal_never_answers_its_original(self) -> None:
        wire = Wire().signed_on()
        ask(wire, request())
        wire.carry()

        answer(wire, request().with_fields({}, mti="0420").reply("00"))

        assert kinds(wire.dialler)[-1] is ArrivalKind.LATE

    def test_a_key_in_flight_is_not_sent_twice(self) -> None:
        wire = Wire().signed_on()
        ask(wire, request())

        assert ask(wire, request()) is None
        assert wire.dialler.notes()[-1] == "refused"

    def test_a_full_window_refuses(self) -> None:
        wire = Wire(profile=LinkProfile(in_flight_max=1)).signed_on()
        ask(wire, request("000001"))

        assert ask(wire, request("000002")) is None

    def test_what_the_owner_has_forgotten_is_late(self) -> None:
        wire = Wire().signed_on()
        key = ask(wire, request())
        wire.carry()
        assert key is not None

        wire.dialler.link.forget(key)
        answer(wire, request().reply("00"))

        assert kinds(wire.dialler)[-1] is ArrivalKind.LATE
        assert wire.expire(wire.dialler, 10.0).is_empty
        assert wire.dialler.silent == []

    def test_a_terminal_may_be_part_of_the_key(self) -> None:
        wire = Wire(profile=LinkProfile(match_terminal=True)).signed_on()
        ask(wire, request())

        assert ask(wire, request(de41="TERM0002")) is not None

    def test_requests_take_turns_on_the_connections(self) -> None:
        wire = Wire().signed_on(1).signed_on(2)

        for number in range(4):
            ask(wire, request(f"{number:06}"))

        assert sorted(number for number, _ in wire.dialler.held) == [1, 1, 2, 2]


class TestSilence:
    """Silence is reported once, as what it is: past the deadline, lost with its connection, or never written."""

    def test_a_request_past_its_deadline_is_silent(self) -> None:
        wire = Wire().signed_on()
        key = ask(wire, request(), timeout_s=10.0)

        wire.expire(wire.dialler, 9.9)
        assert wire.dialler.silent == []
        wire.expire(wire.dialler, 0.2)

        assert wire.dialler.silent == [key]

    def test_a_lost_connection_loses_its_own_requests_only(self) -> None:
        wire = Wire().signed_on(1).signed_on(2)
        first, second = ask(wire, request("000001")), ask(wire, request("000002"))
        by_connection = {number: decode(frame, dialect("ascii87")).stan for number, frame in wire.dialler.held}

        lost = wire.dialler.link.disconnected(1)

        mine = first if by_connection[1] == "000001" else second
        assert lost == [mine]
        assert wire.dialler.link.in_flight == 1

    def test_a_lost_echo_is_nobodys_request(self) -> None:
        wire = Wire().signed_on()
        wire.expire(wire.dialler, 30.0)

        assert wire.dialler.link.disconnected(1) == []

    def test_what_was_never_written_is_reported_once(self) -> None:
        wire = Wire().signed_on()
        key = ask(wire, request())
        assert key is not None

        assert wire.dialler.link.not_written(key)
        assert not wire.dialler.link.not_written(key)

    def test_a_sign_on_that_was_never_written_is_made_good_by_a_new_connection(self) -> None:
        wire = Wire()
        wire.connect()
        key = wire.dialler.turns[-1].sends[0].key

        was_ours = wire.dialler.link.not_written(key)
        wire.expire(wire.dialler, 5.0)

        assert not was_ours
        assert wire.dialler.closed() == [1]

    def test_a_response_goes_to_another_connection_if_its_own_is_gone(self) -> None:
        wire = Wire().signed_on(1).signed_on(2)
        wire.listener.link.disconnected(1)
        turn = wire.listener.turn()

        wire.listener.link.respond(request().reply("00"), 1, turn)

        assert [send.connection for send in turn.sends] == [2]

    def test_a_response_without_any_connection_is_noted(self) -> None:
        wire = Wire().signed_on()
        wire.listener.link.disconnected(1)
        turn = wire.listener.turn()

        wire.listener.link.respond(request().reply("00"), 1, turn)

        assert [note[1] for note in turn.notes] == ["undeliverable"]


class TestBadInput:
    """What cannot be read is rejected with 30 if its MTI can, else the connection is closed; others do not notice."""

    def test_a_request_with_a_bad_element_is_a_format_error(self) -> None:
        wire = Wire().signed_on()
        frame = encode(request(), dialect("ascii87")).replace(b"000000004200", b"00000000x200")

        turn = wire.receive(wire.listener, frame)

        assert [(message.mti, message.response_code) for message in turn.sent("peer")] == [("0110", "30")]
        assert wire.listener.closed() == []

    def test_bytes_without_an_mti_close_the_connection_and_show_no_digits(self) -> None:
        wire = Wire().signed_on()

        turn = wire.receive(wire.listener, b"\xff\xfe4242424242424242")

        assert wire.listener.closed() == [1]
        assert "4242424242424242" not in repr(turn.notes)

    def test_a_request_with_a_bad_mac_is_a_security_violation(self) -> None:
        wire = Wire().signed_on()

        turn = wire.receive(wire.listener, encode(request(), dialect("ascii87")), authentic=False)

        assert [message.response_code for message in turn.sent("peer")] == ["63"]
        assert wire.listener.link.counters["bad_mac"] == 1

    def test_a_bad_mac_is_no_sign_of_life_and_signs_nobody_on(self) -> None:
        wire = Wire()
        wire.connect()
        sign_on = wire.dialler.held[0][1]
        wire.now = 7.0

        turn = wire.receive(wire.listener, sign_on, authentic=False)

        connection = wire.listener.link.connections[1]
        assert [message.response_code for message in turn.sent("peer")] == ["63"]
        assert (connection.session, connection.heard_at) == (Session.CONNECTED, 0.0)

    def test_a_bad_mac_comes_before_a_format_error_and_before_the_session(self) -> None:
        wire = Wire()
        wire.connect()
        unreadable = encode(request(), dialect("ascii87")).replace(b"000000004200", b"00000000x200")

        turns = [
            wire.receive(wire.listener, frame, authentic=False)
            for frame in (unreadable, encode(request(), dialect("ascii87")))
        ]

        assert [[message.response_code for message in turn.sent("peer")] for turn in turns] == [["63"], ["63"]]
        assert (wire.listener.link.counters["bad_mac"], wire.listener.closed()) == (2, [])

    def test_garbage_with_a_bad_mac_is_garbage(self) -> None:
        wire = Wire()
        wire.connect()

        turn = wire.receive(wire.listener, b"junk 4242424242424242", authentic=False)

        assert turn.sent("peer") == []
        assert wire.listener.closed() == [1]
        assert [kind for _, kind, _ in turn.notes] == ["malformed"]
        assert "4242424242" not in str(turn.notes)

    def test_a_response_with_a_bad_mac_is_dropped(self) -> None:
        wire = Wire().signed_on()
        ask(wire, request())

        turn = wire.receive(wire.dialler, encode(request().reply("00"), dialect("ascii87")), authentic=False)

        assert turn.sends == []
        assert wire.dialler.link.in_flight == 1

    def test_a_broken_stream_closes_the_connection(self) -> None:
        wire = Wire().signed_on()
        turn = wire.listener.turn()

        wire.listener.link.malformed(1, "00 ff", turn)

        assert turn.closes == [("peer", 1)]

    def test_an_approval_that_the_dialect_cannot_express_is_left_to_silence(self) -> None:
        wire = Wire().signed_on()
        turn = wire.listener.turn()

        wire.listener.link.respond(request().reply("00", {38: "far too long"}), 1, turn)

        assert turn.sent("peer") == []
        assert [note[1] for note in turn.notes] == ["unencodable"]

    def test_a_refusal_that_the_dialect_cannot_express_is_cut_down(self) -> None:
        wire = Wire().signed_on()
        turn = wire.listener.turn()

        wire.listener.link.respond(request().reply("05", {38: "far too long"}), 1, turn)

        sent = turn.sent("peer")[0]
        assert (sent.response_code, sent.stan, 4 in sent) == ("96", "000001", False)

    def test_what_comes_on_a_connection_that_is_gone_is_ignored(self) -> None:
        wire = Wire().signed_on()
        wire.listener.link.disconnected(1)

        assert wire.receive(wire.listener, encode(request(), dialect("ascii87"))).is_empty


class TestEchoProfiles:
    """What of a request comes back in its response is agreed link by link."""

    @pytest.mark.parametrize(
        ("profile", "echoed"),
        [("house", {2, 3, 4, 7, 11, 37, 41}), ("no-pan", {3, 4, 7, 11, 37, 41}), ("minimal", {7, 11, 37, 41})],
    )
    def test_a_link_echoes_by_its_profile(self, profile: str, echoed: set[int]) -> None:
        wire = Wire(profile=LinkProfile(echo=profile)).signed_on()
        turn = wire.listener.turn()

        wire.listener.link.respond(request().reply("00"), 1, turn)

        sent = turn.sent("peer")[0]
        assert {de for de in (2, 3, 4, 7, 11, 37, 41) if de in sent} == echoed
        assert sent.response_code == "00"


class TestReadBefore:
    """What somebody has read of a frame already is not read again."""

    @pytest.mark.parametrize("name", ["ascii87", "net-bin87", "ebcdic93"])
    def test_a_frame_means_the_same_with_and_without_what_was_read_of_it(self, name: str) -> None:
        spoken = dialect(name)
        sender, turn = LinkMachine("out", spoken, LinkProfile(sign_on=False)), Turn(EPOCH)
        sender.connected(Connected("out", 1, True), 0.0, turn)
        sender.request(request(), 10.0, 0.0, turn)
        (sent,) = turn.sends
        frame, arrivals = sent.payload, []

        for known in (None, decode(frame, spoken)):
            receiver = LinkMachine("in", spoken, LinkProfile(sign_on=False))
            receiver.connected(Connected("in", 1, False), 0.0, turn)
            arrivals.append(receiver.received(Received("in", 1, frame, True, known), 0.0, turn))

        assert arrivals[0] is not None
        assert arrivals[0] == arrivals[1]

    @pytest.mark.parametrize("name", ["ascii87", "net-bin87", "ebcdic93"])
    def test_what_was_sent_says_what_its_bytes_say(self, name: str) -> None:
        spoken, turn = dialect(name), Turn(EPOCH)
        link = LinkMachine("out", spoken, LinkProfile(sign_on=False))
        link.connected(Connected("out", 1, True), 0.0, turn)

        link.request(request(), 10.0, 0.0, turn)

        (sent,) = turn.sends
        assert (sent.written or sent.message) == decode(sent.payload, spoken).without_mac()


class TestTranslation:
    """Inside the house messages are in the 1987 form; a 1993 link translates at its edge."""

    def test_a_1993_link_speaks_1993_outside_and_1987_inside(self) -> None:
        wire = Wire("ebcdic93").signed_on()
        key = ask(wire, request())
        assert wire.dialler.held[0][1][:4] == "1100".encode("cp500")
        wire.carry()

        answer(wire, request().reply("51"))

        assert wire.listener.arrivals[-1].message.mti == "0100"
        received = wire.dialler.arrivals[-1]
        assert (received.message.mti, received.message.response_code, received.key) == ("0110", "51", key)


class InFlight(RuleBasedStateMachine):
    """Whatever happens, each request that was sent is reported exactly once: answered, silent, lost or unwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.link = LinkMachine("peer", dialect("ascii87"), LinkProfile(sign_on=False, in_flight_max=4))
        self.now = 0.0
        self.open: dict[int, set[InFlightKey]] = {}
        self.sent: dict[InFlightKey, Message] = {}
        self.connections = 0
        self.stan = 0

    def where(self, key: InFlightKey) -> int:
        return next(number for number, keys in self.open.items() if key in keys)

    @rule()
    def connect(self) -> None:
        self.connections += 1
        self.link.connected(Connected("peer", self.connections, dialled=True), self.now, Turn(EPOCH))
        self.open[self.connections] = set()

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.open)))

        lost = self.link.disconnected(number)

        assert set(lost) == self.open.pop(number)
        assert len(lost) == len(set(lost))
        for key in lost:
            del self.sent[key]

    @rule(timeout_s=st.sampled_from([2.0, 5.0]))
    def request(self, timeout_s: float) -> None:
        self.stan += 1
        message, turn = request(f"{self.stan:06}"), Turn(EPOCH)

        key = self.link.request(message, timeout_s, self.now, turn)

        assert (key is None) == (not self.open or len(self.sent) == 4)
        assert len(turn.sends) == (key is not None)
        if key is not None:
            self.sent[key] = message
            self.open[turn.sends[0].connection].add(key)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.sent)))
        number = self.where(key)
        frame = encode(self.sent.pop(key).reply("00"), dialect("ascii87"))

        arrivals = [self.link.received(Received("peer", number, frame, True), self.now, Turn(EPOCH)) for _ in "12"]

        assert [arrival and (arrival.kind, arrival.key) for arrival in arrivals] == [
            (ArrivalKind.RESPONSE, key),
            (ArrivalKind.LATE, key),
        ]
        self.open[number].discard(key)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), how=st.sampled_from(["forget", "not written"]))
    def give_up(self, data: st.DataObject, how: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.sent)))
        if how == "forget":
            self.link.forget(key)
        else:
            assert self.link.not_written(key)
        self.open[self.where(key)].discard(key)
        del self.sent[key]

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

        for key in self.link.expire(self.now, Turn(EPOCH)):
            del self.sent[key]
            self.open[self.where(key)].discard(key)

    @invariant()
    def what_is_open_is_in_flight(self) -> None:
        assert self.link.in_flight == len(self.sent)
        assert self.link.is_up == bool(self.open)

    @invariant()
    def nothing_waits_for_ever(self) -> None:
        deadline = self.link.deadline()

        assert not self.sent or (deadline is not None and deadline <= self.now + 5.0)


TestInFlight = InFlight.TestCase
