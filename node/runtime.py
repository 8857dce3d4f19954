"""The loop that drives a node: drain, handle, expire, commit, release.

All waiting events are one turn. The machine records into it what it wants; the rows are committed in one transaction;
only then do sends, questions and results leave. A failed commit stops the node, because its memory is ahead of its
disk.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Coroutine, Mapping, Sequence
from itertools import count
from typing import Any, Protocol, TypeVar, cast

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup, TaskStatus

from iso import LocalProtocolError
from iso.errors import CardrailsError
from node.capture import Capture
from node.clock import BusinessClock, Entropy, share_of, system_entropy
from node.core.events import Answered, Called, Draining, Machine
from node.core.faults import Faults
from node.core.find import Find
from node.core.host import Host
from node.core.turn import Ask, Turn
from node.inbox import Inbox
from node.journal import Journal, Rows
from node.link import LinkConfig, LinkShell, Protector
from node.pipes import Pipes
from node.trace import TraceRing

TURN_MAX = 512
"""Events taken as one turn; bounds how long a commit is awaited by its first event."""
DRAIN_S = 10.0
"""How long a node that is asked to stop waits for what it has under way."""
FROZEN_FROM = 100_000
"""Rows of a restart from which on the collector leaves alone what they became; each of its rounds would walk them."""
ASKERS = 4
"""Batches of questions to one port that may be under way at once."""

T = TypeVar("T")


class Port(Protocol):
    """Somebody who answers questions in batches: the HSM."""

    async def call_many(self, requests: Sequence[Any], timeout_s: float) -> Sequence[Any]:
        """Answer each request, in order; None for one that got no answer within `timeout_s` seconds."""


class Restorable(Machine, Protocol):
    """A machine that can be put back to where a journal left off."""

    def restore(self, rows: Rows) -> None:
        """Take the rows of a restart, before the first event."""

    def begin(self, now: float, turn: Turn) -> None:
        """Record what follows from the restart; called once, in the first turn."""

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way."""


class _Asker:
    """Carries the questions to one port, everything that waits as one batch."""

    def __init__(self, port: Port, inbox: Inbox) -> None:
        self._port = port
        self._inbox = inbox
        self._waiting: list[Ask] = []
        self._idle: list[anyio.Event] = []
        self._is_called = False

    def put(self, ask: Ask) -> None:
        self._waiting.append(ask)
        # One asker for all that waits: the others would wake for nothing.
        if self._idle and not self._is_called:
            self._is_called = True
            self._idle.pop().set()

    async def run(self) -> None:
        while True:
            while not self._waiting:
                called = anyio.Event()
                self._idle.append(called)
                await called.wait()
                self._is_called = False
            batch, self._waiting = self._waiting, []
            for ask, answer in zip(batch, await self._call(batch), strict=True):
                self._inbox.put(Answered(ask.key, answer))

    async def _call(self, batch: list[Ask]) -> Sequence[Any]:
        try:
            return await self._port.call_many([ask.request for ask in batch], min(ask.timeout_s for ask in batch))
        except LocalProtocolError:
            # One question cannot be expressed: it gets no answer, and the others of its batch are asked alone.
            if len(batch) == 1:
                return [None]
        return [(await self._call([ask]))[0] for ask in batch]


class _Failure:
    """The exception of a called conversation, on its way to the caller."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class StoppedError(CardrailsError):
    """The node has stopped: what a conversation had under way may or may not have happened."""


class Runtime:
    """One running node.

    Parameters
    ----------
    name
        The node's name in the topology.
    machine
        Its pure core.
    journal
        Where its turns are committed.
    clock
        Business time.
    pipes
        What its links run over.
    links
        One configuration for each of the machine's links.
    ports
        Who answers `turn.ask`; "journal" is always there.
    protectors
        For links whose frames carry a MAC.
    entropy
        Where the jitter between two dialling attempts comes from.
    """

    def __init__(
        self,
        name: str,
        machine: Restorable,
        journal: Journal,
        clock: BusinessClock,
        pipes: Pipes,
        links: Sequence[LinkConfig],
        ports: Mapping[str, Port] | None = None,
        protectors: Mapping[str, Protector] | None = None,
        entropy: Entropy = system_entropy,
    ) -> None:
        self.name = name
        self.machine = machine
        self.journal = journal
        self.clock = clock
        self.inbox = Inbox()
        dialects = {link.name: link.dialect for link in links}
        self.faults = Faults(dialects)
        self.trace = TraceRing(name, dialects, clock=clock)
        self.links = {
            link.name: LinkShell(
                link,
                pipes,
                self.inbox,
                self.trace,
                self.faults,
                clock.now,
                (protectors or {}).get(link.name),
                lambda: share_of(entropy),
            )
            for link in links
        }
        if isinstance(machine, Host):
            for link_name, link_machine in machine.links.items():
                self.links[link_name].awaited_until = link_machine.awaited_until
        self._capture: Capture | None = None
        self._is_turning = False
        self._turned: anyio.Event | None = None
        self.turns = 0
        self.commits = 0
        self._askers = {port: _Asker(answerer, self.inbox) for port, answerer in (ports or {}).items()}
        self._callers: dict[int, tuple[anyio.Event, list[Any]]] = {}
        self._calls = count(1)
        self._has_stopped = False

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Bind, restore, drive for ever; let go of the journal at the end.

        Started once the first turn is durable and every port is taken.

        Raises
        ------
        PipeError
            A port is in use.
        StoreError
            A commit failed; the node has stopped.
        """
        try:
            for link in self.links.values():
                await link.bind()
            await self._restore()
            async with anyio.create_task_group() as tasks:
                first = Turn(self.clock.now())
                self.machine.begin(anyio.current_time(), first)
                await self._finish(first)
                self._spawn(tasks)
                task_status.started()
                await self._drive()
        finally:
            self._dismiss_callers()
            for link in self.links.values():
                await link.unbind()
            if self._capture is not None:
                self._capture.close()
            self.trace.close()
            with anyio.CancelScope(shield=True):
                await self.journal.aclose()

    async def _restore(self) -> None:
        """Take the node's truth back. A million rows are made and none is garbage: nothing is looked for among them."""
        is_collecting = gc.isenabled()
        gc.disable()
        try:
            rows = await self.journal.load()
            self.machine.restore(rows)
            count = sum(map(len, rows.values()))
            del rows
            if count >= FROZEN_FROM:
                gc.freeze()
        finally:
            if is_collecting:
                gc.enable()

    async def call(self, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a conversation inside the node; return its result once the turn that ended it is durable.

        Raises
        ------
        StoppedError
            The node stopped before that.
        """
        if self._has_stopped:
            raise StoppedError(f"{self.name} has stopped")
        key = next(self._calls)
        done, result = anyio.Event(), list[Any]()
        self._callers[key] = (done, result)

        async def conversation() -> Any:
            try:
                return await start()
            except Exception as error:
                return _Failure(error)

        self.inbox.put(Called(key, conversation))
        try:
            await done.wait()
        finally:
            self._callers.pop(key, None)
        if isinstance(result[0], _Failure):
            raise result[0].error
        return cast("T", result[0])

    def capture_to(self, capture: Capture) -> None:
        """Write down what crosses the links from here on; call it before `run`."""
        self._capture = capture
        for link in self.links.values():
            link.capture = capture

    async def drain(self, within_s: float = DRAIN_S) -> bool:
        """Stop in good order: sign off, take nothing new, wait for what is under way, close every connection.

        The node goes on being driven; cancel `run` afterwards.

        Returns
        -------
        bool
            False if something was still under way after `within_s` seconds: it is Unknown, as after a lost link.
        """
        self.inbox.put(Draining())
        with anyio.move_on_after(within_s):
            await self._turn_until(lambda: self.machine.is_quiet and not len(self.inbox))
            for link in self.links.values():
                link.drain()
            await self._turn_until(lambda: not any(link.open_connections for link in self.links.values()))
            return True
        return False

    async def settled(self) -> None:
        """Wait until what the machine shows is durable: a commit to a database server takes a while."""
        await self._turn_until(lambda: True)

    async def _turn_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds between two turns: one that is under way has not released its sends yet."""
        while not self._has_stopped and (self._is_turning or not holds()):
            if self._turned is None:
                self._turned = anyio.Event()
            await self._turned.wait()

    def _dismiss_callers(self) -> None:
        """Let nobody wait for a node that will never answer."""
        self._has_stopped = True
        for done, result in self._callers.values():
            if not done.is_set():
                result.append(_Failure(StoppedError(f"{self.name} has stopped")))
                done.set()
        if self._turned is not None:
            self._turned.set()

    def _spawn(self, tasks: TaskGroup) -> None:
        for link in self.links.values():
            tasks.start_soon(link.run, name=f"{self.name}/{link.config.name}")
        tasks.start_soon(self.trace.run, name=f"{self.name}/messages")
        if self._capture is not None:
            tasks.start_soon(self._capture.run, name=f"{self.name}/capture")
        for port, asker in self._askers.items():
            for number in range(ASKERS):
                tasks.start_soon(asker.run, name=f"{self.name}/{port}/{number}")

    async def _drive(self) -> None:
        inbox, machine = self.inbox, self.machine
        while True:
            await inbox.wait(machine.deadline())
            self._is_turning = True
            now, turn = anyio.current_time(), Turn(self.clock.now())
            for event in inbox.take(TURN_MAX):
                machine.handle(event, now, turn)
            # After the answers: a tie goes to the answer.
            machine.expire(now, turn)
            await self._finish(turn)
            self._is_turning = False
            if self._turned is not None:
                self._turned.set()
                self._turned = None
            # A node that never idles must still let its readers and writers run.
            await anyio.lowlevel.checkpoint()

    async def _finish(self, turn: Turn) -> None:
        self.turns += 1
        if turn.stores:
            await self.journal.commit(turn.stores)
            self.commits += 1
        for send in turn.sends:
            self.links[send.link].put(send.connection, send.payload, send.key, send.written or send.message)
        for link, connection in turn.closes:
            self.links[link].close(connection)
        for link, kind, detail in turn.notes:
            self.trace.note(turn.at, link, kind, detail)
        for ask in turn.asks:
            if ask.port == "journal":
                assert isinstance(ask.request, Find)
                self.inbox.put(Answered(ask.key, await self.journal.find(ask.request)))
            else:
                self._askers[ask.port].put(ask)
        for key, value in turn.outs:
            caller = self._callers.get(cast("int", key))
            if caller is not None:
                caller[1].append(value)
                caller[0].set()
