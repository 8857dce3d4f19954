"""Customers: who a merchant's payment methods and payments belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.core import render
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.errors import ApiError
from gateway.core.parameters import merged_metadata
from gateway.core.records import Customer, Method
from gateway.core.render import dumps
from gateway.handlers.cards import attached, bring, store_virtual
from gateway.handlers.context import Call, Ports, customer_of, early_replay, listed, method_of, once, owned, shown

_DETAILS = ("address", "description", "name", "phone", "preferred_locales", "shipping")


async def create(ports: Ports, call: Call) -> Answer:
    """Create a customer, with a first payment method if one is given."""
    identifier, created = ports.identifier("cus"), ports.created()
    named = call.params.get("payment_method")
    if named and (answer := await early_replay(ports, call)):
        return answer
    bringing = await store_virtual(ports, call, named)

    def work(books: Books) -> Answer:
        params = call.params
        details, metadata = _changed({}, params), merged_metadata({}, params.get("metadata", {}))
        row = Customer(identifier, call.account.id, created, _email(params), dumps(details), dumps(metadata), deleted=0)
        _check_default(books, call, row, details)
        books.add(row)
        if named:
            method = bring(books, bringing) or method_of(books, call, named)
            books.put(attached(books, call, method, identifier))
        return shown(books, call, render.customer(row))

    return await ports.store.write(once(ports, call, work))


async def retrieve(ports: Ports, call: Call) -> Answer:
    """Return a customer; a deleted one says so."""

    def work(books: Books) -> Answer:
        row = owned(books, call, Customer, call.identifiers[0], what="customer")
        return shown(books, call, render.customer(row))

    return await ports.store.read(work)


async def update(ports: Ports, call: Call) -> Answer:
    """Change what is given, keep the rest."""

    def work(books: Books) -> Answer:
        params, row = call.params, customer_of(books, call, call.identifiers[0], param=None)
        details = _changed(json.loads(row.details), params)
        metadata = json.loads(row.metadata)
        if "metadata" in params:
            metadata = merged_metadata(metadata, params["metadata"])
        email = _email(params) if "email" in params else row.email
        row = row._replace(email=email, details=dumps(details), metadata=dumps(metadata))
        _check_default(books, call, row, details)
        books.put(row)
        return shown(books, call, render.customer(row))

    return await ports.store.write(once(ports, call, work))


async def delete(ports: Ports, call: Call) -> Answer:
    """Delete a customer: its personal data goes, its payment methods are detached, its payments stay."""

    def work(books: Books) -> Answer:
        row = customer_of(books, call, call.identifiers[0], param=None)
        row = row._replace(email=None, details="{}", metadata="{}", deleted=1)
        books.put(row)
        for method in books.find(Method, {"customer": row.id, "account": call.account.id}):
            books.put(method._replace(customer=None, is_spent=1))
        return shown(books, call, render.customer(row))

    return await ports.store.write(once(ports, call, work))


async def list_all(ports: Ports, call: Call) -> Answer:
    """List the customers that are not deleted."""
    where: dict[str, Any] = {"deleted": 0}
    if "email" in call.params:
        where["email"] = call.params["email"]
    return await ports.store.read(lambda books: listed(books, call, Customer, where, render.customer, "customer"))


async def list_methods(ports: Ports, call: Call) -> Answer:
    """List a customer's payment methods."""

    def work(books: Books) -> Answer:
        row = customer_of(books, call, call.identifiers[0], param=None)
        return listed(books, call, Method, {"customer": row.id}, render.payment_method, "PaymentMethod")

    return await ports.store.read(work)


async def retrieve_method(ports: Ports, call: Call) -> Answer:
    """Return one payment method of a customer."""

    def work(books: Books) -> Answer:
        row = customer_of(books, call, call.identifiers[0], param=None)
        method = method_of(books, call, call.identifiers[1], param=None)
        if method.customer != row.id:
            message = f"No such PaymentMethod: '{method.id}' for this customer"
            raise ApiError(404, message, code="resource_missing", param="payment_method")
        return shown(books, call, render.payment_method(method))

    return await ports.store.read(work)


def _changed(details: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    changes = {name: params[name] for name in _DETAILS if name in params}
    settings = params.get("invoice_settings") or {}
    if "default_payment_method" in settings:
        changes["default_payment_method"] = settings["default_payment_method"]
    return {**details, **changes}


def _check_default(books: Books, call: Call, row: Customer, details: Mapping[str, Any]) -> None:
    name, param = details.get("default_payment_method"), "invoice_settings[default_payment_method]"
    if name is None:
        return
    if method_of(books, call, name, param=param).customer != row.id:
        message = f"The customer does not have a payment method with the ID {name}."
        raise ApiError(400, message, code="resource_missing", param=param)


def _email(params: Mapping[str, Any]) -> str | None:
    email: str | None = params.get("email")
    if email is not None and not (0 < email.find("@") < len(email) - 1 and not set(email) & set(" \t\r\n")):
        raise ApiError(400, "Invalid email address", code="email_invalid", param="email")
    return email
