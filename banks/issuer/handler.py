"""How an issuer answers: one decision per request, the money it moves, the rows, the reply.

`answer` reads from top to bottom. What each kind of message does is in a module of its own: `authorising`, `advising`,
`completing`, `reversing`. Between the last await of a conversation and its reply nothing else can happen in the node.
"""

from __future__ import annotations

from banks.core.billing import billed
from banks.core.identity import business_key, own_name, payment_name
from banks.core.joins import Joins
from banks.core.requests import DECIDING, RequestRow, TakenRequest
from banks.issuer.advising import advise
from banks.issuer.answers import asks_for_another, reply, unacceptable
from banks.issuer.authorising import authorise
from banks.issuer.books import IssuerBooks
from banks.issuer.completing import complete
from banks.issuer.facts import Gathered, find_card
from banks.issuer.records import Records, names_class
from banks.issuer.reversing import reverse
from iso import Message
from node.core.conversations import Desk
from node.core.link import Arrival
from node.core.steps import Reply

_DUPLICATE, _MALFUNCTION = "94", "96"


class IssuerHandler:
    """Answers the network's requests."""

    def __init__(self, books: IssuerBooks, desk: Desk, joins: Joins) -> None:
        self.books = books
        self.desk = desk
        self.joins = joins
        self.records = Records(books, desk, joins)
        self._patience_s = books.rules.answer_timeout_s

    async def answer(self, arrival: Arrival) -> Message | None:
        """Return the response to a request, or None if there is to be none."""
        request = arrival.message
        refusal = unacceptable(request)
        if refusal is not None:
            return request.reply(refusal)
        key = business_key(request)
        taken = self.books.memory.get(key)
        if taken is None:
            return await self._first(key, request)
        if taken.is_deciding:
            if not await self.joins.wait(taken, self._patience_s):
                return None
            taken = self.books.memory.get(key)
        return None if taken is None else await self._again(taken, request)

    async def _again(self, taken: TakenRequest, request: Message) -> Message:
        """Answer a repeat as the first was answered; what only looks like one is refused, and changes nothing."""
        if request.mti[2] == "0" and request.mti_class != "4":
            # What is reversed meanwhile must be this row, not another copy of it from the journal.
            self.books.memory.pin(taken)
            card = await find_card(self.desk, self.books, request.pan)
            self.books.memory.unpin(taken)
            if card is None:
                return request.reply(_MALFUNCTION)
            if asks_for_another(taken.row, request, card):
                return request.reply(_DUPLICATE)
        return reply(taken.row, request)

    async def _first(self, key: str, request: Message) -> Message | None:
        # In memory before the first await: a copy that comes meanwhile finds it and waits.
        taken = TakenRequest(undecided(key, request))
        self.books.memory.add(taken)
        gathered: Gathered | None = None
        decided = None
        if await self.records.load(taken, [("key", key)]):
            if not taken.is_deciding:
                answer = await self._again(taken, request)
                self.books.unpin(taken)
                self.joins.release(taken)
                return answer
            if request.mti[2] == "0" and request.mti_class != "4":
                decision = await authorise(self.records, taken, request)
                decided, gathered = decision if decision is not None else (None, None)
            else:
                decided = await self._taken(taken, request)
        if decided is None:
            self.books.abandon(taken)
            self.joins.release(taken)
            return request.reply(_MALFUNCTION)
        self.books.settle(taken, decided, self.desk.turn)
        answer = reply(decided, request)
        self.joins.release(taken)
        return answer if gathered is None else await self._scripted(gathered, key, answer)

    async def _taken(self, taken: TakenRequest, request: Message) -> RequestRow | None:
        """Take what tells rather than asks; None: it is to be asked again."""
        if request.mti_class == "4":
            return await reverse(self.records, taken, request)
        is_completion = request.mti_class == "2" and request.processing_code[:2] != "20" and names_class(request) != "2"
        return await (complete if is_completion else advise)(self.records, taken, request)

    async def _scripted(self, gathered: Gathered, key: str, answer: Message) -> Message | None:
        if gathered.delay_ms:
            await Reply(("late on purpose", key), gathered.delay_ms / 1000)
        return answer if gathered.is_answered else None


def undecided(key: str, request: Message) -> RequestRow:
    """Return the row of a request before anything is decided."""
    amount_minor, currency = billed(request)
    own = own_name(request)
    return RequestRow(
        key=key,
        sequence=0,
        mti=request.mti,
        own=own,
        payment=payment_name(request) or own,
        original="",
        card="",
        account="",
        amount_minor=amount_minor,
        currency=currency,
        state=DECIDING,
        code="",
        reason="",
        authorisation_code="",
        hold="",
        at="",
        merchant_amount="" if currency == request.currency else f"{request.currency}/{request.amount_minor}",
    )
