"""PaymentIntents: made, changed, shown, canceled. How one is paid is in `payments`."""

from __future__ import annotations

import hmac
import json
from typing import Any

from gateway.core import render
from gateway.core.amounts import check_amount, known_currency
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.errors import ApiError, missing_parameter
from gateway.core.intents import REQUIRES_CONFIRMATION, REQUIRES_PAYMENT_METHOD, next_status, refusal
from gateway.core.parameters import merged_metadata
from gateway.core.records import Charge, Intent, Method
from gateway.core.render import dumps
from gateway.handlers.cards import bring, is_virtual, spent, store_card, store_virtual
from gateway.handlers.context import (
    Call,
    Ports,
    customer_of,
    early_replay,
    intent_of,
    listed,
    method_of,
    once,
    owned,
    shown,
)

_DETAILS = (
    "description",
    "payment_method_options",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_DEFAULT_METHODS = {"allow_redirects": "always", "enabled": True}


async def create(ports: Ports, call: Call) -> Answer:
    """Create a payment that is confirmed later."""
    bringing = await brought(ports, call)
    if isinstance(bringing, Answer):
        return bringing
    blank = drafted(ports, call)

    def work(books: Books) -> Answer:
        intent = chosen(books, call, blank, bring(books, bringing))
        books.add(intent)
        return shown(books, call, render.payment_intent(intent))

    return await ports.store.write(once(ports, call, work))


async def retrieve(ports: Ports, call: Call) -> Answer:
    """Return a payment; with a publishable key only to whoever knows its client secret."""

    def work(books: Books) -> Answer:
        intent = intent_of(books, call, call.identifiers[0])
        check_secret(call, intent)
        return shown(books, call, render.payment_intent(intent))

    return await ports.store.read(work)


async def update(ports: Ports, call: Call) -> Answer:
    """Change a payment that is not under way."""
    bringing = await brought(ports, call)
    if isinstance(bringing, Answer):
        return bringing

    def work(books: Books) -> Answer:
        intent = intent_of(books, call, call.identifiers[0])
        if next_status(intent.status, "update") is None:
            raise refusal(intent.status, "update", render.payment_intent(intent))
        params = call.params
        if "amount" in params or "currency" in params:
            money = known_currency(params.get("currency", intent.currency))
            check_amount(params.get("amount", intent.amount), money)
            intent = intent._replace(amount=params.get("amount", intent.amount), currency=money.alpha.lower())
        intent = chosen(books, call, intent, bring(books, bringing))
        books.put(intent)
        return shown(books, call, render.payment_intent(intent))

    return await ports.store.write(once(ports, call, work))


async def cancel(ports: Ports, call: Call) -> Answer:
    """Give a payment up before anything was sent for it."""

    def work(books: Books) -> Answer:
        intent = intent_of(books, call, call.identifiers[0])
        status = next_status(intent.status, "cancel")
        if status is None:
            raise refusal(intent.status, "cancel", render.payment_intent(intent))
        reason = call.params.get("cancellation_reason")
        intent = intent._replace(status=status, canceled_at=ports.created(), cancellation_reason=reason)
        books.put(intent)
        return shown(books, call, render.payment_intent(intent))

    return await ports.store.write(once(ports, call, work))


async def list_all(ports: Ports, call: Call) -> Answer:
    """List payments."""
    where = {"customer": call.params["customer"]} if "customer" in call.params else {}
    return await ports.store.read(
        lambda books: listed(books, call, Intent, where, render.payment_intent, "payment_intent")
    )


async def retrieve_charge(ports: Ports, call: Call) -> Answer:
    """Return one attempt at a payment."""

    def work(books: Books) -> Answer:
        row = owned(books, call, Charge, call.identifiers[0], what="charge")
        return shown(books, call, render.charge(row))

    return await ports.store.read(work)


async def list_charges(ports: Ports, call: Call) -> Answer:
    """List attempts at payments."""
    names = {"customer": "customer", "payment_intent": "intent"}
    where = {column: call.params[name] for name, column in names.items() if name in call.params}
    return await ports.store.read(lambda books: listed(books, call, Charge, where, render.charge, "charge"))


async def brought(ports: Ports, call: Call) -> Answer | Method | None:
    """Return the payment method that the request brings with it (inline, or by a virtual name), made but not stored.

    A request whose answer is known already gets that answer, before the HSM is asked for anything.
    """
    data, name = call.params.get("payment_method_data"), call.params.get("payment_method")
    if data is not None and name:
        message = "You may only specify one of these parameters: payment_method, payment_method_data."
        raise ApiError(400, message, param="payment_method_data")
    if data is None and not is_virtual(name):
        return None
    if answer := await early_replay(ports, call):
        return answer
    if data is not None:
        return await store_card(ports, call, data, prefix="payment_method_data")
    return await store_virtual(ports, call, name)


def drafted(ports: Ports, call: Call) -> Intent:
    """Return a new payment without customer and card.

    Raises
    ------
    ApiError
        400: the amount or the currency cannot be carried.
    """
    params, identifier = call.params, ports.identifier("pi")
    money = known_currency(params["currency"])
    check_amount(params["amount"], money)
    types = params.get("payment_method_types")
    automatic = params.get("automatic_payment_methods")
    if types and automatic and automatic["enabled"]:
        message = "You may only specify one of these parameters: automatic_payment_methods, payment_method_types."
        raise ApiError(400, message, param="payment_method_types")
    details: dict[str, Any] = {
        "capture_method": params.get("capture_method", "automatic_async"),
        "confirmation_method": params.get("confirmation_method", "automatic"),
        "payment_method_types": types or ["card"],
        "automatic_payment_methods": _automatic(automatic, is_typed=bool(types)),
    }
    return Intent(
        id=identifier,
        account=call.account.id,
        created=ports.created(),
        customer=None,
        status=REQUIRES_PAYMENT_METHOD,
        amount=params["amount"],
        amount_received=0,
        currency=money.alpha.lower(),
        method=None,
        latest_charge=None,
        client_secret=ports.identifier(f"{identifier}_secret"),
        last_error=None,
        canceled_at=None,
        cancellation_reason=None,
        details=dumps(details),
        metadata="{}",
    )


def chosen(books: Books, call: Call, intent: Intent, bringing: Method | None) -> Intent:
    """Return the payment with the customer, card and description that the request gives it.

    Parameters
    ----------
    books
        For the rows that are named.
    intent
        Not under way.
    bringing
        A payment method that the request itself brought, already in the books.

    Raises
    ------
    ApiError
        400: something named does not exist, or the card belongs to somebody else.
    """
    params = call.params
    if "customer" in params:
        intent = intent._replace(customer=customer_of(books, call, params["customer"]).id)
    method = bringing
    if method is None and params.get("payment_method"):
        method = method_of(books, call, params["payment_method"])
    if method is not None:
        intent = intent._replace(method=method.id, status=REQUIRES_CONFIRMATION)
    elif "payment_method" in params:
        intent = intent._replace(method=None, status=REQUIRES_PAYMENT_METHOD)
    held = method or (intent.method and books.get(Method, intent.method)) or None
    if held is not None:
        check_card(intent, held)
    details = {**json.loads(intent.details), **{name: params[name] for name in _DETAILS if name in params}}
    for name in ("capture_method", "payment_method_types"):
        if params.get(name):
            details[name] = params[name]
    metadata = json.loads(intent.metadata)
    if "metadata" in params:
        metadata = merged_metadata(metadata, params["metadata"])
    return intent._replace(details=dumps(details), metadata=dumps(metadata))


def check_card(intent: Intent, method: Method) -> None:
    """Refuse a card that this payment may not use.

    Raises
    ------
    ApiError
        400: it belongs to another customer, or was used up.
    """
    if method.is_spent:
        raise spent()
    if method.customer is None or method.customer == intent.customer:
        return
    if intent.customer is None:
        message = (
            "The PaymentMethod you provided is attached to a Customer so you must also provide the Customer in the "
            "request."
        )
        raise ApiError(400, message, param="customer")
    message = (
        f"The customer does not have a payment method with the ID {method.id}. The payment method must be attached to "
        "the customer."
    )
    raise ApiError(400, message, code="resource_missing", param="payment_method")


def check_secret(call: Call, intent: Intent) -> None:
    """Refuse a caller with a publishable key who does not know the client secret of this payment.

    Raises
    ------
    ApiError
        400.
    """
    secret = call.params.get("client_secret")
    if secret is None and call.is_public:
        raise missing_parameter("client_secret")
    if secret is not None and not hmac.compare_digest(secret.encode(), intent.client_secret.encode()):
        message = "The client_secret provided does not match the client_secret of this PaymentIntent."
        raise ApiError(400, message, param="client_secret")


def _automatic(given: dict[str, Any] | None, *, is_typed: bool) -> dict[str, Any] | None:
    if given is not None:
        return {"allow_redirects": given.get("allow_redirects", "always"), "enabled": given["enabled"]}
    return None if is_typed else _DEFAULT_METHODS
