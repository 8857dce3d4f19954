"""Hosts whose decisions are straight-line handlers: one conversation per request, stepped by hand."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from typing import Any

from iso import IsoError, Message
from node.core.events import Event
from node.core.host import Host
from node.core.link import Arrival, InFlightKey, LinkMachine
from node.core.saf import SafEntry, SafMachine
from node.core.steps import NOT_SENT, UNKNOWN, Reply, Silence, Stepper
from node.core.turn import Turn


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

    async def ask_all(self, port: str, requests: Sequence[Any], timeout_s: float) -> list[Any]:
        """Ask a port several things at once; return the answers in order, `UNKNOWN` for each that did not come.

        They leave in one turn, so that they travel as one batch and cost one round trip.
        """
        if len(requests) == 1:
            return [await self.ask(port, requests[0], timeout_s)]
        if not requests:
            return []
        gathering = _Gathering(len(requests))
        ask = self.turn.ask
        for place, request in enumerate(requests):
            ask(port, (gathering, place), request, timeout_s)
        await Reply(gathering, timeout_s)
        # A copy: what comes too late finds the gathering, and must change nothing that has been looked at.
        return gathering.answers.copy()

    def put_saf(self, entry: SafEntry) -> None:
        """Store an advice or reversal that has to arrive."""
        self._host.saf.put(entry, self.turn)

    def store(self, table: str, row: tuple[Any, ...]) -> None:
        """Record a row; it is durable before anything of this turn leaves the node."""
        self.turn.store(table, row)


class _Gathering:
    """Several questions of one conversation, and the answers so far.

    It is itself what the conversation waits for; the key of each question is it and the place of the answer, so that
    no answer has to be looked up.
    """

    __slots__ = ("answers", "left")

    def __init__(self, size: int) -> None:
        self.answers: list[Any] = [UNKNOWN] * size
        self.left = size


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
        answer = UNKNOWN if value is None else value
        if type(key) is tuple and type(key[0]) is _Gathering:
            gathering, place = key
            gathering.answers[place] = answer
            gathering.left -= 1
            if gathering.left:
                return
            key = gathering
        self.steps.resume(key, answer, now)

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
