"""The shell of a link: connections, bytes, frames, MACs and provoked faults. It decides nothing.

A reader takes up to 64 KiB, splits it into frames, lets the protector check them as one batch and puts them into the
node's inbox. A writer takes everything that waits, lets the protector seal it as one batch, and writes once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

import anyio
from anyio.abc import ByteStream, TaskGroup

from iso import Dialect, Message, framing
from iso.pan import masked_window
from node.capture import Capture
from node.clock import share_of, system_entropy
from node.core.backoff import pause_s
from node.core.events import Connected, Disconnected, Malformed, NotWritten, Received
from node.core.faults import Faults
from node.inbox import Inbox
from node.link_faults import FaultShell, WireFaults, feed, read
from node.pipes import RECEIVE_MAX_BYTES, Listener, PipeError, Pipes, closing, end_points
from node.trace import TraceRing


class Protector(Protocol):
    """Seals and checks frames of a link; the keys live above this package. Both take a batch and keep its order.

    A frame's MAC is its last eight bytes, over all bytes before them.
    """

    async def seal(self, frames: list[bytes]) -> list[bytes] | None:
        """Return the frames with their MACs; None if no answer came in time."""

    async def verify(self, frames: list[bytes]) -> Sequence[int] | None:
        """Return for each frame the generation of the key that its MAC fits, 0 for none; None if no answer came."""


class LinkConfig(NamedTuple):
    """Where a link's bytes come from. Durations in seconds, sizes in bytes.

    Attributes
    ----------
    connections
        How many a dialling link keeps open; each is dialled again on its own.
    redial_first_s, redial_max_s
        The pause between two attempts grows from the one to the other; see `node.core.backoff`.
    redial_stable_s
        A connection that lived this long makes the pauses start anew; one that a peer only accepts and drops does not.
    connections_max
        How many a listening link takes; further ones are closed at once.
    outbox_max, outbox_max_bytes
        Frames, and their bytes, that wait for one connection; a peer that reads no more loses it at this point.
    """

    name: str
    role: Literal["dial", "listen"]
    address: str
    dialect: Dialect
    frame_max_bytes: int = 8_192
    redial_first_s: float = 0.05
    redial_max_s: float = 5.0
    connections_max: int = 64
    connections: int = 1
    redial_stable_s: float = 1.0
    outbox_max: int = 20_000
    outbox_max_bytes: int = 16_777_216


_Waiting = tuple[bytes, Any, Message | None]
"""A frame, the key of its request or None, and what the frame says if that is known."""


class Wire:
    """One open connection of a link and what waits to be written to it."""

    __slots__ = ("closing", "cut", "faults", "number", "outbox", "stream", "waiting_bytes", "wake")

    def __init__(self, number: int, stream: ByteStream, faults: WireFaults) -> None:
        self.number = number
        self.stream = stream
        self.faults = faults
        self.outbox: list[_Waiting] = []
        self.waiting_bytes = 0
        self.wake = anyio.Event()
        self.closing = False
        self.cut = anyio.CancelScope()

    def put(self, payload: bytes, key: Any, message: Message | None) -> None:
        """Queue a frame."""
        if not self.outbox:
            self.wake.set()
        self.outbox.append((payload, key, message))
        self.waiting_bytes += len(payload)

    def take(self, count: int) -> None:
        """Let the oldest frames go: they are being written, or never will be."""
        self.waiting_bytes -= sum([len(waiting[0]) for waiting in self.outbox[:count]])
        del self.outbox[:count]

    def close(self) -> None:
        """Close once everything queued has been written."""
        self.closing = True
        self.wake.set()

    def overflow(self) -> None:
        """Close at once: the peer reads no more, so what is queued would wait for ever."""
        self.closing = True
        self.cut.cancel()


class LinkShell:
    """Runs one link of a node.

    Parameters
    ----------
    share
        Draws the jitter of a pause, from 0 to 1.

    Attributes
    ----------
    capture
        Who writes down what crosses the link, if anybody.
    awaited_until
        Says until when the node awaits a response in its 1987 form; None if it does not.
    """

    def __init__(
        self,
        config: LinkConfig,
        pipes: Pipes,
        inbox: Inbox,
        trace: TraceRing,
        faults: Faults,
        business_now: Callable[[], datetime],
        protector: Protector | None = None,
        share: Callable[[], float] = lambda: share_of(system_entropy),
    ) -> None:
        self.config = config
        self.capture: Capture | None = None
        self.awaited_until: Callable[[Message], float | None] = lambda _response: None
        self._share = share
        self._is_draining = False
        self._unreachable = ""
        self._pipes = pipes
        self._inbox = inbox
        self._trace = trace
        self._faults = faults
        self._business_now = business_now
        self._protector = protector
        self._fault_shell = FaultShell(self, faults)
        self.framing = framing(config.dialect.framing)
        self._wires: dict[int, Wire] = {}
        self._numbers = 0
        self._listener: Listener | None = None
        self.address = config.address

    async def bind(self) -> None:
        """Take the port of a listening link.

        Raises
        ------
        PipeError
            It is in use.
        """
        if self.config.role == "listen":
            self._listener = await self._pipes.listen(self.config.address)
            self.address = self._listener.address

    async def unbind(self) -> None:
        """Give the port of a listening link back."""
        if self._listener is not None:
            with anyio.CancelScope(shield=True):
                await self._listener.aclose()

    async def run(self) -> None:
        """Serve or dial until `drain`; a listening link for ever."""
        if self._listener is not None:
            await self._listener.serve(self._connection)
        async with anyio.create_task_group() as tasks:
            for number in range(self.config.connections):
                tasks.start_soon(self._dial, name=f"{self.config.name}/{number}")

    async def _dial(self) -> None:
        failures, config = 0, self.config
        while not self._is_draining:
            failures += 1
            try:
                stream = await self._pipes.dial(self.address)
            except PipeError as error:
                self._note_unreachable(str(error))
            else:
                self._unreachable = ""
                connected_at = anyio.current_time()
                await self._connection(stream)
                if anyio.current_time() - connected_at >= config.redial_stable_s:
                    failures = 1
            await anyio.sleep(pause_s(failures, config.redial_first_s, config.redial_max_s, self._share()))

    def _note_unreachable(self, reason: str) -> None:
        """Say once why there is no connection, not at every attempt."""
        if reason != self._unreachable:
            self._unreachable = reason
            self.note("unreachable", reason)

    def drain(self) -> None:
        """Open no further connection, and close each once what waits for it has been written."""
        self._is_draining = True
        for wire in self._wires.values():
            wire.close()

    @property
    def open_connections(self) -> int:
        """How many transport connections there are."""
        return len(self._wires)

    def put(self, connection: int, payload: bytes, key: Any, message: Message | None = None) -> None:
        """Queue a frame for a connection; a request whose connection is gone is reported as not written.

        `message` is what the frame says; None: whoever wants to know reads it.
        """
        wire = self._wires.get(connection)
        if wire is None or wire.closing:
            self.not_written([(payload, key)])
            return
        wire.put(payload, key, message)
        if len(wire.outbox) > self.config.outbox_max or wire.waiting_bytes > self.config.outbox_max_bytes:
            self._trace.note(
                self._business_now(), self.config.name, "overflow", f"{len(wire.outbox)} frames wait; closing"
            )
            wire.overflow()

    def close(self, connection: int) -> None:
        """Close a connection after what already waits for it has been written."""
        wire = self._wires.get(connection)
        if wire is not None:
            wire.close()

    async def _connection(self, stream: ByteStream) -> None:
        async with closing(stream):
            if len(self._wires) >= self.config.connections_max or self._is_draining:
                return
            self._numbers += 1
            wire = self._wires[self._numbers] = Wire(self._numbers, stream, WireFaults(self.framing, self._faults))
            is_dialled = self.config.role == "dial"
            if self.capture is not None:
                self.capture.opened(self._business_now(), self.config.name, wire.number, is_dialled, end_points(stream))
            self._inbox.put(Connected(self.config.name, wire.number, is_dialled))
            try:
                with wire.cut:
                    async with anyio.create_task_group() as tasks:
                        wire.faults.tasks = tasks
                        tasks.start_soon(self._write, wire, tasks)
                        await self._read(wire)
                        tasks.cancel_scope.cancel()
            finally:
                del self._wires[wire.number]
                wire.faults.end()
                self.not_written([(payload, key) for payload, key, _ in wire.outbox])
                self._inbox.put(Disconnected(self.config.name, wire.number))
                if self.capture is not None:
                    self.capture.closed(self._business_now(), self.config.name, wire.number)

    async def _read(self, wire: Wire) -> None:
        decoder = self.framing.decoder(limit_bytes=self.config.frame_max_bytes)
        while True:
            await self._inbox.room()
            try:
                data = await wire.stream.receive(RECEIVE_MAX_BYTES)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
            frames, error = feed(decoder, data)
            if frames and not await self._deliver(wire, frames):
                return
            if error is not None:
                self.unreadable(wire, data)
                return

    async def _deliver(self, wire: Wire, frames: list[bytes]) -> bool:
        """Hand frames to the node; False if a provoked fault cut the connection."""
        if self._faults.armed:
            return await self._fault_shell.deliver(wire, frames)
        verdicts = await self.verified(frames)
        if verdicts is not None:
            name, at, number = self.config.name, self._business_now(), wire.number
            dialect, keep, put = self.config.dialect, self._trace.frame, self._inbox.put
            for frame, fits in zip(frames, verdicts, strict=True):
                # Read here, once: the node and its trace both want to know.
                message = read(frame, dialect)
                keep(at, name, "in", number, frame, message)
                if self.capture is not None:
                    self.capture.frame(at, name, number, "in", frame)
                put(Received(name, number, frame, fits, message))
        return True

    async def _write(self, wire: Wire, tasks: TaskGroup) -> None:
        while True:
            if not wire.outbox and not wire.faults.ready:
                if wire.closing:
                    break
                wire.wake = anyio.Event()
                await wire.wake.wait()
            if self._faults.armed:
                if not await self._fault_shell.write(wire):
                    break
                continue
            batch = await self._sealed(wire)
            if batch and not await self._send(wire, batch):
                break
        tasks.cancel_scope.cancel()

    async def _sealed(self, wire: Wire) -> list[_Waiting]:
        """Take everything that waits; it stays in the outbox until its MACs are there."""
        batch = list(wire.outbox)
        if self._protector is None:
            wire.take(len(batch))
            return batch
        frames = await self.seal([payload for payload, _, _ in batch])
        wire.take(len(batch))
        if frames is None:
            self.not_written([(payload, key) for payload, key, _ in batch])
            return []
        return [(frame, key, message) for frame, (_, key, message) in zip(frames, batch, strict=True)]

    async def _send(self, wire: Wire, batch: list[_Waiting]) -> bool:
        encode = self.framing.encode
        at, name = self._business_now(), self.config.name
        try:
            await wire.stream.send(b"".join([encode(payload) for payload, _, _ in batch]))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            # Some of it may have left: what was in this batch is Unknown, not unsent.
            return False
        for payload, _, message in batch:
            self._trace.frame(at, name, "out", wire.number, payload, message)
            if self.capture is not None:
                self.capture.frame(at, name, wire.number, "out", payload)
        return True

    # What performing faults asks of a link.

    @property
    def is_protected(self) -> bool:
        """Whether frames carry a MAC that somebody checks."""
        return self._protector is not None

    async def seal(self, frames: list[bytes]) -> list[bytes] | None:
        """Return frames as they cross, with their MACs; None if there were none in time, which is noted."""
        if self._protector is None or not frames:
            return frames
        sealed = await self._protector.seal(frames)
        if sealed is None:
            self.note("unsealed", f"no MAC for {len(frames)} frames; not sent")
        return sealed

    async def verified(self, frames: list[bytes]) -> Sequence[int] | None:
        """Return for each frame what a protector says; None if there was no verdict in time, which is noted."""
        if self._protector is None:
            return [True] * len(frames)
        verdicts = await self._protector.verify(frames)
        if verdicts is None:
            self.note("unchecked", f"no verdict on the MAC of {len(frames)} frames; dropped")
        return verdicts

    def arrived(self, wire: Wire, frame: bytes, fits: int, remark: str) -> None:
        """Hand one frame to the node."""
        name, at = self.config.name, self._business_now()
        self._trace.frame(at, name, "in", wire.number, frame)
        if self.capture is not None:
            self.capture.frame(at, name, wire.number, "in", frame, remark)
        self._inbox.put(Received(name, wire.number, frame, fits))

    def wrote(self, wire: Wire, frame: bytes, whole: bytes, remark: str) -> None:
        """Keep one frame that was written as the bytes `whole`, which may be others than its framing makes."""
        name, at = self.config.name, self._business_now()
        self._trace.frame(at, name, "out", wire.number, frame)
        if self.capture is not None:
            self.capture.frame(at, name, wire.number, "out", frame, remark, whole)

    def unreadable(self, wire: Wire, data: bytes) -> None:
        """Tell the node that a connection cannot be read any further."""
        # The offset counts from the stream's first byte, which is long gone: show how this read begins.
        self._inbox.put(Malformed(self.config.name, wire.number, masked_window(data, 0)))
        if self.capture is not None:
            self.capture.unreadable(self._business_now(), self.config.name, wire.number, len(data))

    def note(self, kind: str, detail: str) -> None:
        """Leave a remark in the trace."""
        self._trace.note(self._business_now(), self.config.name, kind, detail)

    def not_written(self, unwritten: Iterable[tuple[bytes, Any]]) -> None:
        """Tell the node which requests never reached the wire."""
        for _, key in unwritten:
            if key is not None:
                self._inbox.put(NotWritten(self.config.name, key))
