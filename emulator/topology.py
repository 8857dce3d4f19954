"""The topology file: which nodes there are, where they listen, what they speak, and who sells there."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from emulator.topology_nodes import ADDRESS, NODE_NAMES, PARTIES, Nodes, NodeSection
from hsm_sim.zones.settings import KeySettings
from iso import ConfigError, IsoError
from iso.dialect_file import dialect_from_toml
from iso.dialects import register
from iso.money import currency
from node.fault_ports import FaultRequest
from node.link_settings import LinkSettings
from node.saf_settings import SafSettings
from node.settings import Section, TomlSettings, load, parse
from node.tls import TlsSettings

__all__ = [
    "NODE_NAMES",
    "PARTIES",
    "CapturesSection",
    "ControlSection",
    "Deadlines",
    "FaultSection",
    "MerchantSection",
    "MessagesSection",
    "TlsSection",
    "Topology",
    "at_addresses",
    "check_node_names",
    "default_text",
    "on_free_ports",
    "read_topology",
]


_FREE = "127.0.0.1:0"


class Deadlines(Section):
    """Seconds. A deadline must be shorter than that of whoever waits for its owner."""

    hsm_s: float = Field(default=2.0, gt=0)
    issuer_s: float = Field(default=8.0, gt=0)
    switch_leg_s: float = Field(default=10.0, gt=0)
    acquirer_s: float = Field(default=15.0, gt=0)
    gateway_s: float = Field(default=25.0, gt=0)

    @model_validator(mode="after")
    def _nested(self) -> Self:
        order = [(name, getattr(self, name)) for name in type(self).model_fields]
        for (inner, inner_s), (outer, outer_s) in pairwise(order):
            if inner_s >= outer_s:
                raise ValueError(f"{inner} ({inner_s:g}) must be shorter than {outer} ({outer_s:g})")
        return self


class ControlSection(Section):
    """The control port of a process that runs the whole house."""

    address: str = Field(default="127.0.0.1:8400", pattern=ADDRESS)


class CapturesSection(Section):
    """Where each node writes what crosses its links: `NODE.pcapng`, and a dissector for each dialect."""

    folder: Path
    reveal_test_pan: bool = False
    """Write card numbers as they are instead of masking them. For test cards only."""


class MessagesSection(Section):
    """What each node keeps of the messages that cross its links, masked: `NODE.messages.db` beside its database."""

    keep: bool = True
    """False: only the newest ones, in memory."""
    keep_count: int = Field(default=100_000, ge=1)
    """Messages and remarks of a node."""
    keep_days: float = Field(default=7.0, gt=0, le=3_650)
    """Business days of 24 hours; what is older is dropped with the next messages."""


class TlsSection(Section):
    """The certificates of this process, PEM files; needed by addresses with `tls://`."""

    certificate: Path | None = None
    private_key: Path | None = None
    authorities: Path | None = None
    mutual: bool = False
    server_name: str | None = None

    def settings(self) -> TlsSettings:
        """Return what pipes take."""
        return TlsSettings(**self.model_dump())


class MerchantSection(Section):
    """Who sells."""

    id: str = Field(pattern=r"^acct_\w{1,60}$")
    name: str = Field(min_length=1, max_length=25)
    merchant: str = Field(pattern=r"^[A-Za-z0-9 ]{15}$")
    terminals: tuple[str, ...] = Field(min_length=1)
    mcc: str = Field(pattern=r"^\d{4}$")
    city: str = Field(min_length=1, max_length=13)
    country: str = Field(pattern=r"^[A-Z]{2}$")
    currency: str = Field(pattern=r"^[a-z]{3}$")
    settlement_account: str = Field(default="", max_length=34)
    fee_plan: Literal["standard", "none"] = "standard"
    reserve_bp: int = Field(default=0, ge=0, le=10_000)
    over_capture_percent: int = Field(default=0, ge=0, le=100)
    amount_max_minor: int = Field(default=-1, ge=-1)
    may_refund_unlinked: bool = False
    pin_key: Literal["none", "tpk", "dukpt-tdes", "dukpt-aes"] = "none"

    @field_validator("terminals")
    @classmethod
    def _have_eight_characters(cls, terminals: tuple[str, ...]) -> tuple[str, ...]:
        for terminal in terminals:
            if len(terminal) != 8 or not terminal.isalnum():
                raise ValueError("each terminal id has eight letters or digits")
        return terminals

    @field_validator("currency")
    @classmethod
    def _is_a_currency(cls, code: str) -> str:
        try:
            currency(code.upper())
        except IsoError:
            problem = "must be an ISO 4217 currency that iso.money knows"
        else:
            return code
        raise ValueError(problem)


class FaultSection(FaultRequest):
    """A fault that is armed from the start, on a link of a node; the HSM has its own in its section."""

    node: Literal["gateway", "acquirer", "switch", "issuer-a", "issuer-b"]


class Topology(TomlSettings):
    """A whole house."""

    durability: Literal["process", "power"] = "process"
    dialects: dict[str, str] = Field(default_factory=dict)
    """Name of a dialect of the user's own to the file that describes it, relative to the topology file."""
    deadlines: Deadlines = Deadlines()
    links: LinkSettings = LinkSettings()
    keys: KeySettings = KeySettings()
    saf: SafSettings = SafSettings()
    control: ControlSection = ControlSection()
    messages: MessagesSection = MessagesSection()
    captures: CapturesSection | None = None
    tls: TlsSection | None = None
    nodes: Nodes
    merchants: tuple[MerchantSection, ...] = Field(min_length=1)
    faults: tuple[FaultSection, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        terminals = [terminal for merchant in self.merchants for terminal in merchant.terminals]
        for what, values in (
            ("merchant id", [merchant.id for merchant in self.merchants]),
            ("merchant", [merchant.merchant for merchant in self.merchants]),
            ("terminal", terminals),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"every {what} must be unique")
        if self.nodes.gateway.platform not in (None, *(merchant.id for merchant in self.merchants)):
            raise ValueError("nodes.gateway.platform must be the id of a merchant")
        return self


def default_text() -> str:
    """Return the topology file that ships with the product."""
    return (resources.files("emulator") / "topology.toml").read_text("utf-8")


def read_topology(path: Path | None) -> Topology:
    """Read a topology file, or the default house if `path` is None.

    Raises
    ------
    ConfigError
        One line: file, key, value, rule.
    """
    if path is None:
        return parse(Topology, default_text(), "topology.toml (default)")
    _register_dialects(path)
    return load(Topology, path)


def _register_dialects(path: Path) -> None:
    """Make the topology's own dialects known before its nodes are checked; `load` reports what is no topology."""
    try:
        table = tomllib.loads(path.read_text("utf-8")).get("dialects", {})
    except (OSError, ValueError):
        return
    for name, file in table.items() if isinstance(table, dict) else ():
        try:
            text = (path.parent / str(file)).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            text = None
        if text is None:
            raise ConfigError(path, f"dialects.{name}", file, "must be a readable TOML file")
        own = dialect_from_toml(text, str(path.parent / str(file)))
        if own.name != name:
            raise ConfigError(path, f"dialects.{name}", file, f"must describe {name}; the file calls it {own.name}")
        register(own)


def on_free_ports(topology: Topology) -> Topology:
    """Return the same house with every port left to the operating system."""
    return _moved(topology, lambda _name, address: _free_pipe(address), _FREE)


def at_addresses(topology: Topology, addresses: Mapping[str, str], control_url: str) -> Topology:
    """Return the same house at the addresses that its nodes have, by name; `hsm/PARTY` and `switch/MEMBER` too."""
    return _moved(topology, lambda name, address: addresses.get(name, address), control_url.removeprefix("http://"))


def _moved(topology: Topology, at: Callable[[str, str], str], control: str) -> Topology:
    """Return the same house elsewhere: `at` says where from a name and the address that it had."""
    nodes = topology.nodes
    hsm = {party: at(f"hsm/{party}", nodes.hsm.address_of(party)) for party in PARTIES}
    opened = (("open", nodes.hsm.open), ("shared", nodes.hsm.shared))
    hsm |= {name: at(f"hsm/{name}", address) for name, address in opened if address}

    def moved(section: NodeSection, **changes: str) -> dict[str, object]:
        return {**section.model_dump(by_alias=True), "control": control, **changes}

    return Topology(
        durability=topology.durability,
        dialects=topology.dialects,
        deadlines=topology.deadlines,
        links=topology.links,
        keys=topology.keys,
        saf=topology.saf,
        control=ControlSection(address=control),
        messages=topology.messages,
        captures=topology.captures,
        tls=topology.tls,
        merchants=topology.merchants,
        faults=topology.faults,
        nodes=Nodes.model_validate(
            {
                "hsm": moved(nodes.hsm, **hsm),
                "gateway": moved(
                    nodes.gateway, http=at("gateway", f"http://{nodes.gateway.http}").removeprefix("http://")
                ),
                "acquirer": moved(nodes.acquirer, iso=at("acquirer", nodes.acquirer.iso)),
                "switch": {
                    **moved(nodes.switch, iso=at("switch", nodes.switch.iso)),
                    "members": [
                        {**member.model_dump(), "address": at(f"switch/{member.name}", member.address)}
                        for member in nodes.switch.members
                    ],
                },
                "issuer-a": moved(nodes.issuer_a, iso=at("issuer-a", nodes.issuer_a.iso)),
                "issuer-b": moved(nodes.issuer_b, iso=at("issuer-b", nodes.issuer_b.iso)),
            }
        ),
    )


def _free_pipe(url: str) -> str:
    scheme = url.partition("://")[0]
    return f"{scheme}://{_FREE}" if scheme in ("tcp", "tls", "http") else url


def check_node_names(names: list[str], file: str) -> list[str]:
    """Return the nodes to run, in starting order; all if none was named.

    Raises
    ------
    ConfigError
        A name is not a node.
    """
    for name in names:
        if name not in NODE_NAMES:
            raise ConfigError(file, "--node", name, f"must be one of {', '.join(NODE_NAMES)}")
    return [name for name in NODE_NAMES if name in names] if names else list(NODE_NAMES)
