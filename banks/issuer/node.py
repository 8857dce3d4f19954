"""The issuer's shell: puts host, journal, pipes and HSM together, and issues the seeded cards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskStatus

from banks.issuer.config import CardSection, IssuerConfig
from banks.issuer.desk import IssuerDesk
from banks.issuer.host import NETWORK, build_issuer
from banks.issuer.scripting import replace_configured
from banks.issuer.seeding import change_card, cvv2_of, seed
from banks.issuer.store import METADATA
from hsm_sim.client import HsmClient
from hsm_sim.zones.links import Neighbour, join_keys, mac_kind, spoken_on
from iso import dialect
from iso.errors import CardrailsError
from node.clock import BusinessClock
from node.journal import DatabaseUrl, Journal
from node.journal import open_journal as journal_at
from node.pipes import Pipes
from node.runtime import Runtime

MIGRATIONS = "banks.issuer.migrations"
SEED_ATTEMPTS = 15
"""Each waits for the HSM as long as one question may take."""


def open_journal(place: Path | DatabaseUrl | None, *, power_safe: bool = False) -> Journal:
    """Return the issuer's journal; see `node.journal.open_journal`."""
    return journal_at(place, METADATA, MIGRATIONS, power_safe=power_safe)


class IssuerNode:
    """One running issuer.

    Parameters
    ----------
    cards
        Seeds; those outside the issuer's ranges are left out.
    hsm
        The issuer's party at its HSM.
    """

    def __init__(
        self,
        config: IssuerConfig,
        cards: Sequence[CardSection],
        journal: Journal,
        clock: BusinessClock,
        pipes: Pipes,
        hsm: HsmClient,
    ) -> None:
        self.config = config
        speaks = spoken_on(dialect(config.dialect), config.mac)
        self.host = build_issuer(speaks, config.rules(), config.links.profile())
        link = config.links.config(NETWORK, "listen", config.address, speaks)
        network = Neighbour(NETWORK, "switch", 0, mac_kind(dialect(config.dialect), config.mac))
        rules = config.keys.rules(is_owner=False, hsm_timeout_s=config.hsm_timeout_s)
        self.keys, protectors = join_keys(self.host, hsm, [network], rules)
        self.host.books.pin_places = lambda aes: self.keys.pin_places(NETWORK, aes=aes)
        self.runtime = Runtime(config.name, self.host, journal, clock, pipes, [link], {"hsm": hsm}, protectors)
        self.desk = IssuerDesk(self.runtime, self.host, config)
        self._seeds = [card.seed() for card in config.own(cards)]

    @property
    def address(self) -> str:
        """Where the network dials; with the real port once the node has started."""
        return self.runtime.links[NETWORK].address

    @property
    def is_ready(self) -> bool:
        """Whether the network has signed on."""
        return self.host.links[NETWORK].is_up

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve for ever; started once every seeded card is in the file.

        Raises
        ------
        CardrailsError
            A port is in use, a commit failed, or the HSM said nothing about some of the cards.
        """
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.runtime.run)
            await self._seed()
            await self.runtime.call(self._configure)
            task_status.started()

    async def change_card(self, pan: str, **changes: str | int) -> None:
        """Change columns of one card's row; durable when it returns."""
        await self.runtime.call(lambda: change_card(self.host, pan, **changes))

    async def cvv2_of(self, pan: str, expiry: str) -> str | None:
        """Return the CVV2 that is printed on a card (`expiry` YYMM)."""
        return await self.runtime.call(lambda: cvv2_of(self.host, pan, expiry))

    def view(self) -> dict[str, Any]:
        """Summarise for the control port, without card numbers."""
        return self.host.view()

    async def _configure(self) -> None:
        replace_configured(self.host.books, [script.row() for script in self.config.scripts], self.host.desk.turn)

    async def _seed(self) -> None:
        for _ in range(SEED_ATTEMPTS):
            seeded = await self.runtime.call(lambda: seed(self.host, self._seeds, self.config.currencies))
            if not seeded.unanswered:
                return
        raise CardrailsError(f"{self.config.name}: the HSM does not answer; {seeded.unanswered} cards are not issued")
