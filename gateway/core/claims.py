"""Idempotency keys: the same request twice is carried out once, and answered twice alike.

A claim is made in the transaction that begins the work, and its answer is stored in the one that ends it. A request
that is refused (a missing parameter, an id that does not exist) undoes its own claim, so that it can be corrected under
the same key. A decline is an outcome: it is stored and replayed.

Source: shared facts, stripe 1 (recorded behaviour).
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.books import Books, Conflict
from gateway.core.errors import IDEMPOTENCY_ERROR, ApiError
from gateway.core.records import Claim, SendRecord
from gateway.core.sends import OWED, UNSETTLED

KEY_MAX = 255
KEPT_US = 24 * 3600 * 1_000_000
"""Microseconds of wall time for which an answer is replayed."""


class Ticket(NamedTuple):
    """What a request brings: `key` is None if it is not idempotent; `digest` identifies its parameters.

    The digest must be keyed with something the store does not hold: it covers a card number, and a plain hash of one
    can be tried out.
    """

    account: str
    key: str | None
    digest: str
    request: str


class Answer(NamedTuple):
    """An HTTP answer: JSON text. `original` is the id of the request that is being replayed, if it is."""

    status: int
    body: str
    original: str | None = None


def replayed(books: Books, ticket: Ticket, now: int) -> Answer | None:
    """Return the answer that this key has already had; None if the request has to be carried out.

    Raises
    ------
    ApiError
        409 `idempotency_key_in_use`: the first request is still running. 400 `idempotency_error`: the key was used for
        something else.
    """
    claim = None if ticket.key is None else books.get(Claim, ticket.account, ticket.key)
    if claim is None or (claim.status and claim.claimed_at + KEPT_US <= now):
        return None
    if claim.digest != ticket.digest:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try "
            f"using a key other than '{ticket.key}' if you meant to execute a different request."
        )
        raise ApiError(400, message, kind=IDEMPOTENCY_ERROR)
    if not claim.status:
        raise _in_use()
    return Answer(claim.status, claim.body, claim.request)


def claim(books: Books, ticket: Ticket, now: int, manner: str | None = None) -> Answer | None:
    """Take the key for this request, which is carried out from here on; or return the answer that it has had already.

    Parameters
    ----------
    manner
        How the answer is wanted, where somebody else may have to give it.

    Raises
    ------
    ApiError
        As `replayed`; 409, too, if another gateway took the key in this moment.
    """
    answer = replayed(books, ticket, now)
    if answer is not None or ticket.key is None:
        return answer
    row = Claim(ticket.account, ticket.key, ticket.digest, ticket.request, now, 0, "", manner)
    if books.get(Claim, ticket.account, ticket.key) is not None:
        books.put(row)
        return None
    try:
        books.add(row)
    except Conflict:
        is_taken = True
    else:
        is_taken = False
    if is_taken:
        raise _in_use()
    return None


def settle(books: Books, account: str, key: str | None, answer: Answer) -> None:
    """Store the answer of a claimed key."""
    held = None if key is None else books.get(Claim, account, key)
    if held is not None:
        books.put(held._replace(status=answer.status, body=answer.body))


def failed(books: Books, ticket: Ticket, answer: Answer) -> None:
    """Store the failure of a request that broke, unless an outcome of the network will answer it.

    Parameters
    ----------
    ticket
        Of the request; if somebody else holds its key, or it is answered, nothing changes.
    answer
        Status 500.
    """
    held = books.get(Claim, ticket.account, ticket.key or "")
    if held is None or held.status or held.request != ticket.request:
        return
    unsettled = [record for result in (UNSETTLED, OWED) for record in books.find(SendRecord, {"result": result})]
    if not any((record.account, record.claim) == (ticket.account, ticket.key) for record in unsettled):
        books.put(held._replace(status=answer.status, body=answer.body))


def _in_use() -> ApiError:
    message = (
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        "twice, and the other request is still going through). Try again in a moment."
    )
    return ApiError(409, message, kind=IDEMPOTENCY_ERROR, code="idempotency_key_in_use")
