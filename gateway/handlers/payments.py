"""How a payment is made: one straight line from the idempotency claim to the HTTP answer.

Order is everything here. The claim, the payment's state and what will be sent are committed before the first byte
leaves; the outcome is committed before anybody hears of it. Whatever happens between the two is Unknown, and the books
already hold what a reversal needs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.core import claims
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.intents import next_status, refusal
from gateway.core.messages import Cryptogram, authorisation_request
from gateway.core.obligations import micros
from gateway.core.payments import Origin, begin, conclude
from gateway.core.records import Intent, Method, SendRecord
from gateway.core.render import payment_intent
from gateway.core.responses import Kind, Outcome, outcome_of
from gateway.handlers import intents
from gateway.handlers.cards import ACCEPTED, bring
from gateway.handlers.context import Call, Ports, intent_of, method_of, shown
from hsm_sim.requests import MakeCryptogram

NOT_SENT = Outcome(Kind.NOT_SENT)


async def create(ports: Ports, call: Call) -> Answer:
    """Create a payment; with `confirm=true` pay it at once."""
    if not call.params.get("confirm"):
        return await intents.create(ports, call)
    bringing = await intents.brought(ports, call)
    if isinstance(bringing, Answer):
        return bringing
    blank = intents.drafted(ports, call)

    def draft(books: Books) -> Intent:
        books.add(blank)
        return blank

    return await _pay(ports, call, bringing, draft)


async def confirm(ports: Ports, call: Call) -> Answer:
    """Pay a payment that exists."""
    bringing = await intents.brought(ports, call)
    if isinstance(bringing, Answer):
        return bringing

    def find(books: Books) -> Intent:
        intent = intent_of(books, call, call.identifiers[0])
        intents.check_secret(call, intent)
        if next_status(intent.status, "supply") is None:
            raise refusal(intent.status, "confirm", payment_intent(intent))
        return intent

    return await _pay(ports, call, bringing, find)


async def _pay(ports: Ports, call: Call, bringing: Method | None, find: Callable[[Books], Intent]) -> Answer:
    """Carry one payment through the network; `find` gives the intent within the first transaction."""
    charge, now, claimed_at = ports.identifier("ch"), ports.business(), micros(ports.wall())
    origin = Origin(call.account.terminal, call.account.merchant, call.trace, call.ticket.key)

    def prepare(books: Books) -> Answer | SendRecord:
        answer = claims.replayed(books, call.ticket, claimed_at)
        if answer is not None:
            return answer
        claims.claim(books, call.ticket, claimed_at)
        intent = intents.chosen(books, call, find(books), bring(books, bringing))
        if intent.method is None:
            raise refusal(intent.status, "confirm", payment_intent(intent))
        method = method_of(books, call, intent.method)
        return begin(books, intent, method, origin, charge, now)

    ports.under_way.add(charge)
    try:
        record = await ports.store.write(prepare)
        return record if isinstance(record, Answer) else await _carry_through(ports, call, record)
    finally:
        ports.under_way.discard(charge)


async def _carry_through(ports: Ports, call: Call, record: SendRecord) -> Answer:
    is_settled = False
    try:
        outcome = await authorise(ports, record)
        answer = await ports.store.write(partial(_finish, ports, call, record, outcome))
        is_settled = outcome.kind is not Kind.UNKNOWN
        return answer
    finally:
        # If this was cut short, the send record has no result: whoever works the duties finds it and makes it one.
        if not is_settled:
            ports.owed()


async def authorise(ports: Ports, record: SendRecord) -> Outcome:
    """Ask the network; the send record is durable already.

    Returns
    -------
    Outcome
        `NOT_SENT` if the HSM gave no cryptogram or the link is down: then there is nothing to reverse.
    """
    asked = MakeCryptogram(record.token, record.amount, record.currency, record.merchant)
    made = await ports.hsm.call(asked, ports.timeouts.hsm_s)
    if made is None or made.code != ACCEPTED:
        return NOT_SENT
    message = authorisation_request(record, Cryptogram(made.cryptogram, made.atc, made.un))
    return outcome_of(await ports.acquirer.request(message, ports.timeouts.acquirer_s))


def _finish(ports: Ports, call: Call, record: SendRecord, outcome: Outcome, books: Books) -> Answer:
    status, shape = conclude(books, record, outcome, ports.business(), ports.wall())
    answer = shown(books, call if status == 200 else call._replace(params={}), shape, status)
    claims.settle(books, record.account, record.claim, answer)
    return answer
