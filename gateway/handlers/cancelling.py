"""Cancel: a payment is given up, and what it holds is let go."""

from __future__ import annotations

from gateway.core import render
from gateway.core.books import Books
from gateway.core.captures import cancel_held
from gateway.core.claims import Answer
from gateway.core.events import emit
from gateway.core.intents import REQUIRES_CAPTURE, next_status, refusal
from gateway.core.records import Intent
from gateway.handlers.context import Call, Ports, cause_of_call, intent_of, once, shown


async def cancel(ports: Ports, call: Call) -> Answer:
    """Give a payment up, before anything was sent for it or while it holds money."""
    at, cause = ports.now(), cause_of_call(ports, call)
    reason = call.params.get("cancellation_reason")

    def give_up(books: Books, intent: Intent) -> Intent:
        status = next_status(intent.status, "cancel")
        if status is None:
            raise refusal(intent.status, "cancel", render.payment_intent(intent))
        intent = intent._replace(status=status, canceled_at=at.created, cancellation_reason=reason)
        books.put(intent)
        emit(books, cause, "payment_intent.canceled", render.payment_intent(intent))
        return intent

    def work(books: Books) -> Answer:
        intent = intent_of(books, call, call.identifiers[0])
        if intent.status == REQUIRES_CAPTURE:
            intent = cancel_held(books, intent, call.origin, at, reason)
        else:
            intent = give_up(books, intent)
        return shown(books, call, render.payment_intent(intent))

    answer = await ports.store.write(once(ports, call, work))
    if answer.original is None:
        ports.owed()
    return answer
