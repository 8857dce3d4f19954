"""`python -m bench.one_switch SETTINGS`: one switch in a process of its own, set as a benchmark wants it.

The settings are JSON, as `Settings` has them. Prints the acquirers' address once every issuer has signed on.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from bench.sampler import EVERY_S, Sampler
from emulator.cli.up import run_async
from hsm_sim.client import TcpClient
from iso.dialects import dialect, register
from node.clock import BusinessClock
from node.core.find import Find
from node.core.turn import Row
from node.journal import Journal, Rows, Stores
from node.link_settings import LinkSettings
from node.pipes import Pipes
from switch.config import IssuerLink, SwitchConfig
from switch.node import SwitchNode, open_journal

BARE = replace(dialect("net-bin87"), name="net-bin87-bare", mac=False)
"""The network's dialect without its MAC."""
CARDS = ("2", "3", "4", "5", "6", "99")
"""Prefixes of every card that the benchmarks use."""
MANY = 100_000
_PAUSE_S = 0.01


class Settings(NamedTuple):
    """One switch.

    Attributes
    ----------
    hsm
        Address of the switch's host port of the HSM.
    issuers
        How many links go to `issuer_address`; the first one has every card.
    database
        File of the journal, or "" for none.
    messages
        File that keeps every message, masked and with its key columns; "" leaves them in memory as they are.
    samples
        File for the profile, or "" for none.
    """

    hsm: str
    issuer_address: str
    dialect: str = BARE.name
    issuers: int = 1
    database: str = ""
    messages: str = ""
    samples: str = ""


class NoJournal:
    """Keeps nothing: what a switch would cost that promises nothing."""

    async def commit(self, stores: Stores) -> None:
        """Forget the rows."""

    async def load(self) -> Rows:
        """Return nothing."""
        return {}

    async def find(self, find: Find) -> list[Row]:
        """Return nothing."""
        return []

    def select(self, table: str, where: Mapping[str, Any], limit: int, order: str = "") -> list[Row]:
        """Return nothing."""
        return []

    async def aclose(self) -> None:
        """Do nothing."""


def configuration(settings: Settings) -> SwitchConfig:
    """Return the configuration that the settings mean."""
    names = [f"issuer-{number}" for number in range(settings.issuers)]
    issuers = [
        IssuerLink(
            name=name,
            address=settings.issuer_address,
            dialect="ascii87",
            bins=CARDS if number == 0 else (f"97{number:06d}",),
        )
        for number, name in enumerate(names)
    ]
    links = LinkSettings(in_flight_max=MANY, connections_max=1000, outbox_max=MANY)
    return SwitchConfig(
        address="tcp://127.0.0.1:0",
        dialect=settings.dialect,
        issuers=tuple(issuers),
        in_flight_max=MANY,
        hsm_timeout_s=20.0,
        leg_timeout_s=60.0,
        links=links,
    )


async def serve(settings: Settings) -> None:
    """Run until cancelled."""
    register(BARE)
    pipes, path = Pipes(), Path(settings.database)
    journal: Journal = open_journal(path) if settings.database else NoJournal()
    async with anyio.create_task_group() as tasks:
        hsm = TcpClient(pipes, settings.hsm)
        await tasks.start(hsm.run)
        switch = SwitchNode(configuration(settings), journal, BusinessClock(), pipes, hsm)
        if settings.messages:
            switch.runtime.trace.keep_in(Path(settings.messages))
        await tasks.start(switch.run)
        issuers = [link for name, link in switch.machine.links.items() if name != "acquirer"]
        while not all(link.is_up for link in issuers):  # noqa: ASYNC110 - sessions tell nobody outside the node
            await anyio.sleep(_PAUSE_S)
        print(switch.address, flush=True)


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM; then write the profile, if one was asked for."""
    settings = Settings(**json.loads(arguments[0]))
    sampler = Sampler()
    if settings.samples:
        signal.signal(signal.SIGPROF, sampler.look)
        signal.signal(signal.SIGUSR1, sampler.clear)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    async def until_told() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve, settings)
            with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                async for _ in signals:
                    break
            tasks.cancel_scope.cancel()

    run_async(until_told)
    if settings.samples:
        signal.setitimer(signal.ITIMER_PROF, 0)
        sampler.write(Path(settings.samples))


if __name__ == "__main__":
    main(sys.argv[1:])
