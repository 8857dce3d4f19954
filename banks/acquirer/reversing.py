"""How the acquirer takes reversals over: durably, acknowledged at once, passed on by store-and-forward.

What has become money is mirrored in the ledger; what only holds funds is given back by the issuer. A reversal changes
nothing twice: it is told by what remains, so a copy finds nothing left to do. Whatever it undoes waits in the same
queue of the same card, so it goes out behind it.
"""

from __future__ import annotations

from banks.acquirer import booking
from banks.acquirer.answers import MALFUNCTION, NO_ACTION, NO_ORIGINAL, OK
from banks.acquirer.records import Records
from banks.core import batches, clearings, intents
from banks.core.clearings import ClearingRow
from banks.core.intents import COMPLETION, CONFIRMATION, FORCED_SALE, Intent, IntentRow, gateway_key
from banks.core.kinds import Kind
from iso import Message
from iso.original import OriginalData
from iso.replacement import ReplacementAmounts
from node.core.steps import Silence

_BACK = {clearings.CAPTURE: batches.CREDIT_REVERSAL, clearings.REFUND: batches.DEBIT_REVERSAL}


async def reverse(records: Records, request: Message) -> Message:
    """Answer a 0400 or 0420: 00 taken over, or there is nothing to undo; 25 no such original; 21 not as things stand.

    21 is for what other messages rest on: an authorisation of which more has been captured than would remain, a capture
    of which more has been refunded. These have to be reversed first.
    """
    books = records.books
    named = OriginalData.from_de90(request[90])
    intent = await records.original(request.terminal, named)
    if isinstance(intent, Silence):
        return request.reply(MALFUNCTION)
    if intent is None:
        books.bury(gateway_key(named.mti, request.terminal, named.stan, named.transmitted), records.desk.turn)
        return request.reply(NO_ORIGINAL)
    remains_minor = ReplacementAmounts.from_de95(request[95]).transaction_minor if 95 in request else 0
    if intent.is_open and not remains_minor:
        books.wants_reversal(intent, records.desk.turn)
        return request.reply(OK, {37: intent.row.rrn or None})
    books.memory.pin(intent)
    code = await _take_over(records, intent, remains_minor)
    books.memory.unpin(intent)
    return request.reply(code, {37: intent.row.rrn or None})


async def _take_over(records: Records, intent: Intent, remains_minor: int) -> str:
    if intent.is_open and not await records.wait(intent):
        return MALFUNCTION
    root = await records.root_of(intent)
    if isinstance(root, Silence) or root is None:
        return MALFUNCTION
    if intent.row.kind == CONFIRMATION:
        intent = root
    cleared: ClearingRow | None = None
    if is_money(intent.row):
        books = records.books
        books.memory.pin(root)
        found = await records.clearing_of(intent.row.identifier)
        books.memory.unpin(root)
        if isinstance(found, Silence):
            return MALFUNCTION
        cleared = found
    # Nothing else can happen in the node from here on.
    return _undo(records, intent, root, cleared, remains_minor)


def _undo(records: Records, intent: Intent, root: Intent, cleared: ClearingRow | None, remains_minor: int) -> str:
    books, desk, row = records.books, records.desk, intent.row
    if row.state == intents.WAITING:
        desk.put_saf(books.owe_reversal(intent, intents.REVERSED, NO_ACTION, desk.turn))
        return OK
    is_spent = bool(remains_minor) and remains_minor >= row.remains_minor
    if row.state != intents.APPROVED or is_spent:
        # Declined, or undone as far as this asks for: nothing to do. Unknown: the network's 0420 exists already.
        return OK
    undone_minor = row.remains_minor - remains_minor
    if _is_rested_on(row, root, undone_minor, _tolerance_percent(records, row)):
        return NO_ACTION
    _lower(records, intent, root, undone_minor)
    if cleared is not None:
        left = booking.take_back(books, cleared, remains_minor, desk.turn)
        if left.state == clearings.REVERSED and row.kind == COMPLETION and cleared.is_final:
            books.put(root, desk.turn, is_final=0)
        booking.count(books, row.terminal, row.currency, _BACK[cleared.kind], undone_minor, desk.turn)
    if remains_minor:
        desk.put_saf(books.owe_partial_reversal(intent, remains_minor, desk.turn))
    else:
        desk.put_saf(books.owe_reversal(intent, intents.REVERSED, row.code, desk.turn))
    return OK


def is_money(row: IntentRow) -> bool:
    """Whether an approved intent has a clearing row."""
    if row.state != intents.APPROVED:
        return False
    if row.kind in (COMPLETION, FORCED_SALE, Kind.REFUND.name):
        return True
    return row.mti == "0200" and bool(row.captured_minor)


def _tolerance_percent(records: Records, row: IntentRow) -> int:
    merchant = records.books.directory.merchants.get(row.merchant)
    return merchant.over_capture_percent if merchant is not None else 0


def _is_rested_on(row: IntentRow, root: Intent, undone_minor: int, tolerance_percent: int) -> bool:
    """Whether something else would be left without ground."""
    first = root.row
    if row.kind == Kind.REFUND.name:
        return False
    if is_money(row):
        return first.captured_minor - undone_minor < first.refunded_minor + root.refunding_minor
    most_minor = (first.authorised_minor - undone_minor) * (100 + tolerance_percent) // 100
    return bool(undone_minor) and most_minor < first.captured_minor


def _lower(records: Records, intent: Intent, root: Intent, undone_minor: int) -> None:
    """Take what is undone out of the running amounts of the payment."""
    row, first = intent.row, root.row
    changes: dict[str, int] = {}
    if row.kind == Kind.REFUND.name:
        if row.root:
            changes = {"refunded_minor": first.refunded_minor - undone_minor}
    elif row.kind == COMPLETION:
        changes = {"captured_minor": first.captured_minor - undone_minor}
    elif undone_minor:
        changes = {"authorised_minor": first.authorised_minor - undone_minor}
        if is_money(row):
            changes["captured_minor"] = first.captured_minor - undone_minor
    if changes:
        records.books.put(root, records.desk.turn, **changes)
