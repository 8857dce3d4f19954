"""One ISO 8583 link, as a pure machine: decode, session, matching, echo, deadlines.

A link is a dialect, a set of connections and the requests in flight on them. Who dialled is independent of who asks.
Inside the house messages are in the 1987 form; a link whose dialect is of 1993 translates at its edge, both ways.

It must never answer a financial message by itself except to refuse it: format error (30), bad MAC (63), no session
(91). And it never reverses anything: it reports silence, its owner decides.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from iso import Dialect, LocalProtocolError, Message, RemoteProtocolError, decode, encode
from iso.dialect import APPROVED_CODES
from iso.pan import masked_window
from iso.salvage import salvage
from iso.translate import to_1987, to_1993
from node.core.deadlines import Deadlines
from node.core.events import Connected, Received
from node.core.session import (
    ECHO,
    SIGN_ON,
    Connection,
    Session,
    network_management,
    next_session,
)
from node.core.turn import Turn

InFlightKey = tuple[str, str, str, str, str, str]


class LinkProfile(NamedTuple):
    """What is agreed with the peer, beside the dialect. All durations in seconds."""

    sign_on: bool = True
    """False: a connection carries traffic as soon as it is open (for peers without network management)."""
    sign_on_timeout_s: float = 5.0
    echo_idle_s: float = 30.0
    echo_timeout_s: float = 5.0
    echoes_missed_max: int = 3
    in_flight_max: int = 10_000
    match_terminal: bool = False
    """Add DE 41 to the correlation key."""


class ArrivalKind(Enum):
    """What a frame turned out to be, for the link's owner."""

    REQUEST = "request"
    RESPONSE = "response"
    LATE = "late"
    SIGNED_ON = "signed on"


class Arrival(NamedTuple):
    """A message for the link's owner."""

    kind: ArrivalKind
    link: str
    connection: int
    message: Message
    key: InFlightKey | None


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
        self._in_flight: dict[InFlightKey, int] = {}
        self._deadlines: Deadlines[InFlightKey] = Deadlines()
        self._stan = 0
        self._turns = 0

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
            other = self._choose()
            if other is None:
                turn.note(self.name, "undeliverable", f"{message.mti} {message.stan}: no connection for the response")
                return
            connection = other.number
        for candidate in (message, _cut_down(message, (7, 11, 32, 37, 41, 70)), _cut_down(message, (7, 11))):
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
        if event.dialled and self.profile.sign_on:
            self._manage(connection, SIGN_ON, self.profile.sign_on_timeout_s, now, turn)
        return connection.carries_traffic

    def disconnected(self, number: int) -> list[InFlightKey]:
        """Forget a connection; return the keys of its requests that are now Unknown."""
        self.connections.pop(number, None)
        lost = [key for key, connection in self._in_flight.items() if connection == number]
        for key in lost:
            del self._in_flight[key]
        return [key for key in lost if key[0] != "8"]

    def not_written(self, key: InFlightKey) -> bool:
        """Forget a request that never reached its connection. True if it was in flight and not ours (0800)."""
        return self._in_flight.pop(key, None) is not None and key[0] != "8"

    def forget(self, key: InFlightKey) -> None:
        """Expect no answer any more: the owner has answered for the peer. What still comes is late."""
        self._in_flight.pop(key, None)

    def received(self, event: Received, now: float, turn: Turn) -> Arrival | None:
        """Take one frame; return what is left for the owner to decide, if anything."""
        connection = self.connections.get(event.connection)
        if connection is None:
            return None
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
        return self._match(connection, message, turn)

    def malformed(self, number: int, window: str, turn: Turn) -> None:
        """Close a connection whose byte stream cannot be read any further."""
        self.counters["rejected"] += 1
        turn.note(self.name, "malformed", f"unreadable frame: {window}")
        turn.close(self.name, number)

    def expire(self, now: float, turn: Turn) -> list[InFlightKey]:
        """Fire what is due: echoes, missed echoes, and the deadlines of requests, whose keys are returned."""
        silent: list[InFlightKey] = []
        for _, key in self._deadlines.pop_expired(now):
            number = self._in_flight.pop(key, None)
            if number is None:
                continue
            if key[0] == "8":
                self._management_missed(number, turn)
            else:
                self.counters["timeouts"] += 1
                silent.append(key)
        for connection in self.connections.values():
            if self._echo_at(connection) <= now:
                self._manage(connection, ECHO, self.profile.echo_timeout_s, now, turn)
        return silent

    def deadline(self) -> float | None:
        """Return when `expire` next may have work."""
        instants = [self._echo_at(connection) for connection in self.connections.values()]
        first = self._deadlines.next()
        if first is not None:
            instants.append(first)
        earliest = min(instants, default=float("inf"))
        return None if earliest == float("inf") else earliest

    # The rest is how.

    def _choose(self) -> Connection | None:
        ready = [connection for connection in self.connections.values() if connection.carries_traffic]
        if not ready:
            return None
        self._turns += 1
        return ready[self._turns % len(ready)]

    def _key(self, message: Message) -> InFlightKey:
        get = message.get
        terminal = get(41, "") if self.profile.match_terminal else ""
        return (
            message.mti_class,
            message.mti[0],
            get(11, "") or "",
            get(7, "") or "",
            get(32, "") or "",
            terminal or "",
        )

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
        self._in_flight[key] = connection.number
        self._deadlines.set(key, timeout_s, now)
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
            turn.close(self.name, event.connection)
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

    def _match(self, connection: Connection, message: Message, turn: Turn) -> Arrival:
        key = self._key(message)
        if self._in_flight.pop(key, None) is not None:
            return Arrival(ArrivalKind.RESPONSE, self.name, connection.number, message, key)
        self.counters["late"] += 1
        turn.note(self.name, "late", f"{message.mti} {message.stan}: {self._miss(key)}")
        return Arrival(ArrivalKind.LATE, self.name, connection.number, message, key)

    def _miss(self, key: InFlightKey) -> str:
        """Say which component of the key differs from the nearest request in flight."""
        names = ("MTI class", "MTI version", "DE 11", "DE 7", "DE 32", "DE 41")
        for pending in self._in_flight:
            differing = [name for name, mine, theirs in zip(names, key, pending, strict=True) if mine != theirs]
            if key[2] == pending[2] and len(differing) == 1:
                return f"no request in flight; {differing[0]} differs from a pending one"
        return "no request in flight"

    def _management(self, connection: Connection, message: Message, turn: Turn) -> Arrival | None:
        code = message.get(70, "") or ""
        if message.is_request:
            session = next_session(connection.session, code)
            if session is None:
                self.respond(message.reply("30"), connection.number, turn)
                return None
            was_up, connection.session = connection.carries_traffic, session
            self.respond(message.reply("00"), connection.number, turn)
            return self._signed_on(connection, message, was_up=was_up)
        if self._in_flight.pop(self._key(message), None) is None:
            turn.note(self.name, "late", f"{message.mti} {message.stan}: no network management in flight")
            return None
        connection.management_key = None
        if code == SIGN_ON:
            if message.response_code != "00":
                turn.note(self.name, "refused", f"sign-on answered {message.response_code}")
                turn.close(self.name, connection.number)
                return None
            was_up, connection.session = connection.carries_traffic, Session.SIGNED_ON
            return self._signed_on(connection, message, was_up=was_up)
        return None

    def _signed_on(self, connection: Connection, message: Message, *, was_up: bool) -> Arrival | None:
        if connection.carries_traffic and not was_up:
            return Arrival(ArrivalKind.SIGNED_ON, self.name, connection.number, message, None)
        return None

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
            turn.close(self.name, number)

    def _echo_at(self, connection: Connection) -> float:
        if not self.profile.sign_on or not connection.carries_traffic or connection.management_key is not None:
            return float("inf")
        return connection.heard_at + self.profile.echo_idle_s * (1 + connection.echoes_missed)


def _cut_down(message: Message, elements: tuple[int, ...]) -> Message:
    """Return a malfunction (96) that says no more than which request it answers."""
    fields = {de: value for de in elements if (value := message.get(de)) is not None}
    return Message(message.mti, {**fields, 39: "96"}, header=message.header)
