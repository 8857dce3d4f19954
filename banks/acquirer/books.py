"""The acquirer's working set: intents, duties, counters, directory, money. It changes only with rows of a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from banks.core import batches, clearings, intents
from banks.core.batches import BatchRow
from banks.core.clearings import ClearingRow
from banks.core.fees import FEE_PLANS, SHIPPED, FeePlanRow, FeePlans
from banks.core.intents import Intent, IntentRow, IntentTombstoneRow
from banks.core.memory import Memory
from banks.core.merchants import MERCHANTS, TERMINALS, Directory, Merchant, Terminal
from banks.core.requests import CounterRow
from banks.ledger import AccountRow, HeadRow, HoldRow, Ledger
from banks.ledger import rows as ledger_rows
from iso import Message
from iso.stan import rrn, stan, transmission_time
from node.core.saf import SafEntry
from node.core.turn import Row, Turn, changed

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
    fee_plans
        What a new acquirer begins with.
    """

    name: str = "acquirer"
    acquirer_id: str = "400001"
    country_code: str = "840"
    network_timeout_s: float = 15.0
    journal_timeout_s: float = 2.0
    hsm_timeout_s: float = 2.0
    settled_max: int = 50_000
    fee_plans: tuple[FeePlanRow, ...] = SHIPPED


class AcquirerBooks:
    """Everything an acquirer decides from."""

    def __init__(self, rules: AcquirerRules) -> None:
        self.rules = rules
        self.memory: Memory[Intent] = Memory(rules.settled_max)
        self.tombstones: set[str] = set()
        self.directory = Directory()
        self.fee_plans = FeePlans()
        self.ledger = Ledger()
        self.clearings: dict[int, ClearingRow] = {}
        """Captures and refunds that have not been presented, oldest first."""
        self.batches: dict[tuple[str, str], BatchRow] = {}
        """The open batch per terminal and currency."""
        self.closed_batches: dict[tuple[str, str], BatchRow] = {}
        """The one before it, once it has been asked for."""
        self._counters: dict[str, int] = {}
        self._in_doubt: list[Intent] = []

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take back what a restart needs. What was sent without an outcome is in doubt: see `resolve_doubts`."""
        self.tombstones = {IntentTombstoneRow(*row).key for row in rows.get(intents.TOMBSTONES, ())}
        self._counters = {row.name: row.value for row in (CounterRow(*raw) for raw in rows.get(intents.COUNTERS, ()))}
        self.memory.is_complete = not self._counters
        for row in rows.get(intents.INTENTS, ()):
            intent = Intent(IntentRow(*row), is_open=True)
            self.memory.add(intent)
            self._in_doubt.append(intent)
        self.ledger.restore(
            [AccountRow(*row) for row in rows.get(ledger_rows.ACCOUNTS, ())],
            [HoldRow(*row) for row in rows.get(ledger_rows.HOLDS, ())],
            [HeadRow(*row) for row in rows.get(ledger_rows.HEADS, ())],
        )
        self.directory = Directory(
            [Merchant(*row) for row in rows.get(MERCHANTS, ())], [Terminal(*row) for row in rows.get(TERMINALS, ())]
        )
        self.fee_plans = FeePlans(FeePlanRow(*row) for row in rows.get(FEE_PLANS, ()))
        self.clearings = {row[0]: ClearingRow(*row) for row in rows.get(clearings.CLEARINGS, ())}
        found = [BatchRow(*row) for row in rows.get(batches.BATCHES, ())]
        self.batches = {(batch.terminal, batch.currency): batch for batch in found}

    def resolve_doubts(self, turn: Turn) -> list[SafEntry]:
        """Make every intent that was in flight at the restart Unknown; return the reversals that this owes."""
        doubts, self._in_doubt = self._in_doubt, []
        owed = [self.owe_reversal(intent, intents.UNKNOWN, "91", turn) for intent in doubts]
        for intent in doubts:
            self.finish(intent)
        return owed

    # The life of an intent.

    def admit(self, request: Message, kind: str, turn: Turn) -> Intent:
        """Remember a request that has just come; nothing is stored before it is decided what becomes of it."""
        number = self._counters[intents.INTENTS_MADE] = self._counters.get(intents.INTENTS_MADE, 0) + 1
        intent = intents.new_intent(request, kind, number, turn.written)
        self.memory.add(intent)
        return intent

    def sending(self, intent: Intent, turn: Turn, state: str = intents.SENT, **details: Any) -> None:
        """Store an intent with the numbers under which it is about to leave.

        Parameters
        ----------
        details
            Other columns; `rrn` for what belongs to an earlier payment, else it gets one of its own.
        """
        trace = self.next_stan(turn)
        details.setdefault("rrn", rrn(turn.at, trace))
        self.put(intent, turn, state=state, stan=trace, network_time=transmission_time(turn.at), **details)
        if not intent.row.root:
            # It has just got the name by which what follows finds it.
            self.memory.add(intent)

    def settle(self, intent: Intent, state: str, code: str, turn: Turn, **details: Any) -> None:
        """Store the outcome of an intent."""
        self.put(intent, turn, state=state, code=code, **details)

    def put(self, intent: Intent, turn: Turn, **changes: Any) -> None:
        """Change columns of an intent."""
        if intent.row.state == intents.NEW:
            # Its number is on disk for the first time; it is never given out again.
            self._store_counter(intents.INTENTS_MADE, turn)
        intent.row = changed(intent.row, **changes)
        turn.store(intents.INTENTS, intent.row)

    def finish(self, intent: Intent) -> None:
        """Note that no conversation is at work on an intent any more."""
        intent.is_open = False
        self.memory.settle(intent)

    def abandon(self, intent: Intent, turn: Turn) -> None:
        """Forget a request that could not be decided; it is asked for again."""
        if intent.row.wants_reversal:
            # Its reversal has been acknowledged: if it comes again, it comes too late.
            self.bury(intent.key, turn)
        intent.is_open = False
        self.memory.forget(intent)

    def is_overtaken(self, intent: Intent) -> bool:
        """Whether the reversal of a request came before the request could be decided."""
        return bool(intent.row.wants_reversal) or intent.key in self.tombstones

    def wants_reversal(self, intent: Intent, turn: Turn) -> None:
        """Note that the gateway has reversed an intent whose outcome is still open."""
        intent.row = intent.row._replace(wants_reversal=1)
        if intent.row.state != intents.NEW:
            turn.store(intents.INTENTS, intent.row)

    def owe_reversal(self, intent: Intent, state: str, code: str, turn: Turn) -> SafEntry:
        """Store an intent as undone; return the 0420 that the network is owed for it, one per intent."""
        message = intents.reversal_of(
            intent.row, self.rules.acquirer_id, self.next_stan(turn), transmission_time(turn.at)
        )
        self.put(intent, turn, state=state, code=code, remains_minor=0)
        return self.owed(f"reversal/{intent.row.identifier}", intent, message, turn)

    def owe_partial_reversal(self, intent: Intent, remains_minor: int, turn: Turn) -> SafEntry:
        """Store what remains of an intent; return the 0420 that tells the network."""
        trace = self.next_stan(turn)
        message = intents.reversal_of(
            intent.row, self.rules.acquirer_id, trace, transmission_time(turn.at), remains_minor
        )
        self.put(intent, turn, remains_minor=remains_minor)
        return self.owed(f"reversal/{intent.row.identifier}/{self._counters[intents.STANS]}", intent, message, turn)

    def owed(self, identifier: str, intent: Intent, message: Message, turn: Turn) -> SafEntry:
        """Return a store-and-forward entry that goes after whatever is waiting of the same card."""
        card = intent.row.token or intent.row.rrn
        return SafEntry(identifier, NETWORK, card, message, turn.at.isoformat())

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
            self.memory.add(known)
            return known
        self.memory.add(stored)
        self.memory.settle(stored)
        return stored

    def next_stan(self, turn: Turn) -> str:
        """Return the next DE 11. The counter is durable before the number is used, so no restart repeats one."""
        number = self._counters[intents.STANS] = self._counters.get(intents.STANS, 0) + 1
        self._store_counter(intents.STANS, turn)
        return stan(number)

    # What lies beside the intents.

    def put_merchant(self, merchant: Merchant, turn: Turn) -> None:
        """Add or change a merchant."""
        self.directory.merchants[merchant.identifier] = merchant
        turn.store(MERCHANTS, merchant)

    def put_terminal(self, terminal: Terminal, turn: Turn) -> None:
        """Add or change a terminal."""
        self.directory.terminals[terminal.identifier] = terminal
        turn.store(TERMINALS, terminal)

    def put_fee_plan(self, row: FeePlanRow, turn: Turn) -> None:
        """Add or change what a fee plan takes in one currency."""
        self.fee_plans.put(row)
        turn.store(FEE_PLANS, row)

    def put_clearing(self, row: ClearingRow, turn: Turn) -> None:
        """Store a capture or refund; only what is open stays in memory."""
        if row.state == clearings.OPEN:
            self.clearings[row.identifier] = row
        else:
            self.clearings.pop(row.identifier, None)
        turn.store(clearings.CLEARINGS, row)

    def put_batch(self, batch: BatchRow, turn: Turn) -> None:
        """Store a batch."""
        known = self.batches if batch.state == batches.OPEN else self.closed_batches
        known[batch.terminal, batch.currency] = batch
        turn.store(batches.BATCHES, batch)

    def counted(self, name: str) -> int:
        """Return a counter."""
        return self._counters.get(name, 0)

    def _store_counter(self, name: str, turn: Turn) -> None:
        row = CounterRow(name, self._counters.get(name, 0))
        stored = turn.stores.get(intents.COUNTERS, ())
        for place, other in enumerate(stored):
            if other[0] == name:
                # A busy turn counts with every request; only its last number is worth a write.
                turn.stores[intents.COUNTERS][place] = row
                return
        turn.store(intents.COUNTERS, row)
