"""Cards are set up for later payments by asking the issuer about them: an account verification, a 0100 over nothing.

The states of a SetupIntent are one table. `begin` writes down what will be sent before a byte of it is; `conclude`
writes what came of it. A card that is attached to a customer may be verified in the same way, without a SetupIntent.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from gateway.core import render
from gateway.core.books import Books
from gateway.core.errors import ApiError, error_body
from gateway.core.events import Cause, emit
from gateway.core.intents import (
    CANCELED,
    PROCESSING,
    REQUIRES_CONFIRMATION,
    REQUIRES_PAYMENT_METHOD,
    SUCCEEDED,
)
from gateway.core.messages import address_field
from gateway.core.methods import attach_refusal, attach_to, check_usable, checked
from gateway.core.records import Method, SendRecord
from gateway.core.records_account import AccountRow
from gateway.core.records_setup import SetupAttempt, SetupIntent
from gateway.core.render import Shape, dumps
from gateway.core.render_setup import card_error, setup_intent
from gateway.core.responses import PROCESSING_ERROR, Kind, Outcome, address_checks, decline
from gateway.core.sends import REVERSED, VERIFY, At, Origin, cause_of, opening, owe_void
from gateway.core.terms import Terms
from iso.money import currency
from iso.private import ADDRESS

STATES = (REQUIRES_PAYMENT_METHOD, REQUIRES_CONFIRMATION, PROCESSING, SUCCEEDED, CANCELED)
FINAL = (SUCCEEDED, CANCELED)

MOVES: dict[tuple[str, str], str] = {
    ("supply", REQUIRES_PAYMENT_METHOD): REQUIRES_CONFIRMATION,
    ("supply", REQUIRES_CONFIRMATION): REQUIRES_CONFIRMATION,
    ("withdraw", REQUIRES_PAYMENT_METHOD): REQUIRES_PAYMENT_METHOD,
    ("withdraw", REQUIRES_CONFIRMATION): REQUIRES_PAYMENT_METHOD,
    ("update", REQUIRES_PAYMENT_METHOD): REQUIRES_PAYMENT_METHOD,
    ("update", REQUIRES_CONFIRMATION): REQUIRES_CONFIRMATION,
    ("confirm", REQUIRES_CONFIRMATION): PROCESSING,
    ("approve", PROCESSING): SUCCEEDED,
    ("fail", PROCESSING): REQUIRES_PAYMENT_METHOD,
    ("doubt", PROCESSING): PROCESSING,
    ("cancel", REQUIRES_PAYMENT_METHOD): CANCELED,
    ("cancel", REQUIRES_CONFIRMATION): CANCELED,
}
"""Event and state to the next state. `doubt` is silence; `fail` a decline, or the end of a doubt once it is undone."""

EVENTS = tuple(dict.fromkeys(event for event, _ in MOVES))
_PARTICIPLES = {"cancel": "canceled", "confirm": "confirmed"}

PENDING, VERIFIED, FAILED = "processing", "succeeded", "failed"
"""States of an attempt."""

Told = tuple[int, Shape]


class Ask(NamedTuple):
    """What a verification is for: `setup` None if the card is being attached to `customer`."""

    setup: SetupIntent | None
    customer: str | None
    usage: str


def next_status(status: str, event: str) -> str | None:
    """Return the state after `event`, or None if it cannot happen now."""
    return MOVES.get((event, status))


def refusal(event: str, setup: SetupIntent) -> ApiError:
    """Return the refusal of an event that has no row for the present state."""
    status = setup.status
    if event == "confirm" and status == REQUIRES_PAYMENT_METHOD:
        message = (
            "You cannot confirm this SetupIntent because it's missing a payment method. You can either update the "
            "SetupIntent with a payment method and then confirm it again, or confirm it again directly with a payment "
            "method."
        )
    elif event == "confirm" and status == SUCCEEDED:
        message = "You cannot confirm this SetupIntent because it has already succeeded."
    else:
        allowed = ", ".join(before for named, before in MOVES if named == event)
        message = (
            f"You cannot {event} this SetupIntent because it has a status of {status}. Only a SetupIntent with one of "
            f"the following statuses may be {_PARTICIPLES.get(event, 'updated')}: {allowed}."
        )
    shape = {"setup_intent": setup_intent(setup)}
    return ApiError(400, message, code="setup_intent_unexpected_state", extra=shape)


def begin_setup(books: Books, setup: SetupIntent, origin: Origin, attempt: str, at: At) -> SendRecord:
    """Put a setup under way.

    Parameters
    ----------
    books
        The setup is replaced, an attempt and a send record are added.
    setup
        With its method, customer and options as this confirmation wants them.
    attempt
        Id of the attempt.

    Raises
    ------
    ApiError
        400 `setup_intent_unexpected_state`, a card that this customer may not use, or a customer who has gone.
    """
    status = next_status(setup.status, "confirm")
    if status is None or setup.method is None:
        raise refusal("confirm", setup)
    method = books.get(Method, setup.method)
    assert method is not None, "a setup has its method in the books"
    check_usable(method, setup.customer)
    refused = None if setup.customer is None else attach_refusal(books, method, setup.customer)
    if refused is not None:
        raise refused
    setup = setup._replace(status=status, latest_attempt=attempt, last_error=None)
    books.put(setup)
    return begin_verification(books, method, Ask(setup, setup.customer, setup.usage), origin, attempt, at)


def begin_verification(books: Books, method: Method, ask: Ask, origin: Origin, attempt: str, at: At) -> SendRecord:
    """Write down the question whether a card is good; it is in the currency of the merchant, about an amount of 0."""
    account = books.get(AccountRow, method.account)
    assert account is not None, "a method belongs to an account"
    setup = None if ask.setup is None else ask.setup.id
    card = render.card_snapshot(method, _checks(method, Outcome(Kind.UNKNOWN)))
    books.add(
        SetupAttempt(
            id=attempt,
            account=method.account,
            created=at.created,
            setup=setup,
            customer=ask.customer,
            method=method.id,
            usage=ask.usage,
            status=PENDING,
            response_code=None,
            network_transaction_id=None,
            card=card,
            error=None,
        )
    )
    address = address_field(json.loads(method.details).get("billing_details"))
    return opening(
        books,
        VERIFY,
        method,
        origin,
        at.business,
        account=method.account,
        charge=attempt,
        intent=setup or method.id,
        amount=0,
        currency=currency(account.currency).numeric,
        tags={ADDRESS: address} if address else {},
    )


def conclude_verification(books: Books, record: SendRecord, outcome: Outcome, at: At, _terms: Terms) -> Told:
    """Write down what the issuer said of a card; silence owes a void, as every question does.

    Returns
    -------
    tuple[int, Shape]
        HTTP status and body: the setup or the method, or why the card was not taken.
    """
    result = outcome.kind.value if outcome.kind in (Kind.UNKNOWN, Kind.NOT_SENT) else outcome.response_code
    record = record._replace(result=result or "", rrn=outcome.rrn, authorisation_code=outcome.authorisation_code)
    books.put(record)
    attempt, method = _parties(books, record)
    method = checked(method, outcome)
    books.put(method)
    attempt = attempt._replace(
        response_code=outcome.response_code,
        network_transaction_id=outcome.network_transaction_id,
        card=render.card_snapshot(method, _checks(method, outcome)),
    )
    cause = cause_of(record, at)
    if outcome.kind is Kind.UNKNOWN:
        owe_void(books, record, at)
        return _doubt(books, attempt, method)
    if outcome.kind is Kind.APPROVED:
        return _succeed(books, cause, attempt, method)
    told = decline(outcome.response_code) if outcome.kind is Kind.DECLINED else PROCESSING_ERROR
    error = card_error(told, attempt, outcome.network_advice_code, render.payment_method(method))
    return 402, _fail(books, cause, attempt, error)


def undone_verification(books: Books, record: SendRecord, at: At) -> None:
    """End the doubt about a card: its question is undone, so the card is not set up."""
    books.put(record._replace(result=REVERSED))
    attempt, method = _parties(books, record)
    error = card_error(PROCESSING_ERROR, attempt, None, render.payment_method(method))
    _fail(books, cause_of(record, at), attempt, error)


def _parties(books: Books, record: SendRecord) -> tuple[SetupAttempt, Method]:
    attempt = books.get(SetupAttempt, record.subject)
    assert attempt is not None
    method = books.get(Method, attempt.method)
    assert method is not None
    return attempt, method


def _setup_of(books: Books, attempt: SetupAttempt) -> SetupIntent | None:
    return None if attempt.setup is None else books.get(SetupIntent, attempt.setup)


def _doubt(books: Books, attempt: SetupAttempt, method: Method) -> Told:
    books.put(attempt)
    setup = _setup_of(books, attempt)
    if setup is not None:
        return 200, setup_intent(setup)
    error = card_error(PROCESSING_ERROR, attempt, None, render.payment_method(method))
    return 402, _body(error)


def _succeed(books: Books, cause: Cause, attempt: SetupAttempt, method: Method) -> Told:
    if attempt.customer is not None:
        refused = attach_refusal(books, method, attempt.customer)
        if refused is not None:
            # The customer or the card went away while the issuer was asked.
            members = {"code": refused.code, "message": refused.message, "param": refused.param, "type": refused.kind}
            error = {name: value for name, value in members.items() if value is not None}
            return refused.status, _fail(books, cause, attempt, error)
        method = attach_to(books, cause, method, attempt.customer)
    books.put(attempt._replace(status=VERIFIED))
    setup = _setup_of(books, attempt)
    if setup is None:
        return 200, render.payment_method(method)
    setup = setup._replace(status=_moved(setup, "approve"), method=method.id)
    books.put(setup)
    emit(books, cause, "setup_intent.succeeded", setup_intent(setup))
    return 200, setup_intent(setup)


def _fail(books: Books, cause: Cause, attempt: SetupAttempt, error: Shape) -> Shape:
    books.put(attempt._replace(status=FAILED, error=dumps(error)))
    setup = _setup_of(books, attempt)
    if setup is None:
        return _body(error)
    setup = setup._replace(status=_moved(setup, "fail"), method=None, last_error=dumps(error))
    books.put(setup)
    shape = setup_intent(setup)
    emit(books, cause, "setup_intent.setup_failed", shape)
    return _body({**error, "setup_intent": shape})


def _body(error: Shape) -> Shape:
    members = dict(error)
    kind, message = members.pop("type"), members.pop("message")
    return error_body(kind, message, **members)


def _checks(method: Method, outcome: Outcome) -> Shape:
    billing = json.loads(method.details).get("billing_details")
    return {"cvc_check": outcome.cvc_check, **address_checks(outcome.avs, billing)}


def _moved(setup: SetupIntent, event: str) -> str:
    status = next_status(setup.status, event)
    assert status is not None, "only a setup under way is concluded"
    return status
