"""What one turn of a node decided: a recorder, with no input or output of its own.

A node takes all waiting events as one turn. Its machine writes what it wants into the turn; the shell then commits
`stores` in one transaction and only afterwards performs `sends`, `asks` and `outs`. Nothing leaves a node before what
it rests on is durable.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeVar

from iso import Message

Row = tuple[Any, ...]


class Send(NamedTuple):
    """One message that leaves on a link once the turn is durable."""

    link: str
    connection: int
    payload: bytes
    message: Message
    key: Hashable | None
    """The in-flight key of a request; None for a response, whose loss nobody here waits for."""
    written: Message | None = None
    """What `payload` says, where the link has translated `message`."""


class Ask(NamedTuple):
    """One question to a port ("hsm", "journal"); its answer comes back as an `Answered` event with the same key."""

    port: str
    key: Hashable
    request: Any
    timeout_s: float


_record = tuple.__new__
"""Makes a named tuple at half the price of calling its class: these are made for every message."""


_R = TypeVar("_R", bound=Row)


def changed(row: _R, **changes: Any) -> _R:
    """Return a row (a named tuple) with some columns changed.

    What `row._replace` does, at a third of its price for a row of many columns: that one asks for each of them.

    Raises
    ------
    KeyError
        The row has no such column.
    """
    kind, values = type(row), list(row)
    places = _places(kind)
    for column, value in changes.items():
        values[places[column]] = value
    return _record(kind, values)


@cache
def _places(kind: Any) -> dict[str, int]:
    return {column: place for place, column in enumerate(kind._fields)}


class Turn:
    """Collects what a machine wants; plain lists, comparable in tests.

    Parameters
    ----------
    at
        Business time of the turn, timezone-aware UTC. Cores take DE 7, 12, 13 and hold expiry from it and from
        nowhere else.
    """

    __slots__ = ("_seconds", "_written", "asks", "at", "closes", "notes", "outs", "sends", "stores")

    def __init__(self, at: datetime) -> None:
        self.at = at
        self._seconds: int | None = None
        self._written = ""
        self.stores: dict[str, list[Row]] = {}
        self.sends: list[Send] = []
        self.asks: list[Ask] = []
        self.closes: list[tuple[str, int]] = []
        self.notes: list[tuple[str, str, str]] = []
        self.outs: list[tuple[Hashable, Any]] = []

    @property
    def seconds(self) -> int:
        """`at` as whole seconds since 1970; worked out once, many rows of a busy turn have it."""
        seconds = self._seconds
        if seconds is None:
            seconds = self._seconds = int(self.at.timestamp())
        return seconds

    @property
    def written(self) -> str:
        """`at` as rows have it, in ISO 8601; worked out once."""
        if not self._written:
            self._written = self.at.isoformat()
        return self._written

    def store(self, table: str, row: Row) -> None:
        """Record a row, in the table's column order. It replaces the row with the same primary key.

        A table declared append-only never replaces: a second row with the same key stops the node.
        """
        rows = self.stores.get(table)
        if rows is None:
            self.stores[table] = [row]
        else:
            rows.append(row)

    def send(
        self,
        link: str,
        connection: int,
        payload: bytes,
        message: Message,
        key: Hashable | None = None,
        written: Message | None = None,
    ) -> None:
        """Record one encoded message for release on a connection of a link."""
        self.sends.append(_record(Send, (link, connection, payload, message, key, written)))

    def ask(self, port: str, key: Hashable, request: Any, timeout_s: float) -> None:
        """Record a question to a port; all questions of a turn to one port travel as one batch."""
        self.asks.append(_record(Ask, (port, key, request, timeout_s)))

    def close(self, link: str, connection: int) -> None:
        """Ask the shell to close a connection after the sends of this turn."""
        self.closes.append((link, connection))

    def note(self, link: str, kind: str, detail: str) -> None:
        """Record a remark for the trace. `detail` must already be masked."""
        self.notes.append((link, kind, detail))

    def out(self, key: Hashable, value: Any) -> None:
        """Hand a result to the caller outside the node that waits for `key`."""
        self.outs.append((key, value))

    def sent(self, link: str) -> list[Message]:
        """Return the messages of this turn for one link, in order."""
        return [send.message for send in self.sends if send.link == link]

    def stored(self, table: str) -> list[Row]:
        """Return the rows of this turn for one table, in order."""
        return self.stores.get(table, [])

    def asked(self, port: str) -> list[Any]:
        """Return the requests of this turn to one port, in order."""
        return [ask.request for ask in self.asks if ask.port == port]

    @property
    def is_empty(self) -> bool:
        """Whether the turn decided nothing that has to leave it."""
        return not (self.stores or self.sends or self.asks or self.closes or self.notes or self.outs)
