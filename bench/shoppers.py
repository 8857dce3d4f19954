"""A cheap HTTP client: prepared requests on keep-alive connections, one in flight on each, answers kept for later."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple, cast

import httptools

from bench.processes import BenchError

WITHIN_S = 60.0


class Answers(NamedTuple):
    """What came of a load: seconds in all, each request's latency in seconds, statuses and bodies in no order."""

    took_s: float
    latencies_s: list[float]
    statuses: list[int]
    bodies: list[bytes]


class _Shopper(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.queue: list[bytes] = []
        self.latencies_s: list[float] = []
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        self.done = asyncio.Event()
        self.finished_at = 0.0
        self._sent_at = 0.0
        self._next = 0
        self._due_at: Sequence[float] = ()
        self._pieces: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        now = perf_counter()
        self.latencies_s.append(now - self._sent_at)
        self.statuses.append(self._parser.get_status_code())
        self.bodies.append(b"".join(self._pieces))
        self._pieces.clear()
        self._parser = httptools.HttpResponseParser(self)
        self.send_next()

    def begin(self, queue: list[bytes], due_at: Sequence[float] = ()) -> None:
        """Send the first request of a queue; with instants, each once it is due and the one before was answered."""
        self.queue, self._next, self._due_at = queue, 0, due_at
        self.latencies_s, self.statuses, self.bodies = [], [], []
        self.done = asyncio.Event()
        self.send_next()

    def send_next(self) -> None:
        """Send the next request; with none left, say so."""
        if self._next == len(self.queue):
            self.finished_at = perf_counter()
            self.done.set()
            return
        now = perf_counter()
        due_at = self._due_at[self._next] if self._due_at else now
        if due_at > now:
            asyncio.get_running_loop().call_later(due_at - now, self._send, due_at)
        else:
            self._send(due_at)

    def _send(self, due_at: float) -> None:
        self._sent_at = due_at
        self.transport.write(self.queue[self._next])
        self._next += 1


class Shoppers:
    """Several connections to one server."""

    def __init__(self, shoppers: list[_Shopper]) -> None:
        self._shoppers = shoppers

    async def shop(self, requests: Sequence[bytes]) -> Answers:
        """Send every request, each connection one at a time.

        Raises
        ------
        BenchError
            The server closed a connection before it had answered.
        """
        begun = perf_counter()
        for index, shopper in enumerate(self._shoppers):
            shopper.begin(list(requests[index :: len(self._shoppers)]))
        return await self._answers(begun, len(requests))

    async def _answers(self, begun: float, count: int) -> Answers:
        async with asyncio.timeout(WITHIN_S):
            for shopper in self._shoppers:
                await shopper.done.wait()
        answers = Answers(
            max(shopper.finished_at for shopper in self._shoppers) - begun,
            [latency for shopper in self._shoppers for latency in shopper.latencies_s],
            [status for shopper in self._shoppers for status in shopper.statuses],
            [body for shopper in self._shoppers for body in shopper.bodies],
        )
        if len(answers.statuses) != count:
            raise BenchError(f"{count} requests got {len(answers.statuses)} answers")
        return answers

    async def arrive(self, requests: Sequence[bytes], rate: float) -> Answers:
        """Send requests at a steady rate, each on the next connection; its latency begins when it was due.

        Raises
        ------
        BenchError
            The server closed a connection before it had answered.
        """
        begun, pause_s = perf_counter(), 1 / rate
        for index, shopper in enumerate(self._shoppers):
            own = range(index, len(requests), len(self._shoppers))
            shopper.begin([requests[place] for place in own], [begun + place * pause_s for place in own])
        return await self._answers(begun, len(requests))

    def close(self) -> None:
        """Close every connection."""
        for shopper in self._shoppers:
            shopper.transport.close()


async def open_shoppers(address: tuple[str, int], count: int) -> Shoppers:
    """Connect."""
    loop = asyncio.get_running_loop()
    return Shoppers([(await loop.create_connection(_Shopper, *address))[1] for _ in range(count)])


def get(path: str, address: tuple[str, int], headers: dict[str, str]) -> bytes:
    """Return the bytes of one GET request."""
    lines = [f"GET {path} HTTP/1.1", f"host: {address[0]}:{address[1]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def post(path: str, address: tuple[str, int], headers: dict[str, str], body: bytes) -> bytes:
    """Return the bytes of one POST request."""
    lines = [f"POST {path} HTTP/1.1", f"host: {address[0]}:{address[1]}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
