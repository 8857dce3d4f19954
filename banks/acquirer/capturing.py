"""How the acquirer takes captures, and sales that a terminal has approved itself.

The capture of a payment that it knows is the acquirer's own decision: the money is the merchant's and the network's
0220 is stored in the turn that answers, behind whatever is still waiting of the same card. A sale that the acquirer has
not authorised is passed on first: nobody but the issuer knows the card. Until it is answered the terminal repeats it,
and it goes on under the same numbers each time.
"""

from __future__ import annotations

from banks.acquirer import booking
from banks.acquirer.answers import (
    APPROVING,
    FORMAT_ERROR,
    INVALID_AMOUNT,
    LATER,
    MALFUNCTION,
    NO_ACTION,
    NO_ORIGINAL,
    OK,
    WRONG_AMOUNT,
    kept_of,
)
from banks.acquirer.authorising import details_of, network_request, paid_at, pan_of
from banks.acquirer.books import NETWORK, AcquirerBooks
from banks.acquirer.records import Records
from banks.core import batches, intents
from banks.core.intents import COMPLETION, FORCED_HOLD, FORCED_SALE, Intent, IntentRow, completion_of
from banks.core.merchants import Merchant, refused_amount
from iso import LocalProtocolError, Message, RemoteProtocolError
from iso.private import CAPTURE, without_secrets
from iso.stan import transmission_time
from node.core.steps import Silence

_CAPTURES_MAX = 99
"""DE 48.16 has two digits for the number of a capture."""


async def advise(records: Records, intent: Intent, request: Message) -> bool:
    """Take a 0120 or 0220 from new to its outcome; False if it has to be asked for again."""
    books = records.books
    if intent.row.state == intents.WAITING:
        await _pass_on(records, intent, request)
        return True
    merchant = books.directory.admit(request.merchant, request.terminal, follows=True)
    if isinstance(merchant, str):
        books.settle(intent, intents.DECLINED, merchant, records.desk.turn)
        return True
    root = await records.payment_of(request)
    if isinstance(root, Silence):
        return False
    turn = records.desk.turn
    if books.is_overtaken(intent):
        books.settle(intent, intents.DECLINED, NO_ACTION, turn)
    elif request.mti_class == "1" and root is not None and root.row.state == intents.APPROVED:
        # The network has approved it already: a reversal of either undoes the one that there is.
        named = {"kind": intents.CONFIRMATION, "root": root.row.identifier, "rrn": root.row.rrn}
        books.settle(intent, intents.APPROVED, OK, turn, **named)
    elif request.mti_class == "2" and root is not None:
        refusal = _refusal(root.row, request, merchant)
        if refusal is not None:
            books.settle(intent, intents.DECLINED, refusal, turn)
        else:
            _capture(records, intent, root, request)
    else:
        await _force(records, intent, request, merchant)
    return True


def _capture(records: Records, intent: Intent, root: Intent, request: Message) -> None:
    books, turn = records.books, records.desk.turn
    first, amount_minor = root.row, intent.row.amount_minor
    number, is_final = first.completions + 1, _is_final(request)
    books.put(
        root,
        turn,
        captured_minor=first.captured_minor + amount_minor,
        completions=number,
        is_final=int(is_final),
    )
    books.put(
        intent,
        turn,
        state=intents.APPROVED,
        code=OK,
        kind=COMPLETION,
        root=first.identifier,
        rrn=first.rrn,
        token=first.token,
        paid_at=paid_at(first, intent.row),
        processing_code=first.processing_code,
        local_time=first.local_time,
        local_date=first.local_date,
        mcc=first.mcc,
        country=first.country,
        name_location=first.name_location,
        entry=first.entry,
        authorisation_code=first.authorisation_code,
        stan=books.next_stan(turn),
        network_time=transmission_time(turn.at),
        remains_minor=amount_minor,
    )
    booking.book_capture(books, intent, amount_minor, number, turn, is_final=is_final)
    booking.count(books, intent.row.terminal, first.currency, batches.DEBIT, amount_minor, turn)
    message = completion_of(intent.row, root.row, books.rules.acquirer_id, number=number, is_final=is_final)
    records.desk.put_saf(books.owed(f"completion/{intent.row.identifier}", intent, message, turn))


def _refusal(first: IntentRow, request: Message, merchant: Merchant) -> str | None:
    """Return the DE 39 that refuses a capture of a payment.

    25: the payment does not stand; 13: nothing is to be captured; 64: another currency, more than there is left within
    the merchant's tolerance, or the final capture has been.
    """
    if first.state != intents.APPROVED or not first.authorised_minor:
        return NO_ORIGINAL
    amount_minor = request.amount_minor
    if not amount_minor:
        return INVALID_AMOUNT
    most_minor = first.authorised_minor * (100 + merchant.over_capture_percent) // 100
    is_done = first.is_final or first.completions >= _CAPTURES_MAX
    if is_done or first.currency != request.currency or first.captured_minor + amount_minor > most_minor:
        return WRONG_AMOUNT
    return None


def _is_final(request: Message) -> bool:
    try:
        return not request.private.get(CAPTURE, "").endswith("P")
    except RemoteProtocolError:
        return True


# Sales that a terminal has approved itself.


async def _force(records: Records, intent: Intent, request: Message, merchant: Merchant) -> None:
    books, turn = records.books, records.desk.turn
    pan = pan_of(request)
    if request.response_code not in APPROVING:
        return books.settle(intent, intents.DECLINED, NO_ORIGINAL, turn)
    refusal = refused_amount(merchant, request.amount_minor, request.currency)
    if not pan:
        refusal = NO_ORIGINAL if request.mti_class == "2" else FORMAT_ERROR
    elif not request.amount_minor:
        refusal = INVALID_AMOUNT
    if refusal is not None:
        return books.settle(intent, intents.DECLINED, refusal, turn)
    kind = FORCED_HOLD if request.mti_class == "1" else FORCED_SALE
    books.sending(intent, turn, state=intents.WAITING, kind=kind, **details_of(books, merchant, pan))
    await _pass_on(records, intent, request)
    return None


async def _pass_on(records: Records, intent: Intent, request: Message) -> None:
    """Tell the network of a sale, and book it once the network has taken it."""
    books, desk = records.books, records.desk
    message = network_request(intent.row, request, pan_of(request), books.rules.acquirer_id)
    message = message.with_fields(
        {35: None, 38: request.get(38), 39: OK, 45: None, 48: _told(request)},
        mti=request.mti,
    )
    try:
        outcome = await desk.request(NETWORK, message, books.rules.network_timeout_s)
    except LocalProtocolError:
        return books.settle(intent, intents.DECLINED, FORMAT_ERROR, desk.turn)
    turn = desk.turn
    if isinstance(outcome, Silence) or outcome.response_code in LATER:
        if intent.row.wants_reversal:
            desk.put_saf(books.owe_reversal(intent, intents.REVERSED, NO_ACTION, turn))
        return None
    if outcome.response_code not in APPROVING:
        return books.settle(intent, intents.DECLINED, outcome.response_code or MALFUNCTION, turn, **kept_of(outcome))
    if intent.row.wants_reversal:
        return desk.put_saf(books.owe_reversal(intent, intents.REVERSED, NO_ACTION, turn))
    _forced(books, intent, request, outcome, records)
    return None


def _forced(books: AcquirerBooks, intent: Intent, request: Message, outcome: Message, records: Records) -> None:
    turn, amount_minor = records.desk.turn, intent.row.amount_minor
    is_sale = intent.row.kind == FORCED_SALE
    books.settle(
        intent,
        intents.APPROVED,
        OK,
        turn,
        authorisation_code=outcome.authorisation_code or request.authorisation_code,
        remains_minor=amount_minor,
        authorised_minor=amount_minor,
        captured_minor=amount_minor if is_sale else 0,
        completions=int(is_sale),
        is_final=int(is_sale),
        **kept_of(outcome),
    )
    if is_sale:
        booking.book_capture(books, intent, amount_minor, 1, turn, is_final=True)
        booking.count(books, intent.row.terminal, intent.row.currency, batches.DEBIT, amount_minor, turn)


def _told(request: Message) -> str | None:
    """Return DE 48 for an advice: nothing that lives for one authorisation only."""
    try:
        return without_secrets(request.get(48) or "") or None
    except RemoteProtocolError:
        return None
