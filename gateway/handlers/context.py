"""What every handler is given: the ports, and the call that it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from gateway.core import claims
from gateway.core.books import Books, R, Span, Store
from gateway.core.claims import Answer, Ticket
from gateway.core.errors import no_such
from gateway.core.expand import expand
from gateway.core.identifiers import LENGTH_BYTES, identifier
from gateway.core.obligations import micros
from gateway.core.records import Customer, Intent, Method, Record
from gateway.core.render import Shape, dumps, page
from iso import Message
from node.core.steps import Silence

A = TypeVar("A")


class Acquirer(Protocol):
    """The link to the acquirer."""

    async def request(self, message: Message, timeout_s: float) -> Message | Silence:
        """Send a request; return its response, `UNKNOWN`, or `NOT_SENT` if not a byte of it left."""


class Hsm(Protocol):
    """The gateway's own party in the HSM."""

    async def call(self, request: Any, timeout_s: float) -> Any:
        """Return the typed answer; None if none came in time."""


class Timeouts(NamedTuple):
    """Seconds."""

    hsm_s: float = 2.0
    acquirer_s: float = 25.0
    reversal_s: float = 25.0


class Ports(NamedTuple):
    """Everything outside a handler.

    `business` gives business time (DE 7, expiry, `created`), `wall` wall time (leases, idempotency keys), both aware
    UTC; `entropy` unpredictable bytes; `owed` wakes whoever works the duties;
    `under_way` are the charges that a handler of this process is waiting for.
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

    def identifier(self, prefix: str) -> str:
        """Return a new object id."""
        return identifier(prefix, self.entropy(LENGTH_BYTES))

    def created(self) -> int:
        """Return business time in Unix seconds."""
        return int(self.business().timestamp())


class Account(NamedTuple):
    """A merchant as the gateway serves it: `merchant` is DE 42, `terminal` DE 41, unique to it."""

    id: str
    merchant: str
    terminal: str


class Call(NamedTuple):
    """One request, authenticated and read.

    `identifiers` come from the path, `params` from form or query by the operation's specification; `is_public` is
    True if it was made with a publishable key.
    """

    account: Account
    ticket: Ticket
    trace: str
    identifiers: tuple[str, ...]
    params: Mapping[str, Any]
    path: str
    is_public: bool = False


def once(ports: Ports, call: Call, work: Callable[[Books], Answer]) -> Callable[[Books], Answer]:
    """Return `work` as a unit of work that is done once per idempotency key, and answered from the books after that."""
    now = micros(ports.wall())

    def unit(books: Books) -> Answer:
        answer = claims.replayed(books, call.ticket, now)
        if answer is None:
            claims.claim(books, call.ticket, now)
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
    return Answer(status, dumps(expand(books, call.account.id, shape, call.params.get("expand") or ())))


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
    books: Books, call: Call, kind: type[R], where: Mapping[str, Any], render: Callable[[R], Shape], what: str
) -> Answer:
    """Return one page of the caller's rows, newest first.

    Raises
    ------
    ApiError
        400 `resource_missing` for a cursor that names no row of this account.
    """
    params = call.params
    limit = params.get("limit", 10)
    for name in ("starting_after", "ending_before"):
        if name in params:
            owned(books, call, kind, params[name], what=what, param=name)
    created = params.get("created") or {}
    span = Span(
        limit + 1, params.get("starting_after"), params.get("ending_before"), created.get("from"), created.get("to")
    )
    found = books.page(kind, {"account": call.account.id, **where}, span)
    has_more = len(found) > limit
    kept: Sequence[R] = found[-limit:] if span.before and not span.after else found[:limit]
    return shown(books, call, page(call.path, [render(row) for row in kept], has_more=has_more))
