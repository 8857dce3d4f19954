"""The states of a PaymentIntent, as one table.

A payment moves only by this table; an event that has no row for the present state is refused, with the words of the
event. While an authorisation is under way the state is `processing`, so that a second confirmation finds the door
closed. `requires_action` is reserved for 3-D Secure: no row leads there yet.

docs/reference/payment-states.md is printed from these rows (`python -m gateway.core.intents_page`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.core.errors import ApiError

REQUIRES_PAYMENT_METHOD = "requires_payment_method"
REQUIRES_CONFIRMATION = "requires_confirmation"
REQUIRES_ACTION = "requires_action"
PROCESSING = "processing"
REQUIRES_CAPTURE = "requires_capture"
SUCCEEDED = "succeeded"
CANCELED = "canceled"

STATES = (
    REQUIRES_PAYMENT_METHOD,
    REQUIRES_CONFIRMATION,
    PROCESSING,
    REQUIRES_CAPTURE,
    SUCCEEDED,
    CANCELED,
)
RESERVED = (REQUIRES_ACTION,)
FINAL = (SUCCEEDED, CANCELED)

AUTOMATIC, AUTOMATIC_ASYNC, MANUAL = "automatic", "automatic_async", "manual"
CAPTURE_METHODS = (AUTOMATIC, AUTOMATIC_ASYNC, MANUAL)
CONFIRMATION_METHODS = (AUTOMATIC, MANUAL)


class Mode(NamedTuple):
    """How a payment is to be made: `capture` and `confirmation` method, and whether the customer is away."""

    capture: str = AUTOMATIC_ASYNC
    confirmation: str = AUTOMATIC
    is_off_session: bool = False


class Move(NamedTuple):
    """One row: in `before`, `event` leads to `after`, if the mode is one of those named (None = any).

    `leaves` says what goes to the network. `captures` and `confirmations` name capture and confirmation methods;
    `is_off_session` whether the customer is away.
    """

    event: str
    before: str
    after: str
    leaves: str = "nothing"
    captures: tuple[str, ...] | None = None
    confirmations: tuple[str, ...] | None = None
    is_off_session: bool | None = None

    def fits(self, mode: Mode) -> bool:
        """Whether this row counts for a payment that is made in this way."""
        return (
            (self.captures is None or mode.capture in self.captures)
            and (self.confirmations is None or mode.confirmation in self.confirmations)
            and self.is_off_session in (None, mode.is_off_session)
        )


_AT_ONCE = (AUTOMATIC, AUTOMATIC_ASYNC)
_VOIDS = "a 0420 for each authorisation"

MOVES = (
    Move("supply", REQUIRES_PAYMENT_METHOD, REQUIRES_CONFIRMATION),
    Move("supply", REQUIRES_CONFIRMATION, REQUIRES_CONFIRMATION),
    Move("withdraw", REQUIRES_PAYMENT_METHOD, REQUIRES_PAYMENT_METHOD),
    Move("withdraw", REQUIRES_CONFIRMATION, REQUIRES_PAYMENT_METHOD),
    Move("update", REQUIRES_PAYMENT_METHOD, REQUIRES_PAYMENT_METHOD),
    Move("update", REQUIRES_CONFIRMATION, REQUIRES_CONFIRMATION),
    Move("confirm", REQUIRES_CONFIRMATION, PROCESSING, "0100"),
    Move("confirm by the customer", REQUIRES_CONFIRMATION, PROCESSING, "0100", None, (AUTOMATIC,), False),
    Move("approve", PROCESSING, SUCCEEDED, "0220, final", captures=_AT_ONCE),
    Move("approve", PROCESSING, REQUIRES_CAPTURE, captures=(MANUAL,)),
    Move("fail", PROCESSING, REQUIRES_PAYMENT_METHOD),
    Move("doubt", PROCESSING, PROCESSING, "0420"),
    Move("increment", REQUIRES_CAPTURE, REQUIRES_CAPTURE, "0100 for the difference"),
    Move("capture a part", REQUIRES_CAPTURE, REQUIRES_CAPTURE, "0220, partial"),
    Move("capture", REQUIRES_CAPTURE, SUCCEEDED, "0220, final"),
    Move("cancel", REQUIRES_PAYMENT_METHOD, CANCELED),
    Move("cancel", REQUIRES_CONFIRMATION, CANCELED),
    Move("cancel", REQUIRES_CAPTURE, CANCELED, _VOIDS),
    Move("expire", REQUIRES_CAPTURE, CANCELED, _VOIDS),
    Move("expire after a part was captured", REQUIRES_CAPTURE, SUCCEEDED, _VOIDS),
)
"""`doubt` is an unknown outcome; `fail` a decline, or the end of a doubt once the reversal is accepted."""

EVENTS = tuple(dict.fromkeys(move.event for move in MOVES))
_TABLE = {(move.event, move.before): [row for row in MOVES if row[:2] == move[:2]] for move in MOVES}
_PARTICIPLES = {"confirm": "confirmed", "cancel": "canceled", "capture": "captured", "increment": "incremented"}
_DEFAULT = Mode()


def next_status(status: str, event: str, mode: Mode = _DEFAULT) -> str | None:
    """Return the state after `event`, or None if it cannot happen now."""
    for move in _TABLE.get((event, status), ()):
        if move.fits(mode):
            return move.after
    return None


def refusal(status: str, event: str, intent: dict[str, Any], param: str | None = None) -> ApiError:
    """Return the refusal of an event that cannot happen now.

    Parameters
    ----------
    status, event
        A pair that has no row for this payment.
    intent
        The rendered payment, which the error carries.
    param
        Of an update: the parameter that cannot be changed any more.
    """
    allowed = ", ".join(dict.fromkeys(move.before for move in MOVES if move.event == event))
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
    elif event == "capture" and status == SUCCEEDED:
        message = "This PaymentIntent could not be captured because it has already been captured."
    elif event == "confirm by the customer":
        message = (
            "You cannot confirm this PaymentIntent with a publishable key, because its confirmation_method is manual "
            "or the customer is off session. Confirm it on your server, with your secret key."
        )
    elif event in ("confirm", "cancel"):
        message = (
            f"You cannot {event} this PaymentIntent because it has a status of {status}. Only a PaymentIntent with one "
            f"of the following statuses may be {_PARTICIPLES[event]}: {allowed}."
        )
    elif event in _PARTICIPLES:
        message = (
            f"This PaymentIntent could not be {_PARTICIPLES[event]} because it has a status of {status}. Only a "
            f"PaymentIntent with one of the following statuses may be {_PARTICIPLES[event]}: {allowed}."
        )
    else:
        what = param or "amount"
        message = (
            f"This PaymentIntent's {what} could not be updated because it has a status of {status}. You may only "
            f"update the {what} of a PaymentIntent with one of the following statuses: {allowed}."
        )
    return ApiError(400, message, code="payment_intent_unexpected_state", param=param, extra={"payment_intent": intent})


def busy() -> ApiError:
    """Return the refusal of a change to a payment that is being changed already; SDKs may repeat it by themselves."""
    message = (
        "This object cannot be accessed right now because another API request or Stripe process is currently accessing "
        "it. If you see this error intermittently, retry the request. If you see this error frequently and are making "
        "multiple concurrent requests to a single object, make your requests serially or at a lower rate."
    )
    return ApiError(429, message, code="lock_timeout")
