"""Advices of what somebody else has approved in the issuer's name: stand-in, or a terminal without a line.

An advice confirms what is there and never makes a second of it; else it books what was promised, funds or not. It is
refused only if the card or its account is not there.
"""

from __future__ import annotations

from banks.core.cards import account_name
from banks.core.causes import Cause, code_of
from banks.core.identity import original_name, own_name
from banks.core.reasons import CODES, Reason
from banks.core.requests import APPROVED, DECLINED, REQUESTS, REVERSED, TAKEN, RequestRow, TakenRequest
from banks.issuer.answers import APPROVING
from banks.issuer.authorising import hold_s
from banks.issuer.facts import find_card
from banks.issuer.moving import charge, credit, raised, set_aside, settle_holds, take_back
from banks.issuer.records import Records
from iso import Message

_ONLY = "01F"


async def advise(records: Records, taken: TakenRequest, request: Message) -> RequestRow | None:
    """Take a 0120, or a 0220 about a 0200 or a refund; None: to be asked again."""
    books, name = records.books, original_name(request) or own_name(request)
    if not (await records.gather(taken, request, name) and await records.wait(taken, name)):
        return None
    card = await find_card(records.desk, books, request.pan)
    turn = records.desk.turn
    # An advice takes the place of its original: a reversal of either finds it.
    books.rename(taken, payment=taken.row.payment, original=name)
    row = taken.row._replace(
        sequence=books.count(REQUESTS, turn), card=card or "", state=TAKEN, code="00", at=turn.at.isoformat()
    )
    originals = records.originals(taken, request, name, row.amount_minor)
    left_minor = records.undone_to(name, row.own)
    if left_minor == 0 or any(original.row.state == REVERSED for original in originals):
        return _with(row, Cause.UNDONE)
    standing = [original for original in originals if original.row.state == APPROVED]
    if (request.get(39) or "") not in APPROVING:
        records.bury(originals, name)
        return _with(row, Cause.DECLINED_ELSEWHERE)
    if card is None and not standing:
        # An advice is never refused for good because the HSM is silent now: it is asked for again.
        return None
    records.bury(originals, name)
    if standing:
        _bring_to(records, standing, row.amount_minor)
        return _with(row, Cause.CONFIRMED)
    return _promised(records, taken, row, request, left_minor)


def _promised(
    records: Records, taken: TakenRequest, row: RequestRow, request: Message, left_minor: int | None
) -> RequestRow:
    books, turn = records.books, records.desk.turn
    refused, row = account_of(records, row)
    if refused is not None:
        return refused
    if left_minor is not None:
        row = row._replace(amount_minor=min(row.amount_minor, left_minor))
    row = _with(row._replace(state=APPROVED), Cause.PROMISED)
    if not row.amount_minor:
        return row
    if request.processing_code[:2] == "20":
        return credit(books, row, turn)
    if request.mti_class == "2":
        return charge(books, row._replace(capture=_ONLY), turn, forced=True)
    row = set_aside(books, row, hold_s(records, request), turn, forced=True)
    # A completion may have come before it: what that took is not held again.
    settle_holds(books, records.payment(taken), turn, row)
    return row


def account_of(records: Records, row: RequestRow) -> tuple[RequestRow | None, RequestRow]:
    """Return the refusal of an advice without card or account, or None, and its row with the account."""
    card = records.books.cards.get(row.card)
    if card is None:
        return _declined(row, Reason.NO_CARD), row
    account = account_name(card.account, row.currency)
    if account not in records.books.ledger.accounts:
        return _declined(row, Reason.NO_ACCOUNT), row
    return None, row._replace(account=account)


def _bring_to(records: Records, standing: list[TakenRequest], amount_minor: int) -> None:
    """Let as much stand as the merchant was promised: less or more may have been approved in the issuer's place.

    More than the issuer itself, where that has approved as much as there was.
    """
    original, books, turn = standing[0], records.books, records.desk.turn
    row = original.row
    if len(standing) > 1 or row.left_minor != row.amount_minor or not row.effect or not amount_minor:
        return
    if amount_minor < row.left_minor:
        take_back(books, original, amount_minor, turn)
    elif amount_minor > row.left_minor and row.reason == Reason.PARTLY_APPROVED.name:
        books.change(original, raised(books, row, amount_minor, turn), turn)
    else:
        return
    settle_holds(books, [*records.payment(original), original], turn)


def _declined(row: RequestRow, reason: Reason) -> RequestRow:
    return row._replace(state=DECLINED, code=CODES[reason], reason=reason.name)


def _with(row: RequestRow, cause: Cause) -> RequestRow:
    return row._replace(code=code_of(cause), reason=cause.name)
