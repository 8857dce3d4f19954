"""On what terms merchants sell: how long an authorisation stands, and what may be done with it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from gateway.core.intents import AUTOMATIC, MANUAL, Mode
from gateway.core.records import Intent
from iso.business_days import Calendar

IF_AVAILABLE = "if_available"


class Terms(NamedTuple):
    """What the acquirer lets its merchants do.

    Attributes
    ----------
    authorised_s, extended_s
        How long an authorisation stands, and how long where an extended one was asked for; seconds of business time.
    over_capture_percent
        How much more than was authorised may be captured where that was asked for.
    has_multicapture, has_increments, has_extended
        Whether these exist at all.
    increments_max
        How many increments may be asked for, declined ones included.
    captures_max
        How many captures a payment may have; DE 48.16 has two digits for their number.
    available_days
        After how many business days of `calendar` money is expected to be available.
    verifies_attached
        Whether the issuer is asked about a card that is attached to a customer.
    """

    authorised_s: int = 7 * 24 * 3600
    extended_s: int = 30 * 24 * 3600
    over_capture_percent: int = 0
    has_multicapture: bool = True
    has_increments: bool = True
    has_extended: bool = False
    increments_max: int = 10
    captures_max: int = 50
    available_days: int = 2
    calendar: Calendar = Calendar()
    verifies_attached: bool = False


class Features(NamedTuple):
    """What may be done with one authorisation: asked for by the shop, and available."""

    has_multicapture: bool = False
    has_increments: bool = False
    is_extended: bool = False
    over_capture_percent: int = 0


def card_options(intent: Intent) -> dict[str, Any]:
    """Return `payment_method_options[card]` of a payment."""
    options = json.loads(intent.details).get("payment_method_options") or {}
    return options.get("card") or {}


def mode_of(intent: Intent) -> Mode:
    """Return how a payment is to be made; the card's own capture method goes before the payment's."""
    details = json.loads(intent.details)
    capture = MANUAL if card_options(intent).get("capture_method") == MANUAL else details["capture_method"]
    return Mode(capture, details.get("confirmation_method", AUTOMATIC), bool(details.get("off_session")))


def features_of(intent: Intent, terms: Terms) -> Features:
    """Return what may be done with the authorisation of a payment; all of it only before its final capture."""
    if mode_of(intent).capture != MANUAL:
        return Features()
    options = card_options(intent)
    wants_over = options.get("request_overcapture") == IF_AVAILABLE
    return Features(
        terms.has_multicapture and options.get("request_multicapture") == IF_AVAILABLE,
        terms.has_increments and options.get("request_incremental_authorization") == IF_AVAILABLE,
        terms.has_extended and options.get("request_extended_authorization") == IF_AVAILABLE,
        terms.over_capture_percent if wants_over else 0,
    )


def sets_up(intent: Intent) -> bool:
    """Whether the card is to be kept for the customer; the card's own wish goes before the payment's."""
    wish = card_options(intent).get("setup_future_usage") or json.loads(intent.details).get("setup_future_usage")
    return wish in ("off_session", "on_session")


def takes_partial(intent: Intent) -> bool:
    """Whether less than the amount may be approved."""
    return bool(card_options(intent).get("request_partial_authorization") == IF_AVAILABLE)


def capturable_max(held: int, captured: int, features: Features) -> int:
    """Return the most that may still be captured, in minor units, of what was authorised (`held`)."""
    return held + held * features.over_capture_percent // 100 - captured
