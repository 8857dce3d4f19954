"""PaymentIntents: made, changed, shown, canceled. How one is paid is in `payments`."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from gateway.core import render
from gateway.core.access import for_secret_keys
from gateway.core.amounts import check_amount, known_currency
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.errors import ApiError, missing_parameter
from gateway.core.events import emit
from gateway.core.intents import REQUIRES_CONFIRMATION, REQUIRES_PAYMENT_METHOD, next_status, refusal
from gateway.core.metadata import metadata_after
from gateway.core.methods import check_usable
from gateway.core.records import Intent, Method
from gateway.core.records_setup import SetupIntent
from gateway.core.render import dumps
from gateway.core.terms import card_options, sets_up
from gateway.handlers.cards import Brought, bring, is_virtual, store_card, store_virtual
from gateway.handlers.context import (
    Call,
    Ports,
    cause_of_call,
    customer_of,
    early_replay,
    intent_of,
    listed,
    method_of,
    once,
    shown,
)

_DETAILS = (
    "amount_details",
    "description",
    "payment_method_options",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_AT_ANY_TIME = frozenset({"description", "expand", "metadata", "receipt_email", "shipping", "transfer_group"})
"""What changes nothing about the money, and may be said of a payment in any state."""
_SAID = ("description", "statement_descriptor", "statement_descriptor_suffix")
_OF_A_CONFIRMATION = ("error_on_requires_action", "off_session", "return_url")
_NO = (False, None, "false")
_DEFAULT_METHODS = {"allow_redirects": "always", "enabled": True}


async def create(ports: Ports, call: Call) -> Answer:
    """Create a payment that is confirmed later."""
    check_unconfirmed(call, "PaymentIntent")
    bringing = await brought(ports, call)
    if isinstance(bringing, Answer):
        return bringing
    blank, cause = drafted(ports, call), cause_of_call(ports, call)

    def work(books: Books) -> Answer:
        intent = chosen(books, call, blank, bring(books, bringing))
        books.add(intent)
        emit(books, cause, "payment_intent.created", render.payment_intent(intent))
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
    """Change a payment: what it says at any time, how and what is paid only before it is under way."""
    bringing = await brought(ports, call)
    if isinstance(bringing, Answer):
        return bringing

    def work(books: Books) -> Answer:
        intent = intent_of(books, call, call.identifiers[0])
        params = call.params
        changed = next((name for name in params if name not in _AT_ANY_TIME), None)
        if changed is not None and next_status(intent.status, "update") is None:
            raise refusal(intent.status, "update", render.payment_intent(intent), changed)
        if "amount" in params or "currency" in params:
            money = known_currency(params.get("currency", intent.currency))
            check_amount(params.get("amount", intent.amount), money)
            intent = intent._replace(amount=params.get("amount", intent.amount), currency=money.alpha.lower())
        intent = chosen(books, call, intent, bring(books, bringing))
        books.put(intent)
        return shown(books, call, render.payment_intent(intent))

    return await ports.store.write(once(ports, call, work))


async def list_all(ports: Ports, call: Call) -> Answer:
    """List payments."""
    where = {"customer": call.params["customer"]} if "customer" in call.params else {}
    return await ports.store.read(
        lambda books: listed(books, call, Intent, where, render.payment_intent, "payment_intent")
    )


async def brought(ports: Ports, call: Call) -> Answer | Brought | None:
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
    details: dict[str, Any] = {
        "capture_method": params.get("capture_method", "automatic_async"),
        "confirmation_method": params.get("confirmation_method", "automatic"),
        **offered(params),
    }
    return Intent(
        id=identifier,
        account=call.account.id,
        created=ports.created(),
        customer=None,
        status=REQUIRES_PAYMENT_METHOD,
        amount=params["amount"],
        amount_capturable=0,
        amount_received=0,
        currency=money.alpha.lower(),
        method=None,
        latest_charge=None,
        client_secret=ports.identifier(f"{identifier}_secret"),
        last_error=None,
        canceled_at=None,
        cancellation_reason=None,
        busy=None,
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
    method = supplied(books, call, bringing)
    if method is not None:
        intent = intent._replace(method=method.id, status=REQUIRES_CONFIRMATION)
    elif "payment_method" in params:
        intent = intent._replace(method=None, status=REQUIRES_PAYMENT_METHOD)
    held = method or (intent.method and books.get(Method, intent.method)) or None
    if held is not None and next_status(intent.status, "supply") is not None:
        check_usable(held, intent.customer)
    details = {**json.loads(intent.details), **{name: params[name] for name in _DETAILS if name in params}}
    if params.get("payment_method_options"):
        details["payment_method_options"] = _merged_options(intent, params["payment_method_options"])
    for name in ("capture_method", "payment_method_types"):
        if params.get(name):
            details[name] = params[name]
    return intent._replace(details=dumps(details), metadata=metadata_after(intent.metadata, params))


def supplied(books: Books, call: Call, bringing: Method | None) -> Method | None:
    """Return the payment method that the request brought or names; None if it does neither."""
    name = call.params.get("payment_method")
    return bringing or (method_of(books, call, name) if name else None)


def confirmed(call: Call, intent: Intent) -> Intent:
    """Return the payment as this confirmation wants it to be made.

    Raises
    ------
    ApiError
        400: it cannot be made off session and set a card up at once.
    """
    details = json.loads(intent.details)
    details["off_session"] = call.params.get("off_session", "false") != "false"
    if details["off_session"] and sets_up(intent):
        message = (
            "You cannot confirm with `off_session=true` when `setup_future_usage` is also set on the PaymentIntent. To "
            "perform an authenticated charge and set the payment method up for future usage, confirm without the "
            "`off_session` parameter. To use this PaymentIntent with an already set up payment method, unset "
            "`setup_future_usage`."
        )
        raise ApiError(400, message, param="off_session")
    return intent._replace(details=dumps(details))


def described(intent: Intent, call: Call) -> Intent:
    """Return the payment with what else a request about its money says of it: description, descriptors, metadata."""
    params = call.params
    details = json.loads(intent.details)
    details |= {name: params[name] for name in _SAID if name in params}
    return intent._replace(details=dumps(details), metadata=metadata_after(intent.metadata, params))


def offered(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details that say by what a payment or a setup can be made.

    Raises
    ------
    ApiError
        400: it is left open and prescribed at once.
    """
    types, given = params.get("payment_method_types"), params.get("automatic_payment_methods")
    if types and given and given["enabled"]:
        message = "You may only specify one of these parameters: automatic_payment_methods, payment_method_types."
        raise ApiError(400, message, param="payment_method_types")
    automatic = None if types else _DEFAULT_METHODS
    if given is not None:
        automatic = {"allow_redirects": given.get("allow_redirects", "always"), "enabled": given["enabled"]}
    return {"payment_method_types": types or ["card"], "automatic_payment_methods": automatic}


def check_unconfirmed(call: Call, what: str) -> None:
    """Refuse what can only be said of a confirmation, of a payment or setup that is created without one.

    Raises
    ------
    ApiError
        400.
    """
    for name in _OF_A_CONFIRMATION:
        if call.params.get(name) not in _NO:
            message = f"The parameter `{name}` cannot be passed when creating a {what} unless `confirm` is set to true."
            raise ApiError(400, message, param=name)


def check_keeping(call: Call, intent: Intent) -> None:
    """Refuse a customer who takes back that the card is kept for the shop; to widen it is the customer's to say.

    Raises
    ------
    ApiError
        403.
    """
    name, before = "setup_future_usage", json.loads(intent.details).get("setup_future_usage")
    if call.is_public and before is not None and call.params.get(name, before) not in (before, "off_session"):
        raise for_secret_keys(name)


def check_secret(call: Call, intent: Intent | SetupIntent) -> None:
    """Refuse a caller with a publishable key who does not know the client secret of this payment or setup.

    Raises
    ------
    ApiError
        400.
    """
    secret = call.params.get("client_secret")
    if secret is None and call.is_public:
        raise missing_parameter("client_secret")
    if secret is not None and not hmac.compare_digest(secret.encode(), intent.client_secret.encode()):
        what = "PaymentIntent" if isinstance(intent, Intent) else "SetupIntent"
        message = f"The client_secret provided does not match the client_secret of this {what}."
        raise ApiError(400, message, param="client_secret")


def _merged_options(intent: Intent, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options after a change: what is not named stays, "" takes an option back."""
    return {"card": {**card_options(intent), **(given.get("card") or {})}}
