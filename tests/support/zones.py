"""Two hosts that change the keys of their link: a real HSM, real MACs, and a wire that does what the test says."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import MetaData

from hsm_sim.client import HsmClient
from hsm_sim.requests import Request
from hsm_sim.requests.keys import CheckKey
from hsm_sim.zones.keeper import ZoneKeys
from hsm_sim.zones.kinds import KeyKind, zones_of
from hsm_sim.zones.links import Neighbour, join_keys, spoken_on
from hsm_sim.zones.rules import Exchanged, ZoneRules
from iso import Message, dialect
from node.core.conversations import ConversationHost
from node.core.events import Answered, Called, Connected, Disconnected, Event, Received
from node.core.link import Arrival, LinkMachine, LinkProfile
from node.core.steps import Silence
from node.core.turn import Turn
from node.journal import MemoryJournal, zone_keys_table
from tests.support.hsm import EPOCH, Hsm
from tests.support.links import request

LINK = "peer"
METADATA = MetaData()
zone_keys_table(METADATA)


class Party(HsmClient):
    """A party's way to the HSM of the bench. It never suspends; while `is_silent` nothing is answered."""

    def __init__(self, hsm: Hsm, name: str) -> None:
        self.hsm = hsm
        self.name = name
        self.is_silent = False

    async def call_many(self, requests: Sequence[Request[Any]], timeout_s: float) -> list[Any]:
        return [self.answer(one) for one in requests]

    async def call(self, request: Request[Any], timeout_s: float) -> Any:
        return self.answer(request)

    def answer(self, request: Request[Any]) -> Any:
        """Answer at once, or not at all."""
        return None if self.is_silent else self.hsm.ask(self.name, request)


class Member(ConversationHost):
    """Approves whatever it is asked."""

    def __init__(self, link: LinkMachine) -> None:
        super().__init__([link])
        self.handler = self.approve
        self.seen: list[Message] = []

    async def approve(self, arrival: Arrival) -> Message:
        self.seen.append(arrival.message)
        return arrival.message.reply("00")


class Side:
    """One end: host, keys and journal; `restart` begins again from what was committed."""

    def __init__(self, bench: Zones, name: str, neighbour: str, *, dials: bool) -> None:
        self.bench = bench
        self.name = name
        self.neighbour = neighbour
        self.dials = dials
        self.party = Party(bench.hsm, name)
        self.journal = MemoryJournal(METADATA)
        self.outs: dict[Any, Any] = {}
        self.notes: list[tuple[str, str]] = []
        self.bad_macs = 0
        self.calls = 0
        self.host: Member
        self.keys: ZoneKeys
        self.restart()

    @property
    def link(self) -> LinkMachine:
        return self.host.links[LINK]

    def restart(self) -> None:
        """Begin (again) from the journal."""
        spoken = dialect(self.bench.dialect_name)
        self.host = Member(LinkMachine(LINK, spoken_on(spoken, self.bench.mac), LinkProfile()))
        kind = {"cmac": KeyKind.MAC, "retail": KeyKind.MAC_RETAIL, "none": None}[self.bench.mac]
        rules = self.bench.rules._replace(is_owner=self.name == "switch")
        self.keys, protectors = join_keys(self.host, self.party, [Neighbour(LINK, self.neighbour, 0, kind)], rules)
        self.protector = protectors.get(LINK)
        self.host.restore_others(self.journal.read())

    def do(self, *events: Event) -> Turn:
        """Drive one turn, and the turns in which the HSM's answers come."""
        bench = self.bench
        turn = Turn(bench.hsm.at)
        for event in events:
            self.host.handle(event, bench.hsm.now, turn)
        self.host.expire(bench.hsm.now, turn)
        self.journal.write(turn.stores)
        self.notes += [(kind, detail) for _, kind, detail in turn.notes]
        self.outs.update(dict(turn.outs))
        for send in turn.sends:
            bench.put(self, send.connection, self._sealed(send.payload))
        for _, number in turn.closes:
            bench.cut(number)
        answers = [Answered(ask.key, self.party.answer(ask.request)) for ask in turn.asks]
        if answers:
            self.do(*answers)
        return turn

    def receive(self, number: int, frame: bytes) -> None:
        """Let a frame arrive."""
        verdict = 1
        if self.protector is not None:
            checked = run(self.protector.verify([frame]))
            assert checked is not None
            verdict = checked[0]
            self.bad_macs += verdict == 0
        self.do(Received(LINK, number, frame, verdict))

    def start(self, conversation: Callable[[], Coroutine[Any, Any, Any]]) -> int:
        """Start a conversation as the control port does; its result will be in `outs`."""
        self.calls += 1
        self.do(Called(self.calls, conversation))
        return self.calls

    def ask(self, stan: str) -> int:
        """Send a financial request."""
        return self.start(lambda: self.host.desk.request(LINK, request(stan), 10.0))

    def exchange(self, kind: KeyKind) -> int:
        """Change a key."""
        return self.start(lambda: self.keys.exchange(LINK, kind))

    def result(self, call: int) -> Exchanged | Message | Silence | str:
        """Return what a conversation ended with."""
        ended: Exchanged | Message | Silence | str = self.outs[call]
        return ended

    def states(self, kind: KeyKind = KeyKind.MAC) -> list[tuple[int, str]]:
        """Return generation and state of every key of a kind, oldest first."""
        rows = sorted(self.journal.rows["zone_keys"].values())
        return [(row[3], row[5]) for row in rows if row[2] == kind.value]

    def _sealed(self, payload: bytes) -> bytes:
        if self.protector is None:
            return payload
        sealed = run(self.protector.seal([payload]))
        assert sealed is not None
        return sealed[0]


class Zones:
    """The owner of the keys ("switch") and the member that dials it ("acquirer").

    Attributes
    ----------
    held
        Frames on the wire, oldest first: who sent it, connection, bytes.
    """

    def __init__(self, rules: ZoneRules | None = None, mac: str = "cmac", dialect_name: str = "net-bin87") -> None:
        self.hsm = Hsm()
        self.rules = rules or ZoneRules()
        self.mac: Any = mac
        self.dialect_name = dialect_name
        self.held: list[tuple[Side, int, bytes]] = []
        self.number = 0
        self.owner = Side(self, "switch", "acquirer", dials=False)
        self.member = Side(self, "acquirer", "switch", dials=True)

    def up(self) -> Zones:
        """Connect and carry the sign-on over."""
        self.connect()
        self.carry()
        return self

    def connect(self) -> None:
        """Open a connection."""
        self.number += 1
        for side in (self.owner, self.member):
            side.do(Connected(LINK, self.number, dialled=side.dials))

    def cut(self, number: int | None = None) -> None:
        """Lose every connection, or one; what was on the wire is lost."""
        numbers = [number] if number is not None else [*self.owner.link.connections, *self.member.link.connections]
        for lost in set(numbers):
            self.held = [frame for frame in self.held if frame[1] != lost]
            for side in (self.owner, self.member):
                if lost in side.link.connections:
                    side.do(Disconnected(LINK, lost))

    def put(self, sender: Side, number: int, frame: bytes) -> None:
        """Take a frame for the wire; one for a connection that is gone is lost."""
        self.held.append((sender, number, frame))

    def carry(self, count: int | None = None) -> None:
        """Carry frames over until there are none, or so many."""
        while self.held and count != 0:
            sender, number, frame = self.held.pop(0)
            count = None if count is None else count - 1
            receiver = self.member if sender is self.owner else self.owner
            if number in receiver.link.connections:
                receiver.receive(number, frame)

    def lose(self, count: int = 1) -> None:
        """Lose the oldest frames."""
        del self.held[:count]

    def pass_time(self, seconds: float) -> None:
        """Let both clocks go on, and whatever is due happen."""
        self.hsm.pass_time(seconds)
        for side in (self.owner, self.member):
            side.do()

    def advance(self, by: timedelta) -> None:
        """Move business time alone."""
        self.hsm.at += by
        for side in (self.owner, self.member):
            side.do()

    def kcv_in_use(self, side: Side, kind: KeyKind = KeyKind.MAC) -> str:
        """Return the check value of the key that a side's commands work with, as its HSM tells."""
        zone = next(
            zone for zone in zones_of(LINK, side.neighbour, mac=kind if kind.is_mac else None) if zone.kind is kind
        )
        return self.hsm.ask(side.name, CheckKey(zone.place)).kcv


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it suspended")


__all__ = ["EPOCH", "LINK", "Side", "Zones"]
