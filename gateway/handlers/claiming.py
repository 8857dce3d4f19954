"""What becomes of idempotency keys beside the requests themselves: failures are kept, old answers are forgotten."""

from __future__ import annotations

from datetime import timedelta

from gateway.core import claims
from gateway.core.claims import Answer, Ticket
from gateway.core.obligations import micros
from gateway.handlers.context import Ports
from node.journal import StoreError

BATCH = 1_000
"""Claims that one unit of work forgets: others wait for it."""


async def keep_failure(ports: Ports, ticket: Ticket, answer: Answer) -> None:
    """Keep the answer of a request that broke after it had begun, so that the same key gets it again.

    A request that has asked the network is left alone: its outcome is settled by whoever works the duties, and the key
    then tells what became of the payment.
    """
    if ticket.key is None:
        return
    try:
        await ports.store.write(lambda books: claims.failed(books, ticket, answer))
    except StoreError:
        # The store is what broke: nothing can be kept, and what it holds is recovered.
        return


async def forget_old(ports: Ports) -> int:
    """Forget the answers that are too old to be replayed; return how many there were."""
    before = micros(ports.wall() - timedelta(microseconds=claims.KEPT_US))
    total = forgotten = await ports.store.write(lambda books: books.forget_claims(before, BATCH))
    while forgotten == BATCH:
        forgotten = await ports.store.write(lambda books: books.forget_claims(before, BATCH))
        total += forgotten
    return total
