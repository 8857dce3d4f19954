"""What goes to the acquirer, as rows: one send record per message, and a duty for each that has to arrive.

A question (authorise, increment, verify) is asked while somebody waits; if its answer does not come it is undone by a
void. What has to arrive (capture, void, refund) is owed: its duty is written in the commit that decides it, and worked
until it is answered. Everything here runs inside a unit of work and sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from gateway.core.books import Books
from gateway.core.events import Cause
from gateway.core.obligations import incurred, leased
from gateway.core.records import Method, Obligation, SendRecord, Terminal
from iso.original import OriginalData
from iso.private import ECI, TRACE_ID, build_private
from iso.stan import local_date, local_time, stan, transmission_time
from node.core.duty import OPEN, DutyRules

AUTHORISE, INCREMENT, VERIFY = "authorise", "increment", "verify"
CAPTURE, VOID, REFUND = "capture", "void", "refund"
MTIS = {AUTHORISE: "0100", INCREMENT: "0100", VERIFY: "0100", CAPTURE: "0220", VOID: "0420", REFUND: "0200"}
"""MTI of the first attempt of each kind."""
QUESTIONS = frozenset({AUTHORISE, INCREMENT, VERIFY})
"""Kinds that hold funds or ask for a verdict, so that silence is followed by a void."""

UNSETTLED = ""
"""`SendRecord.result` of a question whose outcome is not in the books."""
OWED = "owed"
"""`SendRecord.result` of a message that a duty brings to the acquirer."""
UNKNOWN_RESULT, NOT_SENT_RESULT, REVERSED = "unknown", "not sent", "reversed"

ECI_CHANNEL_ENCRYPTED = "07"


class Origin(NamedTuple):
    """Where a message comes from: DE 41 and 42, and trace id, id and idempotency key of the HTTP request, if any."""

    terminal: str
    merchant: str
    trace: str
    request: str | None = None
    claim: str | None = None


class At(NamedTuple):
    """One moment, aware UTC: `business` for what the network and the shop see, `wall` for duties.

    `seed` is chance that was drawn for this moment, of which the ids of its events are made.
    """

    business: datetime
    wall: datetime
    seed: bytes = b""

    @property
    def created(self) -> int:
        """Business time in Unix seconds."""
        return int(self.business.timestamp())


def cause_of(record: SendRecord, at: At) -> Cause:
    """Return the cause of the events that follow from a message's outcome."""
    return Cause(record.account, at.created, at.seed, record.request, record.claim)


def send_name(subject: str, kind: str, number: int = 1) -> str:
    """Return the id of a send: the n-th message of a kind about one object.

    Examples
    --------
    >>> send_name("ch_1", CAPTURE, 2)
    'ch_1/capture/2'
    """
    return f"{subject}/{kind}/{number}"


def opening(
    books: Books,
    kind: str,
    method: Method,
    origin: Origin,
    now: datetime,
    *,
    account: str,
    charge: str,
    intent: str,
    amount: int,
    currency: str,
    tags: Mapping[str, str] | None = None,
) -> SendRecord:
    """Write down the first message about a card: an authorisation, or a verification (`amount` 0).

    Parameters
    ----------
    kind
        `AUTHORISE` or `VERIFY`.
    charge
        Id of the charge (or setup attempt) that it will be; what follows from it names it, too.
    now
        Business time, aware UTC.
    currency
        Numeric code.
    tags
        More tags of DE 48, none of them secret.

    Returns
    -------
    SendRecord
        In the books, with result `UNSETTLED`. Ask it with `gateway.handlers.sending.ask`.
    """
    record = SendRecord(
        id=send_name(charge, kind),
        kind=kind,
        account=account,
        subject=charge,
        charge=charge,
        intent=intent,
        terminal=origin.terminal,
        merchant=origin.merchant,
        stan=allot_stan(books, origin.terminal),
        transmitted=transmission_time(now),
        local_time=local_time(now),
        local_date=local_date(now),
        token=method.token,
        expiry=f"{method.exp_year % 100:02d}{method.exp_month:02d}",
        amount=amount,
        remains=None,
        currency=currency,
        original=None,
        original_data="",
        rrn=None,
        authorisation_code=None,
        private=_private({ECI: ECI_CHANNEL_ENCRYPTED, **(tags or {}), TRACE_ID: origin.trace}),
        trace=origin.trace,
        request=origin.request,
        claim=origin.claim,
        result=UNSETTLED,
    )
    books.add(record)
    return record


def following(
    books: Books,
    kind: str,
    original: SendRecord,
    origin: Origin,
    now: datetime,
    *,
    number: int = 1,
    subject: str | None = None,
    amount: int | None = None,
    remains: int | None = None,
    tags: Mapping[str, str] | None = None,
) -> SendRecord:
    """Write down a message about an earlier one.

    Parameters
    ----------
    kind
        `INCREMENT`, `CAPTURE`, `VOID` or `REFUND`.
    original
        What it follows; of a capture, an increment or a refund the authorisation.
    number
        Which of this kind about the subject, from 1.
    subject
        The object that its outcome is about; None = that of the original.
    amount
        DE 4 in minor units; None = that of the original.
    remains
        For a partial void: what is left of the original's amount.
    tags
        Tags of DE 48, none of them secret.

    Returns
    -------
    SendRecord
        In the books: `UNSETTLED` if it is an increment, else `OWED`; `owe` gives what is owed its duty.

    Raises
    ------
    Conflict
        This message exists already.
    """
    # What completes or undoes a request keeps its local time; what asks for something new has its own.
    is_same_moment = kind in (CAPTURE, VOID)
    record = original._replace(
        id=send_name(subject or original.subject, kind, number),
        kind=kind,
        subject=subject or original.subject,
        terminal=origin.terminal,
        merchant=origin.merchant,
        stan=allot_stan(books, origin.terminal),
        transmitted=transmission_time(now),
        local_time=original.local_time if is_same_moment else local_time(now),
        local_date=original.local_date if is_same_moment else local_date(now),
        amount=original.amount if amount is None else amount,
        remains=remains,
        original=original.id,
        original_data=OriginalData(MTIS[original.kind], original.stan, original.transmitted).to_de90(),
        private=_private({} if kind == VOID else {**(tags or {}), TRACE_ID: origin.trace}),
        trace=origin.trace,
        request=origin.request,
        claim=origin.claim,
        result=UNSETTLED if kind in QUESTIONS else OWED,
    )
    books.add(record)
    return record


def owe(
    books: Books, record: SendRecord, wall: datetime, holder: str | None = None, rules: DutyRules | None = None
) -> Obligation:
    """Give a message its duty.

    Parameters
    ----------
    wall
        Now, aware UTC.
    holder, rules
        Whoever makes the first attempt itself, under these rules; without them a worker does. A message that has to
        wait for an earlier one of its charge is left to the worker all the same: look at the `holder` of what is
        returned.

    Returns
    -------
    Obligation
        In the books, due at once.
    """
    duty = incurred(record, wall)
    if holder is not None and not has_open_duties(books, record.charge):
        duty = leased(duty, holder, wall, rules or DutyRules())
    books.add(duty)
    return duty


def owe_void(books: Books, original: SendRecord, at: At, remains: int | None = None) -> SendRecord:
    """Write down that a request is to be undone, whole or down to `remains`, and owe it; return the void."""
    origin = Origin(original.terminal, original.merchant, original.trace)
    number = 1
    # A request may be lowered before it is undone whole.
    while books.get(SendRecord, void_name(original, number)) is not None:
        number += 1
    void = following(books, VOID, original, origin, at.business, number=number, subject=original.id, remains=remains)
    owe(books, void, at.wall)
    return void


def void_name(original: SendRecord, number: int = 1) -> str:
    """Return the id of the void of a send."""
    return send_name(original.id, VOID, number)


def has_open_duties(books: Books, charge: str) -> bool:
    """Whether something of this charge still has to arrive."""
    return bool(books.find(Obligation, {"charge": charge, "state": OPEN}))


def allot_stan(books: Books, terminal: str) -> str:
    """Return the next STAN of a terminal and count it as used."""
    counter = books.get(Terminal, terminal) or Terminal(terminal, 0)
    books.put(counter._replace(stan=counter.stan + 1))
    return stan(counter.stan + 1)


def _private(tags: Mapping[str, str]) -> str:
    return build_private(dict(sorted(tags.items())))
