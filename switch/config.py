"""The switch's part of the topology."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from iso.errors import CardrailsError
from node.link_settings import LinkSettings
from node.settings import Section
from switch.core.routing import RouteTable
from switch.core.rules import SwitchRules


class IssuerLink(Section):
    """One issuer that the switch dials.

    Attributes
    ----------
    name
        Of the link, and of the issuer's node.
    address
        A pipe URL.
    bins
        Prefixes of the card numbers that are routed to it, 1 to 11 digits each.
    """

    name: str = Field(min_length=1)
    address: str
    dialect: str
    bins: tuple[str, ...] = Field(min_length=1)

    @field_validator("bins")
    @classmethod
    def _are_prefixes(cls, bins: tuple[str, ...]) -> tuple[str, ...]:
        try:
            RouteTable(dict.fromkeys(bins, ""))
        except CardrailsError as error:
            problem = str(error)
        else:
            return bins
        raise ValueError(problem)


class SwitchConfig(Section):
    """One switch. Durations in seconds; each limit is a number of things in memory.

    Attributes
    ----------
    address
        Where it listens for the acquirer: a pipe URL.
    leg_timeout_s
        From the receipt of a request to the answer that the switch gives itself; longer than the HSM's timeout.
    """

    name: str = Field(default="switch", min_length=1)
    address: str
    dialect: str
    issuers: tuple[IssuerLink, ...] = Field(min_length=1)
    hsm_timeout_s: float = Field(default=2.0, gt=0)
    leg_timeout_s: float = Field(default=10.0, gt=0)
    in_flight_max: int = Field(default=10_000, ge=1)
    ended_max: int = Field(default=20_000, ge=1)
    tombstones_max: int = Field(default=10_000, ge=1)
    links: LinkSettings = LinkSettings()

    @model_validator(mode="after")
    def _routes_are_clear(self) -> Self:
        names = [issuer.name for issuer in self.issuers]
        if len({*names, "acquirer"}) != len(names) + 1:
            raise ValueError("every issuer has a name of its own, and none is 'acquirer'")
        bins = [prefix for issuer in self.issuers for prefix in issuer.bins]
        if len(set(bins)) != len(bins):
            raise ValueError("no prefix is routed to two issuers")
        if self.hsm_timeout_s >= self.leg_timeout_s:
            raise ValueError("hsm_timeout_s must be shorter than leg_timeout_s")
        return self

    def rules(self) -> SwitchRules:
        """Return what the machine is built with."""
        return SwitchRules(
            hsm_timeout_s=self.hsm_timeout_s,
            leg_timeout_s=self.leg_timeout_s,
            in_flight_max=self.in_flight_max,
            ended_max=self.ended_max,
            tombstones_max=self.tombstones_max,
        )

    def routes(self) -> RouteTable:
        """Return which link each prefix belongs to."""
        return RouteTable({prefix: issuer.name for issuer in self.issuers for prefix in issuer.bins})
