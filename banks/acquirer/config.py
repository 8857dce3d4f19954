"""Settings of an acquirer: its links, and the merchants and terminals it takes payments for."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from banks.acquirer.books import AcquirerRules
from banks.core.merchants import Directory, Merchant, Terminal
from hsm_sim.zones.settings import KeySettings, Mac
from node.link_settings import LinkSettings
from node.saf_settings import SafSettings
from node.settings import Section


class MerchantConfig(Section):
    """One merchant. `merchant` is DE 42, `terminals` are DE 41, `mcc` DE 18."""

    merchant: str = Field(min_length=1, max_length=15)
    name: str = Field(min_length=1, max_length=25)
    mcc: str = Field(pattern=r"^\d{4}$")
    country: str = Field(pattern=r"^[A-Z]{2}$")
    city: str = Field(min_length=1, max_length=13)
    terminals: tuple[str, ...] = ()
    status: Literal["active", "inactive"] = "active"


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

    def rules(self) -> AcquirerRules:
        """Return what the pure host is built with."""
        return AcquirerRules(
            name=self.name,
            acquirer_id=self.institution,
            country_code=self.country_code,
            network_timeout_s=self.network_timeout_s,
            settled_max=self.settled_max,
        )

    def directory(self) -> Directory:
        """Return the merchants and terminals as the pure host looks them up."""
        return Directory(
            [
                Merchant(item.merchant.rstrip(), item.name, item.mcc, item.country, item.city, item.status)
                for item in self.merchants
            ],
            [
                Terminal(terminal.rstrip(), item.merchant.rstrip())
                for item in self.merchants
                for terminal in item.terminals
            ],
        )
