"""Whom a payment method belongs to: attached for good, detached for good, or used once and then no more.

Everything here runs inside a unit of work.
"""

from __future__ import annotations

import json

from gateway.core import render
from gateway.core.books import Books
from gateway.core.errors import ApiError, no_such
from gateway.core.events import Cause, emit, emit_update
from gateway.core.records import Customer, Method
from gateway.core.render import dumps
from gateway.core.responses import Outcome


def attach_to(books: Books, cause: Cause, method: Method, customer: str) -> Method:
    """Bind a method to a customer; return its row.

    Raises
    ------
    ApiError
        As `attach_refusal`.
    """
    refusal = attach_refusal(books, method, customer)
    if refusal is not None:
        raise refusal
    if method.customer == customer:
        return method
    method = method._replace(customer=customer)
    books.put(method)
    emit(books, cause, "payment_method.attached", render.payment_method(method))
    return method


def attach_refusal(books: Books, method: Method, customer: str) -> ApiError | None:
    """Return why a method cannot be bound to a customer: gone, belongs to another one, used or detached before."""
    row = books.get(Customer, customer)
    if row is None or row.account != method.account or row.deleted:
        return no_such("customer", customer, status=400, param="customer")
    if method.customer is not None and method.customer != customer:
        message = "The payment method you provided has already been attached to a customer."
        return ApiError(400, message, param="payment_method")
    return spent() if method.is_spent else None


def detach_from(books: Books, cause: Cause, method: Method) -> Method:
    """Take a method from its customer, for good; return its row."""
    before = render.payment_method(method)
    method = method._replace(customer=None, is_spent=1)
    books.put(method)
    emit_update(books, cause, "payment_method.detached", before, render.payment_method(method))
    return method


def forget_default(books: Books, cause: Cause, customer: str, method: str) -> None:
    """Take back that a method is the default of the customer that it is taken from, if it is."""
    row = books.get(Customer, customer)
    if row is None or json.loads(row.details).get("default_payment_method") != method:
        return
    details = {**json.loads(row.details), "default_payment_method": None}
    changed = row._replace(details=dumps(details))
    books.put(changed)
    emit_update(books, cause, "customer.updated", render.customer(row), render.customer(changed))


def after_payment(books: Books, cause: Cause, method: Method, customer: str | None) -> Method:
    """Return a method that has paid: kept for `customer` if one is named and still there, else used up.

    The caller puts the row into the books.
    """
    if method.customer is not None:
        return method
    if customer is None or attach_refusal(books, method, customer) is not None:
        return method._replace(is_spent=1)
    return attach_to(books, cause, method, customer)


def check_usable(method: Method, customer: str | None) -> None:
    """Refuse a method that a payment or a setup of this customer may not use.

    Raises
    ------
    ApiError
        400: it belongs to another customer, or was used up.
    """
    if method.is_spent:
        raise spent()
    if method.customer is None or method.customer == customer:
        return
    if customer is None:
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


def spent() -> ApiError:
    """Return the refusal of a payment method that may not be used again."""
    message = (
        "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment or was "
        "detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach "
        "it to a Customer first."
    )
    return ApiError(400, message, param="payment_method")


def checked(method: Method, outcome: Outcome) -> Method:
    """Return the method with the checks that the network has made of it; what it did not check stays as it was."""
    if outcome.cvc_check is not None:
        method = method._replace(cvc_check=outcome.cvc_check)
    if outcome.avs is not None:
        method = method._replace(details=dumps({**json.loads(method.details), "avs": outcome.avs}))
    return method
