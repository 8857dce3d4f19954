"""What is done with an authorisation that stands: captured, let go, or left until its time is up.

Amounts come from the rows alone. What is captured or let go is decided and owed to the acquirer in one transaction, so
that two requests at once can never take the same money twice.
"""

from __future__ import annotations

import json

from gateway.core import balance, render
from gateway.core.amounts import check_multiple
from gateway.core.books import Books
from gateway.core.errors import ApiError
from gateway.core.events import Cause, emit
from gateway.core.intents import CANCELED, busy, next_status, refusal
from gateway.core.records import Charge, Intent, SendRecord
from gateway.core.responses import APPROVED_CODES, PARTIAL_APPROVAL_CODE, Outcome
from gateway.core.sends import AUTHORISE, CAPTURE, INCREMENT, At, Origin, following, owe, owe_void, send_name
from gateway.core.terms import Features, Terms, capturable_max
from iso.money import currency
from iso.private import CAPTURE as CAPTURE_TAG

_GRANTED = APPROVED_CODES | {PARTIAL_APPROVAL_CODE}


def capture(
    books: Books, intent: Intent, origin: Origin, at: At, terms: Terms, *, amount: int | None = None, is_final: bool
) -> Intent:
    """Take money that is held.

    Parameters
    ----------
    books
        Intent and charge change, and the 0220 is owed, together.
    intent
        As it is in the books.
    origin
        Whose request it is.
    at, terms
        Now, and what is allowed.
    amount
        Minor units; None = all that is held. 0 lets the rest go after an earlier capture, if it is final.
    is_final
        False: more captures follow.

    Returns
    -------
    Intent
        After the capture.

    Raises
    ------
    ApiError
        400: nothing is held, or not that much, or this payment has one capture only. 429 `lock_timeout`: another
        request is changing it.
    """
    charge = held_charge(books, intent, "capture", at)
    amount = intent.amount_capturable if amount is None else amount
    _check_capture(intent, charge, terms, amount, is_final=is_final)
    left = max(0, intent.amount_capturable - amount)
    status = next_status(intent.status, "capture" if is_final else "capture a part")
    assert status is not None
    if amount:
        charge = charge._replace(amount_captured=charge.amount_captured + amount, captures=charge.captures + 1)
        root = authorisation_of(books, charge)
        charge = advise_capture(books, charge, root, origin, at, amount, is_final=is_final)
    else:
        _release(books, charge, left, at)
    intent = intent._replace(
        status=status, amount_received=charge.amount_captured, amount_capturable=0 if is_final else left
    )
    if is_final:
        charge = _ended(charge, left)
    books.put(intent)
    books.put(charge)
    cause = Cause(intent.account, at.created, at.seed, origin.request, origin.claim)
    emit(books, cause, "charge.captured" if amount else "charge.updated", render.charge(charge))
    kind = "payment_intent.succeeded" if is_final else "payment_intent.amount_capturable_updated"
    emit(books, cause, kind, render.payment_intent(intent))
    return intent


def advise_capture(
    books: Books, charge: Charge, root: SendRecord, origin: Origin, at: At, amount: int, *, is_final: bool
) -> Charge:
    """Owe the acquirer the 0220 of a capture; `charge.captures` counts it already.

    Returns
    -------
    Charge
        Named after the capture is its balance transaction, which will be there once the acquirer has taken it.
    """
    tags = {CAPTURE_TAG: f"{charge.captures:02d}{'F' if is_final else 'P'}"}
    send = following(books, CAPTURE, root, origin, at.business, number=charge.captures, amount=amount, tags=tags)
    owe(books, send, at.wall)
    return charge._replace(balance_transaction=balance.name_of(send.id))


def captured(books: Books, record: SendRecord, outcome: Outcome, at: At, terms: Terms) -> None:
    """Note that the acquirer has taken a capture: the money is the merchant's."""
    books.put(record._replace(result=outcome.response_code or ""))
    balance.moved(books, record, balance.CHARGE, at, terms)


def cancel_held(books: Books, intent: Intent, origin: Origin, at: At, reason: str | None) -> Intent:
    """Let go of what is held: each authorisation of the payment is voided; what was captured stays captured.

    Raises
    ------
    ApiError
        As `held_charge`.
    """
    charge = held_charge(books, intent, "cancel", at)
    return _let_go(books, intent, charge, "cancel", reason, at, origin)


def expire(books: Books, charge: Charge, at: At) -> Intent | None:
    """End an authorisation whose time is up.

    Parameters
    ----------
    charge
        Of `Books.expiring`.

    Returns
    -------
    Intent | None
        The payment: canceled, or succeeded if a part was captured; None if it is busy and has to be seen again.
    """
    intent = books.get(Intent, charge.intent)
    assert intent is not None
    if intent.busy is not None:
        return None
    event = "expire after a part was captured" if charge.amount_captured else "expire"
    return _let_go(books, intent, charge, event, "automatic", at, None)


def held_charge(books: Books, intent: Intent, event: str, at: At) -> Charge:
    """Return the charge that holds the money of a payment.

    Raises
    ------
    ApiError
        400 `payment_intent_unexpected_state` or `charge_expired_for_capture`; 429 `lock_timeout`.
    """
    if next_status(intent.status, event) is None:
        raise refusal(intent.status, event, render.payment_intent(intent))
    if intent.busy is not None:
        raise busy()
    charge = books.get(Charge, intent.latest_charge or "")
    assert charge is not None, "what requires a capture has a charge"
    if event != "cancel" and charge.expires_at is not None and charge.expires_at <= at.created:
        message = (
            "The charge cannot be captured as the authorization has expired. Auth and capture charges must be captured "
            "within a set number of days (7 by default)."
        )
        shape = render.payment_intent(intent)
        raise ApiError(400, message, code="charge_expired_for_capture", extra={"payment_intent": shape})
    return charge


def authorisation_of(books: Books, charge: Charge) -> SendRecord:
    """Return the 0100 that began a charge."""
    root = books.get(SendRecord, send_name(charge.id, AUTHORISE))
    assert root is not None
    return root


def features_of_charge(charge: Charge) -> Features:
    """Return what may be done with the authorisation of a charge."""
    return Features(*json.loads(charge.details).get("features", ()))


def releases(parts: list[tuple[SendRecord, int]], amount: int) -> list[tuple[SendRecord, int | None]]:
    """Spread what is let go over the authorisations of a payment, the newest first.

    Parameters
    ----------
    parts
        Each approved authorisation with its amount, oldest first.
    amount
        What to let go, minor units.

    Returns
    -------
    list[tuple[SendRecord, int | None]]
        What to void, and what remains of it; None = nothing.
    """
    found: list[tuple[SendRecord, int | None]] = []
    for send, part in reversed(parts):
        if amount <= 0:
            break
        found.append((send, None if amount >= part else part - amount))
        amount -= min(amount, part)
    return found


def _release(books: Books, charge: Charge, amount: int, at: At) -> None:
    increments = [
        (send, send.amount)
        for send in books.find(SendRecord, {"charge": charge.id, "kind": INCREMENT})
        if send.result in _GRANTED
    ]
    first = charge.amount - sum(part for _, part in increments)
    for send, remains in releases([(authorisation_of(books, charge), first), *increments], amount):
        owe_void(books, send, at, remains)


def _let_go(
    books: Books, intent: Intent, charge: Charge, event: str, reason: str | None, at: At, origin: Origin | None
) -> Intent:
    left = charge.amount - charge.amount_captured
    _release(books, charge, left, at)
    charge = _ended(charge, max(0, left))
    status = next_status(intent.status, event)
    assert status is not None
    intent = intent._replace(status=status, amount_capturable=0)
    if status == CANCELED:
        intent = intent._replace(canceled_at=at.created, cancellation_reason=reason)
    books.put(charge)
    books.put(intent)
    request, key = (origin.request, origin.claim) if origin is not None else (None, None)
    cause = Cause(intent.account, at.created, at.seed, request, key)
    emit(books, cause, "charge.refunded" if event == "cancel" else "charge.expired", render.charge(charge))
    changed = "canceled" if status == CANCELED else "succeeded"
    emit(books, cause, f"payment_intent.{changed}", render.payment_intent(intent))
    return intent


def _ended(charge: Charge, left: int) -> Charge:
    """Return a charge of which nothing is held any more."""
    released = charge.amount_released + left
    return charge._replace(captured=int(charge.amount_captured > 0), expires_at=None, amount_released=released)


def _check_capture(intent: Intent, charge: Charge, terms: Terms, amount: int, *, is_final: bool) -> None:
    features = features_of_charge(charge)
    shape = {"payment_intent": render.payment_intent(intent)}
    check_multiple(amount, currency(intent.currency), "amount_to_capture")
    if amount > capturable_max(charge.amount, charge.amount_captured, features):
        message = (
            "The payment could not be captured because the requested capture amount is greater than the amount you can "
            "capture for this charge."
        )
        raise ApiError(400, message, code="amount_too_large", param="amount_to_capture", extra=shape)
    if not amount and not (is_final and charge.captures):
        message = "This value must be greater than or equal to 1."
        raise ApiError(400, message, code="parameter_invalid_integer", param="amount_to_capture")
    if is_final:
        return
    if not features.has_multicapture:
        message = (
            "This PaymentIntent can be captured once only: ask for more with "
            "payment_method_options[card][request_multicapture] before you confirm it."
        )
        raise ApiError(400, message, param="final_capture", extra=shape)
    if charge.captures + 1 >= terms.captures_max:
        message = f"A PaymentIntent can be captured {terms.captures_max} times; this capture must be the final one."
        raise ApiError(400, message, param="final_capture", extra=shape)
