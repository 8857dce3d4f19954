"""One ISO 8583 link, as a pure machine: decode, session, matching, echo, deadlines.

A link is a dialect, a set of connections and the requests in flight on them. Who dialled is independent of who asks.
Inside the house messages are in the 1987 form; a link whose dialect is of 1993 translates at its edge, both ways.

It must never answer a financial message by itself except to refuse it: format error (30), bad MAC (63), no session
(91). And it never reverses anything: it reports silence, its owner decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from iso import Dialect, LocalProtocolError, Message, RemoteProtocolError, decode, encode
from iso.dialect import APPROVED_CODES
from iso.pan import masked_window
from iso.salvage import salvage
from iso.translate import to_1987, to_1993
from node.core.answers import LESS_AND_LESS, cut_down, narrowed
from node.core.deadlines import Deadlines
from node.core.events import Connected, Received
from node.core.link_sessions import Sessions
from node.core.matching import ANSWERED, FORGOTTEN, LOST, TIMED_OUT, UNWRITTEN, InFlight, InFlightKey, key_of
from node.core.meters import LinkMeters
from node.core.profile import Arrival, ArrivalKind, LinkProfile
from node.core.session import Connection, Session
from node.core.turn import Turn

__all__ = ["Arrival", "ArrivalKind", "InFlightKey", "LinkMachine", "LinkProfile"]

_record = tuple.__new__
"""Makes a named tuple at half the price of calling its class: one is made for every message."""


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

    Attributes
    ----------
    alarm
        Told of every instant at which `expire` may have work that `deadline` did not name before.
    heard_generation
        The highest generation of the link's MAC key under which the peer was heard; 0 before the first message.
    """

    def __init__(self, name: str, dialect: Dialect, profile: LinkProfile | None = None) -> None:
        self.name = name
        self.dialect = dialect
        self.profile = profile or LinkProfile()
        self.connections: dict[int, Connection] = {}
        self.counters = {"in": 0, "out": 0, "rejected": 0, "bad_mac": 0, "late": 0, "timeouts": 0}
        self.meters = LinkMeters()
        self.heard_generation = 0
        self.alarm: Callable[[float], None] = _nobody
        self._sessions = Sessions(self)
        self._in_flight = InFlight(self.profile.remembered_max)
        self._deadlines: Deadlines[InFlightKey] = Deadlines()
        self._turns = 0
        self._now = 0.0

    # What the owner asks.

    @property
    def is_up(self) -> bool:
        """Whether some connection carries traffic."""
        return any(connection.carries_traffic for connection in self.connections.values())

    @property
    def is_draining(self) -> bool:
        """Whether the node is about to stop."""
        return self._sessions.is_draining

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
        return self.send_on(connection, message, timeout_s, now, turn)

    def manage(
        self, code: str, fields: Mapping[int, str], timeout_s: float, now: float, turn: Turn
    ) -> InFlightKey | None:
        """Send network management of the owner's (DE 70 = `code`), such as a cut-over or a key.

        Returns
        -------
        InFlightKey | None
            As `request`: the answer, or silence, is reported under it.

        Raises
        ------
        LocalProtocolError
            The dialect cannot express the message. Nothing was sent.
        """
        connection = self._choose()
        if connection is None:
            return None
        return self._sessions.manage(connection, code, fields, timeout_s, now, turn)

    def echo(self, now: float, turn: Turn) -> None:
        """Ask the peer for a sign of life, though the link is not idle."""
        self._sessions.echo(now, turn)

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
        message = narrowed(message, self.profile.echo)
        for elements in LESS_AND_LESS:
            candidate = cut_down(message, elements) if elements else message
            try:
                payload, written = self._encode(candidate, turn)
            except LocalProtocolError as error:
                turn.note(self.name, "unencodable", str(error))
                if message.response_code in APPROVED_CODES["1987"]:
                    return
                continue
            self.counters["out"] += 1
            turn.send(self.name, connection, payload, candidate, None, written)
            return

    def awaited_until(self, response: Message) -> float | None:
        """Return until when the request of a response in its 1987 form is awaited; None if it is not."""
        return self._in_flight.expires_at(self._key(response))

    # What happens to the link.

    def connected(self, event: Connected, now: float, turn: Turn) -> bool:
        """Take a new connection; the dialling side signs on. True if it carries traffic already."""
        session = Session.CONNECTED if self.profile.sign_on else Session.SIGNED_ON
        connection = Connection(event.connection, dialled=event.dialled, session=session, now=now)
        self.alarm(now)
        self.connections[event.connection] = connection
        self._sessions.opened(connection, now, turn)
        return connection.carries_traffic

    def disconnected(self, number: int) -> list[InFlightKey]:
        """Forget a connection; return the keys of its requests that are now Unknown."""
        self.connections.pop(number, None)
        lost = self._in_flight.on(number)
        for key in lost:
            self._in_flight.end(key, LOST, self._now)
        return [key for key in lost if key[0] != "8" or not self._sessions.is_own(key)]

    def not_written(self, key: InFlightKey) -> bool:
        """Forget a request that never reached its connection. True if it was in flight and the owner's.

        The link's own questions stay: their silence is noticed at their timeout, or a lost sign-on would never be made
        good.
        """
        if key[0] == "8" and self._sessions.waits_for(key):
            return False
        return self._in_flight.end(key, UNWRITTEN, self._now) is not None

    def forget(self, key: InFlightKey) -> None:
        """Expect no answer any more: the owner has answered for the peer. What still comes is late."""
        self._in_flight.end(key, FORGOTTEN, self._now)

    def sign_off(self, now: float, turn: Turn) -> None:
        """Carry no new traffic from here on, and say so on every connection; what is in flight is still awaited.

        Requests that cross the sign-off are refused with 91, a later sign-on too. It cannot be taken back: a node that
        drains is about to stop.
        """
        self._sessions.sign_off(now, turn)

    def received(self, event: Received, now: float, turn: Turn) -> Arrival | None:
        """Take one frame; return what is left for the owner to decide, if anything."""
        connection = self.connections.get(event.connection)
        if connection is None:
            return None
        self._now = now
        self.counters["in"] += 1
        if not event.authentic:
            self._refuse_mac(connection, event, turn)
            return None
        if event.authentic > self.heard_generation:
            self.heard_generation = event.authentic
        connection.heard_at = now
        if connection.echoes_missed:
            connection.echoes_missed = 0
            self.alarm(now)
        if connection.session is Session.SUSPECT:
            connection.session = Session.SIGNED_ON
        message = self._decode(event, turn)
        if message is None:
            return None
        if message.mti_class == "8":
            return self._management(connection, message, turn)
        if message.is_request:
            if not connection.carries_traffic:
                self.respond(message.reply("91"), connection.number, turn)
                return None
            return _record(Arrival, (ArrivalKind.REQUEST, self.name, connection.number, message, None, ""))
        return self._match(connection, message, now, turn)

    def malformed(self, number: int, window: str, turn: Turn) -> None:
        """Close a connection whose byte stream cannot be read any further."""
        self.counters["rejected"] += 1
        turn.note(self.name, "malformed", f"unreadable frame: {window}")
        self.close(number, turn)

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
            if key[0] == "8" and self._sessions.is_own(key):
                self._sessions.missed(waiting.connection, turn)
            else:
                self.counters["timeouts"] += 1
                silent.append(key)
        self._sessions.expire(now, turn)
        return silent

    def deadline(self) -> float | None:
        """Return when `expire` next may have work."""
        first, earliest = self._deadlines.next(), self._sessions.deadline()
        if first is not None and first < earliest:
            return first
        return None if earliest == float("inf") else earliest

    # What its sessions ask.

    def close(self, number: int, turn: Turn) -> None:
        """Close a connection; until it is gone it carries nothing new."""
        connection = self.connections.get(number)
        if connection is not None:
            connection.is_closing = True
        turn.close(self.name, number)

    def send_on(
        self, connection: Connection, message: Message, timeout_s: float, now: float, turn: Turn
    ) -> InFlightKey | None:
        """Send a request on this connection; None if nothing left; raises as `request`."""
        key = self._key(message)
        if key in self._in_flight or len(self._in_flight) >= self.profile.in_flight_max:
            reason = "its key is in flight" if key in self._in_flight else "too many requests in flight"
            turn.note(self.name, "refused", f"{message.mti} {message.stan} not sent: {reason}")
            return None
        payload, written = self._encode(message, turn)
        expires_at = self._deadlines.set(key, timeout_s, now)
        self._in_flight.add(key, connection.number, expires_at, now)
        self.alarm(expires_at)
        self.counters["out"] += 1
        turn.send(self.name, connection.number, payload, message, key, written)
        return key

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

    def _key(self, message: Message) -> InFlightKey:
        return key_of(message, with_terminal=self.profile.match_terminal)

    def _encode(self, message: Message, turn: Turn) -> tuple[bytes, Message | None]:
        """Return the bytes, and what they say if that is another message."""
        if self.dialect.version != "1993":
            return encode(message, self.dialect), None
        written = to_1993(message, year=turn.at.year)
        return encode(written, self.dialect), written

    def _decode(self, event: Received, turn: Turn) -> Message | None:
        try:
            message = event.message
            if message is None:
                message = decode(event.frame, self.dialect)
            if self.dialect.mac:
                message = message.with_fields({64: None, 128: None})
            return to_1987(message) if self.dialect.version == "1993" else message
        except RemoteProtocolError as error:
            self.counters["rejected"] += 1
            window = masked_window(event.frame, error.offset or 0)
            turn.note(self.name, "malformed", f"{error}: {window}")
            rejected = self._salvaged(event.frame)
        if rejected is None:
            self.close(event.connection, turn)
        elif rejected.is_request:
            self.respond(rejected.reply("30"), event.connection, turn)
        return None

    def _salvaged(self, frame: bytes) -> Message | None:
        rejected = salvage(frame, self.dialect)
        if rejected is None or self.dialect.version != "1993" or not rejected.is_request:
            return rejected
        return to_1987(rejected)

    def _refuse_mac(self, connection: Connection, event: Received, turn: Turn) -> None:
        """Answer who cannot be believed. Nothing else follows, not even that he was heard; garbage closes."""
        self.counters["bad_mac"] += 1
        message = self._salvaged(event.frame)
        if message is None:
            # Nobody can be answered, and who sends this has lost his place in the stream.
            self.malformed(connection.number, masked_window(event.frame, 0), turn)
            return
        turn.note(self.name, "bad_mac", f"{message.mti} {message.get(11, '') or ''}: the MAC does not fit")
        if message.is_request:
            self.respond(message.reply("63"), connection.number, turn)

    def _match(self, connection: Connection, message: Message, now: float, turn: Turn) -> Arrival:
        key = self._key(message)
        waiting = self._in_flight.end(key, ANSWERED, now)
        if waiting is not None:
            self.meters.answered(now - waiting.sent_at, message.response_code)
            return _record(Arrival, (ArrivalKind.RESPONSE, self.name, connection.number, message, key, ""))
        self.counters["late"] += 1
        remark = self._in_flight.explain(key, now)
        turn.note(self.name, "late", f"{message.mti} {message.stan}: {remark}")
        return Arrival(ArrivalKind.LATE, self.name, connection.number, message, key, remark)

    def _management(self, connection: Connection, message: Message, turn: Turn) -> Arrival | None:
        self.alarm(self._now)
        if message.is_request:
            return self._sessions.requested(connection, message, turn)
        key = self._key(message)
        if self._in_flight.end(key, ANSWERED, self._now) is None:
            turn.note(self.name, "late", f"{message.mti} {message.stan}: {self._in_flight.explain(key, self._now)}")
            return None
        return self._sessions.answered(connection, message, key, turn)


def _nobody(_at: float) -> None:
    """Let nobody know: a link by itself is asked for its `deadline`."""
