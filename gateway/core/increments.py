"""Increments: more is held on an authorisation that stands, if its issuer agrees.

The payment is busy from the first transaction to the second, so that nothing else changes it meanwhile. Whatever the
network says but an approval leaves the amounts as they were.
"""

from __future__ import annotations

from gateway.core import render
from gateway.core.amounts import check_amount, known_currency
from gateway.core.books import Books
from gateway.core.captures import authorisation_of, features_of_charge, held_charge
from gateway.core.errors import ApiError, error_body
from gateway.core.events import emit, emit_update
from gateway.core.intents import busy
from gateway.core.records import Charge, Intent, Method, SendRecord
from gateway.core.render import Shape
from gateway.core.responses import Kind, Outcome
from gateway.core.sends import INCREMENT, REVERSED, At, Origin, cause_of, following, has_open_duties, owe_void
from gateway.core.terms import Terms


def begin_increment(books: Books, intent: Intent, amount: int, origin: Origin, at: At, terms: Terms) -> SendRecord:
    """Write down the question for more.

    Parameters
    ----------
    books
        The payment becomes busy, a send record is added.
    intent
        As it is in the books, with what else the request changes of it.
    amount
        The new total, minor units.

    Returns
    -------
    SendRecord
        Its amount is the increment.

    Raises
    ------
    ApiError
        400: not in this state, not for this payment, not this amount. 429 `lock_timeout`: something else of this
        payment is under way.
    """
    charge = held_charge(books, intent, "increment", at)
    shape = {"payment_intent": render.payment_intent(intent)}
    check_amount(amount, known_currency(intent.currency))
    if not features_of_charge(charge).has_increments:
        message = (
            "This PaymentIntent is not eligible for incremental authorization: ask for it with "
            "payment_method_options[card][request_incremental_authorization] before you confirm it."
        )
        raise ApiError(400, message, extra=shape)
    if amount <= charge.amount:
        message = f"The amount must be greater than the currently authorized amount ({charge.amount})."
        raise ApiError(400, message, code="amount_too_small", param="amount", extra=shape)
    count = len(books.find(SendRecord, {"charge": charge.id, "kind": INCREMENT}))
    if count >= terms.increments_max:
        message = f"A PaymentIntent can be incremented {terms.increments_max} times."
        raise ApiError(400, message, param="amount", extra=shape)
    if has_open_duties(books, charge.id):
        # What was decided before has to arrive before: a capture of a part, the void of an increment in doubt.
        raise busy()
    root = authorisation_of(books, charge)
    delta = amount - charge.amount
    record = following(books, INCREMENT, root, origin, at.business, number=count + 1, amount=delta)
    books.put(intent._replace(busy=record.id))
    return record


def conclude_increment(books: Books, record: SendRecord, outcome: Outcome, at: At) -> tuple[int, Shape]:
    """Write down what came of the question for more; an Unknown owes its void.

    Returns
    -------
    tuple[int, Shape]
        HTTP status and body: the payment with its new amount, or an error that leaves it as it was.
    """
    intent, charge = books.get(Intent, record.intent), books.get(Charge, record.charge)
    assert intent is not None
    assert charge is not None
    result = outcome.kind.value if outcome.kind in (Kind.UNKNOWN, Kind.NOT_SENT) else outcome.response_code
    record = record._replace(result=result or "", authorisation_code=outcome.authorisation_code)
    books.put(record)
    intent = intent._replace(busy=None)
    if outcome.kind is Kind.APPROVED:
        return 200, _grown(books, intent, charge, record, at)
    books.put(intent)
    if outcome.kind is Kind.UNKNOWN:
        owe_void(books, record, at)
    return 402, _declined(books, intent, charge, outcome)


def undone_increment(books: Books, record: SendRecord, at: At) -> None:
    """Note that an increment in doubt is undone: the payment never had it."""
    books.put(record._replace(result=REVERSED))


def _grown(books: Books, intent: Intent, charge: Charge, record: SendRecord, at: At) -> Shape:
    before = render.charge(charge)
    charge = charge._replace(amount=charge.amount + record.amount)
    intent = intent._replace(
        amount=max(intent.amount, charge.amount), amount_capturable=intent.amount_capturable + record.amount
    )
    books.put(intent)
    books.put(charge)
    shape, cause = render.payment_intent(intent), cause_of(record, at)
    emit_update(books, cause, "charge.updated", before, render.charge(charge))
    emit(books, cause, "payment_intent.amount_capturable_updated", shape)
    return shape


def _declined(books: Books, intent: Intent, charge: Charge, outcome: Outcome) -> Shape:
    method = books.get(Method, charge.method)
    assert method is not None
    status = render.DECLINED_BY_NETWORK if outcome.kind is Kind.DECLINED else render.NOT_SENT_TO_NETWORK
    attempt = charge._replace(
        status="failed",
        network_status=status,
        response_code=outcome.response_code,
        network_advice_code=outcome.network_advice_code,
    )
    members = render.payment_error(attempt, method)
    kind, message = members.pop("type"), members.pop("message")
    return error_body(kind, message, **members, payment_intent=render.payment_intent(intent))
