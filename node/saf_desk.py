"""What the control port does with a node's store-and-forward entries: look at them, and send dead ones again.

Both happen inside the node, in a turn: what is shown is durable, and so is what has been set going again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from iso.pan import mask_pan
from node.core.host import Host
from node.core.saf import DEAD, WAITING, SafEntry
from node.runtime import Runtime

STATES = (WAITING, DEAD)


class SafPort(Protocol):
    """The store-and-forward entries of one node that have not arrived."""

    async def entries(
        self, state: str | None = None, link: str | None = None, limit: int = 1000
    ) -> list[dict[str, Any]]:
        """Return entries, oldest first, without card numbers."""
        ...

    async def resend(self, identifier: str | None = None) -> list[str]:
        """Let one dead entry, or all of them, wait again; return their identifiers."""
        ...


class SafDesk:
    """The entries of a node with ISO 8583 links; see `SafPort`."""

    def __init__(self, runtime: Runtime, host: Host) -> None:
        self._runtime = runtime
        self._host = host

    async def entries(
        self, state: str | None = None, link: str | None = None, limit: int = 1000
    ) -> list[dict[str, Any]]:
        """Return entries, the waiting ones first, each kind oldest first."""

        async def look() -> list[dict[str, Any]]:
            wanted = (entry for entry in self._all(state) if link in (None, entry.link))
            return [_view(entry) for entry, _ in zip(wanted, range(limit), strict=False)]

        return await self._runtime.call(look)

    async def resend(self, identifier: str | None = None) -> list[str]:
        """Let one dead entry, or all of them, wait again; return their identifiers."""

        async def act() -> list[str]:
            saf, turn = self._host.saf, self._host.errands.turn
            wanted = list(saf.dead) if identifier is None else [identifier]
            sent = [entry for one in wanted if (entry := saf.resend(one, turn)) is not None]
            for entry in sent:
                turn.note(
                    entry.link, "saf resend", f"{entry.message.mti} {entry.message.stan}: an operator asks for it"
                )
            return [entry.identifier for entry in sent]

        return await self._runtime.call(act)

    def _all(self, state: str | None) -> Iterator[SafEntry]:
        saf = self._host.saf
        if state in (None, WAITING):
            yield from saf.entries.values()
        if state in (None, DEAD):
            yield from saf.dead.values()


def _view(entry: SafEntry) -> dict[str, Any]:
    message = entry.message
    return {
        "identifier": entry.identifier,
        "link": entry.link,
        "state": entry.state,
        "mti": message.mti,
        "stan": message.stan,
        "rrn": message.rrn,
        "amount_minor": message.amount_minor,
        "currency": message.currency,
        "card": mask_pan(entry.card) if entry.card.isdigit() else "sealed",
        "attempts": entry.attempts,
        "stored_at": entry.stored_at,
    }
