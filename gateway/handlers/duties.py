"""What the gateway owes the network is brought there until it is taken, or refused for good: captures, voids, refunds.

A duty is claimed under a lease, in the books, so that any number of workers share them and a dead worker's duty comes
back. Of one charge only the oldest open duty is worked, so that what belongs together arrives in order. The acquirer
takes an advice over durably and answers at once; repeats of it do no harm.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.books import Books
from gateway.core.manner import settle_claim
from gateway.core.obligations import as_duty, leased, micros
from gateway.core.outcomes import SETTLING
from gateway.core.records import Obligation, SendRecord
from gateway.core.responses import Kind, Outcome
from gateway.core.sends import CAPTURE, UNSETTLED, At, send_name
from gateway.handlers.context import Ports
from node.core.duty import OPEN, REFUSED, may_claim

_LOOK_AT = 16
_FOR_EVER = 2**62


class Taken(NamedTuple):
    """A duty under our lease, and its message."""

    duty: Obligation
    record: SendRecord


class Look(NamedTuple):
    """What a worker finds: how many questions nobody waited for, duties it has taken, and when the next one is due.

    `next_due_s` is in seconds of wall time, None if nothing is; `open_count` counts what is owed, `refused_count` what
    the acquirer has refused for good.
    """

    recovered: int
    taken: list[Taken]
    next_due_s: float | None
    open_count: int
    refused_count: int


async def look(ports: Ports, limit: int) -> Look:
    """Recover what was left, and take what is due, in one transaction.

    Parameters
    ----------
    limit
        Take at most so many duties, each of another charge.
    """
    at = ports.now()

    def work(books: Books) -> Look:
        recovered = _recovered(books, ports, at)
        taken = _taken(books, ports, ports.holder, at, limit)
        open_count = len(books.find(Obligation, {"state": OPEN}))
        refused_count = len(books.find(Obligation, {"state": REFUSED}))
        return Look(recovered, taken, _next_due_s(books, at) if open_count else None, open_count, refused_count)

    return await ports.store.write(work)


async def recover(ports: Ports) -> int:
    """Take over what a gateway left behind that died: before anything else is done by this one.

    Every question that may have been sent is concluded as unknown, and no lease holds any more.

    Returns
    -------
    int
        How many there were.
    """
    at = ports.now()

    def work(books: Books) -> int:
        for duty in books.find(Obligation, {"state": OPEN}):
            if duty.leased_until is not None and duty.send not in ports.under_way:
                books.put(duty._replace(leased_until=None, holder=None))
        return _recovered(books, ports, at)

    return await ports.store.write(work)


def take_capture(books: Books, ports: Ports, authorisation: SendRecord, at: At) -> Taken | None:
    """Take what a payment that was just approved owes: its capture; None if that is not owed yet.

    Parameters
    ----------
    books
        In the transaction of the approval: nothing else of this charge can be owed.
    """
    name = send_name(authorisation.charge, CAPTURE)
    row, record = books.get(Obligation, name), books.get(SendRecord, name)
    if row is None or record is None:
        return None
    duty = leased(row, ports.holder, at.wall, ports.rules)
    books.put(duty)
    return Taken(duty, record)


def _recovered(books: Books, ports: Ports, at: At) -> int:
    unsettled = books.find(SendRecord, {"result": UNSETTLED})
    left = [record for record in unsettled if record.id not in ports.under_way]
    for record in left:
        told = SETTLING[record.kind].conclude(books, record, Outcome(Kind.UNKNOWN), at, ports.terms)
        # Whoever sent the request and asks again under the same key learns what is known.
        if told is not None:
            settle_claim(books, record, told)
    return len(left)


def _taken(books: Books, ports: Ports, holder: str, at: At, limit: int) -> list[Taken]:
    taken = []
    for row in books.due(micros(at.wall), limit):
        record = books.get(SendRecord, row.send)
        if record is not None and may_claim(as_duty(row), at.wall):
            duty = leased(row, holder, at.wall, ports.rules)
            books.put(duty)
            taken.append(Taken(duty, record))
    return taken


def _next_due_s(books: Books, at: At) -> float | None:
    now = micros(at.wall)
    waits = (max(0, max(duty.due_at, duty.leased_until or 0) - now) / 1e6 for duty in books.due(_FOR_EVER, _LOOK_AT))
    return min(waits, default=None)
