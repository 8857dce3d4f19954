"""The ends on which a suite is played: connections of the tester's own, with nothing between a step and the wire.

An end dials the host, or listens for it. What comes is decoded, its MAC is checked, and it waits for a step; what is
sent may be as wrong as the step says. Suites are written in the 1987 form: an end whose dialect is of 1993 translates.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import anyio
from anyio.abc import ByteStream, TaskGroup

from emulator.conform.suite import Role
from iso import CardrailsError, Dialect, IsoError, LocalProtocolError, Message, RemoteProtocolError, decode, encode
from iso import framing as framing_of
from iso.codec import spans
from iso.masks import masked_window
from iso.translate import to_1987, to_1993
from node.core.session import CUT_OVER, ECHO, SIGN_OFF, SIGN_ON
from node.link import Protector
from node.pipes import RECEIVE_MAX_BYTES, Listener, PipeError, Pipes, closing

_MAC_BYTES = 8
_ANSWERED = frozenset({CUT_OVER, ECHO, SIGN_OFF})
_NOT_SUPPORTED = "40"
_GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class StepError(CardrailsError):
    """A step did not hold; the text says why and shows nothing secret."""


class Place(NamedTuple):
    """Where an end is and what is spoken there.

    Attributes
    ----------
    url
        A pipe URL.
    listens
        Whether the host dials us.
    protector
        Of an end whose dialect has MACs; else None.
    """

    role: Role
    url: str
    listens: bool
    dialect: Dialect
    protector: Protector | None = None


class Crossing(NamedTuple):
    """One message that crossed an end.

    Attributes
    ----------
    at
        Monotonic seconds.
    frame
        As on the wire, without the length prefix.
    message
        In the 1987 form without a MAC; None if it cannot be read.
    problem
        Why it cannot be read or believed; "" if it can.
    """

    role: Role
    direction: str
    at: float
    frame: bytes
    message: Message | None
    problem: str = ""


Record = Callable[[Crossing], None]


class Wrongs(NamedTuple):
    """What is to be wrong with a message that is sent; see `emulator.conform.suite.Step`."""

    mac: str = "good"
    spoil: tuple[tuple[int, bytes], ...] = ()
    cut: int = 0


class Line:
    """One connection of an end."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self.waiting: deque[Crossing] = deque()
        self.over = False
        self.why_over = ""
        self.news = anyio.Event()
        self._writing = anyio.Lock()

    async def write(self, data: bytes) -> bool:
        """Write all of it, after whatever is being written; False if the connection is closed."""
        async with self._writing:
            try:
                await self.stream.send(data)
            except _GONE:
                return False
        return True

    def wake(self) -> None:
        """Let whoever waits look again."""
        self.news.set()
        self.news = anyio.Event()


class End:
    """One end of a run.

    Parameters
    ----------
    place
        Where, and what is spoken.
    pipes
        Dials and listens.
    now
        Where dates of the 1993 form come from.
    record
        Told of everything that crosses.
    answers_management
        See `emulator.conform.suite.Suite`.
    """

    def __init__(
        self, place: Place, pipes: Pipes, now: Callable[[], datetime], record: Record, *, answers_management: bool
    ) -> None:
        self.place = place
        self.line: Line | None = None
        self._pipes = pipes
        self._now = now
        self._record = record
        self._answers_management = answers_management
        self._accepted: list[Line] = []
        self._arrived = anyio.Event()
        self._tasks: TaskGroup | None = None
        self.address = place.url

    async def start(self, tasks: TaskGroup) -> None:
        """Begin to listen, if the host dials us.

        Raises
        ------
        PipeError
            The port is in use.
        """
        self._tasks = tasks
        if self.place.listens:
            listener = await self._pipes.listen(self.place.url)
            self.address = listener.address
            tasks.start_soon(self._listen, listener)

    async def connect(self, within_s: float) -> None:
        """Open a connection, or wait for the host's.

        Raises
        ------
        StepError
            There is none in time.
        """
        self.disconnect()
        if self.place.listens:
            with anyio.move_on_after(within_s):
                while self.line is None:
                    self._accepted = [line for line in self._accepted if not line.over]
                    if self._accepted:
                        self.line = self._accepted.pop()
                    else:
                        await self._arrived.wait()
            if self.line is None:
                raise StepError(f"nobody connected to {self.address} within {within_s:g} s")
            return
        try:
            stream = await self._pipes.dial(self.place.url, within_s)
        except PipeError as error:
            problem = str(error)
        else:
            assert self._tasks is not None
            self.line = Line(stream)
            self._tasks.start_soon(self._read, self.line)
            return
        raise StepError(problem)

    def disconnect(self) -> None:
        """Close the connection, if there is one."""
        if self.line is not None:
            self._end(self.line, "we closed the connection")
            self.line = None

    async def send(self, message: Message, wrongs: Wrongs | None = None) -> None:
        """Send a message in the 1987 form, wrong where it is to be.

        Raises
        ------
        StepError
            The dialect cannot express it, there is no such element to spoil, or there is no connection.
        """
        spoken, wrongs = self.place.dialect, wrongs or Wrongs()
        try:
            frame = _spoilt(self._encoded(message), wrongs, spoken)
        except IsoError as error:
            problem = str(error)
        else:
            if spoken.mac and wrongs.mac != "none":
                frame = await self._sealed(frame, is_good=wrongs.mac == "good")
            await self.send_bytes(frame[: len(frame) - wrongs.cut], message)
            return
        raise StepError(f"it cannot be sent in {spoken.name}: {problem}")

    async def send_bytes(self, frame: bytes, message: Message | None = None) -> None:
        """Send bytes as one message, whatever they are."""
        line = self._open()
        self._record(Crossing(self.place.role, "out", anyio.current_time(), frame, message))
        if not await line.write(framing_of(self.place.dialect.framing).encode(frame)):
            raise StepError(f"it cannot be sent: {line.why_over or 'the connection is closed'}")

    async def next(self, within_s: float, skip: Callable[[Message], bool] | None = None) -> Crossing:
        """Return the next message; those that `skip` holds for are passed over.

        Raises
        ------
        StepError
            None came in time, or the connection was closed.
        """
        line = self._open()
        with anyio.move_on_after(within_s):
            while True:
                while line.waiting:
                    crossing = line.waiting.popleft()
                    if skip is None or crossing.message is None or not skip(crossing.message):
                        return crossing
                if line.over:
                    raise StepError(f"no message came: {line.why_over}")
                await line.news.wait()
        raise StepError(f"no message came within {within_s:g} s")

    async def quiet(self, for_s: float, matters: Callable[[Message], bool]) -> None:
        """Wait; messages that do not matter stay where they are.

        Raises
        ------
        StepError
            One came that matters, or that cannot be read.
        """
        line = self._open()
        with anyio.move_on_after(for_s):
            while True:
                for crossing in line.waiting:
                    if crossing.message is None or matters(crossing.message):
                        mti = crossing.message.mti if crossing.message else "something that cannot be read"
                        raise StepError(f"{mti} came, and nothing was expected for {for_s:g} s")
                if line.over:
                    await anyio.sleep_forever()
                await line.news.wait()

    async def closed(self, within_s: float) -> None:
        """Wait until the host closes the connection; raises `StepError` if it does not."""
        line = self._open()
        with anyio.move_on_after(within_s):
            while not line.over:
                await line.news.wait()
            return
        raise StepError(f"the host did not close the connection within {within_s:g} s")

    def _open(self) -> Line:
        if self.line is None:
            raise StepError("there is no connection on this end: a step must connect first")
        return self.line

    async def _sealed(self, frame: bytes, *, is_good: bool) -> bytes:
        assert self.place.protector is not None
        sealed = await self.place.protector.seal([frame])
        if sealed is None:
            raise StepError("no MAC could be made: the HSM did not answer, or has no such key")
        made = sealed[0]
        return made if is_good else made[:-_MAC_BYTES] + bytes(byte ^ 0xFF for byte in made[-_MAC_BYTES:])

    async def _listen(self, listener: Listener) -> None:
        try:
            await listener.serve(self._accept)
        finally:
            with anyio.CancelScope(shield=True):
                await listener.aclose()

    async def _accept(self, stream: ByteStream) -> None:
        line = Line(stream)
        self._accepted.append(line)
        self._arrived.set()
        self._arrived = anyio.Event()
        await self._read(line)

    async def _read(self, line: Line) -> None:
        decoder = framing_of(self.place.dialect.framing).decoder()
        async with closing(line.stream):
            try:
                while not line.over:
                    for frame in decoder.feed(await line.stream.receive(RECEIVE_MAX_BYTES)):
                        await self._take(line, frame)
                    if decoder.error is not None:
                        self._end(line, f"the host's bytes are no frames: {decoder.error}")
            except _GONE:
                self._end(line, "the host closed the connection")
            except CardrailsError as error:
                self._end(line, f"the host's bytes cannot be read any further: {error}")

    async def _take(self, line: Line, frame: bytes) -> None:
        message, problem = _read_frame(frame, self.place.dialect)
        protector = self.place.protector
        if protector is not None and problem == "":
            verdicts = await protector.verify([frame])
            if verdicts is None:
                problem = "its MAC could not be checked: the HSM did not answer"
            elif not verdicts[0]:
                problem = "its MAC does not fit"
        crossing = Crossing(self.place.role, "in", anyio.current_time(), frame, message, problem)
        self._record(crossing)
        if message is not None and not problem and self._is_chatter(message):
            await self._answer(line, message.reply("00" if message.get(70) in _ANSWERED else _NOT_SUPPORTED))
            return
        line.waiting.append(crossing)
        line.wake()

    def _encoded(self, message: Message) -> bytes:
        spoken = self.place.dialect
        return encode(to_1993(message, year=self._now().year) if spoken.version == "1993" else message, spoken)

    async def _answer(self, line: Line, answer: Message) -> None:
        frame = self._encoded(answer)
        if self.place.dialect.mac:
            frame = await self._sealed(frame, is_good=True)
        self._record(Crossing(self.place.role, "out", anyio.current_time(), frame, answer))
        await line.write(framing_of(self.place.dialect.framing).encode(frame))

    def _is_chatter(self, message: Message) -> bool:
        is_asked = message.mti_class == "8" and message.is_request
        return self._answers_management and is_asked and message.get(70) != SIGN_ON

    def _end(self, line: Line, why: str) -> None:
        if not line.over:
            line.over, line.why_over = True, why
            line.wake()
            assert self._tasks is not None
            self._tasks.start_soon(_close, line.stream)


async def _close(stream: ByteStream) -> None:
    async with closing(stream):
        return


def _read_frame(frame: bytes, spoken: Dialect) -> tuple[Message | None, str]:
    try:
        message = decode(frame, spoken)
        if spoken.mac:
            message = message.without_mac()
        return (to_1987(message) if spoken.version == "1993" else message), ""
    except RemoteProtocolError as error:
        return None, f"it is no {spoken.name} message: {error} {masked_window(frame, error.offset)}"


def _spoilt(frame: bytes, wrongs: Wrongs, spoken: Dialect) -> bytes:
    if not wrongs.spoil:
        return frame
    places = {element: (start, end) for element, start, end in spans(frame, spoken)}
    for element, over in wrongs.spoil:
        start, end = places.get(element, (0, 0))
        if len(over) > end - start:
            raise LocalProtocolError(f"DE {element} has not {len(over)} bytes to spoil", element=element)
        frame = frame[:start] + over + frame[start + len(over) :]
    return frame
