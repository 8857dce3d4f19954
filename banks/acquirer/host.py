"""The acquirer as a machine: links, books, directory and handler put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from banks.acquirer.books import NETWORK, AcquirerBooks, AcquirerRules
from banks.acquirer.figures import overview
from banks.acquirer.handler import AcquirerHandler
from banks.acquirer.seeding import seed_directory
from banks.core.joins import Joins
from banks.core.merchants import Directory
from iso import Dialect
from node.core.conversations import ConversationHost
from node.core.link import LinkMachine, LinkProfile
from node.core.saf import TABLE, SafMachine, SafRules
from node.core.turn import Row, Turn

GATEWAY = "gateway"


class AcquirerHost(ConversationHost):
    """One acquirer. Its links are "gateway" (requests come in) and "network" (they go on to the switch).

    `directory` is what a new acquirer begins with; its own is in `books.directory`.
    """

    def __init__(
        self,
        links: Iterable[LinkMachine],
        directory: Directory,
        rules: AcquirerRules,
        saf_rules: SafRules | None = None,
    ) -> None:
        super().__init__(links, SafMachine(saf_rules))
        self.rules = rules
        self._seeds = directory
        self.books = AcquirerBooks(rules)
        self.handler = AcquirerHandler(self.books, self.desk, Joins(self)).answer

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take the rows of a restart, before the first event."""
        self.saf.restore(rows.get(TABLE, ()))
        self.books.restore(rows)
        self.restore_others(rows)

    def begin(self, now: float, turn: Turn) -> None:
        """Complete the directory, and reverse what was in flight when the node went down.

        Nobody here will ever hear the outcome of that.
        """
        seed_directory(self.books, self._seeds, self.rules.fee_plans, turn)
        for entry in self.books.resolve_doubts(turn):
            self.saf.put(entry, turn)

    def view(self) -> dict[str, Any]:
        """Summarise for the control port; JSON-able, without card numbers."""
        saf = [
            {
                "identifier": entry.identifier,
                "link": entry.link,
                "mti": entry.message.mti,
                "rrn": entry.message.rrn,
                "state": entry.state,
                "attempts": entry.attempts,
            }
            for entry in self.saf.entries.values()
        ]
        return {
            "name": self.rules.name,
            "links": {name: {"up": link.is_up, **link.counters} for name, link in self.links.items()},
            "saf": saf,
            **overview(self.books),
        }


def build_acquirer(
    gateway: Dialect,
    network: Dialect,
    directory: Directory,
    rules: AcquirerRules | None = None,
    *,
    profile: LinkProfile | None = None,
    saf_rules: SafRules | None = None,
) -> AcquirerHost:
    """Return an acquirer that speaks `gateway` and `network` on its two links. Pure: no file, no socket, no clock."""
    links = [LinkMachine(GATEWAY, gateway, profile), LinkMachine(NETWORK, network, profile)]
    return AcquirerHost(links, directory, rules or AcquirerRules(), saf_rules)
