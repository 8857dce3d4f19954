"""Clients of the HSM: one port, two adapters, the same behaviour.

`LocalClient` goes through the node in the same process, `TcpClient` over its host port: pipelined, a batch is one
write, answers are matched by the counter in the header. Both answer None for a request whose fate is unknown: its
deadline passed or its connection was lost. It may have been carried out; every command may simply be sent again.
"""

from collections.abc import Sequence
from itertools import count
from typing import Protocol, TypeVar

import anyio
from anyio.abc import ByteStream, TaskStatus

from hsm_sim.node import FRAMING, HsmNode
from hsm_sim.requests import Request
from iso import RemoteProtocolError, framing
from node.pipes import RECEIVE_MAX_BYTES, PipeError, Pipes, closing

T = TypeVar("T")


class HsmClient(Protocol):
    """What banks, switch and gateway hold."""

    async def call_many(self, requests: Sequence[Request[T]], timeout_s: float) -> list[T | None]:
        """Send a batch; return the answers in order, None for each that did not come in time.

        Parameters
        ----------
        requests
            From `hsm_sim.requests`.
        timeout_s
            Seconds for the whole batch.

        Raises
        ------
        LocalProtocolError
            A request holds a value that does not fit its field. Nothing was sent.
        """

    async def call(self, request: Request[T], timeout_s: float) -> T | None:
        """Send one request; None if no answer came in time."""


class LocalClient:
    """The adapter for callers in the HSM's own process.

    Parameters
    ----------
    node
        The running HSM.
    party
        As whom to speak.
    """

    def __init__(self, node: HsmNode, party: str) -> None:
        self._node = node
        self._party = party
        self._header = b"0" * node.config.header_length

    async def call_many(self, requests: Sequence[Request[T]], timeout_s: float) -> list[T | None]:
        """Send a batch; see `HsmClient.call_many`."""
        frames = [self._header + request.encode() for request in requests]
        skip = len(self._header)
        with anyio.move_on_after(timeout_s):
            answers = await self._node.submit(self._party, frames)
            return [request.parse(answer[skip:]) for request, answer in zip(requests, answers, strict=True)]
        return [None] * len(requests)

    async def call(self, request: Request[T], timeout_s: float) -> T | None:
        """Send one request; None if no answer came in time."""
        return (await self.call_many([request], timeout_s))[0]


class _Batch:
    """Requests of one call that wait for their answers."""

    __slots__ = ("answers", "done", "left", "requests")

    def __init__(self, requests: Sequence[Request[object]]) -> None:
        self.requests = requests
        self.answers: list[object | None] = [None] * len(requests)
        self.left = len(requests)
        self.done = anyio.Event()


class TcpClient:
    """The adapter for callers elsewhere: one connection, kept open, redialled with back-off.

    Parameters
    ----------
    pipes
        What to dial with.
    address
        Of the party's host port.
    header_length
        As the HSM has it, at least 4.
    redial_first_s, redial_max_s
        Pause after a lost connection; it doubles up to the maximum.

    Notes
    -----
    `run` must be started in a task group; until it has a connection, calls wait for one up to their deadline.
    """

    def __init__(
        self,
        pipes: Pipes,
        address: str,
        *,
        header_length: int = 4,
        redial_first_s: float = 0.05,
        redial_max_s: float = 2.0,
    ) -> None:
        self.address = address
        self._pipes = pipes
        self._header_length = header_length
        self._redial_first_s = redial_first_s
        self._redial_max_s = redial_max_s
        self._framing = framing(FRAMING)
        self._waiting: dict[bytes, tuple[_Batch, int]] = {}
        self._outbox: list[bytes] = []
        self._wake = anyio.Event()
        self._up = anyio.Event()
        self._headers = count()

    @property
    def is_up(self) -> bool:
        """Whether a connection is open."""
        return self._up.is_set()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep a connection open for ever; started after the first attempt to make one."""
        pause_s, first = self._redial_first_s, True
        while True:
            stream = await self._dial()
            if stream is not None:
                self._up.set()
            if first:
                task_status.started()
                first = False
            if stream is not None:
                pause_s = self._redial_first_s
                await self._connection(stream)
            await anyio.sleep(pause_s)
            pause_s = min(pause_s * 2, self._redial_max_s)

    async def call_many(self, requests: Sequence[Request[T]], timeout_s: float) -> list[T | None]:
        """Send a batch as one write; see `HsmClient.call_many`."""
        if not requests:
            return []
        commands = [request.encode() for request in requests]
        batch = _Batch(requests)
        headers: list[bytes] = []
        try:
            with anyio.move_on_after(timeout_s):
                await self._up.wait()
                headers = self._post(commands, batch)
                await batch.done.wait()
        finally:
            for header in headers:
                self._waiting.pop(header, None)
        return batch.answers  # type: ignore[return-value]

    async def call(self, request: Request[T], timeout_s: float) -> T | None:
        """Send one request; None if no answer came in time."""
        return (await self.call_many([request], timeout_s))[0]

    def _post(self, commands: list[bytes], batch: _Batch) -> list[bytes]:
        """Queue the commands under free headers; the writer takes all that waits at once."""
        headers = []
        for index, command in enumerate(commands):
            header = self._free_header()
            self._waiting[header] = (batch, index)
            headers.append(header)
            self._outbox.append(self._framing.encode(header + command))
        self._wake.set()
        return headers

    def _free_header(self) -> bytes:
        """Return the next counter that no waiting request has: a late answer finds nobody."""
        while True:
            header = b"%0*X" % (self._header_length, next(self._headers) & 0xFFFF)
            if header not in self._waiting:
                return header

    async def _dial(self) -> ByteStream | None:
        try:
            return await self._pipes.dial(self.address)
        except PipeError:
            return None

    async def _connection(self, stream: ByteStream) -> None:
        try:
            async with closing(stream), anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, stream, tasks.cancel_scope)
                await self._read(stream)
                tasks.cancel_scope.cancel()
        finally:
            self._lose()

    def _lose(self) -> None:
        """Tell everybody who waits that the fate of their requests is unknown."""
        self._up = anyio.Event()
        self._outbox.clear()
        waiting, self._waiting = self._waiting, {}
        for batch, _ in waiting.values():
            batch.done.set()

    async def _write(self, stream: ByteStream, connection: anyio.CancelScope) -> None:
        while True:
            if not self._outbox:
                self._wake = anyio.Event()
                await self._wake.wait()
            data, self._outbox = b"".join(self._outbox), []
            try:
                await stream.send(data)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                break
        connection.cancel()

    async def _read(self, stream: ByteStream) -> None:
        decoder = self._framing.decoder(limit_bytes=0xFFFF)
        while True:
            try:
                for frame in decoder.feed(await stream.receive(RECEIVE_MAX_BYTES)):
                    self._answered(frame)
            except (
                RemoteProtocolError,
                anyio.EndOfStream,
                anyio.BrokenResourceError,
                anyio.ClosedResourceError,
            ):
                return

    def _answered(self, frame: bytes) -> None:
        found = self._waiting.pop(frame[: self._header_length], None)
        if found is None:
            return
        batch, index = found
        batch.left -= 1
        if not batch.left:
            batch.done.set()
        batch.answers[index] = batch.requests[index].parse(frame[self._header_length :])
