"""The switch's part of the topology."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from hsm_sim.core import indexes
from hsm_sim.zones.settings import KeySettings, Mac
from iso.errors import CardrailsError
from node.link_settings import LinkSettings
from node.saf_settings import SafSettings
from node.settings import Section
from switch.core.currencies import Currencies
from switch.core.routing import RouteTable
from switch.core.rules import PinZone, SwitchRules
from switch.rate_settings import CurrencyCode, RateSettings, checked_rates, rate_table
from switch.route_settings import GroupSettings, RouteSettings, RoutingSettings, check_names
from switch.settlement_settings import SettlementSettings
from switch.stand_in_settings import BreakerSection, StandInSection

ACQUIRER = "acquirer"
"""Link of the first member; the others have the names that the configuration gives them."""

PinFormat = Literal["none", "iso0", "iso3", "iso4"]
"""How PIN blocks travel on a link; "none": the switch has no PIN key for it."""
_PIN_FORMATS: Mapping[str, str] = {"iso0": "01", "iso3": "47", "iso4": "48"}


class IssuerLink(Section):
    """One issuer that the switch dials.

    Attributes
    ----------
    name
        Of the link, and of the issuer's node.
    address
        A pipe URL.
    bins
        Prefixes of the card numbers that are routed to it, 1 to 11 digits each; none if only routes and groups name it.
    wait_for
        Whether the switch is ready only when this link is up.
    rewrite_stan
        Send DE 11 from a counter of the switch's own; the acquirer gets its own back.
    billing_currency, settlement_currency
        ISO 4217: what its cardholders are billed in, and what it settles in; None = the merchant's.
    institution
        Who is behind it, for on-us routes.
    """

    name: str = Field(min_length=1)
    address: str
    dialect: str
    bins: tuple[str, ...] = ()
    mac: Mac = "dialect"
    pin_format: PinFormat = "none"
    rewrite_stan: bool = False
    wait_for: bool = True
    billing_currency: CurrencyCode | None = None
    settlement_currency: CurrencyCode | None = None
    institution: str = ""

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


class MemberLink(Section):
    """A further acquirer, which dials the switch. Its keys lie behind those of the members before it.

    Attributes
    ----------
    name
        Of the link.
    address
        Where the switch listens for it: a pipe URL.
    """

    name: str = Field(min_length=1)
    address: str
    dialect: str
    mac: Mac = "dialect"
    pin_format: PinFormat = "none"
    settlement_currency: CurrencyCode | None = None
    institution: str = ""


class SwitchConfig(Section):
    """One switch. Durations in seconds; each limit is a number of things in memory.

    Attributes
    ----------
    address
        Where it listens for its first acquirer: a pipe URL. `dialect`, `pin_format`, `settlement_currency` and
        `institution` are that link's.
    members
        Further acquirers, each on a link of its own.
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
    keys: KeySettings = KeySettings()
    mac: Mac = "dialect"
    pin_format: PinFormat = "none"
    settlement_currency: CurrencyCode | None = None
    institution: str = ""
    groups: tuple[GroupSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    rates: Annotated[tuple[RateSettings, ...], AfterValidator(checked_rates)] = ()
    members: tuple[MemberLink, ...] = ()
    stand_in: tuple[StandInSection, ...] = ()
    breaker: BreakerSection = BreakerSection()
    settlement: SettlementSettings = SettlementSettings()
    saf: SafSettings = SafSettings()

    @model_validator(mode="after")
    def _routes_are_clear(self) -> Self:
        names = [issuer.name for issuer in self.issuers] + [member.name for member in self.members]
        if len({*names, ACQUIRER}) != len(names) + 1:
            raise ValueError("every issuer and member has a name of its own, and none is 'acquirer'")
        bins = [prefix for issuer in self.issuers for prefix in issuer.bins]
        if len(set(bins)) != len(bins):
            raise ValueError("no prefix is routed to two issuers")
        if self.hsm_timeout_s >= self.leg_timeout_s:
            raise ValueError("hsm_timeout_s must be shorter than leg_timeout_s")
        prefixes = [prefix for section in self.stand_in for prefix in section.rule().bins]
        if len(set(prefixes)) != len(prefixes):
            raise ValueError("no prefix has two rules of stand-in")
        try:
            self.route_table()
        except CardrailsError as error:
            problem = str(error)
        else:
            return self
        raise ValueError(problem)

    @property
    def _all_links(self) -> tuple[MemberLink | IssuerLink, ...]:
        return (*self.acquirers, *self.issuers)

    @property
    def acquirers(self) -> tuple[MemberLink, ...]:
        """Every acquirer's link, the first member's included; the nth has the nth place among the keys."""
        first = MemberLink(
            name=ACQUIRER,
            address=self.address,
            dialect=self.dialect,
            mac=self.mac,
            pin_format=self.pin_format,
            settlement_currency=self.settlement_currency,
            institution=self.institution,
        )
        return (first, *self.members)

    def rules(self) -> SwitchRules:
        """Return what the machine is built with."""
        return SwitchRules(
            hsm_timeout_s=self.hsm_timeout_s,
            leg_timeout_s=self.leg_timeout_s,
            in_flight_max=self.in_flight_max,
            ended_max=self.ended_max,
            tombstones_max=self.tombstones_max,
            stand_in=tuple(section.rule() for section in self.stand_in),
            breaker=self.breaker.rules(),
            currencies=self._currencies(),
            settlement=self.settlement.rules(),
            pins=self._pins(),
            rewrites_stan=frozenset(issuer.name for issuer in self.issuers if issuer.rewrite_stan),
        )

    def _pins(self) -> dict[str, PinZone]:
        zones: list[tuple[MemberLink | IssuerLink, str, int]] = [
            (link, "acquirer", ordinal) for ordinal, link in enumerate(self.acquirers)
        ]
        zones += [(link, "issuer", ordinal) for ordinal, link in enumerate(self.issuers)]
        return {
            link.name: PinZone(indexes.zpk(role, ordinal, aes=link.pin_format == "iso4"), _PIN_FORMATS[link.pin_format])
            for link, role, ordinal in zones
            if link.pin_format != "none"
        }

    def _currencies(self) -> Currencies:
        billing = {issuer.name: issuer.billing_currency for issuer in self.issuers}
        settlement = {link.name: link.settlement_currency for link in self._all_links}
        return Currencies(
            rate_table(self.rates),
            {name: code for name, code in billing.items() if code is not None},
            {name: code for name, code in settlement.items() if code is not None},
        )

    def routing(self) -> RoutingSettings:
        """Return the routes as they are loaded, and loaded again at run time; not checked."""
        return RoutingSettings.model_construct(
            bins={issuer.name: issuer.bins for issuer in self.issuers if issuer.bins},
            groups=self.groups,
            routes=self.routes,
            institutions={link.name: link.institution for link in self._all_links if link.institution},
        )

    def route_table(self, routing: RoutingSettings | None = None) -> RouteTable:
        """Return where each card number goes.

        Parameters
        ----------
        routing
            Other routes than those that the configuration has, between the same links.

        Raises
        ------
        CardrailsError
            One line that names the route: see `RouteTable`; or it names a link that is not there.
        """
        table = (routing or self.routing()).table()
        check_names(table, [issuer.name for issuer in self.issuers], [member.name for member in self.acquirers])
        return table
