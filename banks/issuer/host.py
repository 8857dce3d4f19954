"""The issuer as a machine: links, books and handler put together, and holds that expire with the business clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from banks.core.joins import Joins
from banks.issuer.books import IssuerBooks, IssuerRules
from banks.issuer.handler import IssuerHandler
from iso import Dialect
from node.core.conversations import ConversationHost
from node.core.events import Event
from node.core.link import LinkMachine, LinkProfile
from node.core.turn import Row, Turn

NETWORK = "network"


class IssuerHost(ConversationHost):
    """One issuer. Its only link is "network", to the switch."""

    def __init__(self, links: Iterable[LinkMachine], rules: IssuerRules) -> None:
        super().__init__(links)
        self.rules = rules
        self.books = IssuerBooks(rules)
        handler = IssuerHandler(self.books, self.desk, Joins(self))
        self.records = handler.records
        self._turn: Turn | None = None
        self.handler = handler.answer

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take the rows of a restart, before the first event."""
        self.books.restore(rows)
        self.restore_others(rows)

    def begin(self, now: float, turn: Turn) -> None:
        """Expire what ran out while the node was down. Nothing of an issuer's is ever in doubt after a restart."""
        self.books.ledger.expire(turn)

    def handle(self, event: Event, now: float, turn: Turn) -> None:
        """Take one event, after the holds whose time is up have gone: none runs out within a turn."""
        if turn is not self._turn:
            self._turn = turn
            self.books.ledger.expire(turn)
        super().handle(event, now, turn)

    def expire(self, now: float, turn: Turn) -> None:
        """Fire every deadline that is not after `now`, and every hold whose business time is up."""
        self.books.ledger.expire(turn)
        super().expire(now, turn)

    def view(self) -> dict[str, Any]:
        """Summarise for the control port; JSON-able, without card numbers."""
        return {
            "name": self.rules.name,
            "links": {name: {"up": link.is_up, **link.counters} for name, link in self.links.items()},
            **self.books.view(),
        }


def build_issuer(dialect: Dialect, rules: IssuerRules | None = None, profile: LinkProfile | None = None) -> IssuerHost:
    """Return an issuer that speaks `dialect` to the network. Pure: no file, no socket, no clock."""
    return IssuerHost([LinkMachine(NETWORK, dialect, profile)], rules or IssuerRules())
