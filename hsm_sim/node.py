"""The shell of the HSM: one turn at a time for everybody who brings frames, over a port or in process.

The driver takes every waiting piece of work as one turn: decide, commit, and only then let the answers go. Whoever
brought the work waits out its delays and writes its answers; ports are in `hsm_sim.ports`.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskStatus
from pydantic import BaseModel

from hsm_sim.command_log import CommandLog
from hsm_sim.config import SHARED, FaultConfig, HsmConfig
from hsm_sim.core import indexes
from hsm_sim.core.audit import AUDIT_HEAD_TABLE, HSM, OPERATOR
from hsm_sim.core.engine import Answer, Engine, build_engine
from hsm_sim.core.errors import OK
from hsm_sim.core.faults import HsmFault, HsmFaults
from hsm_sim.core.limits import KEY_LENGTH, PinFails
from hsm_sim.core.slots import KEYS_TABLE, OPEN_PARTY, VAULT_PARTY
from hsm_sim.orders import VaultKeys
from hsm_sim.ports import FRAMING, HostPort
from hsm_sim.shelf import JournalShelf
from iso import ConfigError, RemoteProtocolError
from node.clock import BusinessClock, Entropy, stopwatch, system_entropy
from node.core.turn import Turn
from node.journal import LocalJournal, Rows, StoreError
from node.pipes import Listener, Pipes

__all__ = ["FRAMING", "HsmNode"]

_STOP_WITHIN_S = 1.0


class _Work:
    """Frames of one connection or caller, and their answers once the turn is durable."""

    __slots__ = ("answers", "closes", "done", "frames", "is_plain", "party")

    def __init__(self, party: str, frames: Sequence[bytes]) -> None:
        self.party = party
        self.frames = frames
        self.answers: list[Answer] = []
        self.is_plain = True
        self.closes = False
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
        Party (or "open", "shared") -> the address that its port listens on; complete once the node has started.
    faults
        What is armed. Use `provoke` and `calm`: they also leave a record.
    vault_keys
        The operator's hand on the vault's keys.
    commands
        What was asked lately, by code.
    """

    def __init__(
        self,
        config: HsmConfig,
        journal: LocalJournal,
        master: bytes,
        clock: BusinessClock,
        pipes: Pipes,
        entropy: Entropy = system_entropy,
    ) -> None:
        self.config = config
        self.clock = clock
        self.journal = journal
        self.addresses: dict[str, str] = {}
        self.faults = HsmFaults()
        self.vault_keys = VaultKeys(self.nudge)
        self.commands = CommandLog(config.header_length)
        self.turns = 0
        self._master = master
        self._pipes = pipes
        self._entropy = entropy
        self._engine: Engine | None = None
        self._works: list[_Work] = []
        self._notices: list[tuple[str, str, str]] = []
        self._wake = anyio.Event()
        self._is_committing = False

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Bind every port, load, hold the key ceremony, serve for ever. Started once the keys are durable.

        Raises
        ------
        PipeError
            A port is in use.
        ConfigError
            The master secret does not open the key tables, the parties were reordered, the audit log was tampered
            with, or a port that does not know its peers would listen on more than loopback.
        StoreError
            A commit failed; the node has stopped.
        """
        ports = [HostPort(name, at, self.config, self._pipes, self.serve) for name, at in self._wanted()]
        async with AsyncExitStack() as bound:
            bound.push_async_callback(self._let_go)
            listeners = [await self._bind(port, bound) for port in ports]
            self.addresses = {port.name: listener.address for port, listener in zip(ports, listeners, strict=True)}
            self._engine = await self._open()
            async with anyio.create_task_group() as tasks:
                for port, listener in zip(ports, listeners, strict=True):
                    tasks.start_soon(listener.serve, port.handle, name=f"hsm/{port.name}")
                task_status.started()
                try:
                    await self._drive(self._engine)
                finally:
                    await self._note_stop(self._engine)

    @property
    def engine(self) -> Engine:
        """The command engine; only after the start. For reading (check values), never for commands."""
        assert self._engine is not None, "the HSM has not started"
        return self._engine

    async def submit(self, party: str, frames: Sequence[bytes]) -> list[bytes]:
        """Hand frames in and get their answers, as `serve`.

        Returns
        -------
        list[bytes]
            One answer per frame, in order, empty for silence; fewer if the connection must be closed after these.
        """
        answers: list[bytes] = []

        async def keep(some: list[bytes]) -> None:
            answers.extend(some)

        await self.serve(party, frames, keep)
        return answers

    async def serve(self, party: str, frames: Sequence[bytes], write: Callable[[list[bytes]], Awaitable[None]]) -> bool:
        """Hand frames in and write their answers, once everything that they rest on is durable.

        Parameters
        ----------
        party
            Whose port they came on.
        frames
            Header and command, without length bytes.
        write
            Gets the answers in order: all at once, or in pieces where one has to wait. Empty ones stand for silence.

        Returns
        -------
        bool
            False if the connection must be closed now.
        """
        work = _Work(party, frames)
        self._works.append(work)
        self._wake.set()
        await work.done.wait()
        if not work.is_plain:
            return await _release(work.answers, write) and not work.closes
        if work.answers:
            await write([answer.data for answer in work.answers])
        return not work.closes

    def provoke(self, fault: HsmFault) -> None:
        """Arm a fault; the audit log says so.

        Raises
        ------
        LocalProtocolError
            It cannot happen as it is written, or too many are armed.
        """
        self.faults.add(fault)
        commands = " ".join(sorted(fault.commands)) or "every command"
        self._notice("fault", f"{fault.action} {fault.party or 'every party'} {commands}")

    def calm(self) -> None:
        """Disarm every fault; the audit log says so."""
        self.faults.clear()
        self._notice("fault", "none")

    def nudge(self) -> None:
        """Take a turn now, for what business time has made due."""
        self._wake.set()

    def _notice(self, what: str, subject: str) -> None:
        self._notices.append((OPERATOR, what, subject))
        self._wake.set()

    async def _drive(self, engine: Engine) -> None:
        while True:
            await self._wait(engine.deadline())
            works, self._works = self._works, []
            now, began_s, turn = anyio.current_time(), stopwatch(), Turn(self.clock.now())
            for work in works:
                self._perform(engine, work, now, turn)
            orders = self.vault_keys.carry_out(engine, turn)
            engine.expire(now, turn)
            self._write_notices(engine, turn)
            if turn.stores:
                await self._commit(turn)
            self.turns += 1
            took_us = round((stopwatch() - began_s) * 1_000_000)
            for work in works:
                self.commands.note(turn.at, took_us, work.party, work.frames, [answer.data for answer in work.answers])
                work.done.set()
            for order in orders:
                order.done.set()
            if self._works:
                # A node that never idles must still let its readers run.
                await anyio.lowlevel.checkpoint()

    async def _wait(self, until: float | None) -> None:
        if self._works or self._notices or self.vault_keys:
            return
        self._wake = anyio.Event()
        if until is None:
            await self._wake.wait()
            return
        with anyio.CancelScope(deadline=until):
            await self._wake.wait()

    def _perform(self, engine: Engine, work: _Work, now: float, turn: Turn) -> None:
        """Answer the frames of one piece of work up to the first one that is no host command."""
        party, answers = work.party, work.answers
        perform = engine.perform
        try:
            if self.faults.armed:
                work.is_plain = False
                for frame in work.frames:
                    answers.append(self.faults.perform(engine, party, frame, now, turn))
                return
            for frame in work.frames:
                answer = perform(party, frame, now, turn)
                if answer.delay_s or answer.is_dropped:
                    work.is_plain = False
                answers.append(answer)
        except RemoteProtocolError:
            work.closes = True

    async def _commit(self, turn: Turn) -> None:
        self._is_committing = True
        await self.journal.commit(turn.stores)
        self._is_committing = False

    def _write_notices(self, engine: Engine, turn: Turn) -> None:
        notices, self._notices = self._notices, []
        for party, what, subject in notices:
            engine.audit.record(turn, party, what, OK, subject)

    async def _note_stop(self, engine: Engine) -> None:
        """Record an orderly stop. After a failed or unfinished commit nothing more is written."""
        if self._is_committing:
            return
        turn = Turn(self.clock.now())
        engine.audit.record(turn, HSM, "stop", OK)
        with anyio.move_on_after(_STOP_WITHIN_S, shield=True):
            try:
                await self.journal.commit(turn.stores)
            except StoreError:
                # It is stopping anyway, and an answer that rested on this commit does not exist.
                return

    def _wanted(self) -> list[tuple[str, str]]:
        """Return the name and address of every port."""
        wanted = [(party.name, party.address) for party in self.config.parties]
        for name, address in ((OPEN_PARTY, self.config.open_address), (SHARED, self.config.shared_address)):
            if address is not None:
                wanted.append((name, address))
        return wanted

    async def _bind(self, port: HostPort, bound: AsyncExitStack) -> Listener:
        listener = await self._pipes.listen(port.address)
        bound.push_async_callback(listener.aclose)
        return listener

    async def _let_go(self) -> None:
        """Release the database, last of all: another house of this process may open it."""
        with anyio.CancelScope(shield=True):
            await self.journal.aclose()

    async def _open(self) -> Engine:
        """Load what is stored and make what is missing; the new keys are durable before anybody can use them."""
        config = self.config
        parties = [party.party() for party in config.parties]
        stored = await self.journal.load()
        limit = (config.pin_fails_max, config.pin_fails_window_s, config.pin_fails_accounts_max)
        engine, rows = build_engine(
            parties,
            self._master,
            self._entropy,
            stored,
            JournalShelf(self.journal),
            config.header_length,
            config.slot_policies(),
            open_lmks=config.open_lmks(),
            vault_settings=config.vault.settings(),
            audit_level=config.audit,
            pin_fails=PinFails(self._entropy(KEY_LENGTH), *limit),
        )
        _check_log_is_there(stored)
        turn = Turn(self.clock.now())
        if rows:
            turn.stores[KEYS_TABLE] = list(rows)
        engine.audit.record(turn, HSM, "start", OK, f"audit {config.audit}")
        for fault in config.faults:
            self.provoke(fault.fault())
        self._write_notices(engine, turn)
        await self.journal.commit(turn.stores)
        return engine


def _check_log_is_there(stored: Rows) -> None:
    """Refuse to begin a new log where there must be an old one: every start since its key was made left a record."""
    has_key = any(row[:2] == (VAULT_PARTY, indexes.AUDIT) for row in stored.get(KEYS_TABLE, ()))
    if has_key and not stored.get(AUDIT_HEAD_TABLE):
        raise ConfigError("hsm.db", AUDIT_HEAD_TABLE, "empty", "must be what this HSM wrote: the audit log was removed")


async def _release(answers: Sequence[Answer], write: Callable[[list[bytes]], Awaitable[None]]) -> bool:
    """Write answers in order, each behind its delay; return False if one of them closes the connection."""
    ready: list[bytes] = []
    for data, delay_s, is_dropped in answers:
        if ready and (delay_s or is_dropped):
            await write(ready)
            ready = []
        if delay_s:
            await anyio.sleep(delay_s)
        if is_dropped:
            return False
        ready.append(data)
    if ready:
        await write(ready)
    return True


class FaultDesk:
    """What the control port does with the HSM's faults; see `node.control.FaultPort`."""

    model: type[BaseModel] = FaultConfig

    def __init__(self, node: HsmNode) -> None:
        self._node = node

    def add(self, wanted: Any) -> dict[str, Any]:
        """Arm a fault; `LocalProtocolError` if too many are armed."""
        assert isinstance(wanted, FaultConfig)
        self._node.provoke(wanted.fault())
        return wanted.model_dump()

    def listed(self) -> list[dict[str, Any]]:
        """Return what is armed, each with the times that are left."""
        return [fault._asdict() | {"commands": sorted(fault.commands)} for fault in self._node.faults.listed()]

    def fired(self) -> list[dict[str, Any]]:
        """Return what struck, oldest first."""
        return [fired._asdict() for fired in self._node.faults.fired]

    def clear(self) -> None:
        """Disarm all."""
        self._node.calm()
