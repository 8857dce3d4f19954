"""A host of one connection: it signs on, asks one question after another, and shows what was answered.

It is what `cardrails send` puts on the other end of a link. The link itself is that of every node: `LinkMachine`
decides, `LinkShell` moves bytes; nothing here knows how either works.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from math import inf
from typing import Literal, NamedTuple

import anyio
from anyio.abc import ByteStream

from iso import CardrailsError, Dialect, IsoError, Message, RemoteProtocolError, decode, encode
from iso.translate import to_1987
from node.core.events import Connected, Disconnected, Event, Malformed, NotWritten, Received
from node.core.faults import Faults
from node.core.link import ArrivalKind, LinkMachine, LinkProfile
from node.core.turn import Turn
from node.inbox import Inbox
from node.link import LinkConfig, LinkShell, Protector
from node.pipes import PipeError, Pipes
from node.trace import TraceRing

_LINK = "peer"
_EVENTS_MAX = 512
_MAC_BYTES = 8


class Outcome(Enum):
    """What became of a request."""

    ANSWERED = "answered"
    SILENT = "no answer in time"
    LOST = "connection lost"
    NOT_SENT = "not sent"


class Exchange(NamedTuple):
    """One request and what followed; both as bytes without their length prefix. `elapsed_s` is up to the outcome."""

    request: bytes
    response: bytes | None
    outcome: Outcome
    elapsed_s: float


class _Opened(Pipes):
    """One stream that is open already: a link that loses it does not get another."""

    def __init__(self, stream: ByteStream) -> None:
        super().__init__()
        self._stream: ByteStream | None = stream

    async def dial(self, url: str, timeout_s: float = inf) -> ByteStream:
        stream, self._stream = self._stream, None
        if stream is None:
            raise PipeError(f"{url}: the connection is over")
        return stream


class _Tap(TraceRing):
    """Keeps what was written, MAC and all, and what the link remarked."""

    def __init__(self, spoken: Dialect) -> None:
        super().__init__(_LINK, {_LINK: spoken}, capacity=1)
        self.written: list[bytes] = []
        self.notes: list[str] = []

    def frame(
        self,
        at: datetime,
        link: str,
        direction: Literal["in", "out"],
        connection: int,
        frame: bytes,
        message: Message | None = None,
    ) -> None:
        if direction == "out":
            self.written.append(frame)

    def note(self, at: datetime, link: str, kind: str, detail: str) -> None:
        if kind != "unreachable":  # a connection that is over is not opened again, and that is no news
            self.notes.append(f"{kind}: {detail}")


class _Waiting:
    """The request that is out. `key` is its in-flight key, or None for network management, which the link answers."""

    def __init__(self, message: Message, sent_at: float) -> None:
        self.message = message
        self.sent_at = sent_at
        self.key: object = None
        self.done = anyio.Event()
        self.outcome = Outcome.SILENT
        self.response: bytes | None = None
        self.ended_at = sent_at


class Peer:
    """The dialling end of one connection.

    Parameters
    ----------
    stream
        Open; closed when `run` ends.
    spoken
        What is spoken on it.
    business_now
        Where DE 7 of sign-on and echo comes from.
    profile
        Session rules.
    protector
        Seals and checks MACs where the dialect has them; None writes zeros and takes anything.
    """

    def __init__(
        self,
        stream: ByteStream,
        spoken: Dialect,
        business_now: Callable[[], datetime],
        profile: LinkProfile,
        protector: Protector | None = None,
    ) -> None:
        self.dialect = spoken
        self._now = business_now
        self._inbox = Inbox()
        self._tap = _Tap(spoken)
        self._machine = LinkMachine(_LINK, spoken, profile)
        config = LinkConfig(_LINK, "dial", "the peer", spoken)
        self._shell = LinkShell(config, _Opened(stream), self._inbox, self._tap, Faults(), business_now, protector)
        self._up = anyio.Event()
        self._waiting: _Waiting | None = None

    @property
    def notes(self) -> list[str]:
        """What the link remarked so far; masked."""
        return self._tap.notes

    async def run(self) -> None:
        """Serve the connection until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._shell.run)
            while True:
                await self._inbox.wait(self._machine.deadline())
                now, turn = anyio.current_time(), Turn(self._now())
                try:
                    for event in self._inbox.take(_EVENTS_MAX):
                        self._handle(event, now, turn)
                    self._machine.expire(now, turn)
                except IsoError as error:
                    # Network management that this dialect cannot express: nothing more can follow.
                    turn.note(_LINK, "unencodable", str(error))
                    self._settle(Outcome.LOST, now)
                    self._up.set()
                self._release(turn)

    async def ready(self, within_s: float) -> None:
        """Wait until the connection carries traffic.

        Raises
        ------
        CardrailsError
            It was closed, or the sign-on was not accepted in time.
        """
        with anyio.move_on_after(within_s):
            await self._up.wait()
        if not self._machine.is_up:
            why = self.notes[-1] if self.notes else f"no answer to the sign-on within {within_s:g} s"
            raise CardrailsError(f"not signed on: {why}")

    async def exchange(self, message: Message, timeout_s: float) -> Exchange:
        """Send one message and wait for its answer; one at a time.

        Parameters
        ----------
        message
            In the 1987 form, which a 1993 link translates, or in the dialect's own version, which is sent as it is.
        timeout_s
            Seconds.

        Raises
        ------
        IsoError
            The dialect cannot express the message. Nothing was sent.
        """
        turn, now = Turn(self._now()), anyio.current_time()
        inside = to_1987(message) if self.dialect.version == "1993" and message.mti[:1] == "1" else message
        waiting = self._waiting = _Waiting(inside, now)
        key = self._machine.request(inside, timeout_s, now, turn)
        payload = b""
        if key is not None:
            waiting.key = key
            payload = turn.sends[-1].payload if inside is message else encode(message, self.dialect)
            turn.sends[-1] = turn.sends[-1]._replace(payload=payload)
        self._release(turn)
        if key is None:
            return Exchange(encode(message, self.dialect), None, Outcome.NOT_SENT, 0.0)
        self._inbox.nudge()
        with anyio.move_on_after(timeout_s):
            await waiting.done.wait()
        self._waiting = None
        ended_at = waiting.ended_at if waiting.done.is_set() else anyio.current_time()
        return Exchange(self._as_written(payload), waiting.response, waiting.outcome, ended_at - now)

    def _handle(self, event: Event, now: float, turn: Turn) -> None:
        machine = self._machine
        if isinstance(event, Received):
            arrival = machine.received(event, now, turn)
            if arrival is not None and arrival.kind is ArrivalKind.REQUEST:
                asked = arrival.message
                turn.note(_LINK, "asked", f"the host sent {asked.mti}, STAN {asked.stan}; it gets no answer here")
            elif arrival is not None and arrival.kind is ArrivalKind.MANAGEMENT:
                machine.respond(arrival.message.reply("30"), arrival.connection, turn)
            key = arrival.key if arrival is not None and arrival.kind is ArrivalKind.RESPONSE else None
            waiting = self._waiting
            if waiting is not None and (key == waiting.key if key else self._is_managed(event.frame, waiting)):
                self._settle(Outcome.ANSWERED, now, event.frame)
        elif isinstance(event, Connected):
            machine.connected(event, now, turn)
        elif isinstance(event, Disconnected):
            machine.disconnected(event.connection)
            self._settle(Outcome.LOST, now)
            self._up.set()
        elif isinstance(event, Malformed):
            machine.malformed(event.connection, event.window, turn)
        elif isinstance(event, NotWritten) and machine.not_written(event.key):
            self._settle(Outcome.NOT_SENT, now)
        if machine.is_up:
            self._up.set()

    def _is_managed(self, frame: bytes, waiting: _Waiting) -> bool:
        """Say whether a frame answers the network management that is out: the link keeps such answers to itself."""
        if waiting.message.mti_class != "8":
            return False
        try:
            answer = decode(frame, self.dialect)
        except RemoteProtocolError:
            return False
        mine = waiting.message
        return (
            answer.is_response and answer.mti_class == "8" and (answer.stan, answer.get(7)) == (mine.stan, mine.get(7))
        )

    def _settle(self, outcome: Outcome, now: float, response: bytes | None = None) -> None:
        waiting = self._waiting
        if waiting is not None and not waiting.done.is_set():
            waiting.outcome, waiting.response, waiting.ended_at = outcome, response, now
            waiting.done.set()

    def _release(self, turn: Turn) -> None:
        for send in turn.sends:
            self._shell.put(send.connection, send.payload, send.key)
        for _, connection in turn.closes:
            self._shell.close(connection)
        for link, kind, detail in turn.notes:
            self._tap.note(turn.at, link, kind, detail)

    def _as_written(self, payload: bytes) -> bytes:
        if not self.dialect.mac:
            return payload
        sealed = (frame for frame in self._tap.written if frame[:-_MAC_BYTES] == payload[:-_MAC_BYTES])
        return next(sealed, payload)
