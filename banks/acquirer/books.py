"""The acquirer's working set: intents, tombstones, counters. It changes only together with rows of a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from banks.core import intents
from banks.core.intents import Intent, IntentRow, IntentTombstoneRow
from banks.core.memory import Memory
from banks.core.requests import CounterRow
from iso import Message
from iso.stan import rrn, stan, transmission_time
from node.core.saf import SafEntry
from node.core.turn import Row, Turn

NETWORK = "network"
TOKEN_BIN = "9999"
"""The range of the network's tokens: what starts with it may be stored, any other DE 2 is a card number."""


class AcquirerRules(NamedTuple):
    """What an acquirer is configured with. Durations in seconds.

    Attributes
    ----------
    acquirer_id
        DE 32.
    country_code
        DE 19, ISO 3166 numeric.
    settled_max
        Settled intents that are remembered; older ones are looked up in the journal.
    """

    name: str = "acquirer"
    acquirer_id: str = "400001"
    country_code: str = "840"
    network_timeout_s: float = 15.0
    journal_timeout_s: float = 2.0
    settled_max: int = 50_000


class AcquirerBooks:
    """Everything an acquirer decides from, beside its directory of merchants."""

    def __init__(self, rules: AcquirerRules) -> None:
        self.rules = rules
        self.memory: Memory[Intent] = Memory(rules.settled_max)
        self.tombstones: set[str] = set()
        self._counters: dict[str, int] = {}
        self._in_doubt: list[Intent] = []

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take back what a restart needs. What was sent without an outcome is in doubt: see `resolve_doubts`."""
        self.tombstones = {IntentTombstoneRow(*row).key for row in rows.get(intents.TOMBSTONES, ())}
        self._counters = {row.name: row.value for row in (CounterRow(*raw) for raw in rows.get(intents.COUNTERS, ()))}
        self.memory.is_complete = not self._counters
        for row in rows.get(intents.INTENTS, ()):
            intent = Intent(IntentRow(*row))
            self.memory.add(intent)
            self._in_doubt.append(intent)

    def resolve_doubts(self, turn: Turn) -> list[SafEntry]:
        """Make every intent that was in flight at the restart Unknown; return the reversals that this owes."""
        doubts, self._in_doubt = self._in_doubt, []
        return [self.owe_reversal(intent, intents.UNKNOWN, "91", turn) for intent in doubts]

    def admit(self, request: Message, turn: Turn) -> Intent:
        """Remember a request that has just come; nothing is stored before it is decided what becomes of it."""
        number = self._counters[intents.INTENTS_MADE] = self._counters.get(intents.INTENTS_MADE, 0) + 1
        intent = intents.new_intent(request, number, turn.at.isoformat())
        self.memory.add(intent)
        return intent

    def sending(self, intent: Intent, turn: Turn, **details: str) -> None:
        """Store an intent with the numbers under which it is about to leave."""
        trace = self.next_stan(turn)
        self._put(
            intent,
            turn,
            state=intents.SENT,
            stan=trace,
            network_time=transmission_time(turn.at),
            rrn=rrn(turn.at, trace),
            **details,
        )
        self._store_counter(intents.INTENTS_MADE, turn)

    def settle(self, intent: Intent, state: str, code: str, turn: Turn, **details: str) -> None:
        """Store the outcome of an intent."""
        self._put(intent, turn, state=state, code=code, **details)
        self._store_counter(intents.INTENTS_MADE, turn)
        self.memory.settle(intent)

    def wants_reversal(self, intent: Intent, turn: Turn) -> None:
        """Note that the gateway has reversed an intent whose outcome is still open."""
        intent.row = intent.row._replace(wants_reversal=1)
        if intent.row.state == intents.SENT:
            turn.store(intents.INTENTS, intent.row)

    def owe_reversal(self, intent: Intent, state: str, code: str, turn: Turn) -> SafEntry:
        """Store an intent as undone; return the 0420 that the network is owed for it, one per intent."""
        was_settled = not intent.is_open
        self._put(intent, turn, state=state, code=code)
        if not was_settled:
            self.memory.settle(intent)
        message = intents.reversal_of(
            intent.row, self.rules.acquirer_id, self.next_stan(turn), transmission_time(turn.at)
        )
        card = intent.row.token or intent.row.rrn
        return SafEntry(f"reversal/{intent.row.identifier}", NETWORK, card, message, turn.at.isoformat())

    def bury(self, key: str, turn: Turn) -> None:
        """Leave a tombstone: the request of this key is declined if it ever arrives."""
        if key not in self.tombstones:
            self.tombstones.add(key)
            turn.store(intents.TOMBSTONES, IntentTombstoneRow(key, turn.at.isoformat()))

    def recall(self, row: Row) -> Intent:
        """Return the intent of a stored row.

        What memory has settled or sent is ahead of the journal and wins. An intent that is new while the journal has
        its outcome is a repeat from before a restart: it takes that outcome.
        """
        stored = Intent(IntentRow(*row))
        known = self.memory.get(stored.key)
        if known is not None and known.row.state != intents.NEW:
            return known
        if known is not None:
            known.row = stored.row
            stored = known
        else:
            self.memory.add(stored)
        self.memory.settle(stored)
        return stored

    def next_stan(self, turn: Turn) -> str:
        """Return the next DE 11. The counter is durable before the number is used, so no restart repeats one."""
        number = self._counters[intents.STANS] = self._counters.get(intents.STANS, 0) + 1
        self._store_counter(intents.STANS, turn)
        return stan(number)

    def view(self) -> dict[str, Any]:
        """Summarise for the control port; JSON-able, without card numbers."""
        return {
            "intents": self._counters.get(intents.INTENTS_MADE, 0),
            "remembered": len(self.memory),
            "tombstones": len(self.tombstones),
        }

    def _put(self, intent: Intent, turn: Turn, **changes: Any) -> None:
        intent.row = intent.row._replace(**changes)
        turn.store(intents.INTENTS, intent.row)

    def _store_counter(self, name: str, turn: Turn) -> None:
        turn.store(intents.COUNTERS, CounterRow(name, self._counters.get(name, 0)))
