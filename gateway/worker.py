"""The worker of what is owed: wakes when something is, or is due, and lets several attempts wait at once."""

from __future__ import annotations

import anyio
import structlog
from anyio.abc import TaskGroup

from gateway.core.errors import ApiError
from gateway.core.records import Obligation, SendRecord
from gateway.handlers.context import Ports
from gateway.handlers.duties import Taken, look
from gateway.handlers.expiring import expire_due
from gateway.handlers.sending import attempt
from node.core.duty import OPEN, REFUSED
from node.journal import StoreError

ATTEMPTS_MAX = 64
"""Attempts that wait for the acquirer at once, each of another charge."""

_SWEEP_S = 60.0
_PAUSE_S = 1.0
_LOOK_AT_THE_CLOCK_S = 1.0

log = structlog.get_logger("gateway")


class ChargeWatch:
    """Waits for the end of an attempt at what one charge owes; see `gateway.handlers.context.Watch`."""

    def __init__(self, watches: dict[str, set[anyio.Event]], charge: str) -> None:
        self._watches = watches
        self._charge = charge
        self._ended = anyio.Event()
        watches.setdefault(charge, set()).add(self._ended)

    async def wait(self, timeout_s: float) -> None:
        """Wait until an attempt has ended, or time is up."""
        with anyio.move_on_after(timeout_s):
            await self._ended.wait()

    def close(self) -> None:
        """Watch no longer."""
        waiting = self._watches.get(self._charge, set())
        waiting.discard(self._ended)
        if not waiting:
            self._watches.pop(self._charge, None)


class DutyWorker:
    """Works the duties of one gateway.

    It is handed what is due at once, and looks for the rest when it is woken: a look costs as much as a payment.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._watches: dict[str, set[anyio.Event]] = {}
        self._owed = anyio.Event()
        self._tasks: TaskGroup | None = None
        self._trying = 0
        self._resting = 0
        self._refused = 0

    @property
    def open_count(self) -> int:
        """How many messages are owed: those that it is at, and those that it saw resting when it last looked."""
        return self._trying + self._resting

    @property
    def refused_count(self) -> int:
        """How many messages the acquirer has refused for good, and nobody has had sent again."""
        return self._refused

    @property
    def has_room(self) -> bool:
        """Whether another attempt may begin now."""
        return self._tasks is not None and self._trying < ATTEMPTS_MAX

    def deliver(self, duty: Obligation, record: SendRecord) -> None:
        """Make an attempt at a duty that is committed under our lease; see `gateway.handlers.context.Courier`."""
        assert self._tasks is not None, "there is room once it runs"
        self._trying += 1
        self._tasks.start_soon(self._try, Taken(duty, record))

    def wake(self) -> None:
        """Look again: something is owed that was not before."""
        self._owed.set()

    def watch(self, charge: str) -> ChargeWatch:
        """Watch for the end of attempts at what a charge owes."""
        return ChargeWatch(self._watches, charge)

    async def run(self) -> None:
        """Work for ever."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch_the_clock)
            self._tasks = tasks
            while True:
                self._owed = anyio.Event()
                wait_s = await self._look()
                with anyio.move_on_after(wait_s):
                    await self._owed.wait()

    async def _look(self) -> float:
        """Start what is due; return how long nothing else will be."""
        try:
            found = await look(self._ports, max(0, ATTEMPTS_MAX - self._trying))
        except StoreError as error:
            log.warning("duties rest", reason=str(error))
            return _PAUSE_S
        if found.recovered:
            log.warning("requests in doubt", count=found.recovered)
        for taken in found.taken:
            self.deliver(*taken)
        self._resting = max(0, found.open_count - self._trying)
        self._refused = found.refused_count
        return _SWEEP_S if found.next_due_s is None else min(_SWEEP_S, found.next_due_s)

    async def _try(self, taken: Taken) -> None:
        is_open = True
        try:
            duty = await attempt(self._ports, taken.duty, taken.record)
            is_open = duty.state == OPEN
            if duty.state == REFUSED:
                self._refused += 1
                await self._alarm(taken.record)
            if duty.attempts == self._ports.rules.attempts_alarm:
                log.warning("still not accepted", send=duty.send, attempts=duty.attempts)
        except (ApiError, StoreError) as error:
            # The node is stopping, or its disk refuses: the lease runs out, and the next attempt is a repeat.
            log.warning("an attempt was not finished", send=taken.duty.send, reason=str(error))
        finally:
            self._trying -= 1
            for ended in self._watches.pop(taken.duty.charge, ()):
                ended.set()
            # What did not arrive rests from now on, not only from the next look on.
            self._resting += is_open
            if self._resting:
                self.wake()

    async def _alarm(self, record: SendRecord) -> None:
        kept = await self._ports.store.read(lambda books: books.get(SendRecord, record.id))
        code = None if kept is None else kept.result
        log.error("refused for good", send=record.id, kind=record.kind, code=code, amount=record.amount)

    async def _watch_the_clock(self) -> None:
        """End authorisations as business time passes; it may jump, and tells nobody when it does."""
        while True:
            try:
                await expire_due(self._ports)
            except StoreError as error:
                log.warning("authorisations are not ended", reason=str(error))
            await anyio.sleep(_LOOK_AT_THE_CLOCK_S)
