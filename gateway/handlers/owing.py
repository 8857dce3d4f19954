"""What is owed, for whoever runs the gateway: what waits, what was refused for good, and sending that again.

These are no operations of `/v1`: a shop sees what has become of its payment. No row shown here has a card.
"""

from __future__ import annotations

from typing import Any

from gateway.core import refusals
from gateway.core.books import Books
from gateway.core.obligations import instant
from gateway.core.records import Obligation, SendRecord
from gateway.handlers.context import Ports
from node.core.duty import REFUSED

Shape = dict[str, Any]


async def list_of(ports: Ports, state: str, limit: int) -> list[Shape]:
    """Return at most `limit` messages that are `open` or `refused`, the oldest first."""

    def work(books: Books) -> list[Shape]:
        shown = []
        for duty in books.find(Obligation, {"state": state})[:limit]:
            record = books.get(SendRecord, duty.send)
            assert record is not None, "what is owed is a message"
            shown.append(_render(duty, record))
        return shown

    return await ports.store.read(work)


async def send_again(ports: Ports, name: str) -> Shape:
    """Owe a message again that was refused for good, and wake the worker; return it.

    Raises
    ------
    ApiError
        404, 409: as `gateway.core.refusals.reopen`.
    """
    at = ports.now()
    duty, record = await ports.store.write(lambda books: refusals.reopen(books, name, at))
    ports.owed()
    return _render(duty, record)


def _render(duty: Obligation, record: SendRecord) -> Shape:
    return {
        "send": duty.send,
        "kind": record.kind,
        "state": duty.state,
        "attempts": duty.attempts,
        # When it is tried next; of what was refused: since when it is.
        "at": instant(duty.due_at).isoformat(),
        "code": record.result if duty.state == REFUSED else None,
        "account": record.account,
        "payment": record.intent,
        "charge": record.charge,
        "amount": record.amount,
        "currency": record.currency,
        "stan": record.stan,
        "rrn": record.rrn,
        "trace": record.trace,
    }
