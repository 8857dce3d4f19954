"""What whoever runs a gateway may settle: `[nodes.gateway.rules]` of a topology."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from node.core.duty import DutyRules
from node.settings import Section

ResponseCode = Annotated[str, Field(pattern=r"^[0-9A-Z]{2}$")]


class RequestLimit(Section):
    """What one API key may do of one class of requests; 0 is without limit."""

    per_s: float = Field(default=0.0, ge=0)
    concurrent: int = Field(default=0, ge=0)


class RequestLimits(Section):
    """Limits per class: `search` for searches, `read` for every other GET, `write` for the rest."""

    read: RequestLimit = RequestLimit()
    write: RequestLimit = RequestLimit()
    search: RequestLimit = RequestLimit()


class GatewaySettings(Section):
    """The rules of a gateway. Durations in seconds. Described in docs/reference/gateway-settings.md.

    Attributes
    ----------
    reversal_timeout_s
        How long the acquirer may take to accept a reversal, which it answers at once.
    duty_backoff_first_s, duty_backoff_max_s, duty_lease_s
        When what is owed is tried again, and when another worker may take it over.
    duty_retry_codes
        DE 39 (1987) with which the acquirer says that it cannot take an advice now; what it refuses with another one it
        refuses for good.
    authorised_days, extended_days
        How long an authorisation stands by the business clock, and how long where an extended one was asked for.
    over_capture_percent, has_multicapture, has_increments, has_extended
        What the acquirer lets its merchants do with an authorisation.
    verify_attached_cards
        Whether the issuer is asked about a card that is attached to a customer.
    available_days
        After how many business days money is expected to be available.
    body_max_bytes
        Longest request body.
    limits
        How often one API key may call, and how many of its requests may run at once; no limits by default.
    requests_kept
        How many HTTP requests the request log has room for.
    """

    reversal_timeout_s: float = Field(default=10.0, gt=0)
    duty_backoff_first_s: float = Field(default=1.0, gt=0)
    duty_backoff_max_s: float = Field(default=60.0, gt=0)
    duty_lease_s: float = Field(default=60.0, gt=0)
    duty_retry_codes: tuple[ResponseCode, ...] = tuple(sorted(DutyRules().retry_codes))
    authorised_days: int = Field(default=7, ge=1, le=90)
    extended_days: int = Field(default=30, ge=1, le=90)
    over_capture_percent: int = Field(default=0, ge=0, le=100)
    has_multicapture: bool = True
    has_increments: bool = True
    has_extended: bool = False
    verify_attached_cards: bool = False
    available_days: int = Field(default=2, ge=0, le=30)
    body_max_bytes: int = Field(default=262_144, ge=1_024)
    limits: RequestLimits = RequestLimits()
    requests_kept: int = Field(default=20_000, ge=100, le=1_000_000)
