"""Clients of the HSM: one port, two adapters, the same behaviour.

`LocalClient` goes through the node in the same process, `TcpClient` over its host port: pipelined, a batch is one
write, answers are matched by the number in the header. Both answer None for a request whose fate is unknown: its
deadline passed or its connection was lost. It may have been carried out; every command may simply be sent again.
"""

from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, Protocol, TypeVar

import anyio
from anyio.abc import ByteStream, TaskStatus

from hsm_sim.node import HsmNode
from hsm_sim.ports import FRAMED_MAX, FRAMING, framed
from hsm_sim.requests import Request
from iso import LocalProtocolError, RemoteProtocolError, framing
from node.pipes import RECEIVE_MAX_BYTES, PipeError, Pipes, closing

T = TypeVar("T")

IN_FLIGHT_MAX: Final = 4096
"""Requests under way on one connection; more wait."""

_DIGITS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


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
        if not requests:
            return []
        header, skip = self._header, len(self._header)
        frames = [header + request.encode() for request in requests]
        answers: list[T | None] = []
        waiting = iter(requests)

        async def read(some: list[bytes]) -> None:
            for answer in some:
                request = next(waiting)
                answers.append(request.parse(answer[skip:]) if answer else None)

        with anyio.move_on_after(timeout_s):
            await self._node.serve(self._party, frames, read)
        answers += [None] * (len(requests) - len(answers))
        return answers

    async def call(self, request: Request[T], timeout_s: float) -> T | None:
        """Send one request; None if no answer came in time."""
        return (await self.call_many([request], timeout_s))[0]


class _Batch:
    """Requests of one call: their commands until they are sent, their answers as they come."""

    __slots__ = ("answers", "commands", "done", "is_over", "left", "requests", "sent")

    def __init__(self, requests: Sequence[Request[Any]], commands: list[bytes]) -> None:
        self.requests = requests
        self.commands = commands
        self.answers: list[Any] = [None] * len(requests)
        self.sent = 0
        self.left = len(requests)
        self.is_over = False
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
        As the HSM has it, 1 to 255. A header numbers a request, so a short one limits how many can be under way:
        36 with one character, 1,296 with two, and never more than `IN_FLIGHT_MAX`; the others wait for their turn.
    redial_first_s, redial_max_s
        Pause after a lost connection; it doubles up to the maximum.

    Notes
    -----
    `run` must be started in a task group; until it has a connection, calls wait for one up to their deadline. A number
    whose answer never came is not used again on its connection, so that a late answer finds nobody; when half of all
    numbers are lost in that way, the connection is given up for a new one.
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
        self._headers, self._number_of = _numbers(header_length)
        self._unsent: deque[_Batch] = deque()
        self._outbox: list[bytes] = []
        self._wake = anyio.Event()
        self._up = anyio.Event()
        self._scope: anyio.CancelScope | None = None
        self._slots: list[_Batch | None]
        self._places: list[int]
        self._next: int
        self._free: int
        self._burnt: int
        self._forget()

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
        batch = _Batch(requests, [request.encode() for request in requests])
        if max(map(len, batch.commands)) > FRAMED_MAX - self._header_length:
            raise LocalProtocolError("an HSM command is longer than its two length bytes can say")
        try:
            with anyio.move_on_after(timeout_s):
                if not self._up.is_set():
                    await self._up.wait()
                self._unsent.append(batch)
                self._fill()
                await batch.done.wait()
        finally:
            if batch.left:
                self._give_up(batch)
        return batch.answers

    async def call(self, request: Request[T], timeout_s: float) -> T | None:
        """Send one request; None if no answer came in time."""
        return (await self.call_many([request], timeout_s))[0]

    def _fill(self) -> None:
        """Queue unsent commands while numbers are free; the writer takes all that waits at once."""
        unsent, slots, places, headers = self._unsent, self._slots, self._places, self._headers
        number, free = self._next, self._free
        outbox, capacity = self._outbox, len(headers)
        while unsent and free:
            batch = unsent[0]
            start = batch.sent
            end = min(len(batch.commands), start + free)
            for place in range(start, end):
                while slots[number] is not None:
                    number = number + 1 if number + 1 < capacity else 0
                slots[number], places[number] = batch, place
                outbox.append(framed(headers[number] + batch.commands[place]))
                number = number + 1 if number + 1 < capacity else 0
            batch.sent = end
            free -= end - start
            if end == len(batch.commands):
                unsent.popleft()
        self._next, self._free = number, free
        if outbox:
            self._wake.set()

    def _give_up(self, batch: _Batch) -> None:
        """Let nobody wait for a batch any more: what is not sent never is, what was sent keeps its numbers."""
        batch.is_over = True
        if batch.sent < len(batch.commands) and batch in self._unsent:
            self._unsent.remove(batch)
        self._burnt += batch.left - (len(batch.commands) - batch.sent)
        if self._burnt * 2 > len(self._headers) and self._scope is not None:
            # The next call waits for the new connection instead of being lost with this one.
            self._up = anyio.Event()
            self._scope.cancel()

    def _forget(self) -> None:
        """Begin with fresh numbers: a new connection knows nothing of the old one's."""
        self._slots = [None] * len(self._headers)
        self._places = [0] * len(self._headers)
        self._next = 0
        self._free = len(self._headers)
        self._burnt = 0

    async def _dial(self) -> ByteStream | None:
        try:
            return await self._pipes.dial(self.address)
        except PipeError:
            return None

    async def _connection(self, stream: ByteStream) -> None:
        try:
            async with closing(stream), anyio.create_task_group() as tasks:
                self._scope = tasks.cancel_scope
                tasks.start_soon(self._write, stream, tasks.cancel_scope)
                await self._read(stream)
                tasks.cancel_scope.cancel()
        finally:
            self._lose()

    def _lose(self) -> None:
        """Tell everybody who waits that the fate of their requests is unknown."""
        self._scope = None
        if self._up.is_set():
            self._up = anyio.Event()
        self._outbox.clear()
        waiting = {batch for batch in self._slots if batch is not None} | set(self._unsent)
        self._unsent.clear()
        self._forget()
        for batch in waiting:
            batch.left = 0
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
        try:
            while True:
                self._answered(decoder.feed(await stream.receive(RECEIVE_MAX_BYTES)))
                if self._unsent:
                    self._fill()
        except (
            RemoteProtocolError,
            anyio.EndOfStream,
            anyio.BrokenResourceError,
            anyio.ClosedResourceError,
        ):
            return

    def _answered(self, frames: list[bytes]) -> None:
        """Give each answer to its request; an answer that nobody waits for only frees its number.

        Raises
        ------
        RemoteProtocolError
            An answer does not fit its request. Close the connection.
        """
        length, slots, places, number_of = self._header_length, self._slots, self._places, self._number_of
        for frame in frames:
            number = number_of.get(frame[:length])
            batch = None if number is None else slots[number]
            if number is None or batch is None:
                continue
            if batch.is_over:
                self._burnt -= 1
            else:
                place = places[number]
                batch.answers[place] = batch.requests[place].parse(frame[length:])
                batch.left -= 1
                if not batch.left:
                    batch.done.set()
            # Only now: until its answer was read, a lost connection must still find the batch.
            slots[number] = None
            self._free += 1


@cache
def _numbers(header_length: int) -> tuple[list[bytes], dict[bytes, int]]:
    """Return the headers of a length in the order of their use, and the number of each."""
    capacity = min(len(_DIGITS) ** header_length, IN_FLIGHT_MAX)
    headers = [_header(number, header_length) for number in range(capacity)]
    return headers, {header: number for number, header in enumerate(headers)}


def _header(number: int, length: int) -> bytes:
    digits = bytearray()
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return bytes(digits[::-1])
