"""Requests: facts from the HSM, one pure decision, and the money that it moves, in one step."""

from __future__ import annotations

from banks.core.asked import asked_of
from banks.core.causes import Cause, code_of
from banks.core.identity import original_name
from banks.core.kinds import Kind, kind_of
from banks.core.reasons import Reason
from banks.core.requests import APPROVED, DECLINED, REQUESTS, RequestRow, TakenRequest, authorisation_code
from banks.core.standing import standing_of
from banks.issuer.answers import answer_text, balances, partly
from banks.issuer.facts import Gathered, gather
from banks.issuer.judge import judge, remember
from banks.issuer.moving import charge, credit, set_aside, settle_holds
from banks.issuer.records import Records
from iso import Message
from node.core.turn import changed

_ONLY = "01F"
"""The capture that a single-message purchase is."""
_SPENDING = frozenset({Kind.PURCHASE, Kind.CASH, Kind.CASHBACK})


async def authorise(records: Records, taken: TakenRequest, request: Message) -> tuple[RequestRow, Gathered] | None:
    """Decide a 0100 or 0200.

    Between the last await and the end nothing else can happen in the node, so decision, hold and rows belong to one
    step: two requests on one account never both see the same money.

    Returns
    -------
    tuple[RequestRow, Gathered] | None
        The settled row, and what was found out. None: the journal is silent, and the request is worth asking again.
    """
    books, desk, kind = records.books, records.desk, kind_of(request)
    name = original_name(request) if 90 in request else ""
    if name and not (await records.gather(taken, request, name) and await records.wait(taken, name)):
        return None
    gathered = await gather(desk, books, request, kind)
    turn = desk.turn
    asked = asked_of(request, kind)
    sequence, at = books.count(REQUESTS, turn), turn.written
    row = taken.row
    # A tombstone of the payment is about its first request, not about what names that one.
    is_overtaken = row.own in books.tombstones or (not name and row.payment in books.tombstones)
    if kind is Kind.INCREMENT and not is_overtaken and _adds_to_nothing(records, taken, name):
        cause = Cause.ADDS_TO_NOTHING
        return row._replace(sequence=sequence, at=at, state=DECLINED, code=code_of(cause), reason=cause.name), gathered
    verdict = judge(books, turn.at, gathered, asked, is_overtaken=is_overtaken)
    remember(books, gathered, verdict, turn)
    extra = gathered.answer(verdict)
    if verdict.reason is Reason.PARTLY_APPROVED:
        extra |= partly(request, verdict.amount_minor)
    elif verdict.reason is Reason.BALANCE_TOLD:
        extra |= balances(request, books.ledger.accounts[gathered.account])
    approves = verdict.approves
    row = changed(
        row,
        sequence=sequence,
        at=at,
        card=gathered.fingerprint,
        account=gathered.account,
        amount_minor=verdict.amount_minor or row.amount_minor,
        state=APPROVED if approves else DECLINED,
        code=verdict.code,
        reason=verdict.reason.name,
        authorisation_code=authorisation_code(sequence) if approves else "",
        answer=answer_text(extra),
    )
    if approves and verdict.amount_minor:
        row = _move(records, row, request, kind)
        if kind is Kind.INCREMENT:
            _follow(records, taken, request, row, name)
    return row, gathered


def _move(records: Records, row: RequestRow, request: Message, kind: Kind) -> RequestRow:
    books, turn = records.books, records.desk.turn
    if kind is Kind.REFUND:
        return credit(books, row, turn)
    if request.mti_class == "2" and kind in _SPENDING:
        return charge(books, row._replace(capture=_ONLY), turn)
    return set_aside(books, row, hold_s(records, request), turn)


def _follow(records: Records, taken: TakenRequest, request: Message, row: RequestRow, name: str) -> None:
    """Let an increment follow what has come before it: a completion may have taken its amount already."""
    records.bury(records.originals(taken, request, name, row.amount_minor), name)
    settle_holds(records.books, records.payment(taken), records.desk.turn, row)


def hold_s(records: Records, request: Message) -> int:
    """Return for how many seconds of business time an authorisation is held."""
    rules = records.books.rules
    is_early = request.get(25) == "06" or request.processing_code[:2] == "60"
    return rules.pre_authorised_s(request.get(18) or "") if is_early else rules.hold_s


def _adds_to_nothing(records: Records, taken: TakenRequest, name: str) -> bool:
    """Whether an increment names a payment that is over. If none is known, it is decided as a payment of its own."""
    if records.undone_to(name) == 0:
        return True
    standing = standing_of(other.row for other in records.payment(taken))
    return standing.is_reversed or standing.is_final
