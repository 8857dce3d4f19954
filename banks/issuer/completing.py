"""Completions: a 0220 fixes what a payment takes, of what it holds or, where nothing is known of it, by force."""

from __future__ import annotations

from banks.core.causes import Cause, code_of
from banks.core.identity import original_name, own_name
from banks.core.requests import APPROVED, CHARGE, DECLINED, HOLD, REQUESTS, TAKEN, RequestRow, TakenRequest
from banks.core.standing import Standing, may_complete, standing_of
from banks.issuer.advising import account_of
from banks.issuer.answers import APPROVING
from banks.issuer.facts import find_card
from banks.issuer.moving import charge, lowered, settle_holds
from banks.issuer.records import Records
from iso import Message
from iso.private import CAPTURE


async def complete(records: Records, taken: TakenRequest, request: Message) -> RequestRow | None:
    """Take a 0220 about an authorisation, or about nothing; None: to be asked again.

    It moves its amount out of what the payment holds; a final one lets the rest go. More than was authorised is charged
    within the tolerance of the merchant's category, and refused (64) beyond it.
    """
    books, name = records.books, original_name(request) or own_name(request)
    if not (await records.gather(taken, request, name) and await records.wait(taken, name)):
        return None
    known = _authorisation(records, taken)
    card = known.card if known is not None else await find_card(records.desk, books, request.pan)
    if card is None:
        return None
    # The payment may have moved on while the HSM was asked.
    known, turn = _authorisation(records, taken), records.desk.turn
    others = records.payment(taken)
    standing = standing_of(other.row for other in others)
    row = taken.row._replace(
        sequence=books.count(REQUESTS, turn),
        card=known.card if known is not None else card,
        account=known.account if known is not None else "",
        capture=_capture(request, others),
        state=TAKEN,
        at=turn.at.isoformat(),
    )
    presented = _presented(others, row, request)
    if presented is not None:
        return _take_the_place_of(records, presented, others, row)
    cause = _cause(records, taken, row, request, standing)
    if cause is not None:
        return row._replace(state=DECLINED if code_of(cause) != "00" else TAKEN, code=code_of(cause), reason=cause.name)
    if known is None:
        refused, row = account_of(records, row)
        if refused is not None:
            return refused
    cause = Cause.FORCED if known is None else Cause.COMPLETED
    if 90 in request:
        # Nobody waits any more for an authorisation that comes after its completion.
        records.bury(records.originals(taken, request, name, row.amount_minor), name)
    left_minor = records.undone_to(row.own)
    if left_minor is not None:
        row = row._replace(amount_minor=min(row.amount_minor, left_minor))
    row = row._replace(state=APPROVED, code="00", reason=cause.name)
    return take(records, others, row)


def _presented(others: list[TakenRequest], row: RequestRow, request: Message) -> TakenRequest | None:
    """Return the presentment that has posted this completion before it came, or None."""
    if (request.get(39) or "") not in APPROVING:
        return None
    is_numbered = CAPTURE in request.private
    return next(
        (other for other in others if not other.row.mti and _is_same_capture(other.row, row, is_numbered)), None
    )


def _take_the_place_of(
    records: Records, presented: TakenRequest, others: list[TakenRequest], row: RequestRow
) -> RequestRow:
    """Let a completion stand for what its presentment has posted, so that a reversal of the one takes back the other.

    The presentment says how much it was: what it leaves out has been reversed, and that is on its way.
    """
    books, turn, done = records.books, records.desk.turn, presented.row
    row = row._replace(
        card=done.card,
        account=done.account,
        amount_minor=done.amount_minor,
        state=APPROVED,
        code=code_of(Cause.CONFIRMED),
        reason=Cause.CONFIRMED.name,
        effect=CHARGE,
        left_minor=done.left_minor,
        posted_minor=done.posted_minor,
        arn=done.arn,
    )
    books.change(presented, done._replace(effect="", left_minor=0, posted_minor=0), turn)
    left_minor = records.undone_to(row.own)
    if left_minor is not None and left_minor < row.left_minor:
        row = lowered(books, row, left_minor, turn)
    settle_holds(books, others, turn, row)
    return row


def take(records: Records, others: list[TakenRequest], row: RequestRow) -> RequestRow:
    """Charge a completion, and bring what its payment holds in line."""
    if not row.amount_minor:
        row = row._replace(effect=CHARGE)
        settle_holds(records.books, others, records.desk.turn, row)
        return row
    settle_holds(records.books, others, records.desk.turn, row._replace(effect=CHARGE, left_minor=row.amount_minor))
    return charge(records.books, row, records.desk.turn, forced=True)


def _cause(
    records: Records, taken: TakenRequest, row: RequestRow, request: Message, standing: Standing
) -> Cause | None:
    """Return why nothing is charged; None if something is."""
    others = [other.row for other in records.payment(taken)]
    if (request.get(39) or "") not in APPROVING:
        return Cause.DECLINED_ELSEWHERE
    if records.undone_to(row.own) == 0:
        return Cause.UNDONE
    if standing.is_reversed:
        return Cause.PAYMENT_REVERSED
    if any(other.effect in (HOLD, CHARGE) and other.currency != row.currency for other in others):
        return Cause.CURRENCY_DIFFERS
    same = [other for other in others if _is_same_capture(other, row, CAPTURE in request.private)]
    if same:
        return Cause.CONFIRMED if same[0].amount_minor == row.amount_minor else Cause.CAPTURE_DIFFERS
    tolerance = records.books.rules.tolerance_of(request.get(18) or "")
    # What was presented before its completion came is not counted: this one may be the earlier, and reversed meanwhile.
    told = standing_of(other for other in others if other.mti)
    is_over = told.authorised_minor > 0 and not may_complete(told, row.amount_minor, tolerance)
    return Cause.OVER_TOLERANCE if is_over else None


def _is_same_capture(other: RequestRow, row: RequestRow, is_numbered: bool) -> bool:
    if not (other.is_completion and other.left_minor):
        return False
    if is_numbered:
        return other.capture[:2] == row.capture[:2]
    # One without a number is the same as a presentment that has come before it.
    return not other.mti and other.amount_minor == row.amount_minor


def _authorisation(records: Records, taken: TakenRequest) -> RequestRow | None:
    """Return the oldest authorisation of a payment that is known here."""
    found = [other.row for other in records.payment(taken) if other.row.effect == HOLD]
    return min(found, key=lambda row: row.sequence, default=None)


def _capture(request: Message, others: list[TakenRequest]) -> str:
    tag = request.private.get(CAPTURE)
    made = sum(other.row.is_completion for other in others)
    return tag if tag is not None else f"{min(made + 1, 99):02d}F"
