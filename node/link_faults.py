"""Performs on a link the faults that `node.core.faults` decides: it waits, writes and cuts, and decides nothing.

A link comes here only while a fault is armed or something is held back. What crosses is in trace and capture as it
crossed, and a remark "fault" says what struck which message.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import ByteStream, SocketAttribute, TaskGroup

from iso import Dialect, Message, RemoteProtocolError, decode
from iso.framing import FrameDecoder, Framing
from node.core.faults import Direction, Faults, Strike
from node.core.faults.damage import OUTSIDE, altered
from node.core.faults.lane import Held, Lane, Later, Piece

if TYPE_CHECKING:
    from node.link import LinkShell, Wire

_CUTS = frozenset({"close", "reset"})
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time. Closing then sends RST instead of FIN."""


class WireFaults:
    """What faults hold back on one connection, and what they made of its incoming stream.

    Attributes
    ----------
    ready
        Outgoing messages whose time has come.
    decoder
        Reads the incoming stream anew, from when a fault has changed its bytes.
    turn
        Who hands incoming messages to the node: one at a time, also while a fault makes the others wait.
    tasks
        Where the connection's own tasks run.
    """

    __slots__ = ("_faults", "_holds", "decoder", "into", "out", "ready", "tasks", "turn")

    tasks: TaskGroup

    def __init__(self, framing: Framing, faults: Faults) -> None:
        self.out, self.into = Lane(framing), Lane(framing)
        self.ready: list[Later | Held] = []
        self.decoder: FrameDecoder | None = None
        self.turn = anyio.Lock()
        self._faults = faults
        self._holds = 0

    def hold(self) -> None:
        """Keep the link looking at every message."""
        self._holds += 1
        self._faults.hold()

    def release(self) -> None:
        """Let go of one hold."""
        self._holds -= 1
        self._faults.release()

    def end(self) -> None:
        """Let go of everything: the connection is gone."""
        while self._holds:
            self.release()


class FaultShell:
    """Performs the faults of one link."""

    def __init__(self, link: LinkShell, faults: Faults) -> None:
        self._link = link
        self._faults = faults

    async def write(self, wire: Wire) -> bool:
        """Write what waits at a connection, as the faults want it; False if the connection ends here."""
        link, taken = self._link, [(payload, key) for payload, key, _ in wire.outbox]
        marked, unwritten, cut = self._marked(taken)
        if cut is not None:
            # Whatever is released from here on is told that it was not written.
            wire.closing = True
        frames = await link.seal([frame for frame, _, _ in marked])
        wire.take(len(taken))
        link.not_written(unwritten)
        if frames is None:
            link.not_written((frame, key) for frame, key, _ in marked)
            frames, marked = [], []
        pieces = self._due(wire)
        for frame, (_, key, strike) in zip(frames, marked, strict=True):
            pieces += self._placed(wire, "out", Piece(frame, key), strike)
        alive = await self._cross(wire, pieces)
        if cut == "reset":
            await reset(wire.stream)
        return alive and cut is None

    async def deliver(self, wire: Wire, frames: list[bytes]) -> bool:
        """Hand frames to the node, as the faults want it; False if the connection ends here."""
        link, dialect = self._link, self._link.config.dialect
        verdicts = await link.verified(frames)
        if verdicts is None:
            return True
        async with wire.faults.turn:
            pieces: list[Piece] = []
            for frame, fits in zip(frames, verdicts, strict=True):
                strike = self._strike("in", frame)
                action = strike.action if strike is not None else ""
                if action in _CUTS:
                    await self._hand_over(wire, pieces)
                    if action == "reset":
                        await reset(wire.stream)
                    return False
                if action == "drop":
                    continue
                if strike is not None:
                    frame = altered(frame, dialect, strike)
                    fits = 0 if action in OUTSIDE and link.is_protected else fits
                pieces += self._placed(wire, "in", Piece(frame, fits), strike)
            return await self._hand_over(wire, pieces)

    # Deciding, with the lane.

    def _marked(
        self, taken: list[tuple[bytes, Any]]
    ) -> tuple[list[tuple[bytes, Any, Strike | None]], list[tuple[bytes, Any]], str | None]:
        """Return what is to be sealed, what a cut leaves unwritten, and how the connection is cut."""
        marked: list[tuple[bytes, Any, Strike | None]] = []
        for index, (payload, key) in enumerate(taken):
            strike = self._strike("out", payload)
            if strike is None:
                marked.append((payload, key, None))
                continue
            action = strike.action
            if action in _CUTS:
                is_begun = strike.fault is not None and strike.fault.keep > 0
                if is_begun:
                    marked.append((payload, key, strike._replace(delay_s=0.0)))
                return marked, taken[index + is_begun :], action
            if action != "drop":
                marked.append((altered(payload, self._link.config.dialect, strike), key, strike))
        return marked, [], None

    def _strike(self, direction: Direction, frame: bytes) -> Strike | None:
        link = self._link
        name, dialect = link.config.name, link.config.dialect
        strike = self._faults.strike(name, direction, frame, dialect, anyio.current_time(), link.awaited_until)
        if strike is not None:
            link.note("fault", strike.remark)
        return strike

    def _placed(self, wire: Wire, direction: Direction, piece: Piece, strike: Strike | None) -> list[Piece]:
        """Return what crosses now; what does not is waited for."""
        lane = wire.faults.out if direction == "out" else wire.faults.into
        if strike is None:
            return lane.crossing(piece)
        decided = lane.struck(piece, strike)
        if isinstance(decided, list):
            return decided
        wire.faults.hold()
        wire.faults.tasks.start_soon(self._wait, wire, direction, decided)
        return []

    async def _wait(self, wire: Wire, direction: Direction, waiting: Later | Held) -> None:
        await anyio.sleep(waiting.after_s)
        if direction == "out":
            # One task writes; it lets go of the hold when it takes this.
            wire.faults.ready.append(waiting)
            wire.wake.set()
            return
        async with wire.faults.turn:
            alive = await self._hand_over(wire, self._come(wire, "in", waiting))
        if not alive:
            wire.cut.cancel()

    def _due(self, wire: Wire) -> list[Piece]:
        ready, wire.faults.ready = wire.faults.ready, []
        return [piece for waiting in ready for piece in self._come(wire, "out", waiting)]

    def _come(self, wire: Wire, direction: Direction, waiting: Later | Held) -> list[Piece]:
        wire.faults.release()
        if isinstance(waiting, Later):
            return self._placed(wire, direction, waiting.piece, waiting.strike)
        return (wire.faults.out if direction == "out" else wire.faults.into).free(waiting.number)

    # Performing.

    async def _cross(self, wire: Wire, pieces: list[Piece]) -> bool:
        """Write pieces in their order, those without a pause between them at once; False if the connection is gone."""
        group: list[Piece] = []
        for piece in pieces:
            if group and (piece.pause_s or len(piece.parts) > 1):
                if not await self._send(wire, group):
                    return False
                group = []
            if piece.pause_s:
                await anyio.sleep(piece.pause_s)
            if len(piece.parts) > 1:
                if not await self._send(wire, [piece]):
                    return False
            else:
                group.append(piece)
        return not group or await self._send(wire, group)

    async def _send(self, wire: Wire, group: list[Piece]) -> bool:
        encode, parts = self._link.framing.encode, group[0].parts
        if len(parts) < 2:
            parts = (b"".join([piece.parts[0] if piece.parts else encode(piece.frame) for piece in group]),)
        try:
            for number, part in enumerate(parts):
                if number:
                    await anyio.sleep(group[0].gap_s)
                await wire.stream.send(part)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            # Some of it may have left: it is Unknown, not unsent.
            return False
        for piece in group:
            whole = b"".join(piece.parts) or encode(piece.frame)
            self._link.wrote(wire, piece.frame, whole, piece.remark)
        return True

    async def _hand_over(self, wire: Wire, pieces: list[Piece]) -> bool:
        """Let pieces reach the node in their order; False if the stream cannot be read any further."""
        link = self._link
        for piece in pieces:
            if piece.pause_s:
                await anyio.sleep(piece.pause_s)
            if not piece.parts and wire.faults.decoder is None:
                link.arrived(wire, piece.frame, piece.tag, piece.remark)
            elif not await self._read_anew(wire, piece):
                return False
        return True

    async def _read_anew(self, wire: Wire, piece: Piece) -> bool:
        link, state = self._link, wire.faults
        if state.decoder is None:
            state.decoder = link.framing.decoder(limit_bytes=link.config.frame_max_bytes)
            state.hold()
        for number, part in enumerate(piece.parts or (link.framing.encode(piece.frame),)):
            if number:
                await anyio.sleep(piece.gap_s)
            frames, error = feed(state.decoder, part)
            for frame in frames:
                fits = piece.tag
                if frame != piece.frame and (verdicts := await link.verified([frame])) is not None:
                    fits = verdicts[0]
                link.arrived(wire, frame, fits, piece.remark)
            if error is not None:
                link.unreadable(wire, part)
                return False
        if not state.decoder.pending_bytes:
            state.decoder = None
            state.release()
        return True


def feed(decoder: FrameDecoder, data: bytes) -> tuple[list[bytes], RemoteProtocolError | None]:
    """Return the whole frames, and the error that the bytes after them are."""
    try:
        return decoder.feed(data), decoder.error
    except RemoteProtocolError as error:
        return [], error


def read(frame: bytes, dialect: Dialect) -> Message | None:
    """Return what a frame says; None if it says nothing legal, which the node answers."""
    try:
        return decode(frame, dialect)
    except RemoteProtocolError:
        return None


async def reset(stream: ByteStream) -> None:
    """End a connection as a crashed peer does: RST instead of FIN, and what waits to be sent is lost.

    A pipe that is no TCP connection is only closed.
    """
    while (inner := getattr(stream, "transport_stream", None)) is not None:
        stream = inner
    raw = stream.extra(SocketAttribute.raw_socket, None)
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    # AnyIO's own close shuts the sending side down first, which is a FIN; it has no public way to abort.
    transport = getattr(stream, "_transport", None)
    if raw is not None and transport is not None:
        transport.abort()
    else:
        await anyio.aclose_forcefully(stream)
