"""Customers: who a merchant's payment methods and payments belong to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from gateway.core import render
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.errors import ApiError, no_such
from gateway.core.events import emit, emit_update
from gateway.core.metadata import metadata_after
from gateway.core.methods import attach_to, detach_from
from gateway.core.records import Customer, Method
from gateway.core.render import dumps
from gateway.handlers.cards import bring, store_virtual
from gateway.handlers.context import (
    Call,
    Ports,
    cause_of_call,
    customer_of,
    early_replay,
    listed,
    method_of,
    once,
    owned,
    shown,
)

_DETAILS = (
    "address",
    "balance",
    "business_name",
    "description",
    "individual_name",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
)
_INVOICES = ("custom_fields", "footer", "rendering_options")
_DEFAULT = "default_payment_method"
_DEFAULT_PARAM = f"invoice_settings[{_DEFAULT}]"
_PREFIX = re.compile(r"[A-Z0-9]{3,12}")


async def create(ports: Ports, call: Call) -> Answer:
    """Create a customer, with a first payment method if one is given."""
    identifier, created, cause = ports.identifier("cus"), ports.created(), cause_of_call(ports, call)
    named = call.params.get("payment_method")
    if named and (answer := await early_replay(ports, call)):
        return answer
    bringing = await store_virtual(ports, call, named)

    def work(books: Books) -> Answer:
        params = call.params
        _check_clock(params)
        details, metadata = _changed({}, params), metadata_after("{}", params)
        default = details.pop(_DEFAULT, None)
        row = Customer(identifier, call.account.id, created, params.get("email"), dumps(details), metadata, deleted=0)
        books.add(row)
        method = (bring(books, bringing) or method_of(books, call, named)) if named else None
        if method is not None and default in (named, method.id):
            row = row._replace(details=dumps({**details, _DEFAULT: method.id}))
            books.put(row)
        elif default is not None:
            _check_default(books, call, row, default)
        emit(books, cause, "customer.created", render.customer(row))
        if method is not None:
            attach_to(books, cause, method, identifier)
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
    cause = cause_of_call(ports, call)

    def work(books: Books) -> Answer:
        params, row = call.params, customer_of(books, call, call.identifiers[0], param=None)
        before = render.customer(row)
        details = _changed(json.loads(row.details), params)
        email = params.get("email") if "email" in params else row.email
        row = row._replace(email=email, details=dumps(details), metadata=metadata_after(row.metadata, params))
        if details.get(_DEFAULT) is not None:
            _check_default(books, call, row, details[_DEFAULT])
        books.put(row)
        emit_update(books, cause, "customer.updated", before, render.customer(row))
        return shown(books, call, render.customer(row))

    return await ports.store.write(once(ports, call, work))


async def delete(ports: Ports, call: Call) -> Answer:
    """Delete a customer: its personal data goes, its payment methods are detached, its payments stay."""
    cause = cause_of_call(ports, call)

    def work(books: Books) -> Answer:
        row = customer_of(books, call, call.identifiers[0], param=None)
        for method in books.find(Method, {"customer": row.id, "account": call.account.id}):
            detach_from(books, cause, method)
        emit(books, cause, "customer.deleted", render.customer(row))
        row = row._replace(email=None, details="{}", metadata="{}", deleted=1)
        books.put(row)
        return shown(books, call, render.customer(row))

    return await ports.store.write(once(ports, call, work))


async def list_all(ports: Ports, call: Call) -> Answer:
    """List the customers that are not deleted."""
    _check_clock(call.params)
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
    if changes.get("invoice_prefix") is not None and not _PREFIX.fullmatch(changes["invoice_prefix"]):
        message = "Invoice prefixes must have from 3 to 12 characters, and only uppercase letters and digits."
        raise ApiError(400, message, param="invoice_prefix")
    settings = params.get("invoice_settings") or {}
    if _DEFAULT in settings:
        changes[_DEFAULT] = settings[_DEFAULT]
    invoices = {name: settings[name] for name in _INVOICES if name in settings}
    if invoices:
        changes["invoice_settings"] = {**(details.get("invoice_settings") or {}), **invoices}
    return {**details, **changes}


def _check_default(books: Books, call: Call, row: Customer, name: str) -> None:
    if method_of(books, call, name, param=_DEFAULT_PARAM).customer != row.id:
        message = f"The customer does not have a payment method with the ID {name}."
        raise ApiError(400, message, code="resource_missing", param=_DEFAULT_PARAM)


def _check_clock(params: Mapping[str, Any]) -> None:
    """Refuse a test clock: there are none that an account could have made."""
    if "test_clock" in params:
        raise no_such("test clock", params["test_clock"], status=400, param="test_clock")
