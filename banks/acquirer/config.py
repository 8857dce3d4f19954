"""Settings of an acquirer: its links, and the merchants and terminals it takes payments for."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from banks.acquirer.books import AcquirerRules
from banks.core.fees import SHIPPED, FeePlanRow
from banks.core.merchants import Directory, Merchant, Terminal
from hsm_sim.zones.settings import KeySettings, Mac
from iso.money import numeric_code
from node.link_settings import LinkSettings
from node.saf_settings import SafSettings
from node.settings import Section


class MerchantConfig(Section):
    """One merchant. `merchant` is DE 42, `terminals` are DE 41, `mcc` DE 18.

    It is taken into the acquirer's database once; what is there already wins over what is here.

    Attributes
    ----------
    currency
        Either code of ISO 4217.
    pin_key
        Under what its terminals send PIN blocks.
    """

    merchant: str = Field(min_length=1, max_length=15)
    name: str = Field(min_length=1, max_length=25)
    mcc: str = Field(pattern=r"^\d{4}$")
    country: str = Field(pattern=r"^[A-Z]{2}$")
    city: str = Field(min_length=1, max_length=13)
    terminals: tuple[str, ...] = ()
    status: Literal["pending", "active", "suspended", "closed"] = "active"
    currency: str = "usd"
    settlement_account: str = Field(default="", max_length=34)
    fee_plan: str = Field(default="standard", pattern=r"^[a-z0-9-]{1,40}$")
    reserve_bp: int = Field(default=0, ge=0, le=10_000)
    over_capture_percent: int = Field(default=0, ge=0, le=100)
    amount_max_minor: int = Field(default=-1, ge=-1)
    may_refund_unlinked: bool = False
    pin_key: Literal["none", "tpk", "dukpt-tdes", "dukpt-aes"] = "none"

    @field_validator("currency")
    @classmethod
    def _is_a_currency(cls, code: str) -> str:
        numeric = numeric_code(code)
        if numeric is None:
            raise ValueError("must be an ISO 4217 currency that iso.money knows")
        return numeric

    def row(self) -> Merchant:
        """Return the merchant as the acquirer stores it."""
        return Merchant(
            self.merchant.rstrip(),
            self.name,
            self.mcc,
            self.country,
            self.city,
            self.status,
            numeric_code(self.currency) or self.currency,
            self.settlement_account,
            self.fee_plan,
            self.reserve_bp,
            self.over_capture_percent,
            self.amount_max_minor,
            int(self.may_refund_unlinked),
        )


class AcquirerConfig(Section):
    """The acquirer of the topology.

    Attributes
    ----------
    address
        Where it listens for gateways: a pipe URL.
    dialect
        Of the gateway's link.
    network_address, network_dialect
        Where it dials the switch, and what is spoken there.
    institution
        DE 32.
    country_code
        DE 19, ISO 3166 numeric.
    """

    name: str = Field(default="acquirer", min_length=1)
    address: str
    dialect: str
    network_address: str
    network_dialect: str
    institution: str = Field(pattern=r"^\d{1,11}$")
    country_code: str = Field(default="840", pattern=r"^\d{3}$")
    merchants: tuple[MerchantConfig, ...]
    fee_plans: tuple[FeePlanRow, ...] = SHIPPED
    network_timeout_s: float = Field(default=15.0, gt=0)
    settled_max: int = Field(default=50_000, ge=100)
    links: LinkSettings = LinkSettings()
    saf: SafSettings = SafSettings()
    network_mac: Mac = "dialect"
    hsm_timeout_s: float = Field(default=2.0, gt=0)
    keys: KeySettings = KeySettings()

    @model_validator(mode="after")
    def _identifiers_are_unique(self) -> Self:
        merchants = [merchant.merchant.rstrip() for merchant in self.merchants]
        terminals = [terminal for merchant in self.merchants for terminal in merchant.terminals]
        if len(set(merchants)) != len(merchants) or len(set(terminals)) != len(terminals):
            raise ValueError("every merchant and every terminal must be unique")
        return self

    @model_validator(mode="after")
    def _fee_plans_exist(self) -> Self:
        plans = {row.plan for row in self.fee_plans}
        for merchant in self.merchants:
            if merchant.fee_plan not in plans:
                raise ValueError(f"merchant {merchant.merchant.rstrip()}: fee_plan must be one of the fee plans")
        return self

    def rules(self) -> AcquirerRules:
        """Return what the pure host is built with."""
        return AcquirerRules(
            name=self.name,
            acquirer_id=self.institution,
            country_code=self.country_code,
            network_timeout_s=self.network_timeout_s,
            hsm_timeout_s=self.hsm_timeout_s,
            settled_max=self.settled_max,
            fee_plans=self.fee_plans,
        )

    def directory(self) -> Directory:
        """Return the merchants and terminals that a new acquirer begins with."""
        return Directory(
            [item.row() for item in self.merchants],
            [
                Terminal(terminal.rstrip(), item.merchant.rstrip(), item.pin_key)
                for item in self.merchants
                for terminal in item.terminals
            ],
        )
