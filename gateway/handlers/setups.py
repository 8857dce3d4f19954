"""SetupIntents: a card is kept for later once its issuer has nothing against it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gateway.core import claims, setups
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.events import emit
from gateway.core.intents import CANCELED, REQUIRES_PAYMENT_METHOD
from gateway.core.metadata import metadata_after
from gateway.core.methods import check_usable
from gateway.core.obligations import micros
from gateway.core.records import Method, SendRecord
from gateway.core.records_setup import SetupAttempt, SetupIntent
from gateway.core.render import dumps
from gateway.core.render_setup import setup_attempt, setup_intent
from gateway.handlers import intents
from gateway.handlers.cards import bring
from gateway.handlers.context import (
    Call,
    Ports,
    cause_of_call,
    customer_of,
    listed,
    once,
    owned,
    shown,
)
from gateway.handlers.payments import carry_through

_NOTES = frozenset({"description", "expand", "metadata"})
"""What may be noted of a setup in every state."""


async def create(ports: Ports, call: Call) -> Answer:
    """Create a setup; with `confirm=true` ask the issuer at once."""
    if not call.params.get("confirm"):
        intents.check_unconfirmed(call, "SetupIntent")
    bringing = await intents.brought(ports, call)
    if isinstance(bringing, Answer):
        return bringing
    blank, cause = _drafted(ports, call), cause_of_call(ports, call)

    def draft(books: Books) -> SetupIntent:
        setup = _chosen(books, call, blank, bring(books, bringing))
        books.add(setup)
        emit(books, cause, "setup_intent.created", setup_intent(setup))
        return setup

    if call.params.get("confirm"):
        return await _verify(ports, call, draft)
    return await ports.store.write(once(ports, call, lambda books: shown(books, call, setup_intent(draft(books)))))


async def retrieve(ports: Ports, call: Call) -> Answer:
    """Return a setup; with a publishable key only to whoever knows its client secret."""

    def work(books: Books) -> Answer:
        setup = _setup_of(books, call)
        intents.check_secret(call, setup)
        return shown(books, call, setup_intent(setup))

    return await ports.store.read(work)


async def update(ports: Ports, call: Call) -> Answer:
    """Change a setup that is not under way; what is noted of it may change in every state."""
    bringing = await intents.brought(ports, call)
    if isinstance(bringing, Answer):
        return bringing

    def work(books: Books) -> Answer:
        setup = _setup_of(books, call)
        if not call.params.keys() <= _NOTES and setups.next_status(setup.status, "update") is None:
            raise setups.refusal("update", setup)
        setup = _chosen(books, call, setup, bring(books, bringing))
        books.put(setup)
        return shown(books, call, setup_intent(setup))

    return await ports.store.write(once(ports, call, work))


async def confirm(ports: Ports, call: Call) -> Answer:
    """Ask the issuer about the card of a setup that exists."""
    bringing = await intents.brought(ports, call)
    if isinstance(bringing, Answer):
        return bringing

    def find(books: Books) -> SetupIntent:
        setup = _setup_of(books, call)
        intents.check_secret(call, setup)
        if setups.next_status(setup.status, "supply") is None:
            raise setups.refusal("confirm", setup)
        return _chosen(books, call, setup, bring(books, bringing))

    return await _verify(ports, call, find)


async def cancel(ports: Ports, call: Call) -> Answer:
    """Give a setup up."""
    cause = cause_of_call(ports, call)

    def work(books: Books) -> Answer:
        setup = _setup_of(books, call)
        if setups.next_status(setup.status, "cancel") is None:
            raise setups.refusal("cancel", setup)
        setup = setup._replace(status=CANCELED, cancellation_reason=call.params.get("cancellation_reason"))
        books.put(setup)
        emit(books, cause, "setup_intent.canceled", setup_intent(setup))
        return shown(books, call, setup_intent(setup))

    return await ports.store.write(once(ports, call, work))


async def list_all(ports: Ports, call: Call) -> Answer:
    """List setups, of one customer, of one card, or of all."""
    names = {"customer": "customer", "payment_method": "method"}
    where = {column: call.params[name] for name, column in names.items() if name in call.params}
    return await ports.store.read(lambda books: listed(books, call, SetupIntent, where, setup_intent, "setupintent"))


async def list_attempts(ports: Ports, call: Call) -> Answer:
    """List the attempts at one setup."""

    def work(books: Books) -> Answer:
        name = call.params["setup_intent"]
        setup = owned(books, call, SetupIntent, name, what="setupintent", param="setup_intent")
        return listed(books, call, SetupAttempt, {"setup": setup.id}, setup_attempt, "setup_attempt")

    return await ports.store.read(work)


async def _verify(ports: Ports, call: Call, find: Callable[[Books], SetupIntent]) -> Answer:
    """Carry one account verification through the network; `find` gives the setup within the first transaction."""
    attempt, at, claimed_at = ports.identifier("setatt"), ports.now(), micros(ports.wall())

    def prepare(books: Books) -> Answer | SendRecord:
        if answer := claims.claim(books, call.ticket, claimed_at, call.manner.text()):
            return answer
        return setups.begin_setup(books, find(books), call.origin, attempt, at)

    return await carry_through(ports, call, prepare)


def _drafted(ports: Ports, call: Call) -> SetupIntent:
    identifier = ports.identifier("seti")
    return SetupIntent(
        id=identifier,
        account=call.account.id,
        created=ports.created(),
        customer=None,
        status=REQUIRES_PAYMENT_METHOD,
        usage=call.params.get("usage", "off_session"),
        method=None,
        latest_attempt=None,
        client_secret=ports.identifier(f"{identifier}_secret"),
        last_error=None,
        cancellation_reason=None,
        details=dumps(intents.offered(call.params)),
        metadata="{}",
    )


def _chosen(books: Books, call: Call, setup: SetupIntent, bringing: Method | None) -> SetupIntent:
    """Return the setup with the customer, card and notes that the request gives it.

    Raises
    ------
    ApiError
        400: something named does not exist, or the card belongs to somebody else.
    """
    params = call.params
    if "customer" in params:
        setup = setup._replace(customer=customer_of(books, call, params["customer"]).id)
    method = intents.supplied(books, call, bringing)
    if method is not None:
        setup = _moved(setup, "supply")._replace(method=method.id)
    elif "payment_method" in params:
        setup = _moved(setup, "withdraw")._replace(method=None)
    held = method or (setup.method and books.get(Method, setup.method)) or None
    if held is not None and not params.keys() <= _NOTES:
        check_usable(held, setup.customer)
    return setup._replace(details=dumps(_described(setup, params)), metadata=metadata_after(setup.metadata, params))


def _described(setup: SetupIntent, params: Any) -> dict[str, Any]:
    details: dict[str, Any] = json.loads(setup.details)
    if "description" in params:
        details["description"] = params["description"]
    if params.get("payment_method_types"):
        details["payment_method_types"] = params["payment_method_types"]
    if params.get("payment_method_options"):
        held, given = details.get("payment_method_options") or {}, params["payment_method_options"]
        details["payment_method_options"] = {"card": {**(held.get("card") or {}), **(given.get("card") or {})}}
    return details


def _moved(setup: SetupIntent, event: str) -> SetupIntent:
    status = setups.next_status(setup.status, event)
    assert status is not None, "the caller has looked"
    return setup._replace(status=status)


def _setup_of(books: Books, call: Call) -> SetupIntent:
    return owned(books, call, SetupIntent, call.identifiers[0], what="setupintent")
