"""The acquirer's shell: puts host, journal, pipes and link MACs together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskStatus

from banks.acquirer.books import NETWORK
from banks.acquirer.config import AcquirerConfig
from banks.acquirer.desk import AcquirerDesk
from banks.acquirer.host import GATEWAY, build_acquirer
from banks.acquirer.store import METADATA
from hsm_sim.client import HsmClient
from hsm_sim.zones.keeper import ZoneKeys
from hsm_sim.zones.links import Neighbour, join_keys, mac_kind, spoken_on
from iso import dialect
from node.clock import BusinessClock
from node.journal import DatabaseUrl, Journal
from node.journal import open_journal as journal_at
from node.link import Protector
from node.pipes import Pipes
from node.runtime import Runtime

MIGRATIONS = "banks.acquirer.migrations"


def open_journal(place: Path | DatabaseUrl | None, *, power_safe: bool = False) -> Journal:
    """Return the acquirer's journal; see `node.journal.open_journal`."""
    return journal_at(place, METADATA, MIGRATIONS, power_safe=power_safe)


class AcquirerNode:
    """One running acquirer.

    Parameters
    ----------
    protector
        Seals and checks the frames of the network's link with keys that never change; None for a dialect without a
        MAC, and with `hsm`.
    hsm
        The acquirer's party at its HSM, where the keys that it shares with the network lie and are changed.
    """

    def __init__(
        self,
        config: AcquirerConfig,
        journal: Journal,
        clock: BusinessClock,
        pipes: Pipes,
        protector: Protector | None = None,
        hsm: HsmClient | None = None,
    ) -> None:
        self.config = config
        gateway = dialect(config.dialect)
        network = spoken_on(dialect(config.network_dialect), config.network_mac)
        self.host = build_acquirer(
            gateway,
            network,
            config.directory(),
            config.rules(),
            profile=config.links.profile(),
            saf_rules=config.saf.rules(),
        )
        links = [
            config.links.config(GATEWAY, "listen", config.address, gateway),
            config.links.config(NETWORK, "dial", config.network_address, network),
        ]
        protectors: dict[str, Protector] = {NETWORK: protector} if protector is not None else {}
        self.keys: ZoneKeys | None = None
        if hsm is not None:
            mac = mac_kind(dialect(config.network_dialect), config.network_mac)
            rules = config.keys.rules(is_owner=False, hsm_timeout_s=config.hsm_timeout_s)
            self.keys, sealed = join_keys(self.host, hsm, [Neighbour(NETWORK, "switch", 0, mac)], rules)
            protectors |= sealed
        ports = {"hsm": hsm} if hsm is not None else {}
        self.runtime = Runtime(config.name, self.host, journal, clock, pipes, links, ports, protectors)
        self.desk = AcquirerDesk(self.runtime, self.host)

    @property
    def address(self) -> str:
        """Where gateways dial; with the real port once the node has started."""
        return self.runtime.links[GATEWAY].address

    @property
    def is_ready(self) -> bool:
        """Whether the gateway and the network have signed on."""
        return all(link.is_up for link in self.host.links.values())

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve for ever; started once the gateway's port is taken and the restart's duties are durable.

        Raises
        ------
        CardrailsError
            A port is in use, or a commit failed: the node has stopped.
        """
        await self.runtime.run(task_status=task_status)

    def view(self) -> dict[str, Any]:
        """Summarise for the control port, without card numbers."""
        return self.host.view()
