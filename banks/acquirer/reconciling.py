"""Batch totals: a terminal says what it counted (0500, 0520), the acquirer says whether it counted the same.

Only what the message states is compared. In balance is DE 39 = 00 and DE 66 = 1, out of balance DE 39 = 95 and
DE 66 = 2; the acquirer's own figures come back either way, the batch is closed and the next one is open. A message that
states no figure closes nothing (30, DE 66 = 3). The answer to a copy is the same answer: a copy has the same STAN and
DE 7, or names the same batch (DE 60) as the one that was closed last.

Source: common practice: shared facts, iso8583 3.14 and 3.17.
"""

from __future__ import annotations

import re

from banks.acquirer import booking
from banks.acquirer.answers import FORMAT_ERROR, MALFUNCTION, OK
from banks.acquirer.records import Records
from banks.core import batches
from banks.core.batches import BatchRow, closing_of, new_batch, verdict_on
from banks.core.merchants import NOT_THE_TERMINAL
from iso import Message
from node.core.find import Find
from node.core.steps import UNKNOWN

NOT_RECONCILED = "95"
_BATCH_NUMBER = 60
_LABEL = re.compile(r"\s*([A-Za-z0-9]{1,12})\s*")


async def reconcile(records: Records, request: Message) -> Message:
    """Answer a 0500 or 0520, and close the batch that it is about."""
    books = records.books
    terminal = books.directory.terminals.get(request.terminal)
    if terminal is None or (request.merchant and request.merchant != terminal.merchant):
        return request.reply(NOT_THE_TERMINAL, {66: batches.IN_ERROR})
    currency = request.get(50) or request.currency or books.directory.merchants[terminal.merchant].currency
    key = (terminal.identifier, currency)
    if not await _recall_closed(records, key):
        return request.reply(MALFUNCTION, {66: batches.IN_ERROR})
    turn, closing, label = records.desk.turn, closing_of(request), _label(request)
    before = books.closed_batches.get(key)
    if before is not None and (before.closing == closing or (bool(label) and before.label == label)):
        return _answer(before, request)
    batch = booking.open_batch(books, *key, turn)
    verdict, at = verdict_on(batch, request), turn.at.isoformat()
    if verdict == batches.IN_ERROR:
        return request.reply(FORMAT_ERROR, {66: batches.IN_ERROR})
    closed = batch._replace(state=batches.CLOSED, closed_at=at, label=label, closing=closing, verdict=verdict)
    books.put_batch(closed, turn)
    books.put_batch(new_batch(*key, batch.number + 1, at), turn)
    return _answer(closed, request)


async def _recall_closed(records: Records, key: tuple[str, str]) -> bool:
    """Bring the batch that was closed last back into memory; False if the journal is silent."""
    books = records.books
    latest = books.batches.get(key)
    if latest is None or latest.number == 1 or key in books.closed_batches:
        return True
    where = {"terminal": key[0], "currency": key[1], "number": latest.number - 1}
    rows = await records.desk.ask("journal", Find(batches.BATCHES, where), books.rules.journal_timeout_s)
    if rows is UNKNOWN:
        return False
    for row in rows:
        # Another copy may have closed a later one meanwhile.
        books.closed_batches.setdefault(key, BatchRow(*row))
    return True


def _label(request: Message) -> str:
    """Return the batch number of DE 60; "" if there is something else in it."""
    found = _LABEL.fullmatch(request.get(_BATCH_NUMBER) or "")
    return found[1] if found else ""


def _answer(batch: BatchRow, request: Message) -> Message:
    code = OK if batch.verdict == batches.IN_BALANCE else NOT_RECONCILED
    own: dict[int, str | None] = {**batch.elements(), 50: batch.currency, 66: batch.verdict}
    return request.reply(code, {**own, _BATCH_NUMBER: batch.label or f"{batch.number:06d}"})
