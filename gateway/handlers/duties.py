"""What the gateway owes the network: every payment whose outcome is unknown is reversed until the reversal is accepted.

A duty is claimed under a lease, in the books, so that any number of workers share them and a dead worker's duty comes
back. The acquirer takes a reversal over durably and answers at once; repeats of it do no harm.
"""

from __future__ import annotations

from gateway.core import claims
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.messages import ACKNOWLEDGED_CODES, reversal_advice
from gateway.core.obligations import as_duty, instant, micros, with_duty
from gateway.core.payments import UNSETTLED, conclude, reversed_payment
from gateway.core.records import Obligation, SendRecord
from gateway.core.render import dumps
from gateway.core.responses import Kind, Outcome
from gateway.handlers.context import Ports
from iso import Message
from node.core.duty import OPEN, DutyRules, claimed, failed, fulfilled, may_claim
from node.core.steps import NOT_SENT

_LOOK_AT = 16
_FOR_EVER = 2**62


async def recover(ports: Ports) -> int:
    """Turn every request that may have been sent, and for whose answer nobody waits any more, into a duty.

    At start that is what a gateway left behind that died; later, what a handler left that was cut short.

    Returns
    -------
    int
        How many there were.
    """

    def work(books: Books) -> int:
        unsettled = books.find(SendRecord, {"result": UNSETTLED})
        left = [record for record in unsettled if record.charge not in ports.under_way]
        for record in left:
            status, shape = conclude(books, record, Outcome(Kind.UNKNOWN), ports.business(), ports.wall())
            # Whoever sent the request and asks again under the same key learns that it is being processed.
            claims.settle(books, record.account, record.claim, Answer(status, dumps(shape)))
        return len(left)

    return await ports.store.write(work)


async def work_one(ports: Ports, holder: str, rules: DutyRules) -> Obligation | None:
    """Take one duty that is due and try to fulfil it.

    Parameters
    ----------
    holder
        Names this worker, in the lease.
    rules
        Leases and back-off.

    Returns
    -------
    Obligation | None
        The duty after the attempt; None if none was due.
    """
    taken = await ports.store.write(lambda books: _take(books, ports, holder, rules))
    if taken is None:
        return None
    duty, record = taken
    answer = await ports.acquirer.request(reversal_advice(record, duty), ports.timeouts.reversal_s)
    is_accepted = isinstance(answer, Message) and answer.response_code in ACKNOWLEDGED_CODES
    was_sent = answer is not NOT_SENT

    def finish(books: Books) -> Obligation:
        now, held = ports.wall(), books.get(Obligation, duty.charge)
        if held is None or held.state != OPEN:
            # The lease ran out while we waited, and somebody else has ended it.
            return held or duty
        if is_accepted:
            ended = with_duty(duty, fulfilled(as_duty(duty)))
            reversed_payment(books, record)
        else:
            ended = with_duty(duty, failed(as_duty(duty), now, rules))
            if not was_sent:
                # Nothing left: the next attempt is still the first, and not yet a repeat.
                ended = ended._replace(attempts=duty.attempts - 1)
        books.put(ended)
        return ended

    return await ports.store.write(finish)


async def next_due_s(ports: Ports) -> float | None:
    """Return in how many seconds of wall time the next duty is due; None if there is none."""

    def work(books: Books) -> float | None:
        now = micros(ports.wall())
        duties = books.due(_FOR_EVER, _LOOK_AT)
        return min((max(0, max(duty.due_at, duty.leased_until or 0) - now) / 1e6 for duty in duties), default=None)

    return await ports.store.write(work)


async def count_open(ports: Ports) -> int:
    """Return how many reversals are still owed."""
    return await ports.store.write(lambda books: len(books.find(Obligation, {"state": OPEN})))


def _take(books: Books, ports: Ports, holder: str, rules: DutyRules) -> tuple[Obligation, SendRecord] | None:
    now = micros(ports.wall())
    for row in books.due(now, _LOOK_AT):
        record = books.get(SendRecord, row.charge)
        if record is not None and may_claim(as_duty(row), instant(now)):
            duty = with_duty(row, claimed(as_duty(row), holder, instant(now), rules))
            books.put(duty)
            return duty, record
    return None
