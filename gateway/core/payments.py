"""The life of one authorisation in the books: begun, concluded, or reversed.

Each function is one half of a transaction. `begin` writes down what will be sent before a byte of it is; `conclude`
writes what came of it; `reversed_payment` ends a doubt. No outcome but the network's word makes a payment succeed.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

from gateway.core import render
from gateway.core.books import Books
from gateway.core.errors import error_body
from gateway.core.intents import next_status, refusal
from gateway.core.obligations import incurred
from gateway.core.records import Charge, Intent, Method, SendRecord, Terminal
from gateway.core.render import Shape, dumps
from gateway.core.responses import PROCESSING_ERROR, Kind, Outcome
from iso.money import currency
from iso.stan import local_date, local_time, stan, transmission_time

UNSETTLED = ""
"""`SendRecord.result` of a request whose outcome is not in the books."""
REVERSED = "reversed"


class Origin(NamedTuple):
    """Where a payment enters the network: DE 41, DE 42, and the trace id of the request that made it."""

    terminal: str
    merchant: str
    trace: str
    claim: str | None


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
    status = next_status(intent.status, "confirm")
    if status is None:
        raise refusal(intent.status, "confirm", render.payment_intent(intent))
    books.put(intent._replace(status=status, method=method.id, last_error=None))
    record = SendRecord(
        charge=charge,
        account=intent.account,
        intent=intent.id,
        terminal=origin.terminal,
        merchant=origin.merchant,
        stan=allot_stan(books, origin.terminal),
        transmitted=transmission_time(now),
        local_time=local_time(now),
        local_date=local_date(now),
        token=method.token,
        expiry=f"{method.exp_year % 100:02d}{method.exp_month:02d}",
        amount=intent.amount,
        currency=currency(intent.currency).numeric,
        trace=origin.trace,
        rrn=None,
        claim=origin.claim,
        result=UNSETTLED,
    )
    books.add(record)
    return record


def conclude(
    books: Books, record: SendRecord, outcome: Outcome, business: datetime, wall: datetime
) -> tuple[int, Shape]:
    """Write down what came of a payment, with its duty if that is not known.

    Parameters
    ----------
    books
        Intent, charge, method and send record change together; an Unknown adds an obligation.
    record
        As `begin` returned it.
    outcome
        The network's word.
    business, wall
        Instants, aware UTC.

    Returns
    -------
    tuple[int, Shape]
        HTTP status and body: the intent, or the error of a declined payment.
    """
    intent, method = _parties(books, record)
    charge = _charge(record, intent, method, outcome, int(business.timestamp()))
    books.add(charge)
    if outcome.cvc_check is not None:
        method = method._replace(cvc_check=outcome.cvc_check)
    if outcome.kind is Kind.APPROVED:
        status, shape = 200, _succeed(books, intent, method, charge)
    elif outcome.kind is Kind.UNKNOWN:
        books.put(method)
        status, shape = 200, _doubt(books, intent, record, charge, business, wall)
    else:
        books.put(method)
        status, shape = 402, _fail(books, intent, method, charge, outcome.network_advice_code)
    result = outcome.kind.value if outcome.kind in (Kind.UNKNOWN, Kind.NOT_SENT) else outcome.response_code
    books.put(record._replace(result=result or "", rrn=outcome.rrn))
    return status, shape


def reversed_payment(books: Books, record: SendRecord) -> None:
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
    _fail(books, intent, method, charge, None)


def allot_stan(books: Books, terminal: str) -> str:
    """Return the next STAN of a terminal and count it as used."""
    counter = books.get(Terminal, terminal) or Terminal(terminal, 0)
    books.put(counter._replace(stan=counter.stan + 1))
    return stan(counter.stan + 1)


def _parties(books: Books, record: SendRecord) -> tuple[Intent, Method]:
    intent = books.get(Intent, record.intent)
    assert intent is not None
    method = books.get(Method, intent.method or "")
    assert method is not None
    return intent, method


def _charge(record: SendRecord, intent: Intent, method: Method, outcome: Outcome, created: int) -> Charge:
    status, network_status = {
        Kind.APPROVED: ("succeeded", render.APPROVED_BY_NETWORK),
        Kind.DECLINED: ("failed", render.DECLINED_BY_NETWORK),
        Kind.NOT_SENT: ("failed", render.NOT_SENT_TO_NETWORK),
        Kind.UNKNOWN: ("pending", render.UNDECIDED),
    }[outcome.kind]
    details = json.loads(intent.details)
    billing = json.loads(method.details).get("billing_details")
    charge = Charge(
        id=record.charge,
        account=record.account,
        created=created,
        intent=intent.id,
        customer=intent.customer,
        method=method.id,
        amount=intent.amount,
        currency=intent.currency,
        status=status,
        network_status=network_status,
        response_code=outcome.response_code,
        authorisation_code=outcome.authorisation_code,
        rrn=outcome.rrn,
        network_transaction_id=outcome.network_transaction_id,
        failure_code=None,
        failure_message=None,
        card=render.card_snapshot(method, outcome.cvc_check),
        details=dumps({**_carried_over(details), "billing_details": billing}),
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


def _succeed(books: Books, intent: Intent, method: Method, charge: Charge) -> Shape:
    is_kept = bool(intent.customer and json.loads(intent.details).get("setup_future_usage"))
    if method.customer is None:
        method = method._replace(customer=intent.customer) if is_kept else method._replace(is_spent=1)
    books.put(method)
    intent = intent._replace(
        status=_moved(intent, "approve"), amount_received=intent.amount, latest_charge=charge.id, last_error=None
    )
    books.put(intent)
    return render.payment_intent(intent)


def _doubt(
    books: Books, intent: Intent, record: SendRecord, charge: Charge, business: datetime, wall: datetime
) -> Shape:
    trace_number = allot_stan(books, record.terminal)
    books.add(incurred(record.charge, trace_number, transmission_time(business), wall))
    intent = intent._replace(status=_moved(intent, "doubt"), latest_charge=charge.id)
    books.put(intent)
    return render.payment_intent(intent)


def _fail(books: Books, intent: Intent, method: Method, charge: Charge, network_advice_code: str | None) -> Shape:
    members = render.payment_error(charge, method, network_advice_code)
    intent = intent._replace(
        status=_moved(intent, "fail"), method=None, latest_charge=charge.id, last_error=dumps(members)
    )
    books.put(intent)
    kind, message = members.pop("type"), members.pop("message")
    return error_body(kind, message, **members, payment_intent=render.payment_intent(intent))


def _moved(intent: Intent, event: str) -> str:
    status = next_status(intent.status, event)
    assert status is not None, "only a payment under way is concluded"
    return status
