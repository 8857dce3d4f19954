"""Which node runs where: the only module that knows it.

Each `_start_...` function builds one node from the topology and starts it. In one process the nodes start in the
order of `NODE_NAMES` and find each other's real ports in `Place.addresses`; a node that is elsewhere is found at the
address that the topology names. Rooms are imported by their starters: a process with one node does not load the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from anyio.abc import TaskGroup

from emulator.keys import merchant_keys, operator_key
from emulator.topology import NODE_NAMES, PARTIES, Topology
from emulator.topology_nodes import BankSection
from hsm_sim.client import HsmClient, LocalClient, TcpClient
from hsm_sim.node import HsmNode
from hsm_sim.zones.desk import KeyDesk
from hsm_sim.zones.keeper import ZoneKeys
from iso import ConfigError, LocalProtocolError
from node.capture import Capture
from node.clock import BusinessClock, Entropy, Wall
from node.control import Controlled
from node.controlled import Routing, Settlement
from node.core.host import Host
from node.journal import DatabaseUrl, Journal
from node.message_store import Retention
from node.metrics import runtime_metrics
from node.pipes import Pipes
from node.runtime import Runtime
from node.saf_desk import SafDesk

_DAY_US = 86_400 * 1_000_000


class Place:
    """What the nodes of one process share: folder, pipes, clock source, and the addresses that are known."""

    def __init__(self, topology: Topology, data_dir: Path, wall: Wall, entropy: Entropy) -> None:
        self.topology = topology
        self.data_dir = data_dir
        self.pipes = Pipes(topology.tls.settings() if topology.tls is not None else None)
        self.entropy = entropy
        self.power_safe = topology.durability == "power"
        self.wall = wall
        self.watched: Callable[[str, Journal], Journal] = lambda _name, journal: journal
        """What a bank gets in place of its journal: for whoever watches commits, or dies at one."""
        self.hsm: HsmNode | None = None
        nodes = topology.nodes
        self.addresses = {
            "acquirer": nodes.acquirer.iso,
            "switch": nodes.switch.iso,
            "issuer-a": nodes.issuer_a.iso,
            "issuer-b": nodes.issuer_b.iso,
            "gateway": f"http://{nodes.gateway.http}",
            **{f"hsm/{party}": nodes.hsm.address_of(party) for party in PARTIES},
        }
        sections = {name: getattr(nodes, name.replace("-", "_")) for name in NODE_NAMES}
        self.control_urls = {name: f"http://{section.control}" for name, section in sections.items()}
        """Where each node's control port is; those of this process once they are open."""

    def clock(self, node: str) -> BusinessClock:
        """Return a node's business clock; its offset is kept beside its database."""
        return BusinessClock(self.wall, self.data_dir / f"{node}.clock")

    def database(self, node: str) -> Path:
        """Return the file that is a node's own."""
        return self.data_dir / f"{node}.db"

    def books(self, bank: str) -> Path | DatabaseUrl:
        """Return where a bank's books are: on a database server if the topology says so, else in a file of its own."""
        section: BankSection = getattr(self.topology.nodes, bank.replace("-", "_"))
        return section.server or self.database(bank)

    def observed(self, runtime: Runtime) -> Runtime:
        """Let a node keep its messages, write a capture of its links and suffer faults, if the topology says so.

        Raises
        ------
        ConfigError
            The folder of the captures cannot be made, or a fault is on no link of the node.
        StoreError
            Another process writes the messages of this node.
        """
        self._provoke(runtime)
        kept = self.topology.messages
        if kept.keep:
            retention = Retention(kept.keep_count, round(kept.keep_days * _DAY_US))
            runtime.trace.keep_in(self.data_dir / f"{runtime.name}.messages.db", retention)
        section = self.topology.captures
        if section is None:
            return runtime
        try:
            section.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror
        else:
            file = section.folder / f"{runtime.name}.pcapng"
            links = [(name, link.config.dialect) for name, link in runtime.links.items()]
            runtime.capture_to(Capture(file, runtime.name, links, reveal_test_pan=section.reveal_test_pan))
            return runtime
        raise ConfigError("topology", "captures.folder", str(section.folder), f"must be a folder: {reason}")

    def _provoke(self, runtime: Runtime) -> None:
        deadlines = self.topology.deadlines
        waits = {"switch": deadlines.acquirer_s, "acquirer": deadlines.gateway_s, "gateway": 0.0}
        runtime.faults.asker_waits_s = waits.get(runtime.name, deadlines.switch_leg_s)
        for number, section in enumerate(self.topology.faults):
            if section.node != runtime.name:
                continue
            try:
                runtime.faults.add(section.fault())
            except LocalProtocolError as error:
                problem = str(error)
            else:
                continue
            raise ConfigError("topology", f"faults[{number}]", section.action, problem)

    async def hsm_client(self, party: str, tasks: TaskGroup) -> HsmClient:
        """Open a party's one connection to its port of the HSM, or go to it without one if the topology says so."""
        if self.hsm is not None and self.topology.nodes.hsm.in_process:
            return LocalClient(self.hsm, party)
        length = self.topology.nodes.hsm.header_length
        client = TcpClient(self.pipes, self.addresses[f"hsm/{party}"], header_length=length)
        await tasks.start(client.run, name=f"{party}/hsm")
        return client


class Started(NamedTuple):
    """One running node: what the control port shows of it, the object itself, and how it stops in good order."""

    controlled: Controlled
    node: Any
    drain: Callable[[float], Awaitable[bool]] | None = None


async def start_node(name: str, place: Place, tasks: TaskGroup) -> Started:
    """Build and start one node; its addresses are in `place.addresses` when this returns.

    Raises
    ------
    PipeError, StoreError, ConfigError
        A port or a database is in use, or a file is wrong; one line.
    """
    return await _STARTERS[name](name, place, tasks)


async def _start_hsm(name: str, place: Place, tasks: TaskGroup) -> Started:
    from hsm_sim.config import HsmConfig, PartyConfig
    from hsm_sim.node import FaultDesk
    from hsm_sim.orders import VaultDesk
    from hsm_sim.store import open_store

    roles = {"gateway": "gateway", "acquirer": "acquirer", "switch": "switch"}
    parties = tuple(
        PartyConfig(name=party, role=roles.get(party, "issuer"), address=place.addresses[f"hsm/{party}"])  # type: ignore[arg-type]
        for party in PARTIES
    )
    section = place.topology.nodes.hsm
    config = HsmConfig(
        parties=parties,
        open_address=section.open,
        shared_address=section.shared,
        header_length=section.header_length,
        audit=section.audit,
        pin_fails_max=section.pin_fails_max,
        pin_fails_window_s=section.pin_fails_window_s,
        policies=section.policies,
        lmks=section.lmks,
        vault=section.vault,
        faults=section.faults,
        power_safe=place.power_safe,
    )
    journal, master = open_store(place.data_dir, place.entropy, power_safe=place.power_safe)
    node = HsmNode(config, journal, master, place.clock(name), place.pipes, place.entropy)
    await tasks.start(node.run, name=name)
    place.hsm = node
    place.addresses.update({f"hsm/{party}": address for party, address in node.addresses.items()})
    view = {"parties": [party.name for party in parties]}
    controlled = Controlled(
        name,
        node.clock,
        is_ready=lambda: True,
        view=lambda: {"name": name, **view},
        fault_port=FaultDesk(node),
        nudge=node.nudge,
        vault=VaultDesk(node.vault_keys, lambda: node.engine.upkeep.rotation()),
        commands=node.commands,
    )
    return Started(controlled, node)


async def _start_issuer(name: str, place: Place, tasks: TaskGroup) -> Started:
    from banks.issuer.config import IssuerConfig, shipped_cards
    from banks.issuer.node import IssuerNode, open_journal

    nodes, deadlines = place.topology.nodes, place.topology.deadlines
    own, other = (nodes.issuer_a, nodes.issuer_b) if name == "issuer-a" else (nodes.issuer_b, nodes.issuer_a)
    config = IssuerConfig(
        name=name,
        address=own.iso,
        dialect=own.dialect,
        bins=own.bins,
        foreign_bins=other.bins,
        hsm_timeout_s=deadlines.hsm_s,
        answer_timeout_s=deadlines.issuer_s,
        links=place.topology.links,
        mac=own.mac,
        keys=place.topology.keys,
        **{name: getattr(own.rules, name) for name in type(own.rules).model_fields},
    )
    journal = place.watched(name, open_journal(place.books(name), power_safe=place.power_safe))
    hsm = await place.hsm_client(name, tasks)
    node = IssuerNode(config, shipped_cards(), journal, place.clock(name), place.pipes, hsm)
    place.observed(node.runtime)
    await tasks.start(node.run, name=name)
    place.addresses[name] = node.address
    controlled = _controlled(node.runtime, lambda: node.is_ready, node.view, keys=node.keys)
    controlled.books = controlled.issuer = node.desk
    return Started(controlled, node, node.runtime.drain)


async def _start_switch(name: str, place: Place, tasks: TaskGroup) -> Started:
    from emulator.switching import switch_config
    from switch.node import SwitchNode, open_journal

    config = switch_config(place.topology, place.addresses)
    journal = open_journal(place.database(name), power_safe=place.power_safe)
    hsm = await place.hsm_client(name, tasks)
    node = SwitchNode(config, journal, place.clock(name), place.pipes, hsm)
    place.observed(node.runtime)
    await tasks.start(node.run, name=name)
    place.addresses[name] = node.address
    place.addresses.update({f"{name}/{member.name}": node.address_of(member.name) for member in config.members})
    return Started(
        _controlled(
            node.runtime,
            lambda: node.is_ready,
            node.view,
            routing=node.routing,
            settlement=node.settlement,
            keys=node.keys,
        ),
        node,
        node.runtime.drain,
    )


async def _start_acquirer(name: str, place: Place, tasks: TaskGroup) -> Started:
    from banks.acquirer.config import AcquirerConfig, MerchantConfig
    from banks.acquirer.node import AcquirerNode, open_journal

    nodes, deadlines = place.topology.nodes, place.topology.deadlines
    config = AcquirerConfig(
        name=name,
        address=nodes.acquirer.iso,
        dialect=nodes.acquirer.dialect,
        network_address=place.addresses["switch"],
        network_dialect=nodes.switch.dialect,
        institution=nodes.acquirer.institution,
        merchants=tuple(
            MerchantConfig.model_validate(merchant.model_dump(exclude={"id"})) for merchant in place.topology.merchants
        ),
        network_timeout_s=deadlines.acquirer_s,
        hsm_timeout_s=deadlines.hsm_s,
        links=place.topology.links,
        network_mac=nodes.switch.mac,
        keys=place.topology.keys,
        saf=place.topology.saf,
    )
    journal = place.watched(name, open_journal(place.books(name), power_safe=place.power_safe))
    hsm = await place.hsm_client(name, tasks)
    node = AcquirerNode(config, journal, place.clock(name), place.pipes, hsm=hsm)
    place.observed(node.runtime)
    await tasks.start(node.run, name=name)
    place.addresses[name] = node.address
    controlled = _controlled(node.runtime, lambda: node.is_ready, node.view, keys=node.keys)
    controlled.books = controlled.acquirer = node.desk
    return Started(controlled, node, node.runtime.drain)


async def _start_gateway(name: str, place: Place, tasks: TaskGroup) -> Started:
    from emulator.cards import test_cards
    from gateway.bank import ControlledBank
    from gateway.config import GatewayConfig, GatewayMerchant
    from gateway.emu.house import House
    from gateway.node import GatewayNode
    from node.control_access import service_secret

    nodes, deadlines = place.topology.nodes, place.topology.deadlines
    config = GatewayConfig(
        **dict(nodes.gateway.rules),
        http=nodes.gateway.http,
        acquirer_address=place.addresses["acquirer"],
        acquirer_dialect=nodes.acquirer.dialect,
        merchants=tuple(GatewayMerchant(**columns) for columns in _merchants(place)),
        hsm_timeout_s=deadlines.hsm_s,
        acquirer_timeout_s=deadlines.gateway_s,
        links=place.topology.links,
        power_safe=place.power_safe,
        operator_key=operator_key(place.data_dir, place.entropy),
    )
    hsm = await place.hsm_client(name, tasks)
    secret = service_secret(place.data_dir, place.entropy)
    bank = ControlledBank(House(lambda: place.control_urls, secret, place.wall), "acquirer")
    node = GatewayNode(
        config,
        place.database(name),
        place.clock(name),
        place.pipes,
        hsm,
        place.entropy,
        place.wall,
        bank,
        # Its own, so that the bank's calls do not wait for those of operators.
        house=House(lambda: place.control_urls, secret, place.wall),
        cards=test_cards(),
    )
    place.observed(node.runtime)
    await tasks.start(node.run, name=name)
    place.addresses[name] = node.url
    controlled = _controlled(node.runtime, lambda: node.is_ready, node.view, node.traces_of)
    controlled.requests_of = node.requests_of
    return Started(controlled, node, node.runtime.drain)


def _merchants(place: Place) -> list[dict[str, Any]]:
    """Return the merchants of the topology as the gateway knows them."""
    merchants = place.topology.merchants
    keys = merchant_keys(place.data_dir, [merchant.id for merchant in merchants], place.entropy)
    return [
        {
            "account": merchant.id,
            "name": merchant.name,
            "merchant": merchant.merchant,
            "terminal": merchant.terminals[0],
            "country": merchant.country,
            "currency": merchant.currency,
            "secret_key": keys[merchant.id].secret,
            "publishable_key": keys[merchant.id].publishable,
            "mcc": merchant.mcc,
            "is_platform": merchant.id == place.topology.nodes.gateway.platform,
        }
        for merchant in merchants
    ]


_STARTERS: dict[str, Callable[[str, Place, TaskGroup], Awaitable[Started]]] = {
    "hsm": _start_hsm,
    "issuer-a": _start_issuer,
    "issuer-b": _start_issuer,
    "switch": _start_switch,
    "acquirer": _start_acquirer,
    "gateway": _start_gateway,
}


def _controlled(
    runtime: Runtime,
    is_ready: Callable[[], bool],
    view: Callable[[], dict[str, Any]],
    traces_of: Callable[[str], Awaitable[list[str]]] | None = None,
    routing: Routing | None = None,
    settlement: Settlement | None = None,
    keys: ZoneKeys | None = None,
) -> Controlled:
    return Controlled(
        runtime.name,
        runtime.clock,
        is_ready=is_ready,
        view=view,
        trace=runtime.trace,
        faults=runtime.faults,
        settled=runtime.settled,
        nudge=runtime.inbox.nudge,
        metrics=lambda: runtime_metrics(runtime),
        traces_of=traces_of,
        routing=routing,
        saf=SafDesk(runtime, runtime.machine) if isinstance(runtime.machine, Host) else None,
        settlement=settlement,
        keys=KeyDesk(runtime, keys) if keys is not None else None,
    )
