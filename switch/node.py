"""The switch's shell: puts machine, journal, pipes and HSM together. It decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskStatus

from hsm_sim.client import HsmClient
from hsm_sim.zones.links import Neighbour, join_keys, mac_kind, spoken_on
from iso import dialect
from node.clock import BusinessClock
from node.core.link import LinkMachine
from node.core.saf import SafMachine, SafRules
from node.journal import Journal
from node.journal import open_journal as journal_at
from node.pipes import Pipes
from node.runtime import Runtime
from switch.config import ACQUIRER, IssuerLink, MemberLink, SwitchConfig
from switch.core.machine import SwitchMachine
from switch.route_control import RouteControl
from switch.settlement_desk import SettlementDesk
from switch.store import METADATA

MIGRATIONS = "switch.migrations"


def open_journal(path: Path | None, *, power_safe: bool = False) -> Journal:
    """Return the switch's journal; see `node.journal.open_journal`."""
    return journal_at(path, METADATA, MIGRATIONS, power_safe=power_safe)


def build_switch(config: SwitchConfig, saf: SafRules | None = None) -> SwitchMachine:
    """Return the machine that a configuration describes. Pure: no file, no socket, no clock."""
    profile = config.links.profile()
    peers: list[MemberLink | IssuerLink] = [*config.acquirers, *config.issuers]
    links = [LinkMachine(peer.name, spoken_on(dialect(peer.dialect), peer.mac), profile) for peer in peers]
    issuers = [issuer.name for issuer in config.issuers]
    return SwitchMachine(links, config.route_table(), config.rules(), SafMachine(saf or config.saf.rules()), issuers)


def _neighbours(role: str, peers: Sequence[MemberLink | IssuerLink]) -> list[Neighbour]:
    kinds = [mac_kind(dialect(peer.dialect), peer.mac) for peer in peers]
    return [Neighbour(peer.name, role, at, kinds[at]) for at, peer in enumerate(peers)]


class SwitchNode:
    """One running switch.

    Parameters
    ----------
    hsm
        The switch's party at its HSM: opens cards, and seals and checks the acquirer's link if its dialect has a MAC.
    """

    def __init__(
        self, config: SwitchConfig, journal: Journal, clock: BusinessClock, pipes: Pipes, hsm: HsmClient
    ) -> None:
        self.config = config
        self.machine = build_switch(config)
        self.routing = RouteControl(config, self.machine)
        links = [
            config.links.config(member.name, "listen", member.address, spoken_on(dialect(member.dialect), member.mac))
            for member in config.acquirers
        ]
        links += [
            config.links.config(issuer.name, "dial", issuer.address, spoken_on(dialect(issuer.dialect), issuer.mac))
            for issuer in config.issuers
        ]
        neighbours = _neighbours("acquirer", config.acquirers) + _neighbours("issuer", config.issuers)
        rules = config.keys.rules(is_owner=True, hsm_timeout_s=config.hsm_timeout_s)
        self.keys, protectors = join_keys(self.machine, hsm, neighbours, rules)
        self.machine.book.pin_places = lambda link, aes: self.keys.pin_places(link, aes=aes)
        self.runtime = Runtime(
            config.name,
            self.machine,
            journal,
            clock,
            pipes,
            links,
            {"hsm": hsm},
            protectors,
        )
        self.settlement = SettlementDesk(self.runtime, self.machine)

    @property
    def address(self) -> str:
        """Where the first acquirer dials; with the real port once the node has started."""
        return self.address_of(ACQUIRER)

    def address_of(self, member: str) -> str:
        """Return where a member dials; with the real port once the node has started."""
        return self.runtime.links[member].address

    @property
    def is_ready(self) -> bool:
        """Whether every issuer link that is waited for carries traffic, and the first acquirer has signed on."""
        ours = (ACQUIRER, *(issuer.name for issuer in self.config.issuers if issuer.wait_for))
        return all(self.machine.links[name].is_up for name in ours)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve for ever; started once what a restart owes is durable.

        Raises
        ------
        PipeError
            The port is in use.
        StoreError
            A commit failed; the node has stopped.
        """
        await self.runtime.run(task_status=task_status)

    def view(self) -> dict[str, Any]:
        """Summarise for the control port, without card numbers."""
        return self.machine.view()
