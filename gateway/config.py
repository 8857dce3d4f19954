"""Settings of the gateway: where shops reach it, where it reaches the acquirer, and for whom it sells."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.core.access import PUBLISHABLE, SECRET
from gateway.core.accounts import Seed
from gateway.core.api_keys import Wish, row_of
from gateway.core.limits import CLASSES, Limit
from gateway.core.records_account import AccountRow
from gateway.core.terms import Terms
from gateway.handlers.context import Timeouts
from node.calendar_settings import read_calendar
from node.core.duty import DutyRules
from node.link_settings import LinkSettings
from node.settings import Section

_DAY_S = 24 * 3600
ResponseCode = Annotated[str, Field(pattern=r"^[0-9A-Z]{2}$")]


class GatewayMerchant(Section):
    """One merchant: `account` names it on `/v1`, `merchant` is DE 42, `terminal` DE 41 and its own.

    `is_platform`: it may make accounts of other merchants. The keys are handed in; only their hashes are kept.
    """

    account: str = Field(pattern=r"^acct_\w{1,60}$")
    name: str = Field(min_length=1)
    merchant: str = Field(min_length=1, max_length=15)
    terminal: str = Field(min_length=1, max_length=8)
    country: str = Field(pattern=r"^[A-Z]{2}$")
    currency: str = Field(pattern=r"^[a-z]{3}$")
    secret_key: str = Field(pattern=r"^sk_test_\w{16,}$", repr=False)
    publishable_key: str = Field(pattern=r"^pk_test_\w{16,}$", repr=False)
    mcc: str | None = Field(default=None, pattern=r"^\d{4}$")
    is_platform: bool = False

    def seed(self, created: int, wall: int) -> Seed:
        """Return the merchant's rows; `created` Unix seconds of business time, `wall` microseconds of wall time."""
        row = AccountRow(
            id=self.account,
            account=None,
            created=created,
            merchant=self.merchant,
            terminal=self.terminal,
            name=self.name,
            mcc=self.mcc,
            country=self.country,
            currency=self.currency,
            email=None,
            is_platform=int(self.is_platform),
            details="{}",
            metadata="{}",
        )
        keys = ((SECRET, self.secret_key), (PUBLISHABLE, self.publishable_key))
        named = ((Wish(kind, "from the topology"), text) for kind, text in keys)
        return Seed(row, tuple(row_of(self.account, wish, text, created, wall) for wish, text in named))


class RequestLimit(Section):
    """What one API key may do of one class of requests; 0 is without limit."""

    per_s: float = Field(default=0.0, ge=0)
    concurrent: int = Field(default=0, ge=0)


class RequestLimits(Section):
    """Limits per class: `search` for searches, `read` for every other GET, `write` for the rest."""

    read: RequestLimit = RequestLimit()
    write: RequestLimit = RequestLimit()
    search: RequestLimit = RequestLimit()


class GatewayConfig(Section):
    """The gateway of the topology. Durations in seconds.

    Attributes
    ----------
    http
        `host:port` for shops.
    acquirer_address, acquirer_dialect
        A pipe URL, and what is spoken there.
    acquirer_timeout_s
        How long an authorisation may take before its outcome is Unknown.
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
    power_safe
        Commits survive a power loss, not only a killed process.
    operator_key
        Opens `/emu/v1`; without one there is no such thing.
    requests_kept
        How many HTTP requests the request log has room for.
    """

    name: str = Field(default="gateway", min_length=1)
    http: str = "127.0.0.1:0"
    acquirer_address: str
    acquirer_dialect: str = "pos-bcd87"
    merchants: tuple[GatewayMerchant, ...] = Field(min_length=1)
    hsm_timeout_s: float = Field(default=2.0, gt=0)
    acquirer_timeout_s: float = Field(default=25.0, gt=0)
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
    power_safe: bool = False
    operator_key: str | None = Field(default=None, pattern=r"^[\x21-\x7e]{20,200}$", repr=False)
    requests_kept: int = Field(default=20_000, ge=100, le=1_000_000)
    links: LinkSettings = LinkSettings()

    def timeouts(self) -> Timeouts:
        """Return the durations that handlers wait."""
        return Timeouts(self.hsm_timeout_s, self.acquirer_timeout_s, self.reversal_timeout_s)

    def request_limits(self) -> dict[str, Limit]:
        """Return what one API key may do, per class of requests."""
        return {
            kind: Limit(limit.per_s, limit.concurrent) for kind in CLASSES for limit in (getattr(self.limits, kind),)
        }

    def duty_rules(self) -> DutyRules:
        """Return when what is owed is tried again, and when it is not."""
        return DutyRules(
            self.duty_lease_s,
            self.duty_backoff_first_s,
            self.duty_backoff_max_s,
            retry_codes=frozenset(self.duty_retry_codes),
        )

    def terms(self) -> Terms:
        """Return the terms on which merchants sell."""
        return Terms(
            authorised_s=self.authorised_days * _DAY_S,
            extended_s=self.extended_days * _DAY_S,
            over_capture_percent=self.over_capture_percent,
            has_multicapture=self.has_multicapture,
            has_increments=self.has_increments,
            has_extended=self.has_extended,
            verifies_attached=self.verify_attached_cards,
            available_days=self.available_days,
            calendar=read_calendar(),
        )
