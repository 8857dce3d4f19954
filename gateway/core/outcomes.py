"""What is done with the outcome of each kind of message: one row per kind.

Whoever asks, brings or recovers a message looks here and needs to know nothing about refunds or captures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.core.books import Books
from gateway.core.captures import captured
from gateway.core.increments import conclude_increment, undone_increment
from gateway.core.payments import conclude, reversed_payment
from gateway.core.records import SendRecord
from gateway.core.refunds import conclude_refund, unanswered_refund
from gateway.core.refusals import refuse_capture, refuse_void
from gateway.core.render import Shape
from gateway.core.responses import Outcome
from gateway.core.sends import AUTHORISE, CAPTURE, INCREMENT, REFUND, UNKNOWN_RESULT, VERIFY, VOID, At
from gateway.core.setups import conclude_verification, undone_verification
from gateway.core.terms import Terms

Told = tuple[int, Shape]
"""HTTP status and body for the request that caused a message."""


class Settling(NamedTuple):
    """How the outcome of one kind of message gets into the books.

    Attributes
    ----------
    conclude
        Writes the outcome and the record's result; returns what the shop is told, or None if nobody asked.
    undone
        Ends the doubt of a question once its void has been accepted; None for what is never in doubt.
    unanswered
        Notes that an attempt at what is owed had no answer, and returns what the shop is told meanwhile; None if nobody
        waits for it.
    refused
        Writes down that an advice will never be taken; None for what any answer ends.
    """

    conclude: Callable[[Books, SendRecord, Outcome, At, Terms], Told | None]
    undone: Callable[[Books, SendRecord, At], None] | None = None
    unanswered: Callable[[Books, SendRecord, At], Told] | None = None
    refused: Callable[[Books, SendRecord, Outcome, At], None] | None = None


def _captured(books: Books, record: SendRecord, outcome: Outcome, at: At, terms: Terms) -> None:
    captured(books, record, outcome, at, terms)


def _incremented(books: Books, record: SendRecord, outcome: Outcome, at: At, _terms: Terms) -> Told:
    return conclude_increment(books, record, outcome, at)


def _voided(books: Books, record: SendRecord, outcome: Outcome, at: At, _terms: Terms) -> None:
    books.put(record._replace(result=outcome.response_code or ""))
    original = books.get(SendRecord, record.original or "")
    if original is None or original.result != UNKNOWN_RESULT:
        return
    undone = SETTLING[original.kind].undone
    assert undone is not None, "only a question can be in doubt"
    undone(books, original, at)


SETTLING: dict[str, Settling] = {
    AUTHORISE: Settling(conclude, reversed_payment),
    INCREMENT: Settling(_incremented, undone_increment),
    VERIFY: Settling(conclude_verification, undone_verification),
    CAPTURE: Settling(_captured, refused=refuse_capture),
    VOID: Settling(_voided, refused=refuse_void),
    REFUND: Settling(conclude_refund, unanswered=unanswered_refund),
}
"""Kind of message to what is done with its outcome."""
