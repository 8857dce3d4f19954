"""Byte pipes: what a link runs over. `tcp://host:port` on real sockets, `memory://name` inside one event loop.

`tls://host:port` and `tls+memory://name` are the same with TLS. All give AnyIO byte streams, so that a link cannot tell
them apart; memory pipes need no thread and no socket, which is what virtual time needs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import anyio
import structlog
from anyio.abc import ByteReceiveStream, ByteSendStream, ByteStream, SocketAttribute, SocketStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from anyio.streams.stapled import StapledByteStream

from iso.errors import CardrailsError
from node.tls import Tls, TlsHandshakeError, TlsSettings

RECEIVE_MAX_BYTES = 65_536
MEMORY_MAX = 64
"""Writes that a memory pipe holds; then the writer waits for the reader, as it would for a socket."""

log = structlog.get_logger(__name__)


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
        to_server = anyio.create_memory_object_stream[bytes](MEMORY_MAX)
        to_client = anyio.create_memory_object_stream[bytes](MEMORY_MAX)
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
        self._rest = b""

    async def receive(self, max_bytes: int = RECEIVE_MAX_BYTES) -> bytes:
        data = self._rest or await self._stream.receive()
        self._rest = data[max_bytes:]
        return data[:max_bytes]

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


class _TlsListener:
    """Shakes hands with every peer, each in its own task, before its connection is handled."""

    def __init__(self, listener: Listener, tls: Tls) -> None:
        self._listener = listener
        self._tls = tls
        scheme, _, place = listener.address.partition("://")
        self.address = f"{'tls' if scheme == 'tcp' else 'tls+memory'}://{place}"

    async def serve(self, handler: Callable[[ByteStream], Coroutine[Any, Any, None]]) -> None:
        async def shake(stream: ByteStream) -> None:
            try:
                secured = await self._tls.accept(stream)
            except TlsHandshakeError as error:
                log.warning("TLS handshake failed", address=self.address, reason=str(error))
            else:
                await handler(secured)

        await self._listener.serve(shake)

    async def aclose(self) -> None:
        await self._listener.aclose()


class Pipes:
    """Opens pipes by URL; a house has one, so that its memory names are its own.

    Parameters
    ----------
    tls
        The certificates of this process; without them there is no `tls://`.
    memory
        Where memory names are looked up; its own by default.

    Raises
    ------
    ConfigError
        A certificate file is missing or is not what it should be.
    """

    def __init__(self, tls: TlsSettings | None = None, memory: MemoryNetwork | None = None) -> None:
        self._memory = memory or MemoryNetwork()
        self._tls = Tls(tls) if tls is not None else None

    @property
    def is_mutual(self) -> bool:
        """Whether peers that dial our `tls://` addresses must show a certificate."""
        return self._tls is not None and self._tls.settings.mutual

    def is_our_own(self, certificate: bytes | None) -> bool:
        """Return whether a peer's certificate (DER) is the one of this process."""
        return self._tls is not None and self._tls.is_our_own(certificate)

    async def dial(self, url: str, timeout_s: float = 5.0) -> ByteStream:
        """Connect.

        Raises
        ------
        PipeError
            Nobody listens there, the connection took longer than `timeout_s`, or the handshake failed.
        """
        scheme, host, port = split_url(url)
        stream: ByteStream
        if scheme in _MEMORY:
            stream = self._memory.connect(host)
        else:
            stream = await _connect_tcp(url, host, port, timeout_s)
        if scheme not in _SECURE:
            return stream
        if self._tls is None:
            await stream.aclose()
            raise PipeError(f"{url}: this process has no TLS settings")
        try:
            return await self._tls.dial(stream, host)
        except TlsHandshakeError as error:
            reason = str(error)
        raise PipeError(f"{url}: TLS handshake failed: {reason}")

    async def listen(self, url: str) -> Listener:
        """Bind.

        Raises
        ------
        PipeError
            The port is in use, or there is no certificate for a `tls://` address.
        """
        scheme, host, port = split_url(url)
        if scheme in _SECURE and (self._tls is None or not self._tls.listens):
            raise PipeError(f"{url}: cannot listen: this process has no TLS certificate")
        listener = self._memory.listen(host) if scheme in _MEMORY else await _listen_tcp(url, host, port)
        if scheme not in _SECURE:
            return listener
        assert self._tls is not None
        return _TlsListener(listener, self._tls)


async def _connect_tcp(url: str, host: str, port: int, timeout_s: float) -> ByteStream:
    try:
        with anyio.fail_after(timeout_s):
            return await anyio.connect_tcp(host, port)
    except (OSError, TimeoutError):
        pass
    raise PipeError(f"{url}: no connection")


async def _listen_tcp(url: str, host: str, port: int) -> Listener:
    try:
        multi = await anyio.create_tcp_listener(local_host=host, local_port=port, reuse_port=False)
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        return _TcpListener(multi.listeners[0])
    raise PipeError(f"{url}: cannot listen: {reason}")


_MEMORY = frozenset({"memory", "tls+memory"})
_SECURE = frozenset({"tls", "tls+memory"})


def split_url(url: str) -> tuple[str, str, int]:
    """Split a pipe URL into scheme, host or name, and port (0 for memory).

    Raises
    ------
    PipeError
        It is not `tcp://host:port`, `tls://host:port`, `memory://name` or `tls+memory://name`.
    """
    parts = urlsplit(url)
    if parts.scheme in _MEMORY and parts.netloc:
        return parts.scheme, parts.netloc, 0
    if parts.scheme in ("tcp", "tls") and parts.hostname and parts.port is not None:
        return parts.scheme, parts.hostname, parts.port
    raise PipeError(f"{url}: expected tcp://host:port, tls://host:port or memory://name")


def end_points(stream: ByteStream) -> tuple[tuple[str, int], tuple[str, int]] | None:
    """Return our and the peer's (host, port) of a connection; None if it is not one between hosts."""
    ours = stream.extra(SocketAttribute.local_address, None)
    theirs = stream.extra(SocketAttribute.remote_address, None)
    if not (isinstance(ours, tuple) and isinstance(theirs, tuple)):
        return None
    return (str(ours[0]), int(ours[1])), (str(theirs[0]), int(theirs[1]))


@asynccontextmanager
async def closing(stream: ByteStream) -> AsyncIterator[ByteStream]:
    """Close a stream at the end, whatever happened."""
    try:
        yield stream
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await stream.aclose()
