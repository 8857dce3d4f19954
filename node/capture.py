"""Captures: what crosses the links of a node, as a pcapng file that Wireshark and tshark read.

A link hands over what it wrote or read and goes on; a task of the node masks it, puts it into packets and appends it
to the file, a slice at a time, so that no message waits for a disk. Frames are masked unless the test cards are to be
seen; what does not decode is kept as zeros of the same length. Beside the file lies a dissector for each dialect.

It must never stop a node: a full disk or a full queue ends or thins the capture, and the capture says so.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

import anyio
import anyio.lowlevel
import structlog

from iso import Dialect, IsoError, LocalProtocolError, framing
from iso.framing import Framing
from iso.pan import mask_frame
from node.core.pcapng import Conversation, EndPoint, Packet, dropped, interface, packet, section_header
from node.dissector import lua_dissector

QUEUE_MAX = 10_000
"""Crossings that wait to be written; beyond it they are counted as dropped."""
FILE_MAX_BYTES = 1 << 30
"""A capture stops at this size."""
SLICE = 64
"""Crossings that are masked and written without letting the node run."""
PAUSE_S = 0.1
"""How long crossings gather before they are written: one append for all of them."""
MEMORY_PORT = 8_583
"""The port that a listener without a socket is shown with."""

Ends = tuple[tuple[str, int], tuple[str, int]]

log = structlog.get_logger(__name__)


class _Crossing(NamedTuple):
    at: datetime
    link: str
    connection: int
    kind: Literal["opened", "in", "out", "unreadable", "closed"]
    frame: bytes = b""
    is_dialled: bool = False
    ends: Ends | None = None
    remark: str = ""
    whole: bytes | None = None


class _Link(NamedTuple):
    number: int
    dialect: Dialect
    framing: Framing


class Capture:
    """The capture of one node. A file that exists is continued with a new section.

    Parameters
    ----------
    file
        The pcapng file, in a folder that exists.
    node
        The node's name: interfaces are called `node/link`.
    links
        Link name to dialect, in the order of the file's interfaces.
    reveal_test_pan
        Write frames as they are. For test cards only: it puts card numbers into a file.
    """

    def __init__(
        self,
        file: Path,
        node: str,
        links: Iterable[tuple[str, Dialect]],
        *,
        reveal_test_pan: bool = False,
        queue_max: int = QUEUE_MAX,
        file_max_bytes: int = FILE_MAX_BYTES,
    ) -> None:
        self.file = file
        self.node = node
        self.dropped = 0
        self._links = {
            name: _Link(number, dialect, framing(dialect.framing)) for number, (name, dialect) in enumerate(links)
        }
        self._reveal = reveal_test_pan
        self._queue: deque[_Crossing] = deque()
        self._queue_max = queue_max
        self._file_max_bytes = file_max_bytes
        self._conversations: dict[tuple[str, int], Conversation] = {}
        self._undeclared: dict[str, int] = {}
        self._descriptor: int | None = None
        self._written_bytes = 0
        self._has_ended = False
        self._wake: anyio.Event | None = None

    # What a link says.

    def opened(self, at: datetime, link: str, connection: int, is_dialled: bool, ends: Ends | None) -> None:
        """Begin a conversation; `ends` are our and the peer's (host, port), None for a pipe in memory."""
        self._put(_Crossing(at, link, connection, "opened", is_dialled=is_dialled, ends=ends))

    def frame(
        self,
        at: datetime,
        link: str,
        connection: int,
        direction: Literal["in", "out"],
        frame: bytes,
        remark: str = "",
        whole: bytes | None = None,
    ) -> None:
        """Take a frame as it crossed the link, without its length prefix.

        Parameters
        ----------
        remark
            What there is to say about it: which faults struck it.
        whole
            The bytes that crossed, where they may be others than the framing makes of `frame`.
        """
        self._put(_Crossing(at, link, connection, direction, frame, remark=remark, whole=whole))

    def unreadable(self, at: datetime, link: str, connection: int, length_bytes: int) -> None:
        """Take notice of bytes that are no frame; how many is all that is kept."""
        self._put(_Crossing(at, link, connection, "unreadable", bytes(length_bytes)))

    def closed(self, at: datetime, link: str, connection: int) -> None:
        """End a conversation."""
        self._put(_Crossing(at, link, connection, "closed"))

    # How it is written.

    async def run(self) -> None:
        """Write for ever."""
        while not self._has_ended:
            if not self._queue:
                self._wake = anyio.Event()
                await self._wake.wait()
                self._wake = None
                await anyio.sleep(PAUSE_S)
            self._write(SLICE)
            await anyio.lowlevel.checkpoint()

    def close(self) -> None:
        """Write what waits and let go of the file."""
        while self._queue and not self._has_ended:
            self._write(SLICE)
        self._end()

    def _put(self, crossing: _Crossing) -> None:
        if self._has_ended:
            return
        if len(self._queue) >= self._queue_max and crossing.kind not in ("opened", "closed"):
            self.dropped += 1
            self._undeclared[crossing.link] = self._undeclared.get(crossing.link, 0) + 1
            return
        self._queue.append(crossing)
        if self._wake is not None:
            self._wake.set()

    def _write(self, at_most: int) -> None:
        blocks: list[bytes] = []
        last = None
        for _ in range(min(at_most, len(self._queue))):
            last = self._queue.popleft()
            blocks += self._blocks(last)
        if last is not None:
            for link, count in self._undeclared.items():
                blocks.append(dropped(self._links[link].number, last.at, count))
            self._undeclared.clear()
        try:
            if self._descriptor is None:
                blocks.insert(0, self._begin())
            data = b"".join(blocks)
            self._append(data)
        except OSError as error:
            log.warning("capture ended", file=str(self.file), reason=error.strerror)
            self._end()
            return
        self._written_bytes += len(data)
        if self._written_bytes >= self._file_max_bytes:
            log.warning("capture ended", file=str(self.file), reason=f"{self._file_max_bytes} bytes are written")
            self._end()

    def _append(self, data: bytes) -> None:
        assert self._descriptor is not None
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _begin(self) -> bytes:
        """Open the file and return what begins its section."""
        for dialect in {link.dialect.name: link.dialect for link in self._links.values()}.values():
            (self.file.parent / f"{dialect.name}.lua").write_text(lua_dissector(dialect), "ascii")
        self._descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        how = "as it crossed: test cards are readable" if self._reveal else "masked: DE 2 keeps 6+4, secrets are zeros"
        begin = section_header("cardrails", f"what crossed the links of {self.node}; {how}")
        for name, link in self._links.items():
            spoken = f"{link.dialect.name}, ISO 8583:{link.dialect.version}, framing {link.dialect.framing}"
            begin += interface(f"{self.node}/{name}", f"link {name} of {self.node}", f"{spoken}; {how}")
        return begin

    def _end(self) -> None:
        self._has_ended = True
        self._queue.clear()
        self._conversations.clear()
        if self._wake is not None:
            self._wake.set()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _blocks(self, crossing: _Crossing) -> list[bytes]:
        at, name, connection, kind, frame, *_ = crossing
        link, key = self._links[name], (name, connection)
        if kind == "opened":
            self._conversations[key] = self._conversation(crossing)
            return self._packets(link, at, self._conversations[key].opened())
        if kind == "closed":
            conversation = self._conversations.pop(key, None)
            return self._packets(link, at, conversation.closed()) if conversation is not None else []
        conversation = self._conversations.get(key)
        if conversation is None:
            return []
        if kind == "unreadable":
            return self._packets(link, at, conversation.data(frame, is_outgoing=False), "no frame: zeros in its place")
        payload, comment = self._masked(frame, link, crossing.whole)
        comment = "; ".join(filter(None, (crossing.remark, comment)))
        return self._packets(link, at, conversation.data(payload, is_outgoing=kind == "out"), comment)

    def _masked(self, frame: bytes, link: _Link, whole: bytes | None) -> tuple[bytes, str]:
        """Return the frame as it may be kept, with its prefix, and what there is to say about it."""
        whole = whole if whole is not None else link.framing.encode(frame)
        if self._reveal:
            return whole, ""
        start = whole.find(frame)
        if start < 0:
            return bytes(len(whole)), "no frame: zeros in its place"
        try:
            masked, comment = mask_frame(frame, link.dialect), ""
        except IsoError:
            masked, comment = bytes(len(frame)), "does not decode: zeros in its place"
        return whole[:start] + masked + whole[start + len(frame) :], comment

    def _packets(self, link: _Link, at: datetime, packets: list[Packet], comment: str = "") -> list[bytes]:
        return [packet(link.number, at, one, comment if index == 0 else "") for index, one in enumerate(packets)]

    def _conversation(self, crossing: _Crossing) -> Conversation:
        number, is_dialled = crossing.connection, crossing.is_dialled
        ours, theirs = EndPoint("127.0.0.1", MEMORY_PORT), EndPoint("127.0.0.1", 49_152 + number % 16_384)
        if is_dialled:
            ours, theirs = theirs, ours
        if crossing.ends is not None:
            ours, theirs = (EndPoint(*end) for end in crossing.ends)
        # A later conversation between the same ports must not look like a repeat of this one.
        number += int(crossing.at.timestamp() * 1_000)
        try:
            return Conversation(ours, theirs, is_dialled=is_dialled, identifier=number)
        except LocalProtocolError:
            no_host = "127.0.0.1"
            return Conversation(
                EndPoint(no_host, ours.port), EndPoint(no_host, theirs.port), is_dialled=is_dialled, identifier=number
            )
