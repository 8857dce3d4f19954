"""The gateway's shell: web server, acquirer's link, HSM client, store, and the worker of its duties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import structlog
from anyio.abc import TaskStatus

from gateway.api.app import build_app
from gateway.api.keys import KeyRing
from gateway.config import GatewayConfig
from gateway.core.books import Store
from gateway.core.errors import API_ERROR, ApiError
from gateway.core.records import SendRecord
from gateway.handlers.context import Hsm, Ports
from gateway.handlers.duties import count_open, next_due_s, recover, work_one
from gateway.host import ACQUIRER, GatewayHost
from gateway.memory import MemoryStore
from gateway.store import NO_TABLES, SqliteStore
from iso import LocalProtocolError, Message, dialect
from node.clock import BusinessClock, Entropy, Wall, system_entropy, wall_clock
from node.core.steps import NOT_SENT, Silence
from node.http import HttpServer
from node.journal import MemoryJournal, StoreError
from node.pipes import Pipes
from node.runtime import Runtime, StoppedError

_HOLDER_BYTES = 8
_PAUSE_S = 1.0
_SWEEP_S = 60.0

log = structlog.get_logger("gateway")


class LinkToAcquirer:
    """The acquirer as handlers see it, through the node's runtime."""

    def __init__(self, runtime: Runtime, host: GatewayHost) -> None:
        self._runtime = runtime
        self._host = host

    async def request(self, message: Message, timeout_s: float) -> Message | Silence:
        """Send a request; return its response, `UNKNOWN` or `NOT_SENT`.

        Raises
        ------
        ApiError
            500: the gateway is stopping.
        """
        try:
            return await self._runtime.call(lambda: self._host.desk.request(ACQUIRER, message, timeout_s))
        except LocalProtocolError as error:
            log.warning("message cannot be expressed", mti=message.mti, stan=message.stan, rule=str(error))
            return NOT_SENT
        except StoppedError:
            pass
        # Nothing is concluded here: the send record has no result, and the next start makes it a duty.
        message_text = "The gateway is stopping. Ask again with the same idempotency key."
        raise ApiError(500, message_text, kind=API_ERROR)


class GatewayNode:
    """One running gateway.

    Parameters
    ----------
    config
        What the topology says about it.
    database
        Its SQLite file, or None to keep everything in memory.
    clock
        Business time.
    pipes
        What the acquirer's link runs over.
    hsm
        A running client of the gateway's party.
    entropy, wall
        Injected chance and wall time.
    """

    def __init__(
        self,
        config: GatewayConfig,
        database: Path | None,
        clock: BusinessClock,
        pipes: Pipes,
        hsm: Hsm,
        entropy: Entropy = system_entropy,
        wall: Wall = wall_clock,
    ) -> None:
        self.config = config
        spoken = dialect(config.acquirer_dialect)
        self.host = GatewayHost(spoken, config.links.profile())
        link = config.links.config(ACQUIRER, "dial", config.acquirer_address, spoken)
        self.runtime = Runtime(config.name, self.host, MemoryJournal(NO_TABLES), clock, pipes, [link])
        self.store: Store = MemoryStore() if database is None else SqliteStore(database, power_safe=config.power_safe)
        self.ports = Ports(
            store=self.store,
            hsm=hsm,
            acquirer=LinkToAcquirer(self.runtime, self.host),
            business=clock.now,
            wall=wall,
            entropy=entropy,
            timeouts=config.timeouts(),
            owed=self._owe,
            under_way=set(),
        )
        keys = KeyRing(
            (merchant.served(), merchant.secret_key, merchant.publishable_key) for merchant in config.merchants
        )
        app = build_app(self.ports, keys, body_max_bytes=config.body_max_bytes)
        self._http = HttpServer(app, config.http)
        self._owed = anyio.Event()
        self._duties_open = 0
        self._holder = f"{config.name}-{entropy(_HOLDER_BYTES).hex()}"

    @property
    def url(self) -> str:
        """Where shops send their requests; with the real port once the node has started."""
        return self._http.url

    @property
    def is_ready(self) -> bool:
        """Whether the acquirer's link is signed on."""
        return self.host.is_up

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve for ever; started once the port is taken and every doubt of an earlier life is a duty.

        Raises
        ------
        PipeError
            The port is in use.
        StoreError
            The store refused the recovery.
        """
        self._http.bind()
        try:
            recovered = await recover(self.ports)
            if recovered:
                log.warning("payments in doubt after a restart", count=recovered)
            async with anyio.create_task_group() as tasks:
                await tasks.start(self.runtime.run, name=f"{self.config.name}/runtime")
                tasks.start_soon(self._work_duties, name=f"{self.config.name}/duties")
                await tasks.start(self._http.run, name=f"{self.config.name}/http")
                task_status.started()
        finally:
            with anyio.CancelScope(shield=True):
                await self.store.aclose()

    def view(self) -> dict[str, Any]:
        """Summarise for the control port, without card numbers."""
        return {"name": self.config.name, "link": self.host.counters(), "duties_open": self._duties_open}

    async def traces_of(self, payment: str) -> list[str]:
        """Return the trace ids under which a payment (or one charge of it) went to the network, oldest first."""
        column = "charge" if payment.startswith("ch_") else "intent"
        sent = await self.store.read(lambda books: books.find(SendRecord, {column: payment}))
        return list(dict.fromkeys(record.trace for record in sent))

    def _owe(self) -> None:
        self._owed.set()

    async def _work_duties(self) -> None:
        """Work duties as they come due; a new one wakes the worker at once."""
        rules = self.config.duty_rules()
        while True:
            self._owed = anyio.Event()
            try:
                await recover(self.ports)
                duty = await work_one(self.ports, self._holder, rules)
                wait_s = await next_due_s(self.ports)
                self._duties_open = await count_open(self.ports)
            except StoreError as error:
                log.warning("duties rest", reason=str(error))
                duty, wait_s = None, _PAUSE_S
            if duty is not None and duty.attempts == rules.attempts_alarm:
                log.warning("a reversal is still not accepted", charge=duty.charge, attempts=duty.attempts)
            with anyio.move_on_after(min(_SWEEP_S, _SWEEP_S if wait_s is None else wait_s)):
                await self._owed.wait()
