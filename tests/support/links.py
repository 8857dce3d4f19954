"""Two link machines joined by a wire that does what the test says: each message goes through both dialects."""

from __future__ import annotations

from datetime import UTC, datetime

from iso import Message, dialect
from node.core.events import Connected, Received
from node.core.link import Arrival, InFlightKey, LinkMachine, LinkProfile
from node.core.turn import Turn

EPOCH = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


class Side:
    """One end of the wire. `held` are frames that it has sent and that have not been carried over yet."""

    def __init__(self, speaks: str, profile: LinkProfile, *, dials: bool) -> None:
        self.link = LinkMachine("peer", dialect(speaks), profile)
        self.dials = dials
        self.held: list[tuple[int, bytes]] = []
        self.turns: list[Turn] = []
        self.arrivals: list[Arrival] = []
        self.silent: list[InFlightKey] = []

    def turn(self) -> Turn:
        """Begin a turn."""
        turn = Turn(EPOCH)
        self.turns.append(turn)
        return turn

    def finish(self, turn: Turn) -> Turn:
        """Release what a turn sends."""
        self.held += [(send.connection, send.payload) for send in turn.sends]
        return turn

    def notes(self) -> list[str]:
        """Return the kinds of everything noted."""
        return [kind for turn in self.turns for _, kind, _ in turn.notes]

    def closed(self) -> list[int]:
        """Return the connections that were to be closed."""
        return [number for turn in self.turns for _, number in turn.closes]


class Wire:
    """A dialling and a listening link and the connections between them."""

    def __init__(
        self, speaks: str = "ascii87", profile: LinkProfile | None = None, other: LinkProfile | None = None
    ) -> None:
        profile = profile or LinkProfile()
        self.dialler = Side(speaks, profile, dials=True)
        self.listener = Side(speaks, other or profile, dials=False)
        self.now = 0.0

    def connect(self, number: int = 1) -> None:
        """Open a connection; the listener hears of it first."""
        for side in (self.listener, self.dialler):
            turn = side.turn()
            side.link.connected(Connected("peer", number, dialled=side.dials), self.now, turn)
            side.finish(turn)

    def signed_on(self, number: int = 1) -> Wire:
        """Open a connection and carry the sign-on over."""
        self.connect(number)
        self.carry()
        return self

    def carry(self) -> None:
        """Carry frames both ways until there are none."""
        while self.dialler.held or self.listener.held:
            for sender, receiver in ((self.dialler, self.listener), (self.listener, self.dialler)):
                held, sender.held = sender.held, []
                for number, frame in held:
                    self.receive(receiver, frame, number)

    def receive(self, side: Side, frame: bytes, number: int = 1, *, authentic: bool = True) -> Turn:
        """Let one frame reach a side."""
        turn = side.turn()
        arrival = side.link.received(Received("peer", number, frame, authentic), self.now, turn)
        if arrival is not None:
            side.arrivals.append(arrival)
        return side.finish(turn)

    def expire(self, side: Side, seconds: float) -> Turn:
        """Let time pass for one side."""
        self.now += seconds
        turn = side.turn()
        side.silent += side.link.expire(self.now, turn)
        return side.finish(turn)


def request(stan: str = "000001", **changes: str | None) -> Message:
    """Return a small 0100; `de41="TERM0002"` changes an element, None drops it."""
    fields: dict[int, str | None] = {
        2: "9999000000004242",
        3: "000000",
        4: "000000004200",
        7: "0314092653",
        11: stan,
        12: "092653",
        13: "0314",
        32: "123456",
        37: f"607309{stan}",
        41: "TERM0001",
        42: "MERCHANT0000001",
        49: "840",
    }
    fields.update({int(name.removeprefix("de")): value for name, value in changes.items()})
    return Message("0100", {element: value for element, value in fields.items() if value is not None})
