"""One ISO 8583 link, as a pure machine: decode, session, matching, echo, deadlines.

A link is a dialect, a set of connections and the requests in flight on them. Who dialled is independent of who asks.
Inside the house messages are in the 1987 form; a link whose dialect is of 1993 translates at its edge, both ways.

It must never answer a financial message by itself except to refuse it: format error (30), bad MAC (63), no session
(91). And it never reverses anything: it reports silence, its owner decides.
"""

from __future__ import annotations

from iso import Dialect, LocalProtocolError, Message, RemoteProtocolError, decode, encode
from iso.dialect import APPROVED_CODES
from iso.echo import ECHO_PROFILES, HOUSE
from iso.pan import masked_window
from iso.salvage import salvage
from iso.translate import to_1987, to_1993
from node.core.deadlines import Deadlines
from node.core.events import Connected, Received
from node.core.matching import ANSWERED, FORGOTTEN, LOST, TIMED_OUT, UNWRITTEN, InFlight, InFlightKey, key_of
from node.core.profile import Arrival, ArrivalKind, LinkProfile
from node.core.session import (
    ECHO,
    SIGN_OFF,
    SIGN_ON,
    Connection,
    Session,
    network_management,
    next_session,
)
from node.core.turn import Turn

__all__ = ["Arrival", "ArrivalKind", "InFlightKey", "LinkMachine", "LinkProfile"]


class LinkMachine:
    """The state of one link. Methods that decide take `now` (monotonic seconds) and the turn to record into.

    Parameters
    ----------
    name
        Unique within the node.
    dialect
        How bytes become messages here.
    profile
        Session rules and limits.
    """

    def __init__(self, name: str, dialect: Dialect, profile: LinkProfile | None = None) -> None:
        self.name = name
        self.dialect = dialect
        self.profile = profile or LinkProfile()
        self.connections: dict[int, Connection] = {}
        self.counters = {"in": 0, "out": 0, "rejected": 0, "bad_mac": 0, "late": 0, "timeouts": 0}
        self.is_draining = False
        self._in_flight = InFlight(self.profile.remembered_max)
        self._deadlines: Deadlines[InFlightKey] = Deadlines()
        self._stan = 0
        self._turns = 0
        self._now = 0.0

    # What the owner asks.

    @property
    def is_up(self) -> bool:
        """Whether some connection carries traffic."""
        return any(connection.carries_traffic for connection in self.connections.values())

    @property
    def in_flight(self) -> int:
        """How many requests wait for an answer."""
        return len(self._in_flight)

    def request(self, message: Message, timeout_s: float, now: float, turn: Turn) -> InFlightKey | None:
        """Send a request and expect its response within `timeout_s` seconds.

        Returns
        -------
        InFlightKey | None
            The in-flight key under which the response, or silence, will be reported. None if nothing was sent: no
            connection carries traffic, the window is full, or the key is already in flight (a note says which).

        Raises
        ------
        LocalProtocolError
            The dialect cannot express the message. Nothing was sent.
        """
        connection = self._choose()
        if connection is None:
            return None
        return self._send_request(connection, message, timeout_s, now, turn)

    def respond(self, message: Message, connection: int, turn: Turn) -> None:
        """Send a response on the connection of its request, or on another one of the link if that is gone.

        A refusal that the dialect cannot express is cut down to the elements that identify it, with DE 39 = 96. An
        approval is not: the peer would take that for a decline of what has been approved. It is left to silence,
        which the peer reverses.
        """
        if connection not in self.connections:
            other = self._choose() or self._any_open()
            if other is None:
                turn.note(self.name, "undeliverable", f"{message.mti} {message.stan}: no connection for the response")
                return
            connection = other.number
        message = self._narrowed(message)
        for elements in _LESS_AND_LESS:
            candidate = _cut_down(message, elements) if elements else message
            try:
                payload = self._encode(candidate, turn)
            except LocalProtocolError as error:
                turn.note(self.name, "unencodable", str(error))
                if message.response_code in APPROVED_CODES["1987"]:
                    return
                continue
            self.counters["out"] += 1
            turn.send(self.name, connection, payload, candidate)
            return

    # What happens to the link.

    def connected(self, event: Connected, now: float, turn: Turn) -> bool:
        """Take a new connection; the dialling side signs on. True if it carries traffic already."""
        session = Session.CONNECTED if self.profile.sign_on else Session.SIGNED_ON
        connection = Connection(event.connection, dialled=event.dialled, session=session, now=now)
        self.connections[event.connection] = connection
        if self.is_draining:
            self._close(connection.number, turn)
        elif event.dialled and self.profile.sign_on:
            self._manage(connection, SIGN_ON, self.profile.sign_on_timeout_s, now, turn)
        return connection.carries_traffic

    def disconnected(self, number: int) -> list[InFlightKey]:
        """Forget a connection; return the keys of its requests that are now Unknown."""
        self.connections.pop(number, None)
        lost = self._in_flight.on(number)
        for key in lost:
            self._in_flight.end(key, LOST, self._now)
        return [key for key in lost if key[0] != "8"]

    def not_written(self, key: InFlightKey) -> bool:
        """Forget a request that never reached its connection. True if it was in flight and not ours (0800)."""
        return self._in_flight.end(key, UNWRITTEN, self._now) is not None and key[0] != "8"

    def forget(self, key: InFlightKey) -> None:
        """Expect no answer any more: the owner has answered for the peer. What still comes is late."""
        self._in_flight.end(key, FORGOTTEN, self._now)

    def sign_off(self, now: float, turn: Turn) -> None:
        """Carry no new traffic from here on, and say so on every connection; what is in flight is still awaited.

        Requests that cross the sign-off are refused with 91, a later sign-on too. It cannot be taken back: a node that
        drains is about to stop.
        """
        self.is_draining = True
        for connection in self.connections.values():
            if connection.carries_traffic and self.profile.sign_on:
                self._manage(connection, SIGN_OFF, self.profile.sign_on_timeout_s, now, turn)
            connection.session = Session.SIGNED_OFF

    def received(self, event: Received, now: float, turn: Turn) -> Arrival | None:
        """Take one frame; return what is left for the owner to decide, if anything."""
        connection = self.connections.get(event.connection)
        if connection is None:
            return None
        self._now = now
        self.counters["in"] += 1
        connection.heard_at = now
        connection.echoes_missed = 0
        if connection.session is Session.SUSPECT:
            connection.session = Session.SIGNED_ON
        message = self._decode(event, turn)
        if message is None:
            return None
        if not event.authentic:
            self._refuse_mac(connection, message, turn)
            return None
        if message.mti_class == "8":
            return self._management(connection, message, turn)
        if message.is_request:
            if not connection.carries_traffic:
                self.respond(message.reply("91"), connection.number, turn)
                return None
            return Arrival(ArrivalKind.REQUEST, self.name, connection.number, message, None)
        return self._match(connection, message, now, turn)

    def malformed(self, number: int, window: str, turn: Turn) -> None:
        """Close a connection whose byte stream cannot be read any further."""
        self.counters["rejected"] += 1
        turn.note(self.name, "malformed", f"unreadable frame: {window}")
        self._close(number, turn)

    def expire(self, now: float, turn: Turn) -> list[InFlightKey]:
        """Fire what is due: echoes, missed echoes, and the deadlines of requests, whose keys are returned."""
        self._now = now
        silent: list[InFlightKey] = []
        for due_at, key in self._deadlines.pop_expired(now):
            # The key of an ended request may be in use again: then this is an old deadline of it.
            if self._in_flight.expires_at(key) != due_at:
                continue
            waiting = self._in_flight.end(key, TIMED_OUT, now)
            assert waiting is not None
            if key[0] == "8":
                self._management_missed(waiting.connection, turn)
            else:
                self.counters["timeouts"] += 1
                silent.append(key)
        for connection in self.connections.values():
            if self._echo_at(connection) <= now:
                self._manage(connection, ECHO, self.profile.echo_timeout_s, now, turn)
            elif self._given_up_at(connection) <= now:
                turn.note(self.name, "refused", f"no sign-on within {self.profile.sign_on_wait_s:g} s; closing")
                self._close(connection.number, turn)
        return silent

    def deadline(self) -> float | None:
        """Return when `expire` next may have work."""
        instants = [self._echo_at(connection) for connection in self.connections.values()]
        instants += [self._given_up_at(connection) for connection in self.connections.values()]
        first = self._deadlines.next()
        if first is not None:
            instants.append(first)
        earliest = min(instants, default=float("inf"))
        return None if earliest == float("inf") else earliest

    # The rest is how.

    def _choose(self) -> Connection | None:
        """Go round over the connections that carry traffic; those that miss echoes only if there is no other."""
        connections = self.connections.values()
        ready = [one for one in connections if one.session is Session.SIGNED_ON and not one.is_closing]
        ready = ready or [one for one in connections if one.carries_traffic]
        if not ready:
            return None
        self._turns += 1
        return ready[self._turns % len(ready)]

    def _any_open(self) -> Connection | None:
        """Return a connection that may still carry a response, though no requests."""
        usable = (one for one in self.connections.values() if one.session is not Session.CONNECTED)
        return next((one for one in usable if not one.is_closing), None)

    def _close(self, number: int, turn: Turn) -> None:
        """Close a connection; until it is gone it carries nothing new."""
        connection = self.connections.get(number)
        if connection is not None:
            connection.is_closing = True
        turn.close(self.name, number)

    def _key(self, message: Message) -> InFlightKey:
        return key_of(message, with_terminal=self.profile.match_terminal)

    def _narrowed(self, response: Message) -> Message:
        """Take out of a response what the house echoes and this link does not."""
        if self.profile.echo == HOUSE.name:
            return response
        kept = ECHO_PROFILES[self.profile.echo].elements(response.mti)
        return response.with_fields({de: None for de in HOUSE.elements(response.mti) if de not in kept})

    def _encode(self, message: Message, turn: Turn) -> bytes:
        if self.dialect.version == "1993":
            message = to_1993(message, year=turn.at.year)
        return encode(message, self.dialect)

    def _send_request(
        self, connection: Connection, message: Message, timeout_s: float, now: float, turn: Turn
    ) -> InFlightKey | None:
        key = self._key(message)
        if key in self._in_flight or len(self._in_flight) >= self.profile.in_flight_max:
            reason = "its key is in flight" if key in self._in_flight else "too many requests in flight"
            turn.note(self.name, "refused", f"{message.mti} {message.stan} not sent: {reason}")
            return None
        payload = self._encode(message, turn)
        self._in_flight.add(key, connection.number, self._deadlines.set(key, timeout_s, now))
        self.counters["out"] += 1
        turn.send(self.name, connection.number, payload, message, key)
        return key

    def _decode(self, event: Received, turn: Turn) -> Message | None:
        try:
            message = decode(event.frame, self.dialect)
            if self.dialect.mac:
                message = message.with_fields({64: None, 128: None})
            return to_1987(message) if self.dialect.version == "1993" else message
        except RemoteProtocolError as error:
            self.counters["rejected"] += 1
            window = masked_window(event.frame, error.offset or 0)
            turn.note(self.name, "malformed", f"{error}: {window}")
            rejected = salvage(event.frame, self.dialect)
        if rejected is None:
            self._close(event.connection, turn)
        elif rejected.is_request:
            if self.dialect.version == "1993":
                rejected = to_1987(rejected)
            self.respond(rejected.reply("30"), event.connection, turn)
        return None

    def _refuse_mac(self, connection: Connection, message: Message, turn: Turn) -> None:
        self.counters["bad_mac"] += 1
        turn.note(self.name, "bad_mac", f"{message.mti} {message.stan}: the MAC does not fit")
        if message.is_request:
            self.respond(message.reply("63"), connection.number, turn)

    def _match(self, connection: Connection, message: Message, now: float, turn: Turn) -> Arrival:
        key = self._key(message)
        if self._in_flight.end(key, ANSWERED, now) is not None:
            return Arrival(ArrivalKind.RESPONSE, self.name, connection.number, message, key)
        self.counters["late"] += 1
        remark = self._in_flight.explain(key, now)
        turn.note(self.name, "late", f"{message.mti} {message.stan}: {remark}")
        return Arrival(ArrivalKind.LATE, self.name, connection.number, message, key, remark)

    def _management(self, connection: Connection, message: Message, turn: Turn) -> Arrival | None:
        code = message.get(70, "") or ""
        was_up = connection.carries_traffic
        if message.is_request:
            if code == SIGN_ON and self.is_draining:
                self.respond(message.reply("91"), connection.number, turn)
                return None
            session = next_session(connection.session, code)
            if session is None:
                self.respond(message.reply("30"), connection.number, turn)
                return None
            connection.session = session
            self.respond(message.reply("00"), connection.number, turn)
            return self._changed(connection, message, was_up=was_up)
        key = self._key(message)
        if self._in_flight.end(key, ANSWERED, self._now) is None:
            turn.note(self.name, "late", f"{message.mti} {message.stan}: {self._in_flight.explain(key, self._now)}")
            return None
        if connection.management_key == key:
            connection.management_key = None
        if code == SIGN_ON and message.response_code != "00":
            turn.note(self.name, "refused", f"sign-on answered {message.response_code}")
            self._close(connection.number, turn)
        elif code == SIGN_ON and connection.session is Session.CONNECTED:
            connection.session = Session.SIGNED_ON
        return self._changed(connection, message, was_up=was_up)

    def _changed(self, connection: Connection, message: Message, *, was_up: bool) -> Arrival | None:
        if connection.carries_traffic == was_up:
            return None
        kind = ArrivalKind.SIGNED_OFF if was_up else ArrivalKind.SIGNED_ON
        return Arrival(kind, self.name, connection.number, message, None)

    def _manage(self, connection: Connection, code: str, timeout_s: float, now: float, turn: Turn) -> None:
        self._stan = self._stan % 999_999 + 1
        message = network_management(code, f"{self._stan:06}", turn.at)
        connection.management_key = self._send_request(connection, message, timeout_s, now, turn)
        if connection.management_key is None:
            # Nothing left; counting it as missed moves the next echo on instead of asking again at once.
            connection.echoes_missed += 1

    def _management_missed(self, number: int, turn: Turn) -> None:
        connection = self.connections.get(number)
        if connection is None:
            return
        connection.management_key = None
        connection.echoes_missed += 1
        if connection.session is Session.SIGNED_ON:
            connection.session = Session.SUSPECT
        if connection.session is Session.CONNECTED or connection.echoes_missed >= self.profile.echoes_missed_max:
            turn.note(self.name, "suspect", "no answer to network management; closing")
            self._close(number, turn)

    def _given_up_at(self, connection: Connection) -> float:
        if connection.session is not Session.CONNECTED or connection.dialled or connection.is_closing:
            return float("inf")
        return connection.connected_at + self.profile.sign_on_wait_s

    def _echo_at(self, connection: Connection) -> float:
        is_asked = connection.management_key is not None or connection.session is Session.CONNECTED
        if not self.profile.sign_on or is_asked or connection.is_closing or self.is_draining:
            return float("inf")
        return connection.heard_at + self.profile.echo_idle_s * (1 + connection.echoes_missed)


_LESS_AND_LESS = ((), (7, 11, 32, 37, 41, 70), (7, 11))
"""What of a response is tried: all of it, what identifies it, and the least that matches it with its request."""


def _cut_down(message: Message, elements: tuple[int, ...]) -> Message:
    """Return a malfunction (96) that says no more than which request it answers."""
    fields = {de: value for de in elements if (value := message.get(de)) is not None}
    return Message(message.mti, {**fields, 39: "96"}, header=message.header)
