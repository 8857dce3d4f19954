"""The switch's shell: puts machine, journal, pipes and HSM together. It decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskStatus

from hsm_sim.client import HsmClient
from hsm_sim.core import indexes
from hsm_sim.protect import HsmProtector
from iso import dialect
from node.clock import BusinessClock
from node.core.link import LinkMachine
from node.core.saf import SafMachine, SafRules
from node.journal import Journal
from node.journal import open_journal as journal_at
from node.pipes import Pipes
from node.runtime import Runtime
from switch.config import SwitchConfig
from switch.core.machine import SwitchMachine
from switch.store import METADATA

ACQUIRER = "acquirer"
MIGRATIONS = "switch.migrations"


def open_journal(path: Path | None, *, power_safe: bool = False) -> Journal:
    """Return the switch's journal; see `node.journal.open_journal`."""
    return journal_at(path, METADATA, MIGRATIONS, power_safe=power_safe)


def build_switch(config: SwitchConfig, saf: SafRules | None = None) -> SwitchMachine:
    """Return the machine that a configuration describes. Pure: no file, no socket, no clock."""
    profile = config.links.profile()
    links = [LinkMachine(ACQUIRER, dialect(config.dialect), profile)]
    links += [LinkMachine(issuer.name, dialect(issuer.dialect), profile) for issuer in config.issuers]
    return SwitchMachine(links, config.routes(), config.rules(), SafMachine(saf))


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
        speaks = dialect(config.dialect)
        links = [config.links.config(ACQUIRER, "listen", config.address, speaks)]
        links += [
            config.links.config(issuer.name, "dial", issuer.address, dialect(issuer.dialect))
            for issuer in config.issuers
        ]
        zone = HsmProtector(hsm, indexes.zak("acquirer"), timeout_s=config.hsm_timeout_s)
        self.runtime = Runtime(
            config.name,
            self.machine,
            journal,
            clock,
            pipes,
            links,
            {"hsm": hsm},
            {ACQUIRER: zone} if speaks.mac else {},
        )

    @property
    def address(self) -> str:
        """Where acquirers dial; with the real port once the node has started."""
        return self.runtime.links[ACQUIRER].address

    @property
    def is_ready(self) -> bool:
        """Whether every issuer link carries traffic, and an acquirer has signed on."""
        return all(link.is_up for link in self.machine.links.values())

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
