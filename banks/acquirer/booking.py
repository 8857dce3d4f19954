"""What a capture, a refund and their reversals do to the acquirer's ledger, its clearing rows and its batches.

A capture moves its gross amount from the network to what is pending for the merchant, and from there the fees and the
reserve. A refund moves its amount back; fees and reserve stay where they are. A reversal is the mirror of what was
booked. What is pending may become negative: a merchant owes what it refunds. Presentment moves nothing here, it is
noted in the clearing row; settlement is between the acquirer and the network.
"""

from __future__ import annotations

from banks.acquirer.books import AcquirerBooks
from banks.core import clearings
from banks.core.batches import BatchRow, new_batch
from banks.core.clearings import ClearingRow, arn
from banks.core.fees import Fees, reserve
from banks.core.intents import Intent, IntentRow
from banks.ledger import Outcome
from node.core.turn import Turn


def network_account(currency: str) -> str:
    """Return the account of what the network owes (negative) in a currency (ISO 4217 numeric)."""
    return f"network/{currency}"


def pending_account(merchant: str, currency: str) -> str:
    """Return the account of what is to be settled with a merchant."""
    return f"merchant/{merchant}/pending/{currency}"


def reserve_account(merchant: str, currency: str) -> str:
    """Return the account of what is kept back from a merchant."""
    return f"merchant/{merchant}/reserve/{currency}"


def fee_account(part: str, currency: str) -> str:
    """Return the account of a part of the fees: interchange, scheme or acquirer."""
    return f"fees/{part}/{currency}"


def book_capture(
    books: AcquirerBooks, intent: Intent, amount_minor: int, number: int, turn: Turn, *, is_final: bool
) -> ClearingRow:
    """Book a capture.

    Parameters
    ----------
    intent
        It came with this: a 0220 or 0200, with its RRN.
    number
        Which capture of its payment it is.
    """
    row = intent.row
    fees, kept_minor = Fees(), 0
    merchant = books.directory.merchants.get(row.merchant)
    if merchant is not None:
        fees = books.fee_plans.of(merchant.fee_plan, row.currency, amount_minor)
        kept_minor = reserve(amount_minor, merchant.reserve_bp)
    made = _cleared(books, intent, clearings.CAPTURE, amount_minor, number, turn)
    made = made._replace(
        interchange_minor=fees.interchange_minor,
        scheme_minor=fees.scheme_minor,
        acquirer_minor=fees.acquirer_minor,
        reserve_minor=kept_minor,
        is_final=int(is_final),
    )
    _move(books, made, f"capture/{made.arn}", turn)
    books.put_clearing(made, turn)
    return made


def book_refund(books: AcquirerBooks, intent: Intent, amount_minor: int, number: int, turn: Turn) -> ClearingRow:
    """Book a refund; the other parameters are those of `book_capture`."""
    made = _cleared(books, intent, clearings.REFUND, amount_minor, number, turn)
    _move(books, made, f"refund/{made.arn}", turn)
    books.put_clearing(made, turn)
    return made


def take_back(books: AcquirerBooks, cleared: ClearingRow, remains_minor: int, turn: Turn) -> ClearingRow:
    """Undo a capture or refund, but for what remains of it; return its row as it is then.

    What remains is booked anew, with the fees of that amount: one rule for whole and partial reversals.
    """
    _move(books, cleared, f"reversal/{cleared.arn}", turn, back=True)
    if not remains_minor:
        cleared = cleared._replace(state=clearings.REVERSED)
        books.put_clearing(cleared, turn)
        return cleared
    cleared = cleared._replace(amount_minor=remains_minor)
    merchant = books.directory.merchants.get(cleared.merchant)
    if cleared.kind == clearings.CAPTURE and merchant is not None:
        fees = books.fee_plans.of(merchant.fee_plan, cleared.currency, remains_minor)
        cleared = cleared._replace(
            interchange_minor=fees.interchange_minor,
            scheme_minor=fees.scheme_minor,
            acquirer_minor=fees.acquirer_minor,
            reserve_minor=reserve(remains_minor, merchant.reserve_bp),
        )
    _move(books, cleared, f"remainder/{cleared.arn}", turn)
    books.put_clearing(cleared, turn)
    return cleared


def count(books: AcquirerBooks, terminal: str, currency: str, counter: str, amount_minor: int, turn: Turn) -> None:
    """Count money in the open batch of a terminal; see `banks.core.batches` for the counters."""
    books.put_batch(open_batch(books, terminal, currency, turn).counted(counter, amount_minor), turn)


def open_batch(books: AcquirerBooks, terminal: str, currency: str, turn: Turn) -> BatchRow:
    """Return the open batch of a terminal and currency; its first one if it never had any."""
    return books.batches.get((terminal, currency)) or new_batch(terminal, currency, 1, turn.at.isoformat())


def _cleared(
    books: AcquirerBooks, intent: Intent, kind: str, amount_minor: int, number: int, turn: Turn
) -> ClearingRow:
    row: IntentRow = intent.row
    return ClearingRow(
        identifier=row.identifier,
        arn=arn(books.rules.acquirer_id, turn.at, row.identifier),
        kind=kind,
        state=clearings.OPEN,
        payment=intent.payment,
        rrn=row.rrn,
        number=number,
        terminal=row.paid_at or row.terminal,
        merchant=row.merchant,
        stan=row.stan,
        amount_minor=amount_minor,
        currency=row.currency,
        interchange_minor=0,
        scheme_minor=0,
        acquirer_minor=0,
        reserve_minor=0,
        is_final=1,
        at=turn.at.isoformat(),
        presented_at="",
    )


def _move(books: AcquirerBooks, cleared: ClearingRow, reference: str, turn: Turn, *, back: bool = False) -> None:
    ledger, currency = books.ledger, cleared.currency
    network, pending = network_account(currency), pending_account(cleared.merchant, currency)
    legs = [(network, pending, cleared.amount_minor)]
    if cleared.kind == clearings.REFUND:
        legs = [(pending, network, cleared.amount_minor)]
    legs += [
        (pending, fee_account("interchange", currency), cleared.interchange_minor),
        (pending, fee_account("scheme", currency), cleared.scheme_minor),
        (pending, fee_account("acquirer", currency), cleared.acquirer_minor),
        (pending, reserve_account(cleared.merchant, currency), cleared.reserve_minor),
    ]
    for debit, credit, amount_minor in reversed(legs) if back else legs:
        if not amount_minor:
            continue
        for name in (debit, credit):
            ledger.open_account(name, currency, turn, may_overdraw=True)
        payer, payee = (credit, debit) if back else (debit, credit)
        outcome = ledger.transfer(payer, payee, amount_minor, reference, turn)
        assert outcome is Outcome.DONE, "the bank's own accounts may be overdrawn, and amounts have twelve digits"
