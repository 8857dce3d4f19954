"""The life of one authorisation in the books: begun, concluded, or reversed.

Each function is one half of a transaction. `begin` writes down what will be sent before a byte of it is; `conclude`
writes what came of it, with its events; `reversed_payment` ends a doubt. No outcome but the network's word makes a
payment succeed.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from gateway.core import render
from gateway.core.books import Books
from gateway.core.captures import advise_capture
from gateway.core.errors import error_body
from gateway.core.events import emit
from gateway.core.intents import REQUIRES_CAPTURE, SUCCEEDED, next_status, refusal
from gateway.core.messages import address_field
from gateway.core.methods import after_payment, checked
from gateway.core.records import Charge, Intent, Method, SendRecord
from gateway.core.render import Shape, dumps
from gateway.core.responses import PROCESSING_ERROR, Kind, Outcome, address_checks
from gateway.core.sends import AUTHORISE, REVERSED, At, Origin, cause_of, opening, owe_void
from gateway.core.terms import Terms, features_of, mode_of, sets_up, takes_partial
from iso.money import currency
from iso.private import ADDRESS, INITIATOR, PARTIAL_APPROVAL

_MERCHANT, _YES = "M", "1"


def begin(books: Books, intent: Intent, method: Method, origin: Origin, charge: str, now: datetime) -> SendRecord:
    """Put a payment under way.

    Parameters
    ----------
    books
        The intent's row is replaced, a send record added.
    intent
        In a state that can be confirmed.
    method
        The card that pays; it belongs to the intent's customer or to nobody.
    origin
        As whom to send.
    charge
        Id of the charge that the attempt will be.
    now
        Business time, aware UTC.

    Returns
    -------
    SendRecord
        What the 0100 is built from.

    Raises
    ------
    ApiError
        400 `payment_intent_unexpected_state`.
    """
    mode = mode_of(intent)
    status = next_status(intent.status, "confirm", mode)
    if status is None:
        raise refusal(intent.status, "confirm", render.payment_intent(intent))
    books.put(intent._replace(status=status, method=method.id, last_error=None))
    tags = {}
    if address := address_field(json.loads(method.details).get("billing_details")):
        tags[ADDRESS] = address
    if takes_partial(intent):
        tags[PARTIAL_APPROVAL] = _YES
    if mode.is_off_session:
        tags[INITIATOR] = _MERCHANT
    return opening(
        books,
        AUTHORISE,
        method,
        origin,
        now,
        account=intent.account,
        charge=charge,
        intent=intent.id,
        amount=intent.amount,
        currency=currency(intent.currency).numeric,
        tags=tags,
    )


def conclude(books: Books, record: SendRecord, outcome: Outcome, at: At, terms: Terms) -> tuple[int, Shape]:
    """Write down what came of a payment: with its capture if that is automatic, with its void if it is not known.

    Parameters
    ----------
    books
        Intent, charge, method and send record change together; what has to arrive is owed in the same transaction.
    record
        As `begin` returned it.
    outcome
        The network's word.
    at
        Now.
    terms
        How long an authorisation stands, and what may be done with it.

    Returns
    -------
    tuple[int, Shape]
        HTTP status and body: the intent, or the error of a declined payment.
    """
    intent, method = _parties(books, record)
    result = outcome.kind.value if outcome.kind in (Kind.UNKNOWN, Kind.NOT_SENT) else outcome.response_code
    record = record._replace(
        result=result or "", rrn=outcome.rrn, authorisation_code=outcome.authorisation_code or None
    )
    books.put(record)
    method = checked(method, outcome)
    charge = _charge(record, intent, method, outcome, at)
    if outcome.kind is Kind.APPROVED:
        return 200, _succeed(books, intent, method, charge, record, at, terms)
    books.put(method)
    if outcome.kind is Kind.UNKNOWN:
        return 200, _doubt(books, intent, charge, record, at)
    books.add(charge)
    return 402, _fail(books, intent, method, charge, record, at)


def reversed_payment(books: Books, record: SendRecord, at: At) -> None:
    """End the doubt about a payment whose reversal was accepted: it failed, whatever the issuer once said."""
    intent, method = _parties(books, record)
    charge = books.get(Charge, record.charge)
    assert charge is not None
    told = PROCESSING_ERROR
    charge = charge._replace(
        status="failed",
        network_status=render.REVERSED_AFTER_APPROVAL,
        failure_code=told.code,
        failure_message=told.message,
    )
    books.put(charge)
    books.put(record._replace(result=REVERSED))
    _fail(books, intent, method, charge, record, at)


def _parties(books: Books, record: SendRecord) -> tuple[Intent, Method]:
    intent = books.get(Intent, record.intent)
    assert intent is not None
    method = books.get(Method, intent.method or "")
    assert method is not None
    return intent, method


_NETWORK_STATUS = {
    Kind.APPROVED: ("succeeded", render.APPROVED_BY_NETWORK),
    Kind.DECLINED: ("failed", render.DECLINED_BY_NETWORK),
    Kind.NOT_SENT: ("failed", render.NOT_SENT_TO_NETWORK),
    Kind.UNKNOWN: ("pending", render.UNDECIDED),
}


def _charge(record: SendRecord, intent: Intent, method: Method, outcome: Outcome, at: At) -> Charge:
    status, network_status = _NETWORK_STATUS[outcome.kind]
    details = json.loads(intent.details)
    billing = json.loads(method.details).get("billing_details")
    carried = _carried_over(details)
    if takes_partial(intent):
        carried["asked"] = record.amount
    charge = Charge(
        id=record.charge,
        account=record.account,
        created=at.created,
        intent=intent.id,
        customer=intent.customer,
        method=method.id,
        amount=record.amount if outcome.approved is None else outcome.approved,
        amount_captured=0,
        amount_refunded=0,
        amount_released=0,
        captures=0,
        captured=0,
        currency=intent.currency,
        status=status,
        network_status=network_status,
        response_code=outcome.response_code,
        authorisation_code=outcome.authorisation_code,
        rrn=outcome.rrn,
        network_transaction_id=outcome.network_transaction_id,
        network_advice_code=outcome.network_advice_code,
        failure_code=None,
        failure_message=None,
        expires_at=None,
        balance_transaction=None,
        card=render.card_snapshot(method, {"cvc_check": outcome.cvc_check, **address_checks(outcome.avs, billing)}),
        details=dumps({**carried, "billing_details": billing}),
        metadata=intent.metadata,
    )
    if status != "failed":
        return charge
    told = render.decline_of(charge)
    return charge._replace(failure_code=told.code, failure_message=told.message)


def _carried_over(details: dict[str, Any]) -> dict[str, Any]:
    """Return what a charge takes over from its intent."""
    names = ("description", "receipt_email", "shipping", "statement_descriptor", "statement_descriptor_suffix")
    return {name: details[name] for name in (*names, "transfer_group") if details.get(name) is not None}


def _succeed(
    books: Books, intent: Intent, method: Method, charge: Charge, record: SendRecord, at: At, terms: Terms
) -> Shape:
    is_kept = bool(intent.customer and sets_up(intent))
    method = after_payment(books, cause_of(record, at), method, intent.customer if is_kept else None)
    books.put(method)
    status = _moved(intent, "approve")
    if status == SUCCEEDED:
        charge = charge._replace(amount_captured=charge.amount, captures=1, captured=1)
        intent = intent._replace(amount_received=charge.amount)
        origin = Origin(record.terminal, record.merchant, record.trace, record.request)
        charge = advise_capture(books, charge, record, origin, at, charge.amount, is_final=True)
    else:
        features = features_of(intent, terms)
        stands_s = terms.extended_s if features.is_extended else terms.authorised_s
        details = {**json.loads(charge.details), "features": list(features)}
        charge = charge._replace(expires_at=at.created + stands_s, details=dumps(details))
        intent = intent._replace(amount_capturable=charge.amount)
    books.add(charge)
    intent = intent._replace(status=status, latest_charge=charge.id, last_error=None)
    books.put(intent)
    shape, cause = render.payment_intent(intent), cause_of(record, at)
    emit(books, cause, "charge.succeeded", render.charge(charge))
    changed = "amount_capturable_updated" if status == REQUIRES_CAPTURE else "succeeded"
    emit(books, cause, f"payment_intent.{changed}", shape)
    return shape


def _doubt(books: Books, intent: Intent, charge: Charge, record: SendRecord, at: At) -> Shape:
    books.add(charge)
    owe_void(books, record, at)
    intent = intent._replace(status=_moved(intent, "doubt"), latest_charge=charge.id)
    books.put(intent)
    shape, cause = render.payment_intent(intent), cause_of(record, at)
    emit(books, cause, "charge.pending", render.charge(charge))
    emit(books, cause, "payment_intent.processing", shape)
    return shape


def _fail(books: Books, intent: Intent, method: Method, charge: Charge, record: SendRecord, at: At) -> Shape:
    members = render.payment_error(charge, method)
    intent = intent._replace(
        status=_moved(intent, "fail"), method=None, latest_charge=charge.id, last_error=dumps(members)
    )
    books.put(intent)
    shape, cause = render.payment_intent(intent), cause_of(record, at)
    emit(books, cause, "charge.failed", render.charge(charge))
    emit(books, cause, "payment_intent.payment_failed", shape)
    kind, message = members.pop("type"), members.pop("message")
    return error_body(kind, message, **members, payment_intent=shape)


def _moved(intent: Intent, event: str) -> str:
    status = next_status(intent.status, event, mode_of(intent))
    assert status is not None, "only a payment under way is concluded"
    return status
