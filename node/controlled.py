"""What a node shows at the control port, and what it lets itself be told there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any, Protocol

from node.bank_ports import AcquirerPort, BooksPort, IssuerPort
from node.clock import BusinessClock
from node.core.faults import Faults
from node.fault_ports import FaultPort, LinkFaults
from node.metrics import Family
from node.saf_desk import SafPort
from node.trace import TraceRing


class Routing(Protocol):
    """Routes of a switch, as the control port sees them: JSON-able, and no card number in any answer."""

    def view(self) -> dict[str, Any]:
        """Return the table in force."""
        ...

    def explain(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Explain where a request would go; CardrailsError if it makes no sense."""
        ...

    def reload(self, body: bytes) -> dict[str, Any]:
        """Put another table in force; CardrailsError if it is wrong, and then nothing changes."""
        ...


class Settlement(Protocol):
    """Totals and cut-over of a switch, as the control port sees them; JSON-able."""

    async def totals(self, member: str | None = None, day: date | None = None) -> dict[str, Any]:
        """Return the current settlement date and what each member's messages come to."""
        ...

    async def cut_over(self) -> dict[str, Any]:
        """Begin the next settlement date."""
        ...


class LinkKeys(Protocol):
    """The keys that a node shares on its links, as the control port sees them; JSON-able, check values only."""

    async def view(self) -> list[dict[str, Any]]:
        """Return every key as it stands."""
        ...

    async def exchange(self, link: str, kind: str) -> dict[str, Any]:
        """Have a key changed; CardrailsError if there is none of this kind."""
        ...


class VaultPort(Protocol):
    """The keys of a token vault, as the control port sees them; JSON-able, versions only."""

    def rotation(self) -> dict[str, Any]:
        """Return how far the changes are."""
        ...

    async def rotate(self, kind: str) -> dict[str, Any]:
        """Begin a change, or end one; CardrailsError if it cannot be now."""
        ...


class CommandPort(Protocol):
    """The commands that an HSM carried out lately, as the control port sees them; JSON-able, codes only."""

    def find(self, party: str, since: datetime, until: datetime, limit: int) -> list[dict[str, Any]]:
        """Return those of a party between two instants of business time, oldest first."""
        ...


async def _at_once() -> None:
    """Return: whatever this node shows is durable."""


class Controlled:
    """One node, as the control port sees it.

    Parameters
    ----------
    name
        In the topology.
    clock
        Its business clock.
    is_ready
        Whether all its links are signed on.
    view
        A JSON-able summary of its state, without card numbers.
    trace
        What crossed its links; None for a node without ISO 8583 links.
    faults
        The provoked faults of its links.
    fault_port
        For a node whose faults are of another kind.
    settled
        Waits until what `view` shows is durable.
    nudge
        Makes it take a turn, so that what business time has made due happens now.
    metrics
        Its counters, as they stand.
    traces_of
        The trace ids of a payment; only a gateway knows payments.
    requests_of
        The HTTP requests behind a name, and their trace ids; only a gateway has some.
    routing
        Its routes; only a switch has some.
    saf
        What it has stored and not yet forwarded.
    settlement
        Its totals; only a switch has some.
    keys
        The keys of its links.
    vault
        The keys of its token vault; only an HSM has one.
    commands
        What it was asked lately; only an HSM has that.
    books
        Its accounts and its ledger; only a bank has them.
    issuer
        Its card file; only an issuer has one.
    acquirer
        Its merchants; only an acquirer has some.

    Attributes
    ----------
    empty
        Begins the nodes of this process again, empty, and returns their names; None if whoever started them does not.
        CardrailsError if that cannot be.
    """

    empty: Callable[[], list[str]] | None = None

    def __init__(
        self,
        name: str,
        clock: BusinessClock,
        *,
        is_ready: Callable[[], bool],
        view: Callable[[], dict[str, Any]],
        trace: TraceRing | None = None,
        faults: Faults | None = None,
        fault_port: FaultPort | None = None,
        settled: Callable[[], Awaitable[None]] = _at_once,
        nudge: Callable[[], None] = lambda: None,
        metrics: Callable[[], list[Family]] = list,
        traces_of: Callable[[str], Awaitable[list[str]]] | None = None,
        requests_of: Callable[[str], Awaitable[dict[str, Any]]] | None = None,
        routing: Routing | None = None,
        saf: SafPort | None = None,
        settlement: Settlement | None = None,
        keys: LinkKeys | None = None,
        vault: VaultPort | None = None,
        commands: CommandPort | None = None,
        books: BooksPort | None = None,
        issuer: IssuerPort | None = None,
        acquirer: AcquirerPort | None = None,
    ) -> None:
        self.name = name
        self.clock = clock
        self.is_ready = is_ready
        self.view = view
        self.trace = trace if trace is not None else TraceRing(name, {})
        self.faults = faults or Faults()
        self.fault_port = fault_port or LinkFaults(self.faults)
        self.settled = settled
        self.nudge = nudge
        self.metrics = metrics
        self.traces_of = traces_of
        self.requests_of = requests_of
        self.routing = routing
        self.saf = saf
        self.settlement = settlement
        self.keys = keys
        self.vault = vault
        self.commands = commands
        self.books = books
        self.issuer = issuer
        self.acquirer = acquirer
