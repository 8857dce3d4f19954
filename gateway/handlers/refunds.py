"""Refunds: asked of the acquirer while the shop waits, and brought there by the worker if it has to wait too long."""

from __future__ import annotations

from typing import Any

from gateway.core import balance, claims
from gateway.core.balance import emit_refund_update
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.errors import ApiError, no_such
from gateway.core.manner import answered
from gateway.core.metadata import metadata_after
from gateway.core.obligations import micros
from gateway.core.records import Charge, Intent
from gateway.core.records_money import Refund
from gateway.core.refunds import Begun, Wish, begin_refund, cancel_refund, unanswered_refund
from gateway.core.render import dumps
from gateway.core.render_money import refund
from gateway.handlers.balance import ask_bank, asks_for_balance
from gateway.handlers.context import Call, Ports, cause_of_call, listed, once, owned, shown
from gateway.handlers.sending import attempt
from gateway.handlers.waiting import of_message, until_worked


async def create(ports: Ports, call: Call) -> Answer:
    """Give money back; the answer says what the acquirer said, or that it is pending."""
    return await _refund(ports, call, None)


async def create_of_charge(ports: Ports, call: Call) -> Answer:
    """Give money of the charge back that the path names."""
    return await _refund(ports, call, call.identifiers[0])


async def refund_charge(ports: Ports, call: Call) -> Answer:
    """Give money of the charge back that the path names; the answer is the charge."""
    return await _refund(ports, call, call.identifiers[0], is_charge_shown=True)


async def retrieve(ports: Ports, call: Call) -> Answer:
    """Return a refund."""
    return await ports.store.read(lambda books: shown(books, call, refund(refund_of(books, call))))


async def retrieve_of_charge(ports: Ports, call: Call) -> Answer:
    """Return a refund of the charge that the path names."""

    def work(books: Books) -> Answer:
        row = refund_of(books, call, call.identifiers[1])
        if row.charge != call.identifiers[0]:
            raise no_such("refund", row.id, param="refund")
        return shown(books, call, refund(row))

    return await ports.store.read(work)


async def update(ports: Ports, call: Call) -> Answer:
    """Change the metadata of a refund."""
    return await _update(ports, call, call.identifiers[0])


async def update_of_charge(ports: Ports, call: Call) -> Answer:
    """Change the metadata of a refund of the charge that the path names."""
    return await _update(ports, call, call.identifiers[1])


async def cancel(ports: Ports, call: Call) -> Answer:
    """Take back a refund that waits for something else and has not left."""
    at, cause = ports.now(), cause_of_call(ports, call)

    def work(books: Books) -> Answer:
        return shown(books, call, refund(cancel_refund(books, refund_of(books, call), at, cause)))

    return await ports.store.write(once(ports, call, work))


async def list_all(ports: Ports, call: Call) -> Answer:
    """List refunds."""
    names = {"charge": "charge", "payment_intent": "intent"}
    where = {column: call.params[name] for name, column in names.items() if name in call.params}
    return await ports.store.read(lambda books: listed(books, call, Refund, where, refund, "refund"))


async def list_of_charge(ports: Ports, call: Call) -> Answer:
    """List the refunds of the charge that the path names."""

    def work(books: Books) -> Answer:
        charge = owned(books, call, Charge, call.identifiers[0], what="charge")
        return listed(books, call, Refund, {"charge": charge.id}, refund, "refund")

    return await ports.store.read(work)


def refund_of(books: Books, call: Call, name: str | None = None) -> Refund:
    """Return a refund of the caller's account; by default the one that the path names first.

    Raises
    ------
    ApiError
        404.
    """
    name = name or call.identifiers[0]
    row = books.get(Refund, name)
    if row is None or row.account != call.account.id:
        raise no_such("refund", name, param="refund")
    return row


async def _refund(ports: Ports, call: Call, charge_name: str | None, *, is_charge_shown: bool = False) -> Answer:
    at, claimed_at, name = ports.now(), micros(ports.wall()), ports.identifier("re")
    manner = call.manner._replace(is_of_charge=is_charge_shown)

    def begin(books: Books) -> Answer | Begun:
        if answer := claims.claim(books, call.ticket, claimed_at, manner.text()):
            return answer
        charge = _charge_to_refund(books, call, charge_name)
        return begin_refund(books, charge, _wish(call), call.origin, at, name, ports.holder, ports.rules)

    begun = await ports.store.write(begin)
    if isinstance(begun, Answer):
        return begun
    await _bring(ports, begun)
    if asks_for_balance(call):
        await ask_bank(ports, call, [balance.name_of(begun.record.id)])
    at = ports.now()

    def finish(books: Books) -> Answer:
        answer = answered(books, begun.record, unanswered_refund(books, begun.record, at), manner)
        claims.settle(books, call.account.id, call.ticket.key, answer)
        return answer

    return await ports.store.write(finish)


async def _bring(ports: Ports, begun: Begun) -> None:
    """Make the first attempt, or let the worker make it if something else of the charge has to arrive before."""
    record, duty = begun
    if duty.holder != ports.holder:
        ports.owed()
        await until_worked(ports, of_message(record.id))
        return
    ports.under_way.add(record.id)
    try:
        await attempt(ports, duty, record)
    finally:
        ports.under_way.discard(record.id)
        ports.owed()


async def _update(ports: Ports, call: Call, name: str) -> Answer:
    cause = cause_of_call(ports, call)

    def work(books: Books) -> Answer:
        row = refund_of(books, call, name)
        if name != call.identifiers[0] and row.charge != call.identifiers[0]:
            raise no_such("refund", name, param="refund")
        before = refund(row)
        if "metadata" in call.params:
            row = row._replace(metadata=metadata_after(row.metadata, call.params))
            books.put(row)
        if row.is_announced:
            emit_refund_update(books, cause, before, row)
        return shown(books, call, refund(row))

    return await ports.store.write(once(ports, call, work))


def _wish(call: Call) -> Wish:
    params = call.params
    details: dict[str, Any] = {}
    if params.get("instructions_email"):
        details["instructions_email"] = params["instructions_email"]
    return Wish(params.get("amount"), params.get("reason"), dumps(details), metadata_after("{}", params))


def _charge_to_refund(books: Books, call: Call, name: str | None) -> Charge:
    """Return the charge that is meant: named itself, or the one that paid a payment."""
    name, intent_name = name or call.params.get("charge"), call.params.get("payment_intent")
    if not name and not intent_name:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise ApiError(400, message)
    intent = None
    if intent_name:
        intent = books.get(Intent, intent_name)
        if intent is None or intent.account != call.account.id:
            raise no_such("payment_intent", intent_name, param="payment_intent")
        if not name and intent.latest_charge is None:
            raise ApiError(400, f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.")
        name = name or intent.latest_charge
    charge = books.get(Charge, name or "")
    if charge is None or charge.account != call.account.id:
        raise no_such("charge", name or "")
    if intent is not None and charge.intent != intent.id:
        raise ApiError(400, f"Charge {charge.id} does not belong to PaymentIntent {intent.id}.", param="charge")
    return charge
