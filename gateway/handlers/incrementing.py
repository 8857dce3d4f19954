"""Increment: more is asked of the issuer for an authorisation that stands."""

from __future__ import annotations

from gateway.core import claims
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.increments import begin_increment
from gateway.core.obligations import micros
from gateway.core.records import SendRecord
from gateway.handlers.context import Call, Ports, intent_of
from gateway.handlers.intents import described
from gateway.handlers.payments import carry_through


async def increment(ports: Ports, call: Call) -> Answer:
    """Raise what is held to a new total, if the issuer agrees; else nothing changes."""
    at, claimed_at = ports.now(), micros(ports.wall())

    def prepare(books: Books) -> Answer | SendRecord:
        if answer := claims.claim(books, call.ticket, claimed_at, call.manner.text()):
            return answer
        intent = described(intent_of(books, call, call.identifiers[0]), call)
        return begin_increment(books, intent, call.params["amount"], call.origin, at, ports.terms)

    return await carry_through(ports, call, prepare)
