"""Settings of the gateway: where shops reach it, where it reaches the acquirer, and for whom it sells."""

from __future__ import annotations

from pydantic import Field

from gateway.handlers.context import Account, Timeouts
from node.core.duty import DutyRules
from node.link_settings import LinkSettings
from node.settings import Section


class GatewayMerchant(Section):
    """One merchant: `account` names it on `/v1`, `merchant` is DE 42, `terminal` DE 41 and its own.

    The keys are handed in and kept in memory as hashes only; they never reach the database.
    """

    account: str = Field(pattern=r"^acct_\w{1,60}$")
    name: str = Field(min_length=1)
    merchant: str = Field(min_length=1, max_length=15)
    terminal: str = Field(min_length=1, max_length=8)
    country: str = Field(pattern=r"^[A-Z]{2}$")
    currency: str = Field(pattern=r"^[a-z]{3}$")
    secret_key: str = Field(pattern=r"^sk_test_\w{16,}$", repr=False)
    publishable_key: str = Field(pattern=r"^pk_test_\w{16,}$", repr=False)

    def served(self) -> Account:
        """Return the merchant as the handlers know it."""
        return Account(self.account, self.merchant, self.terminal)


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
        When a reversal is tried again, and when another worker may take it over.
    body_max_bytes
        Longest request body.
    power_safe
        Commits survive a power loss, not only a killed process.
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
    body_max_bytes: int = Field(default=262_144, ge=1_024)
    power_safe: bool = False
    links: LinkSettings = LinkSettings()

    def timeouts(self) -> Timeouts:
        """Return the durations that handlers wait."""
        return Timeouts(self.hsm_timeout_s, self.acquirer_timeout_s, self.reversal_timeout_s)

    def duty_rules(self) -> DutyRules:
        """Return when reversals are tried again."""
        return DutyRules(self.duty_lease_s, self.duty_backoff_first_s, self.duty_backoff_max_s)
