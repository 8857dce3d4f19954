"""What every handler is given: the ports, and the call that it answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from gateway.core import claims
from gateway.core.access import public_view
from gateway.core.bank import Bank, NoBank
from gateway.core.books import Books, R, Span, Store
from gateway.core.claims import Answer, Ticket
from gateway.core.errors import ApiError, no_such
from gateway.core.events import Cause
from gateway.core.expand import expand
from gateway.core.identifiers import LENGTH_BYTES, identifier
from gateway.core.manner import Manner
from gateway.core.obligations import micros
from gateway.core.records import Customer, Intent, Method, Obligation, Record, SendRecord
from gateway.core.render import Shape, dumps, page
from gateway.core.sends import At, Origin
from gateway.core.terms import Terms
from iso import Message
from node.core.duty import DutyRules
from node.core.steps import Silence

A = TypeVar("A")
_SEED_BYTES = 16


class Acquirer(Protocol):
    """The link to the acquirer."""

    async def request(self, message: Message, timeout_s: float) -> Message | Silence:
        """Send a request; return its response, `UNKNOWN`, or `NOT_SENT` if not a byte of it left."""


class Hsm(Protocol):
    """The gateway's own party in the HSM."""

    async def call(self, request: Any, timeout_s: float) -> Any:
        """Return the typed answer; None if none came in time."""


class Timeouts(NamedTuple):
    """Seconds. `patience_s` is how long a request waits for what was owed before it."""

    hsm_s: float = 2.0
    acquirer_s: float = 25.0
    reversal_s: float = 25.0
    patience_s: float = 3.0


class Watch(Protocol):
    """Sees to it that no end of an attempt is missed between a look at the books and the wait for it."""

    async def wait(self, timeout_s: float) -> None:
        """Wait until an attempt at something that the charge owes has ended since the watch began, or time is up."""

    def close(self) -> None:
        """End the watch."""


class _NobodyWorks:
    """Nothing is to be waited for: duties are worked by whoever calls."""

    async def wait(self, timeout_s: float) -> None:
        """Return."""

    def close(self) -> None:
        """Do nothing."""


def _nobody_works(_charge: str) -> Watch:
    return _NobodyWorks()


class Courier(Protocol):
    """Whoever works the duties of this process: can be handed one that is due at once, and need not look for it."""

    @property
    def has_room(self) -> bool:
        """Whether another attempt may begin now."""

    def deliver(self, duty: Obligation, record: SendRecord) -> None:
        """Make an attempt: at a duty that is committed, under our lease, and the oldest open one of its charge."""


class _NoCourier:
    """Duties are found by whoever looks for them."""

    has_room = False

    def deliver(self, duty: Obligation, record: SendRecord) -> None:
        """Leave it where it is; its lease runs out."""


def _nobody_listens() -> None:
    """Do nothing: no key of this process is remembered anywhere."""


class Ports(NamedTuple):
    """Everything outside a handler.

    `business` gives business time (DE 7, expiry, `created`), `wall` wall time (leases, idempotency keys), both aware
    UTC; `entropy` unpredictable bytes; `owed` wakes whoever works the duties;
    `under_way` are the sends whose answers a handler of this process is waiting for; `holder` names this process in
    leases, `rules` say how often what is owed is tried; `terms` are those on which merchants sell;
    `bank` is the acquirer's control port; `keys_changed` is told when a row of an API key has changed; `watch` lets a
    handler wait for the worker of a charge's duties; `courier` is handed what is due at once.
    """

    store: Store
    hsm: Hsm
    acquirer: Acquirer
    business: Callable[[], datetime]
    wall: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    timeouts: Timeouts
    owed: Callable[[], None]
    under_way: set[str]
    holder: str = "gateway"
    rules: DutyRules = DutyRules()
    terms: Terms = Terms()
    bank: Bank = NoBank()
    keys_changed: Callable[[], None] = _nobody_listens
    watch: Callable[[str], Watch] = _nobody_works
    courier: Courier = _NoCourier()

    def identifier(self, prefix: str) -> str:
        """Return a new object id."""
        return identifier(prefix, self.entropy(LENGTH_BYTES))

    def now(self) -> At:
        """Return this moment, with chance for the ids of its events."""
        return At(self.business(), self.wall(), self.entropy(_SEED_BYTES))

    def created(self) -> int:
        """Return business time in Unix seconds."""
        return int(self.business().timestamp())


class Account(NamedTuple):
    """A merchant as the gateway serves it: `merchant` is DE 42, `terminal` DE 41, unique to it."""

    id: str
    merchant: str
    terminal: str


class UnaskedError(Exception):
    """An answer would show balance transactions (`names`) that the acquirer has not been asked about yet."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__("the acquirer has to be asked first")
        self.names = names


class Call(NamedTuple):
    """One request, authenticated and read.

    `identifiers` come from the path, `params` from form or query by the operation's specification; `is_public` is
    True if it was made with a publishable key. `asks_bank`: it only reads, and breaks off with `UnaskedError` rather
    than show the id of a balance transaction that was to be expanded.
    """

    account: Account
    ticket: Ticket
    trace: str
    identifiers: tuple[str, ...]
    params: Mapping[str, Any]
    path: str
    is_public: bool = False
    asks_bank: bool = False

    @property
    def manner(self) -> Manner:
        """How its answer is wanted."""
        return Manner(self.is_public, tuple(self.params.get("expand") or ()))

    @property
    def origin(self) -> Origin:
        """Where the messages of this request come from."""
        return Origin(self.account.terminal, self.account.merchant, self.trace, self.ticket.request, self.ticket.key)


def cause_of_call(ports: Ports, call: Call) -> Cause:
    """Return the cause of the events of a request; draw it before the unit of work that emits them."""
    now = ports.now()
    return Cause(call.account.id, now.created, now.seed, call.ticket.request, call.ticket.key)


def once(ports: Ports, call: Call, work: Callable[[Books], Answer]) -> Callable[[Books], Answer]:
    """Return `work` as a unit of work that is done once per idempotency key, and answered from the books after that."""
    now = micros(ports.wall())

    def unit(books: Books) -> Answer:
        answer = claims.claim(books, call.ticket, now)
        if answer is None:
            answer = work(books)
            claims.settle(books, call.account.id, call.ticket.key, answer)
        return answer

    return unit


async def early_replay(ports: Ports, call: Call) -> Answer | None:
    """Return the stored answer of this request, before anything is asked of the HSM for it."""
    if call.ticket.key is None:
        return None
    now = micros(ports.wall())
    return await ports.store.write(lambda books: claims.replayed(books, call.ticket, now))


def shown(books: Books, call: Call, shape: Shape, status: int = 200) -> Answer:
    """Return the answer that shows an object, expanded as the caller asked."""
    unbooked: set[str] = set()
    shape = expand(books, call.account.id, shape, call.params.get("expand") or (), unbooked)
    if unbooked and call.asks_bank:
        raise UnaskedError(unbooked)
    return Answer(status, dumps(public_view(shape) if call.is_public else shape))


def owned(books: Books, call: Call, kind: type[R], identifier: str, *, what: str, param: str | None = None) -> R:
    """Return a row of the caller's account.

    Parameters
    ----------
    what
        Stripe's name of the object, for the error.
    param
        The parameter that holds the id; None if the path does, which makes it 404 instead of 400.

    Raises
    ------
    ApiError
        `resource_missing`; another account's ids are as absent as ids that never were.
    """
    row: Record | None = books.get(kind, identifier)
    if row is None or getattr(row, "account", None) != call.account.id:
        raise no_such(what, identifier, status=404 if param is None else 400, param=param or "id")
    return row  # type: ignore[return-value]


def customer_of(books: Books, call: Call, identifier: str, param: str | None = "customer") -> Customer:
    """Return a customer that is not deleted."""
    row = owned(books, call, Customer, identifier, what="customer", param=param)
    if row.deleted:
        raise no_such("customer", identifier, status=404 if param is None else 400, param=param or "id")
    return row


def method_of(books: Books, call: Call, identifier: str, param: str | None = "payment_method") -> Method:
    """Return a payment method."""
    return owned(books, call, Method, identifier, what="PaymentMethod", param=param)


def intent_of(books: Books, call: Call, identifier: str) -> Intent:
    """Return the payment that the path names."""
    return owned(books, call, Intent, identifier, what="payment_intent")


def listed(
    books: Books,
    call: Call,
    kind: type[R],
    where: Mapping[str, Any],
    render: Callable[[R], Shape | None],
    what: str,
) -> Answer:
    """Return one page of the caller's rows, newest first; a row of which there is nothing to show is left out.

    Raises
    ------
    ApiError
        As `paged`.
    """
    rows, has_more = paged(books, call, kind, where, what)
    shapes = [shape for row in rows if (shape := render(row)) is not None]
    return shown(books, call, page(call.path, shapes, has_more=has_more))


def paged(books: Books, call: Call, kind: type[R], where: Mapping[str, Any], what: str) -> tuple[Sequence[R], bool]:
    """Return the rows of one page, newest first, and whether there are more behind it.

    Raises
    ------
    ApiError
        400: both cursors, or `resource_missing` for one that names no row of this account.
    """
    params = call.params
    limit = params.get("limit", 10)
    cursors = [name for name in ("ending_before", "starting_after") if name in params]
    if len(cursors) > 1:
        message = f"Received both {cursors[0]} and {cursors[1]} parameters. Please pass in only one."
        raise ApiError(400, message, param=cursors[0])
    for name in cursors:
        owned(books, call, kind, params[name], what=what, param=name)
    created = params.get("created") or {}
    span = Span(
        limit + 1, params.get("starting_after"), params.get("ending_before"), created.get("from"), created.get("to")
    )
    found = books.page(kind, {"account": call.account.id, **where}, span)
    return found[-limit:] if span.before else found[:limit], len(found) > limit
