"""A cheap ISO 8583 client: prepared frames out, whole frames in, nothing decoded while the clock runs.

Both contenders are driven by this same code over the same bytes. A lane is one connection; responses are matched by
DE 11, which lies at the same place in request and response because both begin with DE 2, 3, 4, 7 and 11.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import NamedTuple, cast

from bench.processes import BenchError
from iso import Dialect, Message, decode, encode, framing
from iso.codec import spans

WITHIN_S = 60.0
_DIAL_TRIES = 1000
_DIAL_PAUSE_S = 0.02
_PREFIX_BYTES = 2
_BATCH = 256


class Load(NamedTuple):
    """Prepared requests.

    Attributes
    ----------
    frames
        With their length prefixes, in the order of sending.
    stan_at
        Start and end of DE 11 in a frame without its prefix.
    speaks
        To read the answers afterwards.
    """

    frames: list[bytes]
    stan_at: slice
    speaks: Dialect

    def name_of(self, payload: bytes) -> bytes:
        """Return what pairs a response with its request."""
        return payload[self.stan_at]


class Run(NamedTuple):
    """What came of a load: seconds in all, each request's latency in seconds, the raw answers."""

    took_s: float
    latencies_s: list[float]
    answers: list[bytes]


Seal = Callable[[list[bytes]], Awaitable[list[bytes] | None]]
"""Writes the MACs of frames; None if it could not."""


def load_of(messages: Sequence[Message], speaks: Dialect) -> Load:
    """Encode requests ahead of the measurement."""
    return _load([encode(message, speaks) for message in messages], speaks)


async def sealed_load(messages: Sequence[Message], speaks: Dialect, seal: Seal) -> Load:
    """Encode requests and seal them with their MACs ahead of the measurement."""
    payloads: list[bytes] = []
    for start in range(0, len(messages), _BATCH):
        payloads += await _sealed([encode(message, speaks) for message in messages[start : start + _BATCH]], seal)
    return _load(payloads, speaks)


async def _sealed(frames: list[bytes], seal: Seal) -> list[bytes]:
    sealed = await seal(frames)
    if sealed is None:
        raise BenchError("the HSM made no MACs")
    return sealed


def _load(payloads: list[bytes], speaks: Dialect) -> Load:
    stan_at = next(slice(start, end) for element, start, end in spans(payloads[0], speaks) if element == 11)
    prefix = framing(speaks.framing)
    return Load([prefix.encode(payload) for payload in payloads], stan_at, speaks)


def check_approved(run: Run, load: Load) -> None:
    """Make sure that every request was answered 00, each exactly once.

    Raises
    ------
    BenchError
        One was not: the figure would be worth nothing.
    """
    codes: dict[str, int] = {}
    for payload in run.answers:
        code = decode(payload, load.speaks).response_code
        codes[code or "none"] = codes.get(code or "none", 0) + 1
    names = {load.name_of(payload) for payload in run.answers}
    if codes != {"00": len(load.frames)} or len(names) != len(load.frames):
        raise BenchError(f"{len(load.frames)} requests were answered {codes}")


class _Lane(asyncio.Protocol):
    """One connection. `answered` counts what came back; `on_answers` hears of each read."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.answers: list[bytes] = []
        self.instants: list[float] = []
        self.queue: list[bytes] = []
        self.sent = 0
        self.done: asyncio.Event = asyncio.Event()
        self.is_lost = False
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self.done.set()

    def load(self, frames: list[bytes]) -> None:
        """Take what is to be sent next; forget what was answered before."""
        self.queue, self.sent = frames, 0
        self.answers, self.instants = [], []
        self.done = asyncio.Event()

    def send(self, count: int) -> None:
        """Write the next `count` frames at once."""
        until = min(self.sent + count, len(self.queue))
        if until > self.sent:
            self.transport.write(b"".join(self.queue[self.sent : until]))
            self.sent = until

    def data_received(self, data: bytes) -> None:
        now, data, at, before = perf_counter(), self._buffer + data, 0, len(self.answers)
        while len(data) - at >= _PREFIX_BYTES:
            end = at + _PREFIX_BYTES + int.from_bytes(data[at : at + _PREFIX_BYTES], "big")
            if end > len(data):
                break
            self.answers.append(data[at + _PREFIX_BYTES : end])
            at = end
        self._buffer = data[at:]
        came = len(self.answers) - before
        self.instants += [now] * came
        self.refill(came)
        if len(self.answers) >= len(self.queue):
            self.done.set()

    def refill(self, came: int) -> None:
        """Send as many as came back: the window stays full. The open loop sends by the clock instead."""
        self.send(came)


class _PacedLane(_Lane):
    def refill(self, came: int) -> None:
        """Leave the pace to the clock."""


class Lanes:
    """Several connections to one host."""

    def __init__(self, lanes: list[_Lane]) -> None:
        self._lanes = lanes

    async def closed_loop(self, frames: list[bytes], window: int) -> Run:
        """Send all frames with `window` of them in flight, shared evenly by the connections."""
        share = window // len(self._lanes)
        self._deal(frames)
        begun = perf_counter()
        for lane in self._lanes:
            lane.send(share)
        await self._finish()
        took_s = max(lane.instants[-1] for lane in self._lanes if lane.instants) - begun
        return Run(took_s, [], [answer for lane in self._lanes for answer in lane.answers])

    async def open_loop(self, load: Load, rate: float) -> Run:
        """Send at a fixed rate per second whatever comes back; a request's latency counts from when it was due."""
        self._deal(load.frames)
        loop, begun, sent, total = asyncio.get_running_loop(), perf_counter(), 0, len(load.frames)
        over = loop.create_future()

        def tick() -> None:
            nonlocal sent
            due = min(total, int((perf_counter() - begun) * rate))
            while sent < due:
                self._lanes[sent % len(self._lanes)].send(1)
                sent += 1
            if sent < total:
                loop.call_later(0.001, tick)
            else:
                over.set_result(None)

        tick()
        await over
        await self._finish()
        due_at = {load.name_of(frame[_PREFIX_BYTES:]): begun + i / rate for i, frame in enumerate(load.frames)}
        latencies = [
            instant - due_at[load.name_of(answer)]
            for lane in self._lanes
            for instant, answer in zip(lane.instants, lane.answers, strict=True)
        ]
        return Run(perf_counter() - begun, latencies, [answer for lane in self._lanes for answer in lane.answers])

    def close(self) -> None:
        """Close every connection."""
        for lane in self._lanes:
            lane.transport.close()

    def _deal(self, frames: list[bytes]) -> None:
        for index, lane in enumerate(self._lanes):
            lane.load(frames[index :: len(self._lanes)])

    async def _finish(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            for lane in self._lanes:
                if lane.queue:
                    await lane.done.wait()
        if any(lane.is_lost for lane in self._lanes):
            raise BenchError("a connection was lost during the run")


async def open_lanes(
    address: tuple[str, int], count: int, speaks: Dialect, *, paced: bool = False, seal: Seal | None = None
) -> Lanes:
    """Dial and sign on; waits for a host that is still starting."""
    lanes = [await _dial(address, _PacedLane if paced else _Lane) for _ in range(count)]
    for number, lane in enumerate(lanes, 1):
        sign_on = Message("0800", {7: "0101000000", 11: f"{number:06d}", 70: "001"})
        frame = encode(sign_on, speaks)
        if seal is not None:
            (frame,) = await _sealed([frame], seal)
        lane.load([framing(speaks.framing).encode(frame)])
        lane.send(1)
        async with asyncio.timeout(WITHIN_S):
            await lane.done.wait()
        if lane.is_lost or decode(lane.answers[0], speaks).response_code != "00":
            raise BenchError("the sign-on was refused")
    return Lanes(lanes)


async def open_plain_lanes(address: tuple[str, int], count: int) -> Lanes:
    """Dial a host to which nobody signs on."""
    return Lanes([await _dial(address, _Lane) for _ in range(count)])


async def _dial(address: tuple[str, int], kind: type[_Lane]) -> _Lane:
    loop = asyncio.get_running_loop()
    for _ in range(_DIAL_TRIES):
        try:
            _, lane = await loop.create_connection(kind, *address)
        except OSError:
            await asyncio.sleep(_DIAL_PAUSE_S)
        else:
            return lane
    raise BenchError(f"nobody listens at {address[0]}:{address[1]}")
