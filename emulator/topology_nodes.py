"""Each node of a topology: where it listens, what it speaks, and what is its own to settle."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from banks.issuer.settings import IssuerSettings
from gateway.settings import GatewaySettings
from hsm_sim.config import FaultConfig, LmkConfig, PolicyConfig, VaultConfig
from hsm_sim.zones.settings import Mac
from iso.dialects import known_names
from node.database_url import DatabaseUrl
from node.pipes import PipeError, split_url
from node.settings import Section
from switch.config import IssuerLink, MemberLink, PinFormat
from switch.rate_settings import CurrencyCode, RateSettings, checked_rates
from switch.route_settings import GroupSettings, RouteSettings
from switch.settlement_settings import SettlementSettings
from switch.stand_in_settings import BreakerSection, StandInSection

NODE_NAMES = ("hsm", "issuer-a", "issuer-b", "switch", "acquirer", "gateway")
"""In the order in which they start: each dials only those before it."""
PARTIES = ("gateway", "acquirer", "switch", "issuer-a", "issuer-b")
"""Who has a slot in the HSM."""

ADDRESS = r"^[\w.:\[\]-]+:\d{1,5}$"


def _pipe(url: str) -> str:
    try:
        split_url(url)
    except PipeError:
        problem = "expected tcp://host:port or tls://host:port"
    else:
        return url
    raise ValueError(problem)


def _database(url: SecretStr) -> SecretStr:
    DatabaseUrl.parse(url.get_secret_value())
    return url


class NodeSection(Section):
    """Any node, and its control port when it runs in a process of its own."""

    control: str = Field(pattern=ADDRESS)

    @model_validator(mode="before")
    @classmethod
    def _keeps_its_file(cls, values: Any) -> Any:
        if isinstance(values, dict) and "database" in values and "database" not in cls.model_fields:
            raise ValueError("database: only the banks can keep their books on a database server")
        return values


class HsmSection(NodeSection):
    """One host port per party; `open` is one more, on loopback, for anybody under the public test LMKs."""

    gateway: str
    acquirer: str
    switch: str
    issuer_a: str = Field(alias="issuer-a")
    issuer_b: str = Field(alias="issuer-b")
    open: str | None = None
    shared: str | None = None
    """With mutual TLS: one more port for every party; the certificate says which it is."""
    in_process: bool = False
    """Nodes in the HSM's own process ask it without a socket: to measure what the socket costs."""
    header_length: int = Field(default=4, ge=1, le=255)
    audit: Literal["security", "all", "off"] = "security"
    pin_fails_max: int = Field(default=10, ge=0, le=1000)
    pin_fails_window_s: float = Field(default=3600.0, gt=0)
    policies: dict[str, PolicyConfig] = Field(default_factory=dict)
    lmks: tuple[LmkConfig, ...] = ()
    vault: VaultConfig = VaultConfig()
    faults: tuple[FaultConfig, ...] = ()

    @field_validator("gateway", "acquirer", "switch", "issuer_a", "issuer_b", "open", "shared")
    @classmethod
    def _is_pipe(cls, url: str | None) -> str | None:
        return None if url is None else _pipe(url)

    def address_of(self, party: str) -> str:
        """Return the host port of a party."""
        return str(getattr(self, party.replace("-", "_")))


class GatewaySection(NodeSection):
    """Where shops send their requests; `platform` is the merchant (its id) that may make accounts of others."""

    rules: GatewaySettings = GatewaySettings()
    http: str = Field(pattern=ADDRESS)
    platform: str | None = None


class IsoSection(NodeSection):
    """A node that listens for an ISO 8583 link."""

    iso: str
    dialect: str

    @field_validator("iso")
    @classmethod
    def _is_pipe(cls, url: str) -> str:
        return _pipe(url)

    @field_validator("dialect")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in known_names():
            raise ValueError(f"must be one of {', '.join(known_names())}")
        return name


class BankSection(IsoSection):
    """A bank, and where its books are."""

    database: Annotated[SecretStr, AfterValidator(_database)] | None = None
    """`postgresql://user:password@host:port/database?schema=name`; without it: a SQLite file in the data folder."""

    @property
    def server(self) -> DatabaseUrl | None:
        """The database server that keeps its books; None for a file of its own."""
        return None if self.database is None else DatabaseUrl.parse(self.database.get_secret_value())


class AcquirerSection(BankSection):
    """The acquirer host; `institution` is its DE 32."""

    institution: str = Field(pattern=r"^\d{1,11}$")
    settlement_currency: CurrencyCode | None = None


class IssuerSection(BankSection):
    """An issuer host, its `rules`, and the card ranges that are routed to it; `institution` as its DE 32 would be."""

    rules: IssuerSettings = IssuerSettings()
    bins: tuple[str, ...] = Field(min_length=1)
    mac: Mac = "dialect"
    pin_format: PinFormat = "none"
    rewrite_stan: bool = False
    billing_currency: CurrencyCode | None = None
    settlement_currency: CurrencyCode | None = None
    institution: str = Field(default="", pattern=r"^\d{0,11}$")

    @field_validator("bins")
    @classmethod
    def _are_prefixes(cls, bins: tuple[str, ...]) -> tuple[str, ...]:
        for prefix in bins:
            if not (prefix.isascii() and prefix.isdigit() and 1 <= len(prefix) <= 11):
                raise ValueError("each is a prefix of 1 to 11 digits")
        return bins


class SwitchSection(IsoSection):
    """The switch, and what it decides by itself; its own address is where the first acquirer dials."""

    mac: Mac = "dialect"
    """Of the first acquirer's link; members and issuers say it each for itself."""
    pin_format: PinFormat = "none"
    members: tuple[MemberLink, ...] = ()
    issuers: tuple[IssuerLink, ...] = ()
    """Issuer hosts beside the two of this house."""
    groups: tuple[GroupSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    rates: Annotated[tuple[RateSettings, ...], AfterValidator(checked_rates)] = ()
    stand_in: tuple[StandInSection, ...] = ()
    breaker: BreakerSection = BreakerSection()
    settlement: SettlementSettings = SettlementSettings()


class Nodes(Section):
    """The six nodes of the house."""

    hsm: HsmSection
    gateway: GatewaySection
    acquirer: AcquirerSection
    switch: SwitchSection
    issuer_a: IssuerSection = Field(alias="issuer-a")
    issuer_b: IssuerSection = Field(alias="issuer-b")

    @model_validator(mode="after")
    def _ranges_are_disjoint(self) -> Self:
        shared = set(self.issuer_a.bins) & set(self.issuer_b.bins)
        if shared:
            raise ValueError(f"bin {min(shared)} is routed to both issuers")
        return self

    @model_validator(mode="after")
    def _databases_are_their_own(self) -> Self:
        taken = [bank.server for bank in (self.acquirer, self.issuer_a, self.issuer_b) if bank.server is not None]
        if len({place.shown for place in taken}) != len(taken):
            raise ValueError("two banks cannot share a schema of a database; give each a ?schema= of its own")
        return self
