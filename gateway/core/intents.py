"""The states of a PaymentIntent, as one table.

A payment moves only by this table; an event that has no entry for the present state is refused, with the words of the
event. While a payment is under way its state is `processing`, so that a second confirmation finds the door closed.
"""

from __future__ import annotations

from typing import Any

from gateway.core.errors import ApiError

REQUIRES_PAYMENT_METHOD = "requires_payment_method"
REQUIRES_CONFIRMATION = "requires_confirmation"
PROCESSING = "processing"
SUCCEEDED = "succeeded"
CANCELED = "canceled"

STATES = (REQUIRES_PAYMENT_METHOD, REQUIRES_CONFIRMATION, PROCESSING, SUCCEEDED, CANCELED)

TRANSITIONS: dict[str, dict[str, str]] = {
    "supply": {
        REQUIRES_PAYMENT_METHOD: REQUIRES_CONFIRMATION,
        REQUIRES_CONFIRMATION: REQUIRES_CONFIRMATION,
    },
    "withdraw": {
        REQUIRES_PAYMENT_METHOD: REQUIRES_PAYMENT_METHOD,
        REQUIRES_CONFIRMATION: REQUIRES_PAYMENT_METHOD,
    },
    "update": {
        REQUIRES_PAYMENT_METHOD: REQUIRES_PAYMENT_METHOD,
        REQUIRES_CONFIRMATION: REQUIRES_CONFIRMATION,
    },
    "confirm": {REQUIRES_CONFIRMATION: PROCESSING},
    "approve": {PROCESSING: SUCCEEDED},
    "fail": {PROCESSING: REQUIRES_PAYMENT_METHOD},
    "doubt": {PROCESSING: PROCESSING},
    "cancel": {REQUIRES_PAYMENT_METHOD: CANCELED, REQUIRES_CONFIRMATION: CANCELED},
}
"""Event to present state to next state. `doubt` is an unknown outcome; `fail` ends it once the reversal is accepted."""

EVENTS = tuple(TRANSITIONS)
_PARTICIPLES = {"confirm": "confirmed", "cancel": "canceled"}


def next_status(status: str, event: str) -> str | None:
    """Return the state after `event`, or None if it cannot happen now."""
    return TRANSITIONS[event].get(status)


def refusal(status: str, event: str, intent: dict[str, Any]) -> ApiError:
    """Return the refusal of an event that cannot happen now.

    Parameters
    ----------
    status, event
        A pair that `TRANSITIONS` does not have.
    intent
        The rendered payment, which the error carries.
    """
    allowed = ", ".join(TRANSITIONS[event])
    if event == "confirm" and status == REQUIRES_PAYMENT_METHOD:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method."
        )
    elif event == "confirm" and status == SUCCEEDED:
        message = (
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed."
        )
    elif event in ("confirm", "cancel"):
        message = (
            f"You cannot {event} this PaymentIntent because it has a status of {status}. Only a PaymentIntent with one "
            f"of the following statuses may be {_PARTICIPLES[event]}: {allowed}."
        )
    else:
        message = (
            f"This PaymentIntent could not be updated because it has a status of {status}. You may only update a "
            f"PaymentIntent with one of the following statuses: {allowed}."
        )
    return ApiError(400, message, code="payment_intent_unexpected_state", extra={"payment_intent": intent})
