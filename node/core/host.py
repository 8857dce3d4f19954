"""What every ISO 8583 host has in common: links, store-and-forward, and where each event goes.

`Host` sorts events; it decides nothing about money. A room derives from it: the switch as an explicit machine that
overrides the `on_...` hooks, the banks as `ConversationHost` with straight-line handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Iterable
from typing import Any

from iso import IsoError, LocalProtocolError, Message
from node.core.events import Answered, Called, Connected, Disconnected, Draining, Event, Malformed, NotWritten, Received
from node.core.link import Arrival, ArrivalKind, InFlightKey, LinkMachine
from node.core.saf import SafEntry, SafMachine
from node.core.steps import NOT_SENT, UNKNOWN, Reply, Silence, Stepper
from node.core.turn import Turn


class Host:
    """A machine with links and a SAF. Subclasses override the hooks named `on_...`.

    A SAF entry that is due goes through `on_saf_due`, which by default sends it as it is; the switch opens the
    card first. Every key handed to the hooks is unique while it is in use.
    """

    def __init__(self, links: Iterable[LinkMachine], saf: SafMachine | None = None) -> None:
        self.links = {link.name: link for link in links}
        # Not `or`: an empty SAF is false, and its rules would be lost.
        self.saf = saf if saf is not None else SafMachine()
        self._saf_keys: dict[tuple[str, InFlightKey], str] = {}

    # Machine

    def handle(self, event: Event, now: float, turn: Turn) -> None:
        """Take one event."""
        kind = type(event)
        if kind is Received:
            link = self.links[event.link]  # type: ignore[union-attr]
            arrival = link.received(event, now, turn)  # type: ignore[arg-type]
            if arrival is not None:
                self._arrived(arrival, now, turn)
        elif kind is Answered:
            self.on_answer(event.key, event.value, now, turn)  # type: ignore[union-attr]
        elif kind is Called:
            self.on_call(event.key, event.start, now, turn)  # type: ignore[union-attr]
        else:
            self._transport(event, now, turn)
        self._drain_saf(now, turn)

    def expire(self, now: float, turn: Turn) -> None:
        """Fire every deadline that is not after `now`."""
        for link in self.links.values():
            for key in link.expire(now, turn):
                self._settled(link.name, key, UNKNOWN, now, turn)
        self._drain_saf(now, turn)

    def deadline(self) -> float | None:
        """Return when `expire` next may have work."""
        instants = [link.deadline() for link in self.links.values()]
        instants.append(self.saf.deadline())
        return min((instant for instant in instants if instant is not None), default=None)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing waits for a peer: a node that stops now leaves nothing Unknown."""
        return not any(link.in_flight for link in self.links.values())

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
        """Start a conversation for somebody outside the node."""
        raise AssertionError("this host takes no calls")

    def on_link_up(self, link: str, now: float, turn: Turn) -> None:
        """Take notice that a link carries traffic."""

    def on_saf_due(self, entry: SafEntry, now: float, turn: Turn) -> None:
        """Send an entry whose turn has come."""
        self.send_saf(entry, self.saf.sending(entry, turn), now, turn)

    def on_saf_ended(self, entry: SafEntry, answer: Message | None, now: float, turn: Turn) -> None:
        """Take notice that an entry is done or dead; `answer` is the last response, if one came."""

    # What subclasses use

    def send_saf(self, entry: SafEntry, message: Message, now: float, turn: Turn) -> None:
        """Send `message` for an entry and expect its answer."""
        link = self.links[entry.link]
        try:
            key = link.request(message, self.saf.rules.answer_timeout_s, now, turn)
        except LocalProtocolError as error:
            turn.note(entry.link, "unencodable", str(error))
            key = None
        if key is None:
            self.saf.unanswered(entry.identifier, now, turn)
        else:
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
        else:
            self.on_late(arrival, now, turn)

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
        self.on_link_up(link, now, turn)

    def _settled(self, link: str, key: InFlightKey, answer: Message | Silence, now: float, turn: Turn) -> None:
        identifier = self._saf_keys.pop((link, key), None)
        if identifier is None:
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
        if not self.saf.entries:
            return
        for entry in self.saf.due(now):
            self.on_saf_due(entry, now, turn)


class Desk:
    """The ports a handler may use. Everything it records lands in the turn that steps it.

    `turn` and `now` are those of the current step: a handler reads them again after every await.
    """

    def __init__(self, host: ConversationHost) -> None:
        self._host = host
        self._asked = 0
        self.turn: Turn
        self.now: float

    async def request(self, link: str, message: Message, timeout_s: float) -> Message | Silence:
        """Send a request on a link; return its response, `UNKNOWN` or `NOT_SENT`.

        Raises
        ------
        LocalProtocolError
            The link's dialect cannot express the message. Nothing was sent.
        """
        key = self._host.links[link].request(message, timeout_s, self.now, self.turn)
        if key is None:
            return NOT_SENT
        answer: Message | Silence = await Reply((link, key), timeout_s)
        return answer

    async def ask(self, port: str, request: Any, timeout_s: float) -> Any:
        """Ask a port ("hsm", "journal"); return its answer or `UNKNOWN`."""
        self._asked += 1
        key = (port, self._asked)
        self.turn.ask(port, key, request, timeout_s)
        return await Reply(key, timeout_s)

    def put_saf(self, entry: SafEntry) -> None:
        """Store an advice or reversal that has to arrive."""
        self._host.saf.put(entry, self.turn)

    def store(self, table: str, row: tuple[Any, ...]) -> None:
        """Record a row; it is durable before anything of this turn leaves the node."""
        self.turn.store(table, row)


Handler = Callable[[Arrival], Coroutine[Any, Any, Message | None]]
LateHandler = Callable[[Arrival], Coroutine[Any, Any, None]]


class ConversationHost(Host):
    """A host whose decisions are straight-line handlers, one conversation per request.

    Parameters
    ----------
    handler
        `async def handler(arrival) -> Message | None`: the response to send on the link of the request, or None for
        no answer. It is called with `self.desk` bound to the current turn.
    late_handler
        `async def late_handler(arrival) -> None`: what follows from a response that nobody waits for; `arrival.remark`
        says why. None: nothing but the remark in the trace.
    conversations_max
        At this many open conversations further requests are refused with DE 39 = 91.
    """

    def __init__(
        self,
        links: Iterable[LinkMachine],
        saf: SafMachine | None = None,
        *,
        conversations_max: int = 10_000,
    ) -> None:
        super().__init__(links, saf)
        self.steps = Stepper()
        self.desk = Desk(self)
        self.handler: Handler | None = None
        self.late_handler: LateHandler | None = None
        self.conversations_max = conversations_max

    def handle(self, event: Event, now: float, turn: Turn) -> None:
        """Take one event, with the desk open on this turn."""
        self.desk.turn, self.desk.now = turn, now
        super().handle(event, now, turn)

    def expire(self, now: float, turn: Turn) -> None:
        """Fire every deadline that is not after `now`, with the desk open on this turn."""
        self.desk.turn, self.desk.now = turn, now
        super().expire(now, turn)
        self.steps.expire(now)

    def deadline(self) -> float | None:
        """Return when `expire` next may have work."""
        instants = (super().deadline(), self.steps.deadline())
        return min((instant for instant in instants if instant is not None), default=None)

    @property
    def is_quiet(self) -> bool:
        """Whether no conversation is open and nothing waits for a peer."""
        return not len(self.steps) and super().is_quiet

    def on_late(self, arrival: Arrival, now: float, turn: Turn) -> None:
        """Start the conversation that follows from a late response, if the room has one."""
        if self.late_handler is not None and len(self.steps) < self.conversations_max:
            self.steps.start(self.late_handler(arrival), now, lambda _: None)

    def on_request(self, arrival: Arrival, now: float, turn: Turn) -> None:
        """Start the conversation that answers a request."""
        if self.handler is None or len(self.steps) >= self.conversations_max:
            turn.note(arrival.link, "refused", f"{arrival.message.mti} {arrival.message.stan}: too many conversations")
            self.links[arrival.link].respond(arrival.message.reply("91"), arrival.connection, turn)
            return
        self.steps.start(self._answered(arrival, self.handler), now, lambda answer: self._respond(arrival, answer))

    def on_response(self, link: str, key: InFlightKey, answer: Message | Silence, now: float, turn: Turn) -> None:
        """Resume the conversation that made the request."""
        self.steps.resume((link, key), answer, now)

    def on_answer(self, key: Hashable, value: Any, now: float, turn: Turn) -> None:
        """Resume the conversation that asked; None is silence."""
        self.steps.resume(key, UNKNOWN if value is None else value, now)

    def on_call(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, Any]], now: float, turn: Turn) -> None:
        """Start a conversation for somebody outside the node; its result leaves through `turn.out`."""
        self.steps.start(start(), now, lambda value: self.desk.turn.out(key, value))

    async def _answered(self, arrival: Arrival, handler: Handler) -> Message | None:
        """Stay silent where a handler met something that the language of the house cannot express.

        What it recorded before that stands, so no answer would be true; the peer reverses what it hears nothing of.
        """
        try:
            return await handler(arrival)
        except IsoError as error:
            self.desk.turn.note(arrival.link, "unanswerable", f"{arrival.message.mti} {arrival.message.stan}: {error}")
        return None

    def _respond(self, arrival: Arrival, answer: Message | None) -> None:
        if answer is not None:
            self.links[arrival.link].respond(answer, arrival.connection, self.desk.turn)
