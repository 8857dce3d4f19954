"""The gateway's shell: web server, acquirer's link, HSM client, store, and the worker of its duties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import structlog
from anyio.abc import TaskStatus

from gateway.api.app import build_app
from gateway.api.direct import Direct
from gateway.api.keys import KeyRing
from gateway.config import GatewayConfig
from gateway.core.accounts import seed
from gateway.core.bank import Bank, NoBank
from gateway.core.books import Store
from gateway.core.errors import API_ERROR, ApiError
from gateway.core.listed_cards import ListedCard
from gateway.core.obligations import micros
from gateway.emu.app import Faces, build_emu
from gateway.emu.desk import Desk, digest_of
from gateway.emu.house import House
from gateway.emu.streaming import Watch as MessageWatch
from gateway.handlers.claiming import forget_old
from gateway.handlers.context import Hsm, Ports, Watch
from gateway.handlers.duties import recover
from gateway.host import ACQUIRER, GatewayHost
from gateway.memory import MemoryStore
from gateway.pepper import LENGTH_BYTES, pepper_beside
from gateway.request_log import LoggedHsm, RequestLog
from gateway.store import NO_TABLES, SqliteStore
from gateway.store_requests import MemoryRequests, SqliteRequests
from gateway.tracing import requests_of, traces_of
from gateway.worker import DutyWorker
from iso import LocalProtocolError, Message, dialect
from node.clock import BusinessClock, Entropy, Wall, system_entropy, wall_clock
from node.core.steps import NOT_SENT, Silence
from node.http import HttpServer
from node.journal import MemoryJournal, StoreError
from node.pipes import Pipes
from node.runtime import Runtime, StoppedError

_HOLDER_BYTES = 8
_FORGET_S = 600.0
_USES_S = 60.0

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
    bank
        The acquirer's control port; without it nobody can be taken on and no balance be shown.
    house
        The control ports of all nodes; with it, and an operator's key, there is `/emu/v1`.
    cards
        The test cards that it lists.
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
        bank: Bank | None = None,
        house: House | None = None,
        cards: tuple[ListedCard, ...] = (),
    ) -> None:
        self.config = config
        spoken = dialect(config.acquirer_dialect)
        self.host = GatewayHost(spoken, config.links.profile())
        link = config.links.config(ACQUIRER, "dial", config.acquirer_address, spoken)
        self.runtime = Runtime(config.name, self.host, MemoryJournal(NO_TABLES), clock, pipes, [link])
        pepper = entropy(LENGTH_BYTES) if database is None else pepper_beside(database, entropy)
        self.store: Store = MemoryStore() if database is None else SqliteStore(database, power_safe=config.power_safe)
        self.keys = KeyRing(self.store, wall, entropy, pepper)
        self.requests = RequestLog(clock.now, _request_store(database, config.requests_kept))
        self.ports = Ports(
            store=self.store,
            hsm=LoggedHsm(hsm),
            acquirer=LinkToAcquirer(self.runtime, self.host),
            business=clock.now,
            wall=wall,
            entropy=entropy,
            timeouts=config.timeouts(),
            owed=self._owe,
            under_way=set(),
            keys_changed=self.keys.forget,
            holder=f"{config.name}-{entropy(_HOLDER_BYTES).hex()}",
            rules=config.duty_rules(),
            terms=config.terms(),
            bank=bank or NoBank(),
            watch=self._watch,
        )
        self._worker = DutyWorker(self.ports)
        self.ports = self.ports._replace(courier=self._worker)
        self._house = house
        self._messages = None if house is None else MessageWatch(house)
        self._http = HttpServer(self._application(cards), config.http)

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
            await self._seed()
            recovered = await recover(self.ports)
            if recovered:
                log.warning("payments in doubt after a restart", count=recovered)
            async with anyio.create_task_group() as tasks:
                await tasks.start(self.runtime.run, name=f"{self.config.name}/runtime")
                tasks.start_soon(self._worker.run, name=f"{self.config.name}/duties")
                tasks.start_soon(self._note_uses, name=f"{self.config.name}/keys")
                tasks.start_soon(self._forget_answers, name=f"{self.config.name}/answers")
                tasks.start_soon(self.requests.run, name=f"{self.config.name}/requests")
                if self._messages is not None:
                    tasks.start_soon(self._messages.run, name=f"{self.config.name}/messages")
                await tasks.start(self._http.run, name=f"{self.config.name}/http")
                task_status.started()
        finally:
            self.requests.close()
            self.ports.bank.close()
            if self._house is not None:
                self._house.close()
            with anyio.CancelScope(shield=True):
                await self.store.aclose()

    def _application(self, cards: tuple[ListedCard, ...]) -> Direct | Faces:
        """Build what is served: `/v1`, and `/emu/v1` if there is an operator and a house to operate."""
        config = self.config
        app = build_app(
            self.ports,
            self.keys,
            body_max_bytes=config.body_max_bytes,
            limits=config.request_limits(),
            requests=self.requests,
        )
        if self._house is not None and self._messages is not None and config.operator_key is not None:
            key = digest_of(config.operator_key)
            desk = Desk(self.ports, self._house, self.requests, self._messages, cards, key)
            return Faces(app, build_emu(desk))
        return app

    def view(self) -> dict[str, Any]:
        """Summarise for the control port, without card numbers."""
        return {
            "name": self.config.name,
            "link": self.host.counters(),
            "duties_open": self._worker.open_count,
            "duties_refused": self._worker.refused_count,
        }

    async def traces_of(self, payment: str) -> list[str]:
        """Return the trace ids under which a payment (or one charge of it) went to the network, oldest first."""
        return await traces_of(self.store, payment)

    async def requests_of(self, name: str) -> dict[str, Any]:
        """Return the HTTP requests behind a name, and their traces; see `gateway.tracing.requests_of`."""
        return await requests_of(self.store, self.requests, name)

    async def _seed(self) -> None:
        """Write down the merchants of the topology and the hashes of their keys."""
        created, now = self.ports.created(), micros(self.ports.wall())
        seeds = [merchant.seed(created, now) for merchant in self.config.merchants]
        await self.store.write(lambda books: seed(books, seeds))

    async def _note_uses(self) -> None:
        """Write down from time to time which keys are in use, apart from the payments that they make."""
        while True:
            await anyio.sleep(_USES_S)
            try:
                await self.keys.note_uses()
            except StoreError as error:
                log.warning("the use of keys is not noted", reason=str(error))

    async def _forget_answers(self) -> None:
        """Forget from time to time the answers that are too old to be replayed."""
        while True:
            try:
                await forget_old(self.ports)
            except StoreError as error:
                log.warning("old answers are kept", reason=str(error))
            await anyio.sleep(_FORGET_S)

    def _owe(self) -> None:
        self._worker.wake()

    def _watch(self, charge: str) -> Watch:
        return self._worker.watch(charge)


def _request_store(database: Path | None, kept: int) -> MemoryRequests | SqliteRequests:
    if database is None:
        return MemoryRequests(kept)
    return SqliteRequests(database.with_name(f"{database.stem}.requests.db"), kept)
