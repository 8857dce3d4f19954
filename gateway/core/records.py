"""The gateway's rows: what it remembers, in native column types.

Every row that a merchant can see carries its account. Structured values that the gateway only keeps and shows again are
JSON text (`details`, `metadata`). No row has room for a card number or a CVC.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from gateway.core.records_account import AccountRow, ApiKey, Event
from gateway.core.records_money import BalanceTransaction, Refund
from gateway.core.records_setup import SetupAttempt, SetupIntent, Token


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
    """A payment. `amount` in minor units; `currency` alphabetic, lower case; `last_error` JSON or None.

    `amount_capturable` is what is held and may still be captured. `busy` names the send whose outcome somebody is
    waiting for while the status does not say so (an increment): nothing else may change the payment meanwhile.
    """

    id: str
    account: str
    created: int
    customer: str | None
    status: str
    amount: int
    amount_capturable: int
    amount_received: int
    currency: str
    method: str | None
    latest_charge: str | None
    client_secret: str
    last_error: str | None
    canceled_at: int | None
    cancellation_reason: str | None
    busy: str | None
    details: str
    metadata: str


class Charge(NamedTuple):
    """One attempt at a payment. `card` is a JSON snapshot of the method; `response_code` is DE 39.

    Amounts in minor units: `amount` is what was approved (what was asked, if nothing was), increments included;
    `amount_captured` what of it was taken by `captures` captures; `amount_released` what of it was let go (cancelled,
    expired, or left over by the final capture); `amount_refunded` what was given back by refunds. `captured` is 1 once
    nothing more can be captured of it and something was. `expires_at` (Unix seconds of business time) is set while
    something is held.
    """

    id: str
    account: str
    created: int
    intent: str
    customer: str | None
    method: str
    amount: int
    amount_captured: int
    amount_refunded: int
    amount_released: int
    captures: int
    captured: int
    currency: str
    status: str
    network_status: str
    response_code: str | None
    authorisation_code: str | None
    rrn: str | None
    network_transaction_id: str | None
    network_advice_code: str | None
    failure_code: str | None
    failure_message: str | None
    expires_at: int | None
    balance_transaction: str | None
    card: str
    details: str
    metadata: str


class SendRecord(NamedTuple):
    """One message to the acquirer, committed before its first byte: it, its repeats and its reversal are built from it.

    Attributes
    ----------
    id
        `subject/kind/number`: the same thing cannot be sent twice.
    kind
        One of `gateway.core.sends`: authorise, increment, verify, capture, void, refund.
    subject
        Id of the object that the outcome is about: a charge, a refund, a setup attempt.
    charge
        What it belongs to; messages of one charge that have to arrive leave in order. A setup attempt has its own.
    intent
        Payment or setup intent, for the trace.
    stan, transmitted, local_time, local_date
        DE 11, 7, 12, 13.
    amount
        DE 4, minor units; of an increment the increment, of a void what the voided message had.
    remains
        For a partial void: what is left of that amount (DE 95).
    currency
        Numeric.
    original, original_data
        The send that this one follows, and how it is named (DE 90); None and "" if it follows none.
    rrn, authorisation_code
        DE 37 and 38: of the answer, or of the authorisation that it follows.
    private
        DE 48 without what lives for one authorisation only.
    trace
        Trace id of the request that caused it.
    request, claim
        Id and idempotency key of that request.
    result
        "" while somebody waits for the answer, "owed" while it is a duty, then DE 39 (also of a refusal), "unknown",
        "not sent" or "reversed".
    """

    id: str
    kind: str
    account: str
    subject: str
    charge: str
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
    remains: int | None
    currency: str
    original: str | None
    original_data: str
    rrn: str | None
    authorisation_code: str | None
    private: str
    trace: str
    request: str | None
    claim: str | None
    result: str


class Obligation(NamedTuple):
    """The duty to bring one message to the acquirer until it is answered. Instants are Unix microseconds of wall time.

    `send` names the message; duties of one charge are worked in the order in which they were incurred. `state` is open,
    done, or refused: nobody will take it as it is. Then `due_at` says since when, and nothing waits for it any more.
    """

    send: str
    charge: str
    state: str
    attempts: int
    due_at: int
    leased_until: int | None
    holder: str | None


class Claim(NamedTuple):
    """An idempotency key: whose, for which request, and its answer once there is one (`status` 0: still running).

    `manner` is how the answer is wanted, as `gateway.core.manner` writes it.
    """

    account: str
    key: str
    digest: str
    request: str
    claimed_at: int
    status: int
    body: str
    manner: str | None = None


class Terminal(NamedTuple):
    """How far the STANs of a terminal have been used."""

    terminal: str
    stan: int


Record: TypeAlias = (
    Customer
    | Method
    | Intent
    | Charge
    | SendRecord
    | Obligation
    | Claim
    | Terminal
    | Event
    | AccountRow
    | ApiKey
    | Refund
    | BalanceTransaction
    | Token
    | SetupIntent
    | SetupAttempt
)
