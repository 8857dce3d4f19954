"""The shell of the HSM: a host port per party, one turn at a time, and the in-process door.

A connection reads what is there, hands all its frames in as one piece of work, and writes all their answers at once;
then it reads on. So answers keep their order, a peer that does not read holds up nobody but itself, and nothing
grows. The driver takes every waiting piece of work as one turn: decide, commit, and only then let the answers go.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream, TaskStatus

from hsm_sim.config import HsmConfig, PartyConfig
from hsm_sim.core.engine import KEYS_TABLE, Engine, build_engine
from iso import RemoteProtocolError, framing
from node.clock import BusinessClock, Entropy, system_entropy
from node.core.turn import Turn
from node.journal import Journal
from node.pipes import RECEIVE_MAX_BYTES, Listener, Pipes, closing

FRAMING = "len2-be"


class _Work:
    """Frames of one connection or caller, and their answers once the turn is durable."""

    __slots__ = ("answers", "done", "frames", "party")

    def __init__(self, party: str, frames: Sequence[bytes]) -> None:
        self.party = party
        self.frames = frames
        self.answers: list[bytes] = []
        self.done = anyio.Event()


class HsmNode:
    """One running HSM.

    Parameters
    ----------
    config
        Parties, ports and limits.
    journal, master
        What `hsm_sim.store.open_store` gave.
    clock
        Business time: the age of a token cryptogram is measured by it.
    pipes
        What the host ports run over.
    entropy
        Source of randomness.

    Attributes
    ----------
    addresses
        Party -> the address that its port listens on; complete once the node has started.
    """

    def __init__(
        self,
        config: HsmConfig,
        journal: Journal,
        master: bytes,
        clock: BusinessClock,
        pipes: Pipes,
        entropy: Entropy = system_entropy,
    ) -> None:
        self.config = config
        self.clock = clock
        self.journal = journal
        self.addresses: dict[str, str] = {}
        self.turns = 0
        self._master = master
        self._pipes = pipes
        self._entropy = entropy
        self._framing = framing(FRAMING)
        self._engine: Engine | None = None
        self._works: list[_Work] = []
        self._wake = anyio.Event()
        self._connections = {party.name: 0 for party in config.parties}

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Bind every port, load, hold the key ceremony, serve for ever. Started once the keys are durable.

        Raises
        ------
        PipeError
            A port is in use.
        ConfigError
            The master secret does not open the key tables, or the parties were reordered.
        StoreError
            A commit failed; the node has stopped.
        """
        async with AsyncExitStack() as bound:
            listeners = [(party, await self._bind(party, bound)) for party in self.config.parties]
            self.addresses = {party.name: listener.address for party, listener in listeners}
            self._engine = await self._open()
            async with anyio.create_task_group() as tasks:
                for party, listener in listeners:
                    serve = partial(self._serve_stream, party.name)
                    tasks.start_soon(listener.serve, serve, name=f"hsm/{party.name}")
                task_status.started()
                await self._drive(self._engine)

    @property
    def engine(self) -> Engine:
        """The command engine; only after the start. For reading (check values), never for commands."""
        assert self._engine is not None, "the HSM has not started"
        return self._engine

    async def submit(self, party: str, frames: Sequence[bytes]) -> list[bytes]:
        """Hand frames in and get their answers, once everything that they rest on is durable.

        Parameters
        ----------
        party
            Whose port they came on.
        frames
            Header and command, without length bytes.

        Returns
        -------
        list[bytes]
            One answer per frame, in order; fewer if a frame was no host command: the connection must be closed
            after these.
        """
        work = _Work(party, frames)
        self._works.append(work)
        self._wake.set()
        await work.done.wait()
        return work.answers

    async def _drive(self, engine: Engine) -> None:
        while True:
            await self._wait(engine.deadline())
            works, self._works = self._works, []
            now, turn = anyio.current_time(), Turn(self.clock.now())
            for work in works:
                _perform(engine, work, now, turn)
            engine.expire(now, turn)
            if turn.stores:
                await self.journal.commit(turn.stores)
            self.turns += 1
            for work in works:
                work.done.set()
            # A node that never idles must still let its readers run.
            await anyio.lowlevel.checkpoint()

    async def _wait(self, until: float | None) -> None:
        if self._works:
            return
        self._wake = anyio.Event()
        with anyio.CancelScope(deadline=float("inf") if until is None else until):
            await self._wake.wait()

    async def _bind(self, party: PartyConfig, bound: AsyncExitStack) -> Listener:
        listener = await self._pipes.listen(party.address)
        bound.push_async_callback(listener.aclose)
        return listener

    async def _open(self) -> Engine:
        """Load what is stored and make what is missing; the new keys are durable before anybody can use them."""
        parties = [party.party() for party in self.config.parties]
        stored = await self.journal.load()
        engine, rows = build_engine(parties, self._master, self._entropy, stored, self.config.header_length)
        if rows:
            await self.journal.commit({KEYS_TABLE: rows})
        return engine

    async def _serve_stream(self, party: str, stream: ByteStream) -> None:
        async with closing(stream):
            if self._connections[party] >= self.config.connections_max:
                return
            self._connections[party] += 1
            try:
                await self._talk(party, stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
            finally:
                self._connections[party] -= 1

    async def _talk(self, party: str, stream: ByteStream) -> None:
        encode = self._framing.encode
        decoder = self._framing.decoder(limit_bytes=self.config.frame_bytes_max)
        while decoder.error is None:
            try:
                frames = decoder.feed(await stream.receive(RECEIVE_MAX_BYTES))
            except RemoteProtocolError:
                return
            if frames:
                answers = await self.submit(party, frames)
                if answers:
                    await stream.send(b"".join([encode(answer) for answer in answers]))
                if len(answers) < len(frames):
                    return


def _perform(engine: Engine, work: _Work, now: float, turn: Turn) -> None:
    """Answer the frames of one piece of work up to the first one that is no host command."""
    for frame in work.frames:
        try:
            work.answers.append(engine.handle(work.party, frame, now, turn))
        except RemoteProtocolError:
            return
