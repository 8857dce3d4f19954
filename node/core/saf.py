"""Store-and-forward to the links of one node: durable before the first send, in order per card, with back-off.

An entry is stored in the turn that decides it and is sent only once that turn is durable. Its first send is 0120, 0220
or 0420, every later one the repeat (0121, 0221, 0421) with the same elements. It ends when a final response code comes
back ("done"), or when its code or its number of attempts says that nobody will ever take it ("dead": kept, visible, and
sent again when somebody asks for it).
Entries of one card and destination go one after the other; other cards and other destinations do not wait for them.

Source: common practice: shared facts, iso8583 3.7.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import NamedTuple
from zlib import crc32

from iso import Message
from node.core.turn import Row, Turn

TABLE = "saf"
WAITING, DONE, DEAD = "waiting", "done", "dead"


class SafRules(NamedTuple):
    """When an entry is sent again, and when it ends. Durations in seconds."""

    answer_timeout_s: float = 10.0
    backoff_first_s: float = 1.0
    backoff_max_s: float = 300.0
    attempts_max: int = 1_000
    in_flight_max: int = 32
    dead_max: int = 10_000
    """Dead entries that are kept in memory; older ones are in the journal alone."""
    final_codes: frozenset[str] = frozenset({"00", "08", "10", "11", "25", "94"})
    retry_codes: frozenset[str] = frozenset({"09", "19", "68", "90", "91", "92", "96"})


class SafEntry:
    """One advice or reversal that has to arrive. `identifier` is unique in the node for ever."""

    __slots__ = ("_fields", "attempts", "card", "identifier", "in_flight", "link", "message", "state", "stored_at")

    def __init__(self, identifier: str, link: str, card: str, message: Message, stored_at: str) -> None:
        self.identifier = identifier
        self.link = link
        self.card = card
        self.message = message
        self.state = WAITING
        self.attempts = 0
        self.stored_at = stored_at
        self.in_flight = False
        self._fields = ""

    def row(self) -> Row:
        """Return the entry in the column order of the `saf` table."""
        if not self._fields:
            # Once: an entry is stored with every change of its state, and its message never changes.
            self._fields = json.dumps(
                {str(de): value for de, value in self.message.fields.items()}, separators=(",", ":")
            )
        return (
            self.identifier,
            self.link,
            self.card,
            self.message.mti,
            self._fields,
            self.state,
            self.attempts,
            self.stored_at,
        )

    @classmethod
    def from_row(cls, row: Row) -> SafEntry:
        """Rebuild an entry after a restart; it is due at once."""
        identifier, link, card, mti, fields, state, attempts, stored_at = row
        message = Message(mti, {int(de): value for de, value in json.loads(fields).items()})
        entry = cls(identifier, link, card, message, stored_at)
        entry.state, entry.attempts, entry._fields = state, attempts, fields
        return entry

    def next_message(self) -> Message:
        """Return what to send now: the message itself the first time, its repeat afterwards."""
        return self.message if self.attempts == 0 else self.message.as_repeat()


class _Destination:
    """The entries of one link: a queue per card, and the heads of those queues by when they are due."""

    __slots__ = ("cards", "flying", "is_open", "later", "ready")

    def __init__(self) -> None:
        self.cards: dict[str, deque[SafEntry]] = {}
        self.ready: deque[SafEntry] = deque()
        self.later: list[tuple[float, str, SafEntry]] = []
        self.flying = 0
        self.is_open = False

    def open(self) -> None:
        """Make every head that is not out due at once."""
        self.is_open = True
        self.later = []
        self.ready = deque(queue[0] for queue in self.cards.values() if not queue[0].in_flight)

    def head(self, entry: SafEntry, due_at: float) -> None:
        """Let a head be sent from `due_at` on."""
        heappush(self.later, (due_at, entry.identifier, entry))

    def due(self, now: float, in_flight_max: int) -> list[SafEntry]:
        """Take the heads to send now."""
        while self.later and self.later[0][0] <= now:
            self.ready.append(heappop(self.later)[2])
        taken = []
        while self.ready and self.flying < in_flight_max:
            entry = self.ready.popleft()
            if entry.state == WAITING and not entry.in_flight:
                entry.in_flight = True
                self.flying += 1
                taken.append(entry)
        return taken


class SafMachine:
    """All entries of a node that have not ended, by destination link."""

    def __init__(self, rules: SafRules | None = None) -> None:
        self.rules = rules or SafRules()
        self.entries: dict[str, SafEntry] = {}
        self.dead: dict[str, SafEntry] = {}
        self._destinations: dict[str, _Destination] = {}

    def restore(self, rows: Iterable[Row]) -> None:
        """Take the waiting and the dead entries back after a restart; `rows` are oldest first."""
        for row in rows:
            entry = SafEntry.from_row(row)
            if entry.state == WAITING:
                self._enter(entry)
            elif entry.state == DEAD:
                self._bury(entry)

    def put(self, entry: SafEntry, turn: Turn) -> None:
        """Store an entry; it is sent when its link carries traffic and its card's earlier entries have ended."""
        if entry.identifier in self.entries or entry.identifier in self.dead:
            return
        self._enter(entry)
        turn.store(TABLE, entry.row())

    def resend(self, identifier: str, turn: Turn) -> SafEntry | None:
        """Let a dead entry wait again, behind what its card has waiting; None if there is no such dead entry.

        Its attempts are counted anew, from 1 if it was ever sent: then it goes out as a repeat, for its peer may have
        seen it.
        """
        entry = self.dead.pop(identifier, None)
        if entry is None:
            return None
        entry.state, entry.attempts = WAITING, min(entry.attempts, 1)
        self._enter(entry)
        turn.store(TABLE, entry.row())
        return entry

    def link_up(self, link: str) -> None:
        """Drain a destination from now on: every back-off of it is forgotten."""
        self._destination(link).open()

    def link_down(self, link: str) -> None:
        """Hold a destination's entries back until it is up again."""
        self._destination(link).is_open = False

    def due(self, now: float) -> list[SafEntry]:
        """Take the entries to send in this turn; each counts as in flight from here on.

        The caller sends each (`sending` counts the attempt) and reports `answered`, or `unanswered` on silence, or if
        its link did not take it.
        """
        entries: list[SafEntry] = []
        for destination in self._destinations.values():
            if destination.is_open and destination.cards:
                entries += destination.due(now, self.rules.in_flight_max)
        return entries

    def sending(self, entry: SafEntry, turn: Turn) -> Message:
        """Count an attempt, store it, and return the message to send."""
        message = entry.next_message()
        entry.attempts += 1
        turn.store(TABLE, entry.row())
        return message

    def answered(self, identifier: str, code: str, now: float, turn: Turn) -> SafEntry | None:
        """Take a response code for what is out; return the entry if it has ended, else None."""
        entry = self._landed(identifier)
        if entry is None:
            return None
        if code in self.rules.retry_codes and entry.attempts < self.rules.attempts_max:
            self._back_off(entry, now)
            return None
        self._end(entry, DONE if code in self.rules.final_codes else DEAD, now, turn)
        return entry

    def unanswered(self, identifier: str, now: float, turn: Turn) -> SafEntry | None:
        """Take silence about what is out; return the entry if that was its last attempt, else None."""
        entry = self._landed(identifier)
        if entry is None:
            return None
        if entry.attempts >= self.rules.attempts_max:
            self._end(entry, DEAD, now, turn)
            return entry
        self._back_off(entry, now)
        return None

    def deadline(self) -> float | None:
        """Return when an entry is next due on an open link; one that has all out that it may waits for answers."""
        earliest: float | None = None
        for destination in self._destinations.values():
            may_send = destination.is_open and destination.flying < self.rules.in_flight_max
            if may_send and destination.later and (earliest is None or destination.later[0][0] < earliest):
                earliest = destination.later[0][0]
        return earliest

    def __len__(self) -> int:
        return len(self.entries)

    def _destination(self, link: str) -> _Destination:
        destination = self._destinations.get(link)
        if destination is None:
            destination = self._destinations[link] = _Destination()
        return destination

    def _enter(self, entry: SafEntry) -> None:
        self.entries[entry.identifier] = entry
        destination = self._destination(entry.link)
        queue = destination.cards.setdefault(entry.card, deque())
        queue.append(entry)
        if len(queue) == 1:
            destination.ready.append(entry)

    def _landed(self, identifier: str) -> SafEntry | None:
        entry = self.entries.get(identifier)
        if entry is None or not entry.in_flight:
            # An answer that is late or comes twice: taken, it would end what stands first of the card in its place.
            return None
        entry.in_flight = False
        self._destination(entry.link).flying -= 1
        return entry

    def _end(self, entry: SafEntry, state: str, now: float, turn: Turn) -> None:
        entry.state = state
        del self.entries[entry.identifier]
        destination = self._destination(entry.link)
        queue = destination.cards[entry.card]
        queue.popleft()
        if queue:
            destination.head(queue[0], now)
        else:
            del destination.cards[entry.card]
        if state == DEAD:
            self._bury(entry)
        turn.store(TABLE, entry.row())

    def _bury(self, entry: SafEntry) -> None:
        self.dead[entry.identifier] = entry
        while len(self.dead) > self.rules.dead_max:
            del self.dead[next(iter(self.dead))]

    def _back_off(self, entry: SafEntry, now: float) -> None:
        pause_s = min(self.rules.backoff_first_s * 2 ** min(max(entry.attempts - 1, 0), 30), self.rules.backoff_max_s)
        # Jitter without chance: a core draws no random numbers, and a replay must give the same instants.
        jitter = crc32(f"{entry.identifier}/{entry.attempts}".encode()) % 1000 / 5000
        self._destination(entry.link).head(entry, now + pause_s * (1 + jitter))
