"""Charges: attempts at payments, shown and described; and captured in the way of shops older than PaymentIntents."""

from __future__ import annotations

from gateway.core import render
from gateway.core.books import Books
from gateway.core.captures import capture as take
from gateway.core.charges import check_capturable, described
from gateway.core.claims import Answer
from gateway.core.errors import ApiError
from gateway.core.events import emit_update
from gateway.core.records import Charge, Intent
from gateway.handlers.context import Call, Ports, cause_of_call, customer_of, listed, once, owned, shown

_FILTERS = {"customer": "customer", "payment_intent": "intent"}


async def retrieve(ports: Ports, call: Call) -> Answer:
    """Return one attempt at a payment."""
    return await ports.store.read(lambda books: shown(books, call, render.charge(_named(books, call))))


async def list_all(ports: Ports, call: Call) -> Answer:
    """List attempts at payments."""
    where = {column: call.params[name] for name, column in _FILTERS.items() if name in call.params}
    return await ports.store.read(lambda books: listed(books, call, Charge, where, render.charge, "charge"))


async def update(ports: Ports, call: Call) -> Answer:
    """Change what is said about an attempt at a payment."""
    cause = cause_of_call(ports, call)

    def work(books: Books) -> Answer:
        row = _named(books, call)
        before, row = render.charge(row), described(row, call.params)
        if "customer" in call.params:
            row = _of_customer(books, call, row)
        books.put(row)
        emit_update(books, cause, "charge.updated", before, render.charge(row))
        return shown(books, call, render.charge(row))

    return await ports.store.write(once(ports, call, work))


async def capture(ports: Ports, call: Call) -> Answer:
    """Capture the payment of a charge, for good: all of it, or a part, and the rest is let go."""
    at = ports.now()

    def work(books: Books) -> Answer:
        row = _named(books, call)
        intent = books.get(Intent, row.intent)
        assert intent is not None, "a charge belongs to a payment"
        check_capturable(row, intent)
        books.put(described(row, call.params))
        take(books, intent, call.origin, at, ports.terms, amount=call.params.get("amount"), is_final=True)
        return shown(books, call, render.charge(_named(books, call)))

    answer = await ports.store.write(once(ports, call, work))
    if answer.original is None:
        ports.owed()
    return answer


def _named(books: Books, call: Call) -> Charge:
    return owned(books, call, Charge, call.identifiers[0], what="charge")


def _of_customer(books: Books, call: Call, row: Charge) -> Charge:
    customer = customer_of(books, call, call.params["customer"])
    if row.customer not in (None, customer.id):
        message = f"Charge {row.id} already has a customer; it cannot be changed."
        raise ApiError(400, message, param="customer")
    return row._replace(customer=customer.id)
