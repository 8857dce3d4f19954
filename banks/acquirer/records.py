"""Where a conversation of the acquirer finds what came before: in memory, or else in the journal.

What is returned is the one copy that the node works on. Between the last await of a conversation and its effects
nothing else can happen in the node; what has to outlive an await is pinned.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from banks.acquirer.books import AcquirerBooks
from banks.core.clearings import CLEARINGS, ClearingRow
from banks.core.intents import INTENTS, Intent, gateway_key
from banks.core.joins import Joins
from iso import Message
from iso.mti import first_mti
from iso.original import OriginalData
from node.core.conversations import Desk
from node.core.find import Find
from node.core.steps import UNKNOWN, Silence
from node.core.turn import Row

T = TypeVar("T")
Found: TypeAlias = T | Silence | None
"""What was asked for, None if there is none, or UNKNOWN: the journal is silent."""

_TIME_UNKNOWN = "0" * 10
_SAME_RRN_MAX = 4


class Records:
    """The books, the ports, and the way back to what is on disk."""

    def __init__(self, books: AcquirerBooks, desk: Desk, joins: Joins) -> None:
        self.books = books
        self.desk = desk
        self.joins = joins

    async def load(self, intent: Intent) -> bool:
        """Bring the outcome of a repeated request back into memory; False if the journal is silent."""
        row = intent.row
        return await self._named(row.mti, row.terminal, row.gateway_stan, row.gateway_time) is not UNKNOWN

    async def original(self, terminal: str, named: OriginalData) -> Found[Intent]:
        """Return the request that a DE 90 of the gateway's link names."""
        found = self.books.memory.get(gateway_key(named.mti, terminal, named.stan, named.transmitted))
        if found is not None:
            return found
        return await self._named(first_mti(named.mti), terminal, named.stan, named.transmitted)

    async def payment_of(self, request: Message) -> Found[Intent]:
        """Return the first intent of the payment that a request names by DE 90, or else DE 37, once it is settled."""
        found: Found[Intent] = None
        if 90 in request:
            named = OriginalData.from_de90(request[90])
            if named.transmitted != _TIME_UNKNOWN:
                found = await self.original(request.terminal, named)
        if found is None and request.rrn:
            found = await self._by_rrn(request.rrn, request.merchant)
        if isinstance(found, Intent):
            found = await self.root_of(found)
        if isinstance(found, Intent) and found.is_open and not await self.wait(found):
            return UNKNOWN
        return found

    async def root_of(self, intent: Intent) -> Found[Intent]:
        """Return the first intent of an intent's payment."""
        if not intent.row.root:
            return intent
        for known in self.books.memory.named(intent.row.rrn):
            if known.row.identifier == intent.row.root:
                return known
        self.books.memory.pin(intent)
        rows = await self._ask(INTENTS, 1, identifier=intent.row.root)
        self.books.memory.unpin(intent)
        if isinstance(rows, Silence):
            return UNKNOWN
        return self.books.recall(rows[0]) if rows else None

    async def clearing_of(self, identifier: int) -> Found[ClearingRow]:
        """Return a capture or refund by the identifier of its intent."""
        found = self.books.clearings.get(identifier)
        if found is not None:
            return found
        rows = await self._ask(CLEARINGS, 1, identifier=identifier)
        if isinstance(rows, Silence):
            return UNKNOWN
        # What is open is in memory: it may have been made since the journal was asked.
        found = self.books.clearings.get(identifier)
        return found or (ClearingRow(*rows[0]) if rows else None)

    async def wait(self, intent: Intent) -> bool:
        """Wait until nobody is at work on an intent; False if that takes too long."""
        return await self.joins.wait(intent, self.books.rules.network_timeout_s)

    async def _by_rrn(self, rrn: str, merchant: str) -> Found[Intent]:
        for known in reversed(self.books.memory.named(rrn)):
            if known.row.merchant == merchant:
                return known
        if self.books.memory.is_complete:
            return None
        rows = await self._ask(INTENTS, _SAME_RRN_MAX, rrn=rrn, root=0)
        if isinstance(rows, Silence):
            return UNKNOWN
        found = [intent for intent in map(self.books.recall, rows) if intent.row.merchant == merchant]
        return found[-1] if found else None

    async def _named(self, mti: str, terminal: str, stan: str, transmitted: str) -> Found[Intent]:
        if self.books.memory.is_complete:
            return None
        rows = await self._ask(INTENTS, 1, terminal=terminal, gateway_stan=stan, gateway_time=transmitted, mti=mti)
        if isinstance(rows, Silence):
            return UNKNOWN
        if rows:
            return self.books.recall(rows[0])
        # It may have come while the journal was asked.
        return self.books.memory.get(gateway_key(mti, terminal, stan, transmitted))

    async def _ask(self, table: str, limit: int, **where: str | int) -> list[Row] | Silence:
        memory = self.books.memory
        question = memory.asking()
        try:
            answer: list[Row] | Silence = await self.desk.ask(
                "journal", Find(table, where, limit), self.books.rules.journal_timeout_s
            )
        finally:
            memory.answered(question)
        return answer
