"""Capture: money that is held is taken. The answer rests on our books; the acquirer is told by a duty."""

from __future__ import annotations

from gateway.core import render
from gateway.core.books import Books
from gateway.core.captures import capture as take
from gateway.core.claims import Answer
from gateway.handlers.context import Call, Ports, intent_of, once, shown
from gateway.handlers.intents import described


async def capture(ports: Ports, call: Call) -> Answer:
    """Take all or a part of what is held; the final capture lets the rest go."""
    at = ports.now()

    def work(books: Books) -> Answer:
        params = call.params
        intent = described(intent_of(books, call, call.identifiers[0]), call)
        is_final = params.get("final_capture", True)
        amount = params.get("amount_to_capture")
        intent = take(books, intent, call.origin, at, ports.terms, amount=amount, is_final=is_final)
        return shown(books, call, render.payment_intent(intent))

    answer = await ports.store.write(once(ports, call, work))
    if answer.original is None:
        ports.owed()
    return answer
