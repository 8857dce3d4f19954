"""How the acquirer passes a request on: authorisations, single-message purchases, increments, refunds, inquiries.

What is sent has been committed as an intent in the same turn; what is answered has been committed as its outcome, with
the money that it moves, in the same turn. Silence is never taken for a decline: it is answered 91 and owes the network
a reversal. What a refund takes is reserved on its payment before the network is asked, so that refunds in parallel
never exceed what was captured.
"""

from __future__ import annotations

from typing import Any

from banks.acquirer import booking
from banks.acquirer.answers import (
    FORMAT_ERROR,
    INVALID,
    INVALID_AMOUNT,
    MALFUNCTION,
    NO_ORIGINAL,
    NOT_ALLOWED,
    UNAVAILABLE,
    WRONG_AMOUNT,
    approves,
    kept_of,
)
from banks.acquirer.books import NETWORK, TOKEN_BIN, AcquirerBooks
from banks.acquirer.pins import translate
from banks.acquirer.records import Records
from banks.core import batches, intents
from banks.core.intents import MERCHANT_LENGTH, TERMINAL_LENGTH, Intent, IntentRow, named_by_the_network
from banks.core.kinds import Kind
from banks.core.merchants import Merchant, refused_amount
from iso import LocalProtocolError, Message
from node.core.steps import NOT_SENT, UNKNOWN, Silence

HOLDS = frozenset({"PURCHASE", "CASH", "CASHBACK", "PRE_AUTHORISATION"})
"""Kinds (by name) that begin a payment."""

_MONEY = frozenset({Kind.PURCHASE, Kind.CASH, Kind.CASHBACK, Kind.PRE_AUTHORISATION, Kind.INCREMENT, Kind.REFUND})
_PASSED_ON = (14, 22, 23, 25, 26, 35, 45, 48, 53, 54, 55)
_NOT_THE_MESSAGE_FOR_IT = frozenset({("0100", Kind.REFUND), ("0200", Kind.INCREMENT)})


async def authorise(records: Records, intent: Intent, request: Message) -> bool:
    """Take a 0100 or 0200 from new to its outcome; False if the journal is silent and it has to be asked again."""
    books, kind = records.books, Kind[intent.row.kind]
    merchant = books.directory.admit(request.merchant, request.terminal, follows=kind is Kind.REFUND)
    refusal = merchant if isinstance(merchant, str) else _not_here(books, request, merchant, kind)
    translated: dict[int, str | None] | str = {}
    if refusal is None and kind is not Kind.REFUND and (52 in request or kind is Kind.PIN_CHANGE):
        terminal = books.directory.terminals[request.terminal]
        named = request.with_fields({2: pan_of(request) or None})
        translated = await translate(records.desk, terminal, named, books.rules.hsm_timeout_s)
    if isinstance(translated, str):
        refusal = translated
    root = None
    if refusal is None and kind in (Kind.INCREMENT, Kind.REFUND):
        found = await records.payment_of(request)
        if isinstance(found, Silence):
            return False
        root = found
        refusal = _not_of_this_payment(root, request, kind, merchant)
    # From here to the network nothing else can happen in the node.
    if books.is_overtaken(intent):
        refusal = UNAVAILABLE
    if refusal is not None or isinstance(merchant, str) or isinstance(translated, str):
        books.settle(intent, intents.DECLINED, refusal or MALFUNCTION, records.desk.turn)
        return True
    await _ask_the_network(records, intent, request, merchant, root, translated)
    return True


async def _ask_the_network(
    records: Records,
    intent: Intent,
    request: Message,
    merchant: Merchant,
    root: Intent | None,
    translated: dict[int, str | None],
) -> None:
    books, desk = records.books, records.desk
    pan = pan_of(request) or (root.row.token if root is not None else "")
    details: dict[str, Any] = {**details_of(books, merchant, pan)}
    if root is not None:
        details |= {"rrn": root.row.rrn, "root": root.row.identifier, "paid_at": paid_at(root.row, intent.row)}
        books.memory.pin(root)
        if intent.row.kind == Kind.REFUND.name:
            root.refunding_minor += intent.row.amount_minor
    books.sending(intent, desk.turn, **details)
    message = network_request(intent.row, request, pan, books.rules.acquirer_id)
    if root is not None:
        translated = {**translated, 90: named_by_the_network(root.row, books.rules.acquirer_id)}
    outcome: Message | Silence | None
    try:
        message = message.with_fields(translated) if translated else message
        outcome = await desk.request(NETWORK, message, books.rules.network_timeout_s)
    except LocalProtocolError:
        outcome = None
    if root is not None:
        books.memory.unpin(root)
        if intent.row.kind == Kind.REFUND.name:
            root.refunding_minor -= intent.row.amount_minor
    _conclude(records, intent, outcome, root)


def _conclude(records: Records, intent: Intent, outcome: Message | Silence | None, root: Intent | None) -> None:
    books, desk = records.books, records.desk
    turn = desk.turn
    if outcome is None:
        return books.settle(intent, intents.DECLINED, FORMAT_ERROR, turn)
    if outcome is NOT_SENT:
        return books.settle(intent, intents.DECLINED, UNAVAILABLE, turn)
    if outcome is UNKNOWN or isinstance(outcome, Silence):
        return desk.put_saf(books.owe_reversal(intent, intents.UNKNOWN, UNAVAILABLE, turn))
    code, asked_minor = outcome.response_code, intent.row.amount_minor
    if not approves(code, asked_minor):
        # A code that is not known here is the gateway's to judge: it is passed on as it is.
        return books.settle(intent, intents.DECLINED, code or MALFUNCTION, turn, **kept_of(outcome))
    approved_minor = min(outcome.amount_minor, asked_minor) if 4 in outcome else asked_minor
    if asked_minor and not approved_minor:
        # Approved, and nothing of it: whatever the issuer holds is to be let go.
        return desk.put_saf(books.owe_reversal(intent, intents.UNKNOWN, UNAVAILABLE, turn))
    is_undone = intent.row.wants_reversal or (
        intent.row.kind == Kind.INCREMENT.name and (root is None or not may_grow(root.row))
    )
    if is_undone:
        books.put(intent, turn, authorisation_code=outcome.authorisation_code, amount_minor=approved_minor)
        return desk.put_saf(books.owe_reversal(intent, intents.REVERSED, UNAVAILABLE, turn))
    intent.chip = outcome.get(55) or ""
    begins = _amounts(intent.row, approved_minor)
    books.settle(
        intent,
        intents.APPROVED,
        code,
        turn,
        authorisation_code=outcome.authorisation_code,
        amount_minor=approved_minor,
        remains_minor=approved_minor,
        **begins,
        **kept_of(outcome),
    )
    if approved_minor:
        _book(records, intent, root)
    return None


def _amounts(row: IntentRow, approved_minor: int) -> dict[str, int]:
    """Return the running amounts with which an approval begins a payment."""
    if row.kind not in HOLDS:
        return {}
    if row.mti == "0200":
        return {"authorised_minor": approved_minor, "captured_minor": approved_minor, "completions": 1, "is_final": 1}
    return {"authorised_minor": approved_minor}


def _book(records: Records, intent: Intent, root: Intent | None) -> None:
    """Book the money that an approval moves at once, and add it to its payment."""
    books, turn, row = records.books, records.desk.turn, intent.row
    amount_minor = row.amount_minor
    if row.kind == Kind.INCREMENT.name and root is not None:
        books.put(root, turn, authorised_minor=root.row.authorised_minor + amount_minor)
    elif row.kind == Kind.REFUND.name:
        number = 1
        if root is not None:
            number = root.row.refunds + 1
            books.put(root, turn, refunded_minor=root.row.refunded_minor + amount_minor, refunds=number)
        booking.book_refund(books, intent, amount_minor, number, turn)
        booking.count(books, row.terminal, row.currency, batches.CREDIT, amount_minor, turn)
    elif row.kind in HOLDS and row.mti == "0200":
        booking.book_capture(books, intent, amount_minor, 1, turn, is_final=True)
        booking.count(books, row.terminal, row.currency, batches.DEBIT, amount_minor, turn)


def may_grow(row: IntentRow) -> bool:
    """Whether a payment's first intent stands as an authorisation to which something can be added."""
    return row.state == intents.APPROVED and bool(row.authorised_minor) and not row.is_final


def _not_here(books: AcquirerBooks, request: Message, merchant: Merchant, kind: Kind) -> str | None:
    if kind is Kind.UNKNOWN or (f"0{request.mti[1]}00", kind) in _NOT_THE_MESSAGE_FOR_IT:
        return INVALID
    if not books.directory.terminals[request.terminal].may(kind.name):
        return NOT_ALLOWED
    amount_minor = request.amount_minor
    if not amount_minor and kind in _MONEY:
        return INVALID_AMOUNT
    return refused_amount(merchant, amount_minor, request.currency)


def _not_of_this_payment(root: Intent | None, request: Message, kind: Kind, merchant: Merchant | str) -> str | None:
    """Return the DE 39 that refuses what adds to a payment, or takes from it.

    25: there is no such payment, or it does not stand; 58: the merchant may not refund without one; 64: more than was
    captured and has not been refunded, or another currency.
    """
    amount_minor, currency = request.amount_minor, request.currency
    if root is None:
        if kind is Kind.REFUND and 90 not in request and isinstance(merchant, Merchant):
            return None if merchant.may_refund_unlinked else NOT_ALLOWED
        return NO_ORIGINAL
    if kind is Kind.INCREMENT:
        if not may_grow(root.row):
            return NO_ORIGINAL
        return WRONG_AMOUNT if currency != root.row.currency else None
    left_minor = root.row.captured_minor - root.row.refunded_minor - root.refunding_minor
    return WRONG_AMOUNT if currency != root.row.currency or amount_minor > left_minor else None


def pan_of(request: Message) -> str:
    """Return DE 2, or the card number in track 2; ""."""
    track = request.get(35) or ""
    return request.pan or track.replace("D", "=").partition("=")[0]


def paid_at(first: IntentRow, row: IntentRow) -> str:
    """Return the terminal of a payment where it is not that of what follows from it; ""."""
    return first.terminal if first.terminal != row.terminal else ""


def details_of(books: AcquirerBooks, merchant: Merchant, pan: str) -> dict[str, str]:
    """Return the columns that come from the directory, and the card if it may be stored."""
    return {
        "token": pan if pan.startswith(TOKEN_BIN) else "",
        "mcc": merchant.mcc,
        "country": books.rules.country_code,
        "name_location": merchant.name_location(),
    }


def network_request(row: IntentRow, request: Message, pan: str, acquirer_id: str) -> Message:
    """Build what goes to the network: the card and its proofs as they came, the rest from the directory and the row."""
    fields = {
        3: row.processing_code,
        7: row.network_time,
        11: row.stan,
        12: row.local_time,
        13: row.local_date,
        18: row.mcc,
        19: row.country,
        32: acquirer_id,
        37: row.rrn,
        41: (row.paid_at or row.terminal).ljust(TERMINAL_LENGTH),
        42: row.merchant.ljust(MERCHANT_LENGTH),
        43: row.name_location,
        49: row.currency,
    }
    if pan:
        fields[2] = pan
    if 4 in request:
        fields[4] = request[4]
    for element in _PASSED_ON:
        if element in request and (element != 53 or 52 not in request):
            fields[element] = request[element]
    return Message(row.mti, fields)
