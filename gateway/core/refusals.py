"""What the acquirer will never take: the books say that it has not happened, until somebody has it sent again.

A capture that was refused is no money: its amount counts as captured neither on the charge nor on the payment, and it
has no balance transaction; what waits to be given back of it fails. The state of the payment stays: what has ended has
ended, and what is held can be captured again. A void that was refused changes nothing that a shop was told; a payment
in doubt stays in doubt.
"""

from __future__ import annotations

from gateway.core import balance, render
from gateway.core.books import Books
from gateway.core.captures import features_of_charge
from gateway.core.errors import ApiError
from gateway.core.events import emit, emit_update
from gateway.core.intents import REQUIRES_CAPTURE
from gateway.core.messages import ACKNOWLEDGED_CODES
from gateway.core.obligations import as_duty, with_duty
from gateway.core.records import Charge, Intent, Obligation, SendRecord
from gateway.core.refunds import fail_uncovered
from gateway.core.responses import Outcome
from gateway.core.sends import CAPTURE, OWED, At, cause_of, send_name
from gateway.core.terms import capturable_max
from node.core.duty import REFUSED, reopened

_STANDS = ACKNOWLEDGED_CODES[CAPTURE] | {OWED}
"""Results of a capture that has been taken, or still may be."""


def refuse_capture(books: Books, record: SendRecord, outcome: Outcome, at: At) -> None:
    """Write down that a capture will not be taken: there is no money of it."""
    books.put(record._replace(result=outcome.response_code or ""))
    charge = _charge_of(books, record)
    # First, so that no event tells of more refunded than captured.
    fail_uncovered(books, charge, charge.amount_captured - record.amount, at)
    _restate(books, record, -record.amount, at)


def refuse_void(books: Books, record: SendRecord, outcome: Outcome, at: At) -> None:
    """Write down that a void will not be taken: what it was to undo may stand at the issuer until its time is up."""
    books.put(record._replace(result=outcome.response_code or ""))


def reopen(books: Books, name: str, at: At) -> tuple[Obligation, SendRecord]:
    """Owe a message again that was refused; the next attempt is a repeat under its own numbers.

    Parameters
    ----------
    name
        Id of the message.

    Returns
    -------
    tuple[Obligation, SendRecord]
        Its duty, open and due, and the message.

    Raises
    ------
    ApiError
        404: there is no such message. 409: it was not refused; or it is a capture whose money has been captured
        otherwise, or let go, since.
    """
    duty, record = books.get(Obligation, name), books.get(SendRecord, name)
    if duty is None or record is None:
        raise ApiError(404, "no such message is owed")
    if duty.state != REFUSED:
        raise ApiError(409, f"only what was refused can be sent again; this message is {duty.state}")
    record = record._replace(result=OWED)
    books.put(record)
    if record.kind == CAPTURE:
        _check_room(books, record)
        _restate(books, record, record.amount, at)
    duty = with_duty(duty, reopened(as_duty(duty), at.wall))
    books.put(duty)
    return duty, record


def _check_room(books: Books, record: SendRecord) -> None:
    charge = _charge_of(books, record)
    most = capturable_max(charge.amount, charge.amount_captured, features_of_charge(charge))
    if record.amount > most - charge.amount_released:
        raise ApiError(409, "what this capture was to take has been captured or let go since")


def _charge_of(books: Books, record: SendRecord) -> Charge:
    charge = books.get(Charge, record.charge)
    assert charge is not None, "what is captured has a charge"
    return charge


def _restate(books: Books, record: SendRecord, amount: int, at: At) -> None:
    """Count an amount as captured, or below zero as not captured after all."""
    charge, intent = _charge_of(books, record), books.get(Intent, record.intent)
    assert intent is not None
    is_held, before = intent.status == REQUIRES_CAPTURE, render.charge(charge)
    captured = charge.amount_captured + amount
    charge = charge._replace(
        amount_captured=captured,
        captured=int(captured > 0 and not is_held),
        balance_transaction=_latest_balance_transaction(books, charge),
    )
    capturable = max(0, charge.amount - captured) if is_held else 0
    intent = intent._replace(amount_received=captured, amount_capturable=capturable)
    books.put(charge)
    books.put(intent)
    cause = cause_of(record, at)
    emit_update(books, cause, "charge.updated", before, render.charge(charge))
    if is_held:
        emit(books, cause, "payment_intent.amount_capturable_updated", render.payment_intent(intent))


def _latest_balance_transaction(books: Books, charge: Charge) -> str | None:
    for number in range(charge.captures, 0, -1):
        send = books.get(SendRecord, send_name(charge.id, CAPTURE, number))
        if send is not None and send.result in _STANDS:
            return balance.name_of(send.id)
    return None
