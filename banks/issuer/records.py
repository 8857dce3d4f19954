"""The requests that a request is about: brought back into memory, waited for, and kept until it is settled."""

from __future__ import annotations

from collections.abc import Sequence

from banks.core.identity import business_key, payment_name
from banks.core.joins import Joins
from banks.core.requests import CREDIT, REQUESTS, UNDO, RequestRow, TakenRequest
from banks.issuer.books import IssuerBooks
from iso import Message
from iso.original import OriginalData
from node.core.conversations import Desk
from node.core.find import Find
from node.core.steps import UNKNOWN

_MONEY = ("1", "2")
SAME_PAYMENT_MAX = 1_000
"""Requests of one payment that are looked at; a payment has a handful."""


class Records:
    """Finds requests for the conversations of one issuer."""

    def __init__(self, books: IssuerBooks, desk: Desk, joins: Joins) -> None:
        self.books = books
        self.desk = desk
        self.joins = joins

    async def load(self, taken: TakenRequest, names: Sequence[tuple[str, str]]) -> bool:
        """Bring stored requests back into memory until `taken` is settled; False if the journal is silent.

        Parameters
        ----------
        names
            Columns of the requests and what stands in them; all are asked for at once.
        """
        memory = self.books.memory
        if memory.is_complete:
            return True
        finds = [Find(REQUESTS, {column: value}, limit=SAME_PAYMENT_MAX) for column, value in names if value]
        question = memory.asking()
        try:
            answers = await self.desk.ask_all("journal", finds, self.books.rules.journal_timeout_s)
            if any(rows is UNKNOWN for rows in answers):
                return False
            # What has been settled since the journal was asked is here alone, until what it found pushes it out.
            for other in [other for _, value in names for other in memory.named(value)]:
                self.books.pin(taken, other)
            for rows in answers:
                for row in rows:
                    self.books.pin(taken, self.books.recall(row))
        finally:
            memory.answered(question)
        return True

    async def gather(self, taken: TakenRequest, request: Message, name: str) -> bool:
        """Load the original called `name` and everything of its payment; False if the journal is silent.

        The payment of `taken` becomes that of its original: DE 37 may be missing, or be a refund's own.
        """
        payment = payment_name(request)
        if not await self.load(taken, [("own", name), ("original", name), ("payment", payment)]):
            return False
        payments = {found.row.payment for found in self.books.memory.named(name) if found is not taken}
        if payments and payment not in payments:
            payment = min(payments)
            if not await self.load(taken, [("payment", payment)]):
                return False
            self.books.rename(taken, payment=payment, original=taken.row.original)
        for other in self.payment(taken):
            self.books.pin(taken, other)
        return True

    async def wait(self, taken: TakenRequest, name: str) -> bool:
        """Wait until the requests called `name` are decided; False if one of them is not in time."""
        for other in self.books.memory.named(name):
            is_request = other.row.mti[2:3] == "0" and other.row.mti[1:2] in _MONEY
            if other is taken or not (is_request and other.is_deciding):
                continue
            if not await self.joins.wait(other, self.books.rules.answer_timeout_s):
                return False
            self.books.pin(taken, other)
        return True

    def payment(self, taken: TakenRequest) -> list[TakenRequest]:
        """Return the other requests of a payment that are decided."""
        payment = taken.row.payment
        found = self.books.memory.named(payment)
        return [
            other for other in found if other is not taken and other.row.payment == payment and not other.is_deciding
        ]

    def originals(self, taken: TakenRequest, request: Message, name: str, amount_minor: int) -> list[TakenRequest]:
        """Return the requests and advices that a reversal or advice is about.

        Those called `name`, and what took the place of them; without DE 90 those of its payment with its amount. What
        DE 90 names and is not here has not come yet: another request of the payment is not taken for it. A completion
        is no original of what undoes its authorisation.
        """
        memory = self.books.memory
        found = [other for other in memory.named(name) if name in (other.row.own, other.row.original)]
        found = [
            other for other in found if other is not taken and other.row.effect != UNDO and other.row.mti[1:2] in _MONEY
        ]
        if not found and name == payment_name(request):
            found = [other for other in memory.named(name) if _is_alike(other, request, amount_minor)]
        mine = business_key(request)
        return [other for other in found if other.key != mine and other.row.mti]

    def undone_to(self, *names: str) -> int | None:
        """Return how much the reversals of what is called by one of these names let stand; None = there are none."""
        left = [
            other.row.left_minor
            for name in names
            if name
            for other in self.books.memory.named(name)
            if other.row.effect == UNDO and other.row.original == name
        ]
        return min(left, default=None)

    def bury(self, originals: list[TakenRequest], name: str) -> None:
        """Decline whatever of these is still to be decided, or is still to come."""
        for original in originals:
            if original.is_deciding:
                self.books.bury(original.row.own, self.desk.turn)
        if all(original.is_deciding for original in originals):
            self.books.bury(name, self.desk.turn)


def names_class(request: Message) -> str:
    """Return the class (second digit of the MTI) of the message that DE 90 names; "" without DE 90."""
    value = request.get(90)
    return OriginalData.from_de90(value).mti[1:2] if value is not None else ""


def _is_alike(other: TakenRequest, request: Message, amount_minor: int) -> bool:
    row: RequestRow = other.row
    if not row.mti or row.mti[1:2] not in _MONEY or row.is_completion or row.effect == UNDO:
        return False
    is_refund = row.effect == CREDIT
    return is_refund == (request.processing_code[:2] == "20") and (4 not in request or row.amount_minor == amount_minor)
