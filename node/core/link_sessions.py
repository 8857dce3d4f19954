"""Network management of one link: who is signed on where, echoes, and what of it the link's owner has to know.

What the link itself asks (sign-on, sign-off, echo) stays here. Cut-over and key exchange are the owner's: requests
for them come out as `ArrivalKind.MANAGEMENT`, which the owner answers, and the answers to its own as any response.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from iso import Message
from node.core.matching import InFlightKey
from node.core.profile import Arrival, ArrivalKind, LinkProfile
from node.core.session import ECHO, SIGN_OFF, SIGN_ON, Connection, Session, network_management, next_session
from node.core.turn import Turn

_NEVER = float("inf")


class Carrier(Protocol):
    """What a link does for its sessions."""

    name: str
    profile: LinkProfile
    connections: dict[int, Connection]

    def send_on(
        self, connection: Connection, message: Message, timeout_s: float, now: float, turn: Turn
    ) -> InFlightKey | None:
        """Send a request on this connection; None if nothing left."""

    def respond(self, message: Message, connection: int, turn: Turn) -> None:
        """Send a response."""

    def close(self, number: int, turn: Turn) -> None:
        """Close a connection once what waits for it has been written."""


class Sessions:
    """The sessions of one link's connections.

    Attributes
    ----------
    is_draining
        The node is about to stop: nobody is signed on any more.
    """

    def __init__(self, link: Carrier) -> None:
        self.is_draining = False
        self._link = link
        self._stan = 0
        self._own: set[InFlightKey] = set()

    # What happens.

    def opened(self, connection: Connection, now: float, turn: Turn) -> None:
        """Begin a connection; the dialling side signs on."""
        if self.is_draining:
            self._link.close(connection.number, turn)
        elif connection.dialled and self._link.profile.sign_on:
            self._ask(connection, SIGN_ON, self._link.profile.sign_on_timeout_s, now, turn)

    def sign_off(self, now: float, turn: Turn) -> None:
        """Say on every connection that nothing new is carried from here on."""
        self.is_draining = True
        profile = self._link.profile
        for connection in self._link.connections.values():
            if connection.carries_traffic and profile.sign_on:
                self._ask(connection, SIGN_OFF, profile.sign_on_timeout_s, now, turn)
            connection.session = Session.SIGNED_OFF

    def requested(self, connection: Connection, message: Message, turn: Turn) -> Arrival | None:
        """Take an 0800 of the peer; what it means for the owner, if anything."""
        code = message.get(70) or ""
        session = next_session(connection.session, code)
        if session is None:
            return Arrival(ArrivalKind.MANAGEMENT, self._link.name, connection.number, message, None)
        if code == SIGN_ON and self.is_draining:
            self._link.respond(message.reply("91"), connection.number, turn)
            return None
        was_up = connection.carries_traffic
        connection.session = session
        self._link.respond(message.reply("00"), connection.number, turn)
        return self._changed(connection, message, was_up=was_up)

    def answered(self, connection: Connection, message: Message, key: InFlightKey, turn: Turn) -> Arrival | None:
        """Take the answer to an 0800 that was in flight."""
        was_up = connection.carries_traffic
        if connection.management_key == key:
            connection.management_key = None
        if message.get(70) == SIGN_ON and message.response_code != "00":
            turn.note(self._link.name, "refused", f"sign-on answered {message.response_code}")
            self._link.close(connection.number, turn)
        elif message.get(70) == SIGN_ON and connection.session is Session.CONNECTED:
            connection.session = Session.SIGNED_ON
        if self.is_own(key):
            return self._changed(connection, message, was_up=was_up)
        return Arrival(ArrivalKind.RESPONSE, self._link.name, connection.number, message, key)

    def waits_for(self, key: InFlightKey) -> bool:
        """Whether the link asked this by itself, and has not been answered yet."""
        return key in self._own

    def is_own(self, key: InFlightKey) -> bool:
        """Whether the link asked this by itself; asked once, when the question has ended."""
        if key in self._own:
            self._own.discard(key)
            return True
        return False

    def missed(self, number: int, turn: Turn) -> None:
        """Take the silence after a question of the link's own."""
        connection = self._link.connections.get(number)
        if connection is None:
            return
        connection.management_key = None
        connection.echoes_missed += 1
        if connection.session is Session.SIGNED_ON:
            connection.session = Session.SUSPECT
        if connection.session is Session.CONNECTED or connection.echoes_missed >= self._link.profile.echoes_missed_max:
            turn.note(self._link.name, "suspect", "no answer to network management; closing")
            self._link.close(number, turn)

    # Time.

    def expire(self, now: float, turn: Turn) -> None:
        """Ask connections on which nothing was heard; give up those that never signed on."""
        profile = self._link.profile
        for connection in self._link.connections.values():
            if self._echo_at(connection) <= now:
                self._ask(connection, ECHO, profile.echo_timeout_s, now, turn)
            elif self._given_up_at(connection) <= now:
                turn.note(self._link.name, "refused", f"no sign-on within {profile.sign_on_wait_s:g} s; closing")
                self._link.close(connection.number, turn)

    def deadline(self) -> float:
        """Return when `expire` next has work; infinity for never."""
        connections = self._link.connections.values()
        instants = [self._echo_at(connection) for connection in connections]
        instants += [self._given_up_at(connection) for connection in connections]
        return min(instants, default=_NEVER)

    # What the owner asks.

    def manage(
        self, connection: Connection, code: str, fields: Mapping[int, str], timeout_s: float, now: float, turn: Turn
    ) -> InFlightKey | None:
        """Send an 0800 of the owner's; see `LinkMachine.manage`."""
        message = self._message(code, turn).with_fields(dict(fields))
        return self._link.send_on(connection, message, timeout_s, now, turn)

    def echo(self, now: float, turn: Turn) -> None:
        """Ask every connection that carries traffic, though it is not idle."""
        for connection in self._link.connections.values():
            if connection.carries_traffic and connection.management_key is None and self._link.profile.sign_on:
                self._ask(connection, ECHO, self._link.profile.echo_timeout_s, now, turn)

    # The rest is how.

    def _message(self, code: str, turn: Turn) -> Message:
        self._stan = self._stan % 999_999 + 1
        return network_management(code, f"{self._stan:06}", turn.at)

    def _ask(self, connection: Connection, code: str, timeout_s: float, now: float, turn: Turn) -> None:
        key = self._link.send_on(connection, self._message(code, turn), timeout_s, now, turn)
        connection.management_key = key
        if key is None:
            # Nothing left; counting it as missed moves the next echo on instead of asking again at once.
            connection.echoes_missed += 1
        else:
            self._own.add(key)

    def _changed(self, connection: Connection, message: Message, *, was_up: bool) -> Arrival | None:
        if connection.carries_traffic == was_up:
            return None
        kind = ArrivalKind.SIGNED_OFF if was_up else ArrivalKind.SIGNED_ON
        return Arrival(kind, self._link.name, connection.number, message, None)

    def _given_up_at(self, connection: Connection) -> float:
        if connection.session is not Session.CONNECTED or connection.dialled or connection.is_closing:
            return _NEVER
        return connection.connected_at + self._link.profile.sign_on_wait_s

    def _echo_at(self, connection: Connection) -> float:
        is_asked = connection.management_key is not None or connection.session is Session.CONNECTED
        if not self._link.profile.sign_on or is_asked or connection.is_closing or self.is_draining:
            return _NEVER
        return connection.heard_at + self._link.profile.echo_idle_s * (1 + connection.echoes_missed)
