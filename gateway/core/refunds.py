"""Refunds: money that was captured is given back, if the acquirer agrees.

What a refund takes is taken from what can still be refunded in the transaction that begins it, so that refunds at once
never give back more than was captured; it is free again if the refund fails. A refund leaves after the captures of its
charge have arrived, and is repeated until it is answered: silence means pending, never failed.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core import balance, render
from gateway.core.amounts import check_multiple
from gateway.core.balance import emit_refund_update
from gateway.core.books import Books
from gateway.core.captures import authorisation_of
from gateway.core.errors import ApiError
from gateway.core.events import Cause, emit, emit_update
from gateway.core.manner import settle_claim
from gateway.core.obligations import as_duty, with_duty
from gateway.core.records import Charge, Obligation, SendRecord
from gateway.core.records_money import Refund
from gateway.core.render import Shape
from gateway.core.render_money import PENDING, refund
from gateway.core.responses import Kind, Outcome
from gateway.core.sends import REFUND, At, Origin, cause_of, following, owe, owe_void, send_name
from gateway.core.terms import Terms
from iso.money import currency, format_amount
from node.core.duty import DutyRules, fulfilled, may_claim

SUCCEEDED, FAILED, CANCELED = "succeeded", "failed", "canceled"

_HOLDS = "https://stripe.com/docs/payments/place-a-hold-on-a-payment-method"
_SYMBOLS = {"EUR": "€", "GBP": "£", "JPY": "¥", "USD": "$"}

_UNKNOWN_REASON = "unknown"
_REASONS = {
    **dict.fromkeys(("04", "07", "41", "43"), "lost_or_stolen_card"),
    **dict.fromkeys(("14", "15", "33", "46", "54", "78"), "expired_or_canceled_card"),
    "51": "insufficient_funds",
    **dict.fromkeys(("06", "30", "68", "90", "91", "92", "96"), _UNKNOWN_REASON),
}
_DECLINED = "declined"


class Wish(NamedTuple):
    """What a shop asks for: `amount` None = all that is left; `details` and `metadata` JSON."""

    amount: int | None
    reason: str | None
    details: str
    metadata: str


class Begun(NamedTuple):
    """A refund that is owed to the acquirer: its message, and its duty, under a lease if nothing goes before it."""

    record: SendRecord
    duty: Obligation


def begin_refund(
    books: Books, charge: Charge, wish: Wish, origin: Origin, at: At, name: str, holder: str, rules: DutyRules
) -> Begun:
    """Take an amount from what can be refunded, and owe the acquirer the refund.

    Parameters
    ----------
    books
        The charge changes, a refund and its message are added.
    charge
        As it is in the books.
    name
        Id of the refund.
    holder, rules
        Who makes the first attempt, and under which rules.

    Raises
    ------
    ApiError
        400: nothing was captured, or not so much is left.
    """
    check_refundable(charge)
    left = charge.amount_captured - charge.amount_refunded
    amount = left if wish.amount is None else wish.amount
    _check_amount(charge, amount, left)
    row = Refund(
        id=name,
        account=charge.account,
        created=at.created,
        charge=charge.id,
        intent=charge.intent,
        customer=charge.customer,
        method=charge.method,
        amount=amount,
        currency=charge.currency,
        status=PENDING,
        reason=wish.reason,
        failure_reason=None,
        is_announced=0,
        reference=None,
        balance_transaction=None,
        details=wish.details,
        metadata=wish.metadata,
    )
    books.add(row)
    books.put(charge._replace(amount_refunded=charge.amount_refunded + amount))
    root = authorisation_of(books, charge)
    record = following(books, REFUND, root, origin, at.business, subject=name, amount=amount)
    return Begun(record, owe(books, record, at.wall, holder, rules))


def check_refundable(charge: Charge) -> None:
    """Refuse a charge of which nothing can be refunded.

    Raises
    ------
    ApiError
        400, as Stripe words it.
    """
    if charge.status != SUCCEEDED or charge.amount_released >= charge.amount:
        message = f"This PaymentIntent ({charge.intent}) does not have a successful charge to refund."
        raise ApiError(400, message)
    if not charge.amount_captured:
        message = (
            f"This uncaptured Charge was created by a PaymentIntent ({charge.intent}). You must cancel the "
            "PaymentIntent to reverse the authorization instead of refunding the Charge directly. For more "
            f"information, see {_HOLDS}"
        )
        raise ApiError(400, message)
    if charge.amount_refunded >= charge.amount_captured:
        raise ApiError(400, f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")


def conclude_refund(books: Books, record: SendRecord, outcome: Outcome, at: At, terms: Terms) -> tuple[int, Shape]:
    """Write down what the acquirer answered.

    Parameters
    ----------
    record
        The refund's message.
    outcome
        Any answer, but no silence.

    Returns
    -------
    tuple[int, Shape]
        HTTP status and the refund: one that failed is an outcome, too.
    """
    row, charge = _parties(books, record)
    before = refund(row)
    books.put(record._replace(result=outcome.response_code or ""))
    if outcome.kind is Kind.APPROVED:
        entry = balance.moved(books, record, balance.REFUND, at, terms)
        row = row._replace(status=SUCCEEDED, balance_transaction=entry.id)
        changed = charge
    else:
        if outcome.kind is Kind.UNKNOWN:
            # An approval that cannot be used, of a part for instance: whatever it did is undone.
            owe_void(books, record, at)
        row = row._replace(status=FAILED, failure_reason=failed_reason(outcome.response_code or ""))
        changed = _freed(books, charge, row)
    cause = cause_of(record, at)
    _tell(books, cause, row, before, charge, changed)
    if row.status == FAILED:
        emit(books, cause, "refund.failed", refund(row))
    return 200, refund(row)


def unanswered_refund(books: Books, record: SendRecord, at: At) -> tuple[int, Shape]:
    """Note that an attempt has ended without an answer: whoever asked for the refund hears that it is pending.

    Returns
    -------
    tuple[int, Shape]
        HTTP status and the refund, whatever has become of it.
    """
    row, charge = _parties(books, record)
    if not row.is_announced:
        _tell(books, cause_of(record, at), row, refund(row), charge, charge)
    return 200, refund(row)


def cancel_refund(books: Books, row: Refund, at: At, cause: Cause) -> Refund:
    """Take back a refund that has not left yet.

    Raises
    ------
    ApiError
        400: it has left, or may have.
    """
    waiting = _waiting(books, row, at)
    if waiting is None:
        raise ApiError(400, "Canceling this refund is unsupported.")
    _withdraw(books, waiting, row._replace(status=CANCELED), cause)
    return row._replace(status=CANCELED, is_announced=1)


def fail_uncovered(books: Books, charge: Charge, captured: int, at: At) -> None:
    """Fail refunds of a charge that are more than will have been captured of it.

    What has left, or may have, is the acquirer's to answer. Of the others the older ones come first.

    Parameters
    ----------
    charge
        As it is in the books.
    captured
        What counts as captured from here on, minor units.
    """
    pending = books.find(Refund, {"charge": charge.id, "status": PENDING})
    found = [(row, waiting) for row in pending if (waiting := _waiting(books, row, at))]
    left = captured - charge.amount_refunded + sum(row.amount for row, _ in found)
    for row, waiting in found:
        if row.amount <= left:
            left -= row.amount
            continue
        cause, failed = cause_of(waiting.record, at), row._replace(status=FAILED, failure_reason=_DECLINED)
        _withdraw(books, waiting, failed, cause)
        emit(books, cause, "refund.failed", refund(failed))


def failed_reason(response_code: str) -> str:
    """Return Stripe's word for why a refund failed, by DE 39.

    Examples
    --------
    >>> failed_reason("54"), failed_reason("05"), failed_reason("91")
    ('expired_or_canceled_card', 'declined', 'unknown')
    """
    return _REASONS.get(response_code, _DECLINED)


def _tell(books: Books, cause: Cause, row: Refund, before: Shape, charge: Charge, changed: Charge) -> None:
    """Write a refund, and the events of what has become of it.

    Parameters
    ----------
    row, before
        The refund as it is now, and as it was shown.
    charge, changed
        Its charge with what the refund took from it, and as it is now.
    """
    books.put(row._replace(is_announced=1))
    if row.is_announced:
        emit_refund_update(books, cause, before, row)
        emit_update(books, cause, "charge.updated", render.charge(charge), render.charge(changed))
        return
    emit(books, cause, "refund.created", refund(row))
    if changed is charge:
        emit(books, cause, "charge.refunded", render.charge(charge))


def _waiting(books: Books, row: Refund, at: At) -> Begun | None:
    """Return what a refund owes as long as it has not left, and nobody is about to send it."""
    name = send_name(row.id, REFUND)
    duty, record = books.get(Obligation, name), books.get(SendRecord, name)
    assert duty is not None
    assert record is not None
    is_free = may_claim(as_duty(duty)._replace(due_at=at.wall), at.wall)
    return Begun(record, duty) if row.status == PENDING and not duty.attempts and is_free else None


def _withdraw(books: Books, waiting: Begun, row: Refund, cause: Cause) -> None:
    """End a refund that has not left as `row` says; what it took can be refunded again."""
    record, duty = waiting
    books.put(with_duty(duty, fulfilled(as_duty(duty))))
    books.put(record._replace(result=row.status))
    before, charge = _parties(books, record)
    _tell(books, cause, row, refund(before), charge, _freed(books, charge, row))
    # The gateway that was asked for it may have died while it waited.
    settle_claim(books, record, (200, refund(row)))


def _freed(books: Books, charge: Charge, row: Refund) -> Charge:
    changed = charge._replace(amount_refunded=charge.amount_refunded - row.amount)
    books.put(changed)
    return changed


def _parties(books: Books, record: SendRecord) -> tuple[Refund, Charge]:
    row, charge = books.get(Refund, record.subject), books.get(Charge, record.charge)
    assert row is not None
    assert charge is not None
    return row, charge


def _check_amount(charge: Charge, amount: int, left: int) -> None:
    check_multiple(amount, currency(charge.currency))
    if amount > left:
        message = (
            f"Refund amount ({_words(amount, charge)}) is greater than unrefunded amount on charge "
            f"({_words(left, charge)})"
        )
        raise ApiError(400, message, param="amount")


def _words(amount: int, charge: Charge) -> str:
    number, _, code = format_amount(amount, charge.currency).partition(" ")
    return f"{_SYMBOLS[code]}{number}" if code in _SYMBOLS else f"{number} {code}"
