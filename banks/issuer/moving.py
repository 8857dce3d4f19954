"""What a request does to the money: hold it, charge it, give it back, and take any of that back in part or as a whole.

Each function changes the ledger and returns the row that says so. Where the money of a payment goes is decided before;
nothing here declines. What somebody has promised in the bank's name is `forced`: it may overdraw.
"""

from __future__ import annotations

from collections.abc import Iterable

from banks.core.cards import account_name
from banks.core.requests import CHARGE, CREDIT, HOLD, REVERSED, RequestRow, TakenRequest
from banks.core.standing import due_holds
from banks.issuer.books import SETTLEMENT, SINGLE, IssuerBooks
from banks.ledger import Outcome
from node.core.turn import Turn, changed


def set_aside(books: IssuerBooks, row: RequestRow, lasts_s: int, turn: Turn, *, forced: bool = False) -> RequestRow:
    """Hold the amount of an authorisation."""
    identifier = f"h{row.sequence}"
    outcome = books.ledger.hold(identifier, row.account, row.amount_minor, lasts_s, row.payment, turn, forced=forced)
    _must(outcome)
    until = turn.seconds + lasts_s
    return changed(row, effect=HOLD, hold=identifier, left_minor=row.amount_minor, until=until)


def charge(books: IssuerBooks, row: RequestRow, turn: Turn, *, forced: bool = False) -> RequestRow:
    """Take the amount of a completion or a single-message purchase: at once, or by the presentment that follows."""
    row = row._replace(effect=CHARGE, left_minor=row.amount_minor)
    if books.rules.messages == SINGLE:
        return post(books, row, turn, forced=forced)
    identifier, lasts_s = f"h{row.sequence}", books.rules.completed_s
    _must(books.ledger.hold(identifier, row.account, row.amount_minor, lasts_s, row.payment, turn, forced=forced))
    return row._replace(hold=identifier, until=int(turn.at.timestamp()) + lasts_s)


def credit(books: IssuerBooks, row: RequestRow, turn: Turn) -> RequestRow:
    """Give the amount of a refund: at once, or held on the bank's settlement account until its presentment."""
    row = row._replace(effect=CREDIT, left_minor=row.amount_minor)
    if books.rules.messages == SINGLE:
        return post(books, row, turn, forced=True)
    identifier, lasts_s = f"h{row.sequence}", books.rules.completed_s
    settlement = settlement_of(books, row, turn)
    _must(books.ledger.hold(identifier, settlement, row.amount_minor, lasts_s, row.payment, turn))
    return row._replace(hold=identifier, until=int(turn.at.timestamp()) + lasts_s)


def post(books: IssuerBooks, row: RequestRow, turn: Turn, *, forced: bool = False) -> RequestRow:
    """Move what is left of a charge or credit between the card's account and settlement; its hold, if any, ends."""
    settlement, amount_minor = settlement_of(books, row, turn), row.left_minor - row.posted_minor
    payer, payee = (row.account, settlement) if row.effect == CHARGE else (settlement, row.account)
    if row.hold in books.ledger.holds:
        _must(books.ledger.post(row.hold, payee, amount_minor, row.payment, turn))
    else:
        _must(books.ledger.transfer(payer, payee, amount_minor, row.payment, turn, forced=forced))
    return row._replace(posted_minor=row.left_minor)


def take_back(books: IssuerBooks, taken: TakenRequest, remains_minor: int, turn: Turn) -> None:
    """Let only `remains_minor` of a settled request stand; its payment's holds are to be brought in line afterwards."""
    if remains_minor < taken.row.left_minor:
        books.change(taken, lowered(books, taken.row, remains_minor, turn), turn)


def lowered(books: IssuerBooks, row: RequestRow, remains_minor: int, turn: Turn) -> RequestRow:
    """Return the row of a request of which less stands than before; its payment's holds are the caller's to settle."""
    if row.effect in (CHARGE, CREDIT):
        row = _lower(books, row, remains_minor, turn)
    return row._replace(left_minor=remains_minor, state=row.state if remains_minor else REVERSED)


def raised(books: IssuerBooks, row: RequestRow, amount_minor: int, turn: Turn) -> RequestRow:
    """Return the row of a request of which more has been promised than was approved; its holds are the caller's."""
    row = row._replace(amount_minor=amount_minor, left_minor=amount_minor)
    if row.effect != CHARGE:
        return row
    if row.posted_minor:
        return post(books, row, turn, forced=True)
    held = books.ledger.holds.get(row.hold)
    if held is None:
        return row
    lasts_s = held.expires_at - int(turn.at.timestamp())
    _must(books.ledger.void(row.hold, row.payment, turn))
    identifier = _next_hold(row.hold)
    _must(books.ledger.hold(identifier, row.account, amount_minor, lasts_s, row.payment, turn, forced=True))
    return row._replace(hold=identifier)


def _lower(books: IssuerBooks, row: RequestRow, remains_minor: int, turn: Turn) -> RequestRow:
    if row.posted_minor > remains_minor:
        settlement, back_minor = settlement_of(books, row, turn), row.posted_minor - remains_minor
        payer, payee = (settlement, row.account) if row.effect == CHARGE else (row.account, settlement)
        _must(books.ledger.transfer(payer, payee, back_minor, row.payment, turn, forced=True))
        return row._replace(posted_minor=remains_minor)
    if row.hold in books.ledger.holds:
        _must(books.ledger.void(row.hold, row.payment, turn, row.left_minor - remains_minor))
    return row


def settle_holds(
    books: IssuerBooks, payment: Iterable[TakenRequest], turn: Turn, extra: RequestRow | None = None
) -> None:
    """Bring the holds of a payment's authorisations to what its rows say that they ought to be.

    Parameters
    ----------
    payment
        Every request of it that is decided.
    extra
        One more row of it, which is not settled yet.
    """
    taken = {request.key: request for request in payment if request.row.effect}
    rows = [request.row for request in taken.values()]
    due = due_holds(rows if extra is None else [row for row in rows if row.key != extra.key] + [extra])
    again = [(row, amount) for row, amount in due if not _release(books, row, amount, turn)]
    for row, amount_minor in again:
        if row.key in taken:
            _hold_again(books, taken[row.key], amount_minor, turn)


def _release(books: IssuerBooks, row: RequestRow, due_minor: int, turn: Turn) -> bool:
    """Void what is held beyond what is due; False if more is due than is held."""
    held = books.ledger.holds.get(row.hold)
    held_minor = held.amount_minor if held is not None else 0
    if held_minor > due_minor:
        _must(books.ledger.void(row.hold, row.payment, turn, held_minor - due_minor))
    return held_minor >= due_minor


def _hold_again(books: IssuerBooks, taken: TakenRequest, due_minor: int, turn: Turn) -> None:
    """Hold anew what a completion had taken and a reversal has given back, until its first instant."""
    row, lasts_s = taken.row, taken.row.until - int(turn.at.timestamp())
    if lasts_s <= 0:
        return
    if row.hold in books.ledger.holds:
        _must(books.ledger.void(row.hold, row.payment, turn))
    identifier = _next_hold(row.hold)
    _must(books.ledger.hold(identifier, row.account, due_minor, lasts_s, row.payment, turn, forced=True))
    books.change(taken, row._replace(hold=identifier), turn)


def _next_hold(hold: str) -> str:
    stem, _, number = hold.partition(".")
    return f"{stem}.{int(number or 0) + 1}"


def settlement_of(books: IssuerBooks, row: RequestRow, turn: Turn) -> str:
    """Return the bank's settlement account in the currency of a request."""
    name = account_name(SETTLEMENT, row.currency)
    if name not in books.ledger.accounts:
        books.ledger.open_account(name, row.currency, turn, may_overdraw=True)
    return name


def _must(outcome: Outcome) -> None:
    assert outcome is Outcome.DONE, f"what was decided in this step can be done in this step: {outcome.value}"
