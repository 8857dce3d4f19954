"""The gateway's end of the acquirer's link, as a pure host: it asks, and takes no requests from anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iso import Dialect
from node.core.conversations import ConversationHost
from node.core.link import LinkMachine, LinkProfile
from node.core.turn import Row, Turn

ACQUIRER = "acquirer"


class GatewayHost(ConversationHost):
    """One link, no SAF: what the gateway owes is a duty in its store, which any gateway may work."""

    def __init__(self, dialect: Dialect, profile: LinkProfile | None = None) -> None:
        super().__init__([LinkMachine(ACQUIRER, dialect, profile)])

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take the rows of a restart: this host keeps none."""

    def begin(self, now: float, turn: Turn) -> None:
        """Record what follows from a restart: the store's recovery does that."""

    @property
    def is_up(self) -> bool:
        """Whether the acquirer can be asked."""
        return self.links[ACQUIRER].is_up

    def counters(self) -> dict[str, Any]:
        """Return the link's counters."""
        link = self.links[ACQUIRER]
        return {"is_up": link.is_up, "in_flight": link.in_flight, **link.counters}
