"""Payment methods are bound to customers, and taken from them; both for good.

Attaching asks nobody, unless the gateway's settings say that the issuer is asked first.
"""

from __future__ import annotations

from gateway.core import claims, render
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.errors import ApiError
from gateway.core.methods import attach_refusal, attach_to, detach_from, forget_default
from gateway.core.obligations import micros
from gateway.core.records import SendRecord
from gateway.core.setups import Ask, begin_verification
from gateway.handlers.cards import Brought, bring, store_virtual
from gateway.handlers.context import (
    Call,
    Ports,
    cause_of_call,
    customer_of,
    early_replay,
    method_of,
    once,
    shown,
)
from gateway.handlers.payments import carry_through

_KEPT_FOR = "off_session"


async def attach(ports: Ports, call: Call) -> Answer:
    """Bind a payment method to a customer."""
    if answer := await early_replay(ports, call):
        return answer
    name = call.identifiers[0]
    bringing, cause = await store_virtual(ports, call, name), cause_of_call(ports, call)
    if ports.terms.verifies_attached:
        return await _verified(ports, call, bringing)

    def work(books: Books) -> Answer:
        customer = customer_of(books, call, call.params["customer"])
        method = bring(books, bringing) or method_of(books, call, name, param=None)
        method = attach_to(books, cause, method, customer.id)
        return shown(books, call, render.payment_method(method))

    return await ports.store.write(once(ports, call, work))


async def detach(ports: Ports, call: Call) -> Answer:
    """Take a payment method from its customer; it can never be used again."""
    cause = cause_of_call(ports, call)

    def work(books: Books) -> Answer:
        method = method_of(books, call, call.identifiers[0], param=None)
        if method.customer is None:
            message = "The payment method you provided is not attached to a customer so detachment is impossible."
            raise ApiError(400, message, param="payment_method")
        customer, method = method.customer, detach_from(books, cause, method)
        forget_default(books, cause, customer, method.id)
        return shown(books, call, render.payment_method(method))

    return await ports.store.write(once(ports, call, work))


async def _verified(ports: Ports, call: Call, bringing: Brought | None) -> Answer:
    """Ask the issuer about the card; it is attached in the transaction of an approval."""
    attempt, at, claimed_at = ports.identifier("setatt"), ports.now(), micros(ports.wall())

    def prepare(books: Books) -> Answer | SendRecord:
        if answer := claims.claim(books, call.ticket, claimed_at, call.manner.text()):
            return answer
        customer = customer_of(books, call, call.params["customer"])
        method = bring(books, bringing) or method_of(books, call, call.identifiers[0], param=None)
        refusal = attach_refusal(books, method, customer.id)
        if refusal is not None:
            raise refusal
        return begin_verification(books, method, Ask(None, customer.id, _KEPT_FOR), call.origin, attempt, at)

    return await carry_through(ports, call, prepare)
