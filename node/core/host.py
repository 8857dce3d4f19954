"""What every ISO 8583 host has in common: links, store-and-forward, and where each event goes.

`Host` sorts events; it decides nothing about money. A room derives from it: the switch as an explicit machine that
overrides the `on_...` hooks, the banks as `node.core.conversations.ConversationHost` with straight-line handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from iso import LocalProtocolError, Message
from node.core.deadlines import Alarms
from node.core.errands import ERRANDS_MAX, ErrandKey, Errands
from node.core.events import Answered, Called, Connected, Disconnected, Draining, Event, Malformed, NotWritten, Received
from node.core.link import Arrival, ArrivalKind, InFlightKey, LinkMachine
from node.core.saf import SafEntry, SafMachine
from node.core.session import CUT_OVER
from node.core.steps import NOT_SENT, UNKNOWN, Silence
from node.core.turn import Row, Turn

Manager = Callable[[Arrival], Coroutine[Any, Any, Message]]
"""`async def manager(arrival) -> Message`: the answer to an 0800 that is the owner's to answer. It is an errand."""


class Companion(Protocol):
    """Somebody who has duties on a host's links beside its traffic, such as changing their keys."""

    def link_up(self, link: str, now: float) -> None:
        """Take notice that a link carries traffic."""

    def tick(self, now: float, turn: Turn) -> None:
        """Do what is due; called in every turn."""

    def deadline(self) -> float | None:
        """Return when `tick` next has work, as far as is known."""


class Host:
    """A machine with links and a SAF. Subclasses override the hooks named `on_...`.

    A SAF entry that is due goes through `on_saf_due`, which by default sends it as it is; the switch opens the
    card first. Every key handed to the hooks is unique while it is in use.

    Attributes
    ----------
    errands
        Conversations beside the traffic.
    managers
        DE 70 to who answers an 0800 with it; what nobody answers is a format error (30).
    companions
        Who else has duties on the links.
    restorers
        Who else takes rows of a restart; see `restore_others`.
    settlement_dates
        Link to the settlement date (MMDD) that its peer announced with its last cut-over.
    """

    def __init__(self, links: Iterable[LinkMachine], saf: SafMachine | None = None) -> None:
        self.links = {link.name: link for link in links}
        # Not `or`: an empty SAF is false, and its rules would be lost.
        self.saf = saf if saf is not None else SafMachine()
        self._saf_keys: dict[tuple[str, InFlightKey], str] = {}
        self._alarms = Alarms()
        self.errands = Errands(self.links)
        self.managers: dict[str, Manager] = {CUT_OVER: self._cut_over}
        self.companions: list[Companion] = []
        self.restorers: list[Callable[[Mapping[str, Sequence[Row]]], None]] = []
        self.settlement_dates: dict[str, str] = {}
        for link in self.links.values():
            link.alarm = partial(self._alarms.set, link.name)

    # Machine

    def handle(self, event: Event, now: float, turn: Turn) -> None:
        """Take one event."""
        kind, errands = type(event), self.errands
        errands.turn, errands.now = turn, now
        if kind is Received:
            link = self.links[event.link]  # type: ignore[union-attr]
            arrival = link.received(event, now, turn)  # type: ignore[arg-type]
            if arrival is not None:
                self._arrived(arrival, now, turn)
        elif kind is Answered:
            self._port_answered(event.key, event.value, now, turn)  # type: ignore[union-attr]
        elif kind is Called:
            self.on_call(event.key, event.start, now, turn)  # type: ignore[union-attr]
        else:
            self._transport(event, now, turn)
        if self.saf.entries:
            self._drain_saf(now, turn)

    def expire(self, now: float, turn: Turn) -> None:
        """Fire every deadline that is not after `now`."""
        self.errands.turn, self.errands.now = turn, now
        for name in self._alarms.pop_due(now):
            link = self.links[name]
            for key in link.expire(now, turn):
                self._settled(name, key, UNKNOWN, now, turn)
            if (at := link.deadline()) is not None:
                self._alarms.set(name, at)
        self.errands.expire(now)
        for companion in self.companions:
            companion.tick(now, turn)
        if self.saf.entries:
            self._drain_saf(now, turn)

    def deadline(self) -> float | None:
        """Return when `expire` next may have work."""
        instants = [self._alarms.next(), self.saf.deadline(), self.errands.deadline()]
        instants += [companion.deadline() for companion in self.companions]
        return min((instant for instant in instants if instant is not None), default=None)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing waits for a peer: a node that stops now leaves nothing Unknown."""
        return not any(link.in_flight for link in self.links.values())

    def restore_others(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Let those whose tables the room does not know take the rows of a restart."""
        for restore in self.restorers:
            restore(rows)

    # Hooks

    def on_request(self, arrival: Arrival, now: float, turn: Turn) -> None:
        """Decide about a request from a peer."""
        raise AssertionError("a host that takes requests says how")

    def on_response(self, link: str, key: InFlightKey, answer: Message | Silence, now: float, turn: Turn) -> None:
        """Take the outcome of an earlier `request` of this host."""
        raise AssertionError("a host that makes requests says what their answers mean")

    def on_late(self, arrival: Arrival, now: float, turn: Turn) -> None:
        """Take a response nobody waits for. It is already in the trace; by default nothing follows from it."""

    def on_answer(self, key: Hashable, value: Any, now: float, turn: Turn) -> None:
        """Take the answer of a port; None is silence."""

    def on_call(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, Any]], now: float, turn: Turn) -> None:
        """Start a conversation for somebody outside the node, as an errand; its result leaves through `turn.out`."""
        self.errands.start(start(), lambda value: self.errands.turn.out(key, value))

    def on_cut_over(self, arrival: Arrival, now: float, turn: Turn) -> str:
        """Take notice that the peer has begun a new settlement day; return DE 39 of the answer.

        DE 15, if it is there, is the new day; common practice also knows cut-overs that do not name it.
        """
        date = arrival.message.get(15)
        if date is not None:
            self.settlement_dates[arrival.link] = date
        turn.note(arrival.link, "cut-over", f"settlement date {date or 'not named'}")
        return "00"

    def on_link_up(self, link: str, now: float, turn: Turn) -> None:
        """Take notice that a link carries traffic."""

    def on_saf_due(self, entry: SafEntry, now: float, turn: Turn) -> None:
        """Send an entry whose turn has come."""
        self.send_saf(entry, entry.next_message(), now, turn)

    def on_saf_ended(self, entry: SafEntry, answer: Message | None, now: float, turn: Turn) -> None:
        """Take notice that an entry is done or dead; `answer` is the last response, if one came."""

    # What subclasses use

    def send_saf(self, entry: SafEntry, message: Message, now: float, turn: Turn) -> None:
        """Send `message` for an entry and expect its answer; what the link does not take is no attempt."""
        link = self.links[entry.link]
        try:
            key = link.request(message, self.saf.rules.answer_timeout_s, now, turn)
        except LocalProtocolError as error:
            turn.note(entry.link, "unencodable", str(error))
            # An attempt all the same: nobody will ever take it, and it has to end.
            self.saf.sending(entry, turn)
            self.saf.unanswered(entry.identifier, now, turn)
            return
        if key is None:
            self.saf.unanswered(entry.identifier, now, turn)
        else:
            self.saf.sending(entry, turn)
            self._saf_keys[entry.link, key] = entry.identifier

    # How

    def _arrived(self, arrival: Arrival, now: float, turn: Turn) -> None:
        if arrival.kind is ArrivalKind.REQUEST:
            self.on_request(arrival, now, turn)
        elif arrival.kind is ArrivalKind.RESPONSE:
            assert arrival.key is not None
            self._settled(arrival.link, arrival.key, arrival.message, now, turn)
        elif arrival.kind is ArrivalKind.SIGNED_ON:
            self._link_up(arrival.link, now, turn)
        elif arrival.kind is ArrivalKind.SIGNED_OFF:
            self._link_down(arrival.link)
        elif arrival.kind is ArrivalKind.MANAGEMENT:
            self._manage(arrival, turn)
        else:
            self.on_late(arrival, now, turn)

    def _manage(self, arrival: Arrival, turn: Turn) -> None:
        message, link = arrival.message, self.links[arrival.link]
        manager = self.managers.get(message.get(70) or "")
        if manager is None or len(self.errands) >= ERRANDS_MAX:
            link.respond(message.reply("30" if manager is None else "91"), arrival.connection, turn)
            return
        self.errands.start(manager(arrival), lambda answer: link.respond(answer, arrival.connection, self.errands.turn))

    async def _cut_over(self, arrival: Arrival) -> Message:
        code = self.on_cut_over(arrival, self.errands.now, self.errands.turn)
        return arrival.message.reply(code, {15: arrival.message[15]} if 15 in arrival.message else {})

    def _port_answered(self, key: Hashable, value: Any, now: float, turn: Turn) -> None:
        if type(key) is ErrandKey and self.errands.resume(key, UNKNOWN if value is None else value):
            return
        self.on_answer(key, value, now, turn)

    def _transport(self, event: Event, now: float, turn: Turn) -> None:
        if isinstance(event, Connected):
            if self.links[event.link].connected(event, now, turn):
                self._link_up(event.link, now, turn)
        elif isinstance(event, Disconnected):
            link = self.links[event.link]
            lost = link.disconnected(event.connection)
            self._link_down(event.link)
            for key in lost:
                self._settled(event.link, key, UNKNOWN, now, turn)
        elif isinstance(event, NotWritten):
            if self.links[event.link].not_written(event.key):
                self._settled(event.link, event.key, NOT_SENT, now, turn)
        elif isinstance(event, Malformed):
            self.links[event.link].malformed(event.connection, event.window, turn)
        elif isinstance(event, Draining):
            for link in self.links.values():
                link.sign_off(now, turn)
                self._link_down(link.name)

    def _link_down(self, link: str) -> None:
        if not self.links[link].is_up:
            self.saf.link_down(link)

    def _link_up(self, link: str, now: float, turn: Turn) -> None:
        self.saf.link_up(link)
        for companion in self.companions:
            companion.link_up(link, now)
        self.on_link_up(link, now, turn)

    def _settled(self, link: str, key: InFlightKey, answer: Message | Silence, now: float, turn: Turn) -> None:
        identifier = self._saf_keys.pop((link, key), None)
        if identifier is None:
            if key[0] != "8" or not self.errands.resume((link, key), answer):
                self.on_response(link, key, answer, now, turn)
            return
        if isinstance(answer, Message):
            ended = self.saf.answered(identifier, answer.response_code or "96", now, turn)
            if ended is not None:
                self.on_saf_ended(ended, answer, now, turn)
            return
        ended = self.saf.unanswered(identifier, now, turn)
        if ended is not None:
            self.on_saf_ended(ended, None, now, turn)

    def _drain_saf(self, now: float, turn: Turn) -> None:
        for entry in self.saf.due(now):
            self.on_saf_due(entry, now, turn)
