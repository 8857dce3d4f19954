"""Settings of the gateway: where shops reach it, where it reaches the acquirer, and for whom it sells."""

from __future__ import annotations

from pydantic import Field

from gateway.core.access import PUBLISHABLE, SECRET
from gateway.core.accounts import Seed
from gateway.core.api_keys import Wish, row_of
from gateway.core.limits import CLASSES, Limit
from gateway.core.records_account import AccountRow
from gateway.core.terms import Terms
from gateway.handlers.context import Timeouts
from gateway.settings import GatewaySettings
from node.calendar_settings import read_calendar
from node.core.duty import DutyRules
from node.link_settings import LinkSettings
from node.settings import Section

_DAY_S = 24 * 3600


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


class GatewayConfig(GatewaySettings):
    """The gateway of the topology: its rules, and what it stands between. Durations in seconds.

    Attributes
    ----------
    http
        `host:port` for shops.
    acquirer_address, acquirer_dialect
        A pipe URL, and what is spoken there.
    acquirer_timeout_s
        How long an authorisation may take before its outcome is Unknown.
    power_safe
        Commits survive a power loss, not only a killed process.
    operator_key
        Opens `/emu/v1`; without one there is no such thing.
    """

    name: str = Field(default="gateway", min_length=1)
    http: str = "127.0.0.1:0"
    acquirer_address: str
    acquirer_dialect: str = "pos-bcd87"
    merchants: tuple[GatewayMerchant, ...] = Field(min_length=1)
    hsm_timeout_s: float = Field(default=2.0, gt=0)
    acquirer_timeout_s: float = Field(default=25.0, gt=0)
    power_safe: bool = False
    operator_key: str | None = Field(default=None, pattern=r"^[\x21-\x7e]{20,200}$", repr=False)
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
