"""The inbox of a node: readers append and go on; the driver takes everything that waits as one turn."""

from __future__ import annotations

import anyio

from node.core.events import Event

FULL_AT = 20_000
"""Events; beyond it readers stop reading until the node has caught up, so that pressure reaches the peer's socket."""


class Inbox:
    """Events in the order in which they came. One consumer."""

    def __init__(self, full_at: int = FULL_AT) -> None:
        self._full_at = full_at
        self._events: list[Event] = []
        self._wake: anyio.Event | None = None
        self._room: anyio.Event | None = None

    def put(self, event: Event) -> None:
        """Append an event and wake the driver; never waits."""
        self._events.append(event)
        if self._wake is not None:
            self._wake.set()

    def nudge(self) -> None:
        """Wake the driver for a turn without an event: business time was advanced."""
        if self._wake is not None:
            self._wake.set()

    async def room(self) -> None:
        """Wait until the inbox is below its limit; readers call this before they read on."""
        while len(self._events) >= self._full_at:
            if self._room is None:
                self._room = anyio.Event()
            await self._room.wait()

    async def wait(self, until: float | None) -> None:
        """Wait for an event or for the instant `until` of the loop's clock."""
        if self._events:
            return
        self._wake = anyio.Event()
        if until is None:
            await self._wake.wait()
        else:
            with anyio.CancelScope(deadline=until):
                await self._wake.wait()
        self._wake = None

    def take(self, at_most: int) -> list[Event]:
        """Remove and return the oldest events."""
        taken = self._events[:at_most]
        del self._events[:at_most]
        if self._room is not None and len(self._events) < self._full_at:
            self._room.set()
            self._room = None
        return taken

    def __len__(self) -> int:
        return len(self._events)
