"""What captures and refunds did to a merchant's balance, as its bank has it.

A balance transaction is written when the acquirer has taken a capture or approved a refund. Its id is known before
that, because it follows from the message. What the acquirer took for itself only the acquirer knows: it is asked when
somebody looks, and what it said is kept. No figure here is worked out by the gateway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, time
from typing import NamedTuple

from gateway.core import render_money
from gateway.core.bank import Booking, BookingKey
from gateway.core.books import Books
from gateway.core.events import Cause, emit_update
from gateway.core.identifiers import LENGTH_BYTES, identifier
from gateway.core.records import Charge, SendRecord
from gateway.core.records_money import BalanceTransaction, Refund
from gateway.core.render import Shape
from gateway.core.sends import At
from gateway.core.terms import Terms
from iso.money import currency

PREFIX = "txn"
CHARGE, REFUND = "charge", "refund"


class Unbooked(NamedTuple):
    """A balance transaction of which the acquirer has not said how it booked it, and the message that it is about."""

    row: BalanceTransaction
    send: SendRecord


def name_of(send: str) -> str:
    """Return the id of the balance transaction that comes of a message, by the message's id.

    Examples
    --------
    >>> name_of("ch_1/capture/1") == name_of("ch_1/capture/1") != name_of("ch_1/capture/2")
    True
    """
    return identifier(PREFIX, hashlib.shake_128(send.encode()).digest(LENGTH_BYTES))


def moved(books: Books, record: SendRecord, kind: str, at: At, terms: Terms) -> BalanceTransaction:
    """Write down that the acquirer has taken a capture or approved a refund.

    Parameters
    ----------
    record
        The message.
    kind
        `CHARGE` or `REFUND`.
    at
        Now; the money is available so many business days later as `terms` say.

    Returns
    -------
    BalanceTransaction
        In the books, and not booked: the acquirer has not been asked.
    """
    charge = books.get(Charge, record.charge)
    row = BalanceTransaction(
        id=name_of(record.id),
        account=record.account,
        created=at.created,
        type=kind,
        source=record.subject,
        charge=record.charge,
        amount=-record.amount if kind == REFUND else record.amount,
        currency=currency(record.currency).alpha.lower(),
        send=record.id,
        description=None if charge is None else render_money.description_of(charge),
        available_on=available_on(at.business, terms),
        is_booked=0,
        interchange=None,
        scheme=None,
        acquirer=None,
    )
    books.add(row)
    return row


def available_on(at: datetime, terms: Terms) -> int:
    """Return when money is expected to be available: so many business days later, at midnight UTC, Unix seconds."""
    day = terms.calendar.after(at.astimezone(UTC).date(), terms.available_days)
    return int(datetime.combine(day, time(), UTC).timestamp())


def unbooked(books: Books, account: str, identifiers: Iterable[str]) -> list[Unbooked]:
    """Return those of an account's balance transactions that the acquirer has to be asked about."""
    found = []
    for name in identifiers:
        row = books.get(BalanceTransaction, name)
        if row is None or row.account != account or row.is_booked:
            continue
        send = books.get(SendRecord, row.send)
        assert send is not None, "a balance transaction comes of a message"
        found.append(Unbooked(row, send))
    return found


def key_of(send: SendRecord) -> BookingKey:
    """Return what the acquirer knows a message by."""
    return BookingKey(send.terminal, send.stan, send.transmitted)


def book(books: Books, account: str, bookings: Iterable[Booking], names: Iterable[str], cause: Cause) -> int:
    """Keep what the acquirer said.

    Parameters
    ----------
    account
        Whose they are.
    bookings
        As the acquirer told them.
    names
        Balance transactions that were asked about.
    cause
        Of the events: a refund gets its reference number.

    Returns
    -------
    int
        How many are booked now that were not before.
    """
    told = {booking.key: booking for booking in bookings}
    count = 0
    for row, send in unbooked(books, account, names):
        booking = told.get(key_of(send))
        if booking is None:
            continue
        count += 1
        fees = booking.fees
        books.put(row._replace(is_booked=1, interchange=fees.interchange, scheme=fees.scheme, acquirer=fees.acquirer))
        if row.type == REFUND:
            _referred(books, row.source, booking.reference, cause)
    return count


def _referred(books: Books, name: str, reference: str, cause: Cause) -> None:
    refund = books.get(Refund, name)
    assert refund is not None, "a balance transaction has a source"
    before = render_money.refund(refund)
    refund = refund._replace(reference=reference)
    books.put(refund)
    emit_refund_update(books, cause, before, refund)


def emit_refund_update(books: Books, cause: Cause, before: Shape, refund: Refund) -> None:
    """Add both events of a refund that has changed, unless nothing has."""
    after = render_money.refund(refund)
    for kind in ("charge.refund.updated", "refund.updated"):
        emit_update(books, cause, kind, before, after)
