"""A host that is not ours: it listens on a real port and does with each message what the test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

import anyio
from anyio.abc import ByteStream
from anyio.from_thread import start_blocking_portal

from iso import Message, RemoteProtocolError, decode, dialect, encode, framing
from node.pipes import Pipes
from node.tls import TlsSettings

Script = Callable[[Message], Message | None]
"""Gives the answer, or None for silence; raises `HangUp` to close the connection."""


class HangUp(Exception):
    """Close the connection without an answer."""


class ForeignHost:
    """What it heard, where it listens (`host:port`), and whether anybody has connected yet."""

    def __init__(self, speaks: str, script: Script) -> None:
        self.heard: list[Message] = []
        self.address = ""
        self.met = Event()
        self._dialect = dialect(speaks)
        self._script = script

    async def serve(self, stream: ByteStream) -> None:
        """Answer on one connection until the peer is gone."""
        frames = framing(self._dialect.framing)
        decoder = frames.decoder()
        self.met.set()
        async with stream:
            while True:
                try:
                    data = await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return
                for frame in decoder.feed(data):
                    try:
                        message = decode(frame, self._dialect)
                    except RemoteProtocolError:
                        return
                    self.heard.append(message)
                    try:
                        answer = self._script(message)
                    except HangUp:
                        return
                    if answer is not None:
                        await stream.send(frames.encode(encode(answer, self._dialect)))


@contextmanager
def foreign_host(script: Script, speaks: str = "ascii87", tls: TlsSettings | None = None) -> Iterator[ForeignHost]:
    """Run a host in a thread of its own."""
    host = ForeignHost(speaks, script)

    async def run(*, task_status: anyio.abc.TaskStatus[str]) -> None:
        listener = await Pipes(tls).listen(f"{'tls' if tls else 'tcp'}://127.0.0.1:0")
        task_status.started(listener.address)
        try:
            await listener.serve(host.serve)
        finally:
            with anyio.CancelScope(shield=True):
                await listener.aclose()

    with start_blocking_portal() as portal:
        task, address = portal.start_task(run)
        host.address = address.partition("://")[2]
        try:
            yield host
        finally:
            task.cancel()
