"""Byte pipes: what a link runs over. `tcp://host:port` on real sockets, `memory://name` inside one event loop.

Both give AnyIO byte streams, so that a link cannot tell them apart; memory pipes need no thread and no socket, which
is what virtual time needs.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, ByteStream, SocketAttribute, SocketStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from anyio.streams.stapled import StapledByteStream

from iso.errors import CardrailsError

RECEIVE_MAX_BYTES = 65_536


class PipeError(CardrailsError):
    """An address cannot be listened on or reached; str is one line."""


class Listener(Protocol):
    """Something that accepts connections."""

    address: str
    """The URL that peers dial; with the real port if 0 was asked for."""

    async def serve(self, handler: Callable[[ByteStream], Coroutine[Any, Any, None]]) -> None:
        """Accept for ever; each connection is handled in a task of its own."""

    async def aclose(self) -> None:
        """Give the address back."""


class MemoryNetwork:
    """A loopback without sockets: names instead of ports."""

    def __init__(self) -> None:
        self._listening: dict[str, Callable[[ByteStream], None]] = {}

    def connect(self, name: str) -> ByteStream:
        """Connect to a listener.

        Raises
        ------
        PipeError
            Nobody listens there.
        """
        accept = self._listening.get(name)
        if accept is None:
            raise PipeError(f"memory://{name}: nobody listens")
        to_server = anyio.create_memory_object_stream[bytes](math.inf)
        to_client = anyio.create_memory_object_stream[bytes](math.inf)
        accept(StapledByteStream(_Sender(to_client[0]), _Receiver(to_server[1])))
        return StapledByteStream(_Sender(to_server[0]), _Receiver(to_client[1]))

    def listen(self, name: str) -> Listener:
        """Listen under a name."""
        if name in self._listening:
            raise PipeError(f"memory://{name}: already in use")
        return _MemoryListener(self, name)


class _Sender(ByteSendStream):
    def __init__(self, stream: MemoryObjectSendStream[bytes]) -> None:
        self._stream = stream

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Receiver(ByteReceiveStream):
    def __init__(self, stream: MemoryObjectReceiveStream[bytes]) -> None:
        self._stream = stream

    async def receive(self, max_bytes: int = RECEIVE_MAX_BYTES) -> bytes:
        data: bytes = await self._stream.receive()
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


class _MemoryListener:
    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self._network = network
        self._name = name
        self.address = f"memory://{name}"

    async def serve(self, handler: Callable[[ByteStream], Coroutine[Any, Any, None]]) -> None:
        async with anyio.create_task_group() as tasks:

            def accept(stream: ByteStream) -> None:
                tasks.start_soon(handler, stream)

            self._network._listening[self._name] = accept
            try:
                await anyio.sleep_forever()
            finally:
                del self._network._listening[self._name]

    async def aclose(self) -> None:
        return None


class _TcpListener:
    def __init__(self, listener: anyio.abc.Listener[SocketStream]) -> None:
        self._listener = listener
        host, port = tuple(listener.extra(SocketAttribute.local_address))[:2]
        self.address = f"tcp://{host}:{port}"

    async def serve(self, handler: Callable[[ByteStream], Coroutine[Any, Any, None]]) -> None:
        await self._listener.serve(handler)

    async def aclose(self) -> None:
        await self._listener.aclose()


class Pipes:
    """Opens pipes by URL; a house has one, so that its memory names are its own."""

    def __init__(self) -> None:
        self._memory = MemoryNetwork()

    async def dial(self, url: str, timeout_s: float = 5.0) -> ByteStream:
        """Connect.

        Raises
        ------
        PipeError
            Nobody listens there, or the connection took longer than `timeout_s`.
        """
        scheme, host, port = split_url(url)
        if scheme == "memory":
            return self._memory.connect(host)
        try:
            with anyio.fail_after(timeout_s):
                return await anyio.connect_tcp(host, port)
        except (OSError, TimeoutError):
            pass
        raise PipeError(f"{url}: no connection")

    async def listen(self, url: str) -> Listener:
        """Bind.

        Raises
        ------
        PipeError
            The port is in use.
        """
        scheme, host, port = split_url(url)
        if scheme == "memory":
            return self._memory.listen(host)
        try:
            multi = await anyio.create_tcp_listener(local_host=host, local_port=port, reuse_port=False)
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            return _TcpListener(multi.listeners[0])
        raise PipeError(f"{url}: cannot listen: {reason}")


def split_url(url: str) -> tuple[str, str, int]:
    """Split a pipe URL into scheme, host or name, and port (0 for memory).

    Raises
    ------
    PipeError
        It is not `tcp://host:port` or `memory://name`.
    """
    parts = urlsplit(url)
    if parts.scheme == "memory" and parts.netloc:
        return "memory", parts.netloc, 0
    if parts.scheme == "tcp" and parts.hostname and parts.port is not None:
        return "tcp", parts.hostname, parts.port
    raise PipeError(f"{url}: expected tcp://host:port or memory://name")


@asynccontextmanager
async def closing(stream: ByteStream) -> AsyncIterator[ByteStream]:
    """Close a stream at the end, whatever happened."""
    try:
        yield stream
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await stream.aclose()
