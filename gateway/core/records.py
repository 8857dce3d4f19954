"""The gateway's rows: what it remembers, in native column types.

Every row that a merchant can see carries its account. Structured values that the gateway only keeps and shows again are
JSON text (`details`, `metadata`). No row has room for a card number or a CVC.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias


class Customer(NamedTuple):
    """A customer of a merchant. `created` is business time, Unix seconds; `deleted` 0 or 1."""

    id: str
    account: str
    created: int
    email: str | None
    details: str
    metadata: str
    deleted: int


class Method(NamedTuple):
    """A card as the gateway knows it: the network token that stands for it, and what may be shown.

    `is_spent` is 1 once it was used without a customer, or detached: it may not be used again.
    """

    id: str
    account: str
    created: int
    customer: str | None
    token: str
    bin: str
    last4: str
    exp_month: int
    exp_year: int
    brand: str
    funding: str
    country: str
    fingerprint: str
    cvc_check: str | None
    is_spent: int
    details: str
    metadata: str


class Intent(NamedTuple):
    """A payment. `amount` in minor units; `currency` alphabetic, lower case; `last_error` JSON or None."""

    id: str
    account: str
    created: int
    customer: str | None
    status: str
    amount: int
    amount_received: int
    currency: str
    method: str | None
    latest_charge: str | None
    client_secret: str
    last_error: str | None
    canceled_at: int | None
    cancellation_reason: str | None
    details: str
    metadata: str


class Charge(NamedTuple):
    """One attempt at a payment. `card` is a JSON snapshot of the method; `response_code` is DE 39."""

    id: str
    account: str
    created: int
    intent: str
    customer: str | None
    method: str
    amount: int
    currency: str
    status: str
    network_status: str
    response_code: str | None
    authorisation_code: str | None
    rrn: str | None
    network_transaction_id: str | None
    failure_code: str | None
    failure_message: str | None
    card: str
    details: str
    metadata: str


class SendRecord(NamedTuple):
    """What was about to be sent, committed before the first byte: the reversal is built from it.

    `result` is "" until the outcome is known, then DE 39, "unknown" or "not sent". `currency` is numeric;
    `transmitted` DE 7, `local_time` DE 12, `local_date` DE 13. `claim` is the idempotency key of the HTTP request that
    made it, `body` the finished answer it is owed if nobody lives to see the outcome.
    """

    charge: str
    account: str
    intent: str
    terminal: str
    merchant: str
    stan: str
    transmitted: str
    local_time: str
    local_date: str
    token: str
    expiry: str
    amount: int
    currency: str
    trace: str
    rrn: str | None
    claim: str | None
    result: str


class Obligation(NamedTuple):
    """The duty to reverse a payment whose outcome is unknown. Instants are Unix microseconds of wall time.

    `stan` and `transmitted` are those of the 0420, fixed with the duty, so that every later attempt is its repeat.
    """

    charge: str
    state: str
    attempts: int
    due_at: int
    leased_until: int | None
    holder: str | None
    stan: str
    transmitted: str


class Claim(NamedTuple):
    """An idempotency key: whose, for which request, and its answer once there is one (`status` 0: still running)."""

    account: str
    key: str
    digest: str
    request: str
    claimed_at: int
    status: int
    body: str


class Terminal(NamedTuple):
    """How far the STANs of a terminal have been used."""

    terminal: str
    stan: int


Record: TypeAlias = Customer | Method | Intent | Charge | SendRecord | Obligation | Claim | Terminal
