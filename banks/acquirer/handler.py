"""Where each message of the gateway goes, and how its copies get the same answer.

A request is in memory before the first await, so that a copy that comes meanwhile finds it and waits. Its answer is
committed in the turn that sends it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from banks.acquirer.answers import MALFUNCTION, UNSUPPORTED, reply, unacceptable
from banks.acquirer.authorising import authorise
from banks.acquirer.books import NETWORK, AcquirerBooks
from banks.acquirer.capturing import advise
from banks.acquirer.reconciling import reconcile
from banks.acquirer.records import Records
from banks.acquirer.reversing import reverse
from banks.core import intents
from banks.core.intents import FORCED_HOLD, FORCED_SALE, Intent, gateway_key
from banks.core.joins import Joins
from banks.core.kinds import kind_of
from iso import Message
from node.core.conversations import Desk
from node.core.link import Arrival

Decide = Callable[[Records, Intent, Message], Coroutine[Any, Any, bool]]


class AcquirerHandler:
    """Answers the gateway's requests."""

    def __init__(self, books: AcquirerBooks, desk: Desk, joins: Joins) -> None:
        self.books = books
        self.desk = desk
        self.records = Records(books, desk, joins)

    async def answer(self, arrival: Arrival) -> Message | None:
        """Return the response to a request, or None if there is to be none."""
        request = arrival.message
        if arrival.link == NETWORK:
            # Networks may send requests of their own (file updates, chargebacks); this acquirer takes none.
            return request.reply(UNSUPPORTED)
        refusal = unacceptable(request)
        if refusal is not None:
            return request.reply(refusal)
        if request.mti_class == "4":
            return await reverse(self.records, request)
        if request.mti_class == "5":
            return await reconcile(self.records, request)
        return await (self.authorise(request) if request.mti[2] == "0" else self.advise(request))

    async def authorise(self, request: Message) -> Message | None:
        """Pass a 0100 or 0200 on to the network and its outcome back. Repeats get the stored answer."""
        return await self._once(request, kind_of(request).name, authorise)

    async def advise(self, request: Message) -> Message | None:
        """Take a capture, or a sale that the terminal has approved itself. Repeats get the stored answer."""
        return await self._once(request, FORCED_HOLD if request.mti_class == "1" else FORCED_SALE, advise)

    async def _once(self, request: Message, kind: str, decide: Decide) -> Message | None:
        books = self.books
        intent = books.memory.get(gateway_key(request.mti, request.terminal, request.stan, request.transmitted))
        if intent is not None and (intent.is_open or intent.row.state != intents.WAITING):
            return await self._again(intent, request)
        if intent is None:
            intent = books.admit(request, kind, self.desk.turn)
            if not await self.records.load(intent):
                return self._abandoned(intent, request)
        intent.is_open = True
        books.memory.reopen(intent)
        if intent.row.state in (intents.NEW, intents.WAITING) and not await decide(self.records, intent, request):
            return self._abandoned(intent, request)
        books.finish(intent)
        self.records.joins.release(intent)
        answer = reply(intent, request)
        intent.chip = ""
        return answer

    async def _again(self, intent: Intent, request: Message) -> Message | None:
        if intent.is_open and not await self.records.wait(intent):
            return None
        return None if intent.is_open or intent.row.state == intents.NEW else reply(intent, request)

    def _abandoned(self, intent: Intent, request: Message) -> Message:
        self.books.abandon(intent, self.desk.turn)
        self.records.joins.release(intent)
        return request.reply(MALFUNCTION)
