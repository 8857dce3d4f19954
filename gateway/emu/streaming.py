"""The live stream of messages: what crosses the links of all nodes, as server-sent events.

A stream pulls. One watch per node waits for something to cross and wakes every stream; a stream then reads what lies
between its place and the newest message, a page at a time. So a slow reader holds nothing back and fills no queue: it
is behind, and reads what the nodes have kept. Its place is the id of the last event, so that whoever comes back with
`Last-Event-ID` goes on exactly there. What a node no longer keeps is lost to it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.emu.house import House
from gateway.emu.problems import Problem
from node.control_client import ControlClient, ControlError

EVENT_STREAM = "text/event-stream"
STREAMS_MAX = 32
PAGE = 200
"""Messages that are read from a node at once."""
WAIT_S = 1
"""How long a node is asked to wait for something to cross: no longer than a house may take to stop."""
RETRY_S = 1.0
"""After a node did not answer."""
KEEP_ALIVE_S = 15.0
"""A comment is sent when nothing else was for so long: a reader that is gone is noticed."""
GATHER_S = 0.02
"""Messages cross in bursts; a stream lets them gather before it reads."""

Place = dict[str, int]
"""The newest sequence that was shown, by node."""


class Watch:
    """Waits at every node's links, while anybody wants to know.

    Parameters
    ----------
    house
        The control ports.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._moved = anyio.Event()
        self._wanted = anyio.Event()
        self.streams = 0
        self.is_closed = False

    async def run(self) -> None:
        """Watch for ever; when this ends, every stream does."""
        try:
            while True:
                self._wanted = anyio.Event()
                if not self.streams:
                    await self._wanted.wait()
                async with anyio.create_task_group() as tasks:
                    for node in self._house.nodes:
                        tasks.start_soon(self._watch, node)
                    tasks.start_soon(self._until_unwanted, tasks)
        finally:
            self.is_closed = True
            self._moved.set()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Take the place of a stream, before anything is awaited for it, until its answer has ended.

        Raises
        ------
        Problem
            503: there are too many.
        """
        if self.streams >= STREAMS_MAX:
            raise Problem(503, f"at most {STREAMS_MAX} streams can be open", {"Retry-After": "5"})
        self.streams += 1
        self._wanted.set()
        try:
            yield
        finally:
            self.streams -= 1
            self._wake()

    @property
    def mark(self) -> anyio.Event:
        """What is set when something crosses after now: take it before looking, and wait for it after."""
        return self._moved

    async def _watch(self, node: str) -> None:
        last: int | None = None
        while True:
            try:
                seen = await self._house.watch(node, last or 0, 0 if last is None else WAIT_S)
            except ControlError:
                await anyio.sleep(RETRY_S)
                continue
            if seen != last:
                self._wake()
            last = seen

    async def _until_unwanted(self, tasks: TaskGroup) -> None:
        while self.streams:
            await self._moved.wait()
        tasks.cancel_scope.cancel()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()


class StreamResponse(StreamingResponse):
    """The answer of a stream; however it ends, what was `taken` for it is given back."""

    def __init__(self, body: AsyncIterator[bytes], taken: ExitStack) -> None:
        super().__init__(body, media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})
        self._taken = taken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        with self._taken:
            await super().__call__(scope, receive, send)


def parse_place(text: str) -> Place:
    """Read a cursor or an event's id.

    Raises
    ------
    Problem
        422.

    Examples
    --------
    >>> parse_place("acquirer:12,switch:14")
    {'acquirer': 12, 'switch': 14}
    """
    place: Place = {}
    for part in text.split(",") if text else ():
        node, _, number = part.partition(":")
        if not (node and len(node) <= 64 and number.isascii() and number.isdigit() and len(number) <= 15):
            raise Problem(422, "the cursor is not one that this API has given")
        place[node] = int(number)
    return place


def place_text(place: Mapping[str, int]) -> str:
    """Return a place as `parse_place` reads it."""
    return ",".join(f"{node}:{place[node]}" for node in sorted(place))


async def newest(house: House, nodes: list[str]) -> Place:
    """Return the place behind everything that has crossed; nodes that do not answer are left out."""
    found, _ = await house.each(lambda client, node: client.wait_messages(node, 0, limit=0)[1], nodes)
    return dict(found)


async def events(
    watch: Watch, house: House, nodes: list[str], place: Place, wanted: Mapping[str, str]
) -> AsyncIterator[bytes]:
    """Yield events for ever: every message behind `place` that fits, and a comment when there is none for a while.

    Parameters
    ----------
    nodes
        Whose links.
    wanted
        Filters as the control port's messages have them.
    """
    yield b": the stream is open\n\n"
    while not watch.is_closed:
        mark, has_shown = watch.mark, False
        for message in await _page(house, nodes, place, wanted):
            place[message["node"]] = message["sequence"]
            yield _event(message, place)
            has_shown = True
        if has_shown:
            continue
        with anyio.move_on_after(KEEP_ALIVE_S):
            await mark.wait()
        if not mark.is_set():
            yield b": nothing has crossed\n\n"
        await anyio.sleep(GATHER_S)


async def _page(house: House, nodes: list[str], place: Place, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what comes next at each node, in order of time; a node that does not answer has its turn later."""

    def read(client: ControlClient, node: str) -> tuple[list[dict[str, Any]], int]:
        return client.wait_messages(node, place.get(node, 0), limit=PAGE, wait_s=0, **wanted)

    found, _ = await house.each(read, nodes)
    shown = []
    for node, (messages, last) in found.items():
        if not messages:
            # Nothing that fits lies up to here, so the filter need not look there again. A node that has forgotten
            # its messages counts from the beginning: then so does its place.
            place[node] = last if last >= place.get(node, 0) else 0
        shown += messages
    return sorted(shown, key=lambda message: message["at"])


def _event(message: Mapping[str, Any], place: Place) -> bytes:
    kind = "remark" if message["direction"] == "note" else "message"
    return f"id: {place_text(place)}\nevent: {kind}\ndata: {json.dumps(message, separators=(',', ':'))}\n\n".encode()
