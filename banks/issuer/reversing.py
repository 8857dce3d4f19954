"""Reversals: they take back what a message did, as a whole or in part, whatever that was, and are never declined."""

from __future__ import annotations

from banks.core.billing import billed
from banks.core.causes import Cause
from banks.core.identity import original_name
from banks.core.requests import REQUESTS, TAKEN, UNDO, RequestRow, TakenRequest
from banks.issuer.answers import remains_of
from banks.issuer.moving import settle_holds, take_back
from banks.issuer.records import Records, names_class
from iso import Message


async def reverse(records: Records, taken: TakenRequest, request: Message) -> RequestRow | None:
    """Take a 0400 or 0420; None: the journal is silent, and it is worth asking again.

    If its original has not come yet, or is being decided, that is declined when it comes, or told what is left of it.
    """
    name = original_name(request)
    if not await records.gather(taken, request, name):
        return None
    books, turn = records.books, records.desk.turn
    amount_minor = billed(request)[0] if 4 in request and 49 in request else 0
    originals = records.originals(taken, request, name, amount_minor)
    remains_minor = remains_of(request)
    records.bury(originals, name)
    has_lowered = False
    for original in originals:
        if original.row.left_minor > remains_minor:
            take_back(books, original, remains_minor, turn)
            has_lowered = True
    for original in originals if has_lowered else ():
        settle_holds(books, [*records.payment(original), original], turn)
    books.rename(taken, payment=taken.row.payment, original=name)
    cause = _cause(originals, request, has_lowered=has_lowered, is_whole=not remains_minor)
    return taken.row._replace(
        sequence=books.count(REQUESTS, turn),
        state=TAKEN,
        code="00",
        reason=cause.name,
        effect=UNDO,
        left_minor=remains_minor,
        at=turn.at.isoformat(),
    )


def _cause(originals: list[TakenRequest], request: Message, *, has_lowered: bool, is_whole: bool) -> Cause:
    if has_lowered:
        return Cause.REVERSED if is_whole else Cause.LOWERED
    if any(not original.is_deciding for original in originals):
        return Cause.WITHOUT_EFFECT
    return Cause.EARLY if names_class(request) in ("1", "") else Cause.EARLY_OTHER
