"""How a payment is made: one straight line from the idempotency claim to the HTTP answer.

Order is everything here. The claim, the payment's state and what will be sent are committed before the first byte
leaves; the outcome is committed before anybody hears of it. Whatever happens between the two is Unknown, and the books
already hold what a reversal needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.core import claims
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.events import emit
from gateway.core.intents import next_status, refusal
from gateway.core.manner import answered
from gateway.core.obligations import micros
from gateway.core.outcomes import SETTLING
from gateway.core.payments import begin
from gateway.core.records import Intent, SendRecord
from gateway.core.render import payment_intent
from gateway.core.responses import Kind, Outcome
from gateway.core.sends import AUTHORISE, At
from gateway.core.terms import mode_of
from gateway.handlers import intents
from gateway.handlers.cards import bring
from gateway.handlers.context import Call, Ports, cause_of_call, intent_of, method_of
from gateway.handlers.duties import Taken, take_capture
from gateway.handlers.sending import ask


async def create(ports: Ports, call: Call) -> Answer:
    """Create a payment; with `confirm=true` pay it at once."""
    if not call.params.get("confirm"):
        return await intents.create(ports, call)
    bringing = await intents.brought(ports, call)
    if isinstance(bringing, Answer):
        return bringing
    blank, cause = intents.drafted(ports, call), cause_of_call(ports, call)

    def draft(books: Books) -> Intent:
        intent = intents.chosen(books, call, blank, bring(books, bringing))
        books.add(intent)
        emit(books, cause, "payment_intent.created", payment_intent(intent))
        return intent

    return await _pay(ports, call, draft)


async def confirm(ports: Ports, call: Call) -> Answer:
    """Pay a payment that exists."""
    bringing = await intents.brought(ports, call)
    if isinstance(bringing, Answer):
        return bringing

    def find(books: Books) -> Intent:
        intent = intent_of(books, call, call.identifiers[0])
        intents.check_secret(call, intent)
        intents.check_keeping(call, intent)
        if next_status(intent.status, "supply") is None:
            raise refusal(intent.status, "confirm", payment_intent(intent))
        return intents.chosen(books, call, intent, bring(books, bringing))

    return await _pay(ports, call, find)


async def _pay(ports: Ports, call: Call, find: Callable[[Books], Intent]) -> Answer:
    """Carry one payment through the network; `find` gives the intent within the first transaction."""
    charge, now, claimed_at = ports.identifier("ch"), ports.business(), micros(ports.wall())

    def prepare(books: Books) -> Answer | SendRecord:
        if answer := claims.claim(books, call.ticket, claimed_at, call.manner.text()):
            return answer
        intent = intents.confirmed(call, find(books))
        if intent.method is None:
            raise refusal(intent.status, "confirm", payment_intent(intent))
        if call.is_public and next_status(intent.status, "confirm by the customer", mode_of(intent)) is None:
            raise refusal(intent.status, "confirm by the customer", payment_intent(intent))
        method = method_of(books, call, intent.method)
        return begin(books, intent, method, call.origin, charge, now)

    return await carry_through(ports, call, prepare)


async def carry_through(ports: Ports, call: Call, prepare: Callable[[Books], Answer | SendRecord]) -> Answer:
    """Ask the network what `prepare` has written down, and answer with what came of it.

    Parameters
    ----------
    prepare
        The first transaction; an answer of it is the answer. Nobody else settles its record while we wait.

    Returns
    -------
    Answer
        As `SETTLING` tells it; it is stored under the claim of the record in the transaction of the outcome.
    """
    is_settled, waiting = True, set[str]()

    def first(books: Books) -> Answer | SendRecord:
        made = prepare(books)
        if isinstance(made, SendRecord):
            # Before the commit: whoever looks for what nobody waits for sees committed rows.
            waiting.add(made.id)
            ports.under_way.add(made.id)
        return made

    try:
        record = await ports.store.write(first)
        if isinstance(record, Answer):
            return record
        is_settled = False
        outcome = await ask(ports, record)
        at = ports.now()
        done = await ports.store.write(lambda books: _finish(ports, call, record, outcome, at, books))
        is_settled = not done.is_owed
        if done.taken is not None:
            ports.courier.deliver(*done.taken)
        return done.answer
    finally:
        ports.under_way.difference_update(waiting)
        # If this was cut short, the send record has no result: whoever works the duties finds it and makes it one.
        if not is_settled:
            ports.owed()


class _Done(NamedTuple):
    """How a question ended: its answer, whether something may be owed now, and what was taken to be sent at once."""

    answer: Answer
    is_owed: bool
    taken: Taken | None


def _finish(ports: Ports, call: Call, record: SendRecord, outcome: Outcome, at: At, books: Books) -> _Done:
    told = SETTLING[record.kind].conclude(books, record, outcome, at, ports.terms)
    assert told is not None, "who asks is told"
    answer = answered(books, record, told, call.manner)
    claims.settle(books, record.account, record.claim, answer)
    if outcome.kind is Kind.APPROVED and record.kind == AUTHORISE and ports.courier.has_room:
        return _Done(answer, is_owed=False, taken=take_capture(books, ports, record, at))
    return _Done(answer, is_owed=outcome.kind in (Kind.UNKNOWN, Kind.APPROVED), taken=None)
