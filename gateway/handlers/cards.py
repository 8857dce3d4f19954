"""Payment methods: a card goes to the HSM once, and the gateway keeps what stands for it.

The card number and the CVC live in the request that brought them, on the way to the HSM, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.core import render
from gateway.core.books import Books
from gateway.core.cards import card_of
from gateway.core.claims import Answer
from gateway.core.errors import CARD_ERROR, ApiError, missing_parameter, unavailable
from gateway.core.parameters import merged_metadata
from gateway.core.records import Method
from gateway.core.render import dumps
from gateway.handlers.context import Call, Ports, customer_of, early_replay, listed, method_of, once, shown
from gateway.virtual import is_virtual_name, virtual_card
from hsm_sim.requests import StoreCard

ACCEPTED = "00"


async def create(ports: Ports, call: Call) -> Answer:
    """Make a payment method of a card."""
    if answer := await early_replay(ports, call):
        return answer
    row = await store_card(ports, call, call.params)

    def work(books: Books) -> Answer:
        books.add(row)
        return shown(books, call, render.payment_method(row))

    return await ports.store.write(once(ports, call, work))


async def retrieve(ports: Ports, call: Call) -> Answer:
    """Return a payment method; a virtual one becomes a real one first."""
    name = call.identifiers[0]
    if row := await store_virtual(ports, call, name):
        return await ports.store.write(lambda books: shown(books, call, render.payment_method(_added(books, row))))
    return await ports.store.read(
        lambda books: shown(books, call, render.payment_method(method_of(books, call, name, param=None)))
    )


async def attach(ports: Ports, call: Call) -> Answer:
    """Bind a payment method to a customer, for good."""
    if answer := await early_replay(ports, call):
        return answer
    name = call.identifiers[0]
    bringing = await store_virtual(ports, call, name)

    def work(books: Books) -> Answer:
        customer = customer_of(books, call, call.params["customer"])
        method = bring(books, bringing) or method_of(books, call, name, param=None)
        method = attached(books, call, method, customer.id)
        books.put(method)
        return shown(books, call, render.payment_method(method))

    return await ports.store.write(once(ports, call, work))


async def detach(ports: Ports, call: Call) -> Answer:
    """Take a payment method from its customer; it can never be used again."""

    def work(books: Books) -> Answer:
        method = method_of(books, call, call.identifiers[0], param=None)
        if method.customer is None:
            message = "The payment method you provided is not attached to a customer so detachment is impossible."
            raise ApiError(400, message, param="payment_method")
        method = method._replace(customer=None, is_spent=1)
        books.put(method)
        return shown(books, call, render.payment_method(method))

    return await ports.store.write(once(ports, call, work))


async def list_all(ports: Ports, call: Call) -> Answer:
    """List payment methods, of one customer or of all."""

    def work(books: Books) -> Answer:
        where = {}
        if "customer" in call.params:
            where["customer"] = customer_of(books, call, call.params["customer"]).id
        return listed(books, call, Method, where, render.payment_method, "PaymentMethod")

    return await ports.store.read(work)


async def store_card(ports: Ports, call: Call, params: Mapping[str, Any], prefix: str = "") -> Method:
    """Give a card to the HSM and return the row of its payment method, which is not in the books yet.

    Parameters
    ----------
    params
        By the specification of a payment method: `card`, `billing_details`, ...
    prefix
        Name of the hash that holds them, for errors.

    Raises
    ------
    ApiError
        402 for what cannot be a card, 400 for missing parts, 503 if the HSM does not answer.
    """
    typed = params["card"]
    now = ports.business()
    if "token" in typed:
        virtual = virtual_card(typed["token"] or "", now)
        if virtual is None:
            raise ApiError(400, "No such token", code="resource_missing", param="card[token]")
        typed = virtual
    for part in ("number", "exp_month", "exp_year"):
        if typed.get(part) is None:
            raise missing_parameter(f"{prefix}[card][{part}]" if prefix else f"card[{part}]")
    data, face = card_of(typed, now)
    stored = await ports.hsm.call(StoreCard(data.pan, data.expiry, data.cvc, call.account.id), ports.timeouts.hsm_s)
    if stored is None:
        raise unavailable()
    if stored.code != ACCEPTED:
        message = "Your card number is incorrect."
        raise ApiError(402, message, kind=CARD_ERROR, code="incorrect_number", param="number")
    details = {name: params[name] for name in ("billing_details", "allow_redisplay") if params.get(name)}
    return Method(
        id=ports.identifier("pm"),
        account=call.account.id,
        created=int(now.timestamp()),
        customer=None,
        token=stored.token,
        fingerprint=stored.fingerprint,
        cvc_check=None,
        is_spent=0,
        details=dumps(details),
        metadata=dumps(merged_metadata({}, params.get("metadata", {}))),
        **face._asdict(),
    )


async def store_virtual(ports: Ports, call: Call, name: str | None) -> Method | None:
    """Return a payment method made of a virtual card (`pm_card_visa`); None if the name is not one."""
    if name is None or (card := virtual_card(name, ports.business())) is None:
        return None
    return await store_card(ports, call, {"card": card})


def is_virtual(name: str | None) -> bool:
    """Whether a payment method's name stands for a virtual card, which has to be made first."""
    return name is not None and is_virtual_name(name)


def bring(books: Books, method: Method | None) -> Method | None:
    """Put a payment method that was just made into the books."""
    return None if method is None else _added(books, method)


def attached(books: Books, call: Call, method: Method, customer: str) -> Method:
    """Return the method bound to a customer.

    Raises
    ------
    ApiError
        400: it belongs to another one, or was used or detached before.
    """
    if method.customer is not None and method.customer != customer:
        message = "The payment method you provided has already been attached to a customer."
        raise ApiError(400, message, param="payment_method")
    if method.is_spent:
        raise spent()
    return method._replace(customer=customer)


def spent() -> ApiError:
    """Return the refusal of a payment method that may not be used again."""
    message = (
        "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment or was "
        "detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach "
        "it to a Customer first."
    )
    return ApiError(400, message, param="payment_method")


def billing_of(method: Method) -> Any:
    """Return the billing details of a method, as they were given."""
    return json.loads(method.details).get("billing_details")


def _added(books: Books, method: Method) -> Method:
    books.add(method)
    return method
