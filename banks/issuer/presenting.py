"""Orders that reach an issuer by no message: presentments of what merchants were promised, and adjustments by hand.

They are taken like requests: under a name of their own, once, with the stored answer for whoever orders again. An order
that is refused changes nothing and leaves nothing behind, so that it can be given again when things have changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from banks.core.cards import account_name
from banks.core.identity import payment_of
from banks.core.requests import APPROVED, CHARGE, CREDIT, DECIDING, HOLD, REQUESTS, RequestRow, TakenRequest
from banks.core.standing import may_complete, standing_of
from banks.issuer.books import EQUITY
from banks.issuer.host import IssuerHost
from banks.issuer.moving import post, settle_holds
from banks.issuer.records import Records
from banks.ledger import Outcome

CAPTURE, REFUND = "capture", "refund"


class Presentment(NamedTuple):
    """What an acquirer presents for payment.

    Attributes
    ----------
    arn
        Acquirer reference number: two presentments of one ARN are one.
    acquirer, rrn, terminal
        DE 32, 37 and 41 of the payment.
    kind
        capture or refund.
    number
        Which capture of its payment, from 1 on, as in DE 48.16. Refunds are told by their amounts.
    amount_minor, currency
        As the merchant asked for it (DE 4 and 49).
    is_final
        No other capture of the payment follows. Matters only if its completion has not come.
    """

    arn: str
    acquirer: str
    rrn: str
    terminal: str
    kind: str
    number: int
    amount_minor: int
    currency: str
    is_final: bool = False


class Presented(Enum):
    """What became of a presentment: one value per cause. The first four are for good, the others change nothing."""

    POSTED = "posted"
    POSTED_LATE = "posted although its hold had run out"
    POSTED_ALONE = "posted from the authorisation: its completion has not come"
    MATCHED = "its message had posted it"
    UNKNOWN_PAYMENT = "no such payment, capture or refund"
    TAKEN_BACK = "it has been reversed"
    PRESENTED_BEFORE = "another presentment has posted it"
    CURRENCY_DIFFERS = "another currency than was asked for"
    AMOUNT_DIFFERS = "another amount than was asked for"
    ARN_USED = "its ARN stands for another presentment"
    NO_ANSWER = "the journal is silent; to be presented again"

    @property
    def is_done(self) -> bool:
        """Whether the money has moved, now or before."""
        return self in (Presented.POSTED, Presented.POSTED_LATE, Presented.POSTED_ALONE, Presented.MATCHED)


class Adjusted(Enum):
    """What became of an adjustment by hand. Only DONE has changed anything."""

    DONE = "done"
    REFERENCE_USED = "its reference stands for another adjustment"
    NO_ACCOUNT = "no such account"
    INSUFFICIENT_FUNDS = "insufficient funds"
    AMOUNT_REFUSED = "zero, or more than one order may move"
    NO_ANSWER = "the journal is silent; to be ordered again"


async def present(host: IssuerHost, presentment: Presentment) -> Presented:
    """Post what a capture takes or a refund gives; in the single-message profile, only match it.

    Parameters
    ----------
    host
        The issuer whose conversation this is.

    Returns
    -------
    Presented
        The same one for the same ARN, once it is done.
    """
    amount = f"{presentment.currency}/{presentment.amount_minor}"
    payment = payment_of(presentment.acquirer, presentment.rrn, presentment.terminal)
    order = _order(f"arn/{presentment.arn}", payment, presentment.amount_minor, presentment.currency)
    order = order._replace(arn=presentment.arn, merchant_amount=amount)
    taken = await _first(host, order)
    if taken is None:
        return Presented.NO_ANSWER
    if not taken.is_deciding:
        return await _again(host.records, taken, presentment, order)
    if not await host.records.load(taken, [("payment", payment)]):
        return _given_up(host, taken, Presented.NO_ANSWER)
    outcome, row = _presented(host.records, taken, presentment)
    if not outcome.is_done:
        return _given_up(host, taken, outcome)
    _settle(host, taken, row._replace(reason=outcome.name))
    return outcome


async def _again(records: Records, taken: TakenRequest, presentment: Presentment, order: RequestRow) -> Presented:
    """Return the stored outcome, unless the ARN stands for something else.

    A presentment that is repeated after a reversal of a part says what is left; as much has to be left here.
    """
    row = taken.row
    if row.payment != order.payment:
        return Presented.ARN_USED
    if row.merchant_amount == order.merchant_amount:
        return Presented[row.reason]
    if not await records.load(taken, [("payment", row.payment)]):
        return Presented.NO_ANSWER
    posted = [other.row for other in records.payment(taken) if other.row.effect and other.row.arn == presentment.arn]
    records.books.unpin(taken)
    is_what_is_left = any(_difference(other, presentment) is None for other in posted)
    return Presented[row.reason] if is_what_is_left else Presented.ARN_USED


async def adjust(host: IssuerHost, account: str, amount_minor: int, reference: str) -> Adjusted:
    """Credit an account out of the bank's equity, or debit it (a negative amount) as far as its funds go.

    Parameters
    ----------
    account
        Name in the ledger, with its currency.
    reference
        Names the adjustment for ever: the same again changes nothing.
    """
    ledger = host.books.ledger
    known = ledger.accounts.get(account)
    currency = known.currency if known is not None else ""
    order = _order(f"adjustment/{reference}", f"adjustment/{reference}", amount_minor, currency)
    taken = await _first(host, order._replace(account=account))
    if taken is None:
        return Adjusted.NO_ANSWER
    if not taken.is_deciding:
        is_same = (taken.row.account, taken.row.amount_minor) == (account, amount_minor)
        return Adjusted.DONE if is_same else Adjusted.REFERENCE_USED
    outcome = _adjusted(host, account, amount_minor, reference)
    if outcome is not Adjusted.DONE:
        host.books.abandon(taken)
        host.records.joins.release(taken)
        return outcome
    _settle(host, taken, taken.row._replace(reason=outcome.name, posted_minor=amount_minor))
    return outcome


async def _first(host: IssuerHost, order: RequestRow) -> TakenRequest | None:
    """Return the order as it was taken before, or, still deciding, as it is taken now; None if nobody can say."""
    records = host.records
    taken = records.books.memory.get(order.key)
    if taken is not None and taken.is_deciding:
        if not await records.joins.wait(taken, records.books.rules.answer_timeout_s):
            return None
        taken = records.books.memory.get(order.key)
    if taken is not None:
        return None if taken.is_deciding else taken
    taken = TakenRequest(order)
    records.books.memory.add(taken)
    if await records.load(taken, [("key", order.key)]):
        if not taken.is_deciding:
            records.books.unpin(taken)
            records.joins.release(taken)
        return taken
    records.books.abandon(taken)
    records.joins.release(taken)
    return None


def _order(key: str, payment: str, amount_minor: int, currency: str) -> RequestRow:
    texts = ("", key, payment, "", "", "", amount_minor, currency, DECIDING, "", "", "", "", "")
    return RequestRow(key, 0, *texts)


def _settle(host: IssuerHost, taken: TakenRequest, row: RequestRow) -> None:
    turn = host.desk.turn
    sequence = row.sequence or host.books.count(REQUESTS, turn)
    host.books.settle(taken, row._replace(sequence=sequence, state=APPROVED, at=turn.at.isoformat()), turn)
    host.records.joins.release(taken)


def _given_up(host: IssuerHost, taken: TakenRequest, outcome: Presented) -> Presented:
    host.books.abandon(taken)
    host.records.joins.release(taken)
    return outcome


def _presented(records: Records, taken: TakenRequest, presentment: Presentment) -> tuple[Presented, RequestRow]:
    others = records.payment(taken)
    if presentment.kind == REFUND:
        wanted = [other for other in others if other.row.effect == CREDIT]
        chosen = _alike(wanted, presentment)
    else:
        number = f"{presentment.number:02d}"
        wanted = [other for other in others if other.row.effect == CHARGE and other.row.capture[:2] == number]
        chosen = _alike(wanted, presentment) or wanted[-1:]
    if chosen:
        return _post(records, taken, chosen[0], presentment)
    if wanted:
        return Presented.AMOUNT_DIFFERS, taken.row
    if presentment.kind == REFUND:
        return Presented.UNKNOWN_PAYMENT, taken.row
    return _post_alone(records, taken, others, presentment)


def _alike(wanted: Iterable[TakenRequest], presentment: Presentment) -> list[TakenRequest]:
    """Return what stands and has this amount, unposted first: equal refunds of one payment are interchangeable."""
    found = [other for other in wanted if other.row.left_minor and _difference(other.row, presentment) is None]
    return sorted(found, key=lambda other: (bool(other.row.arn), other.row.sequence))


def _difference(row: RequestRow, presentment: Presentment) -> Presented | None:
    """Return how a presentment differs from what it is about; None if it does not."""
    if not row.merchant_amount:
        if presentment.currency != row.currency:
            return Presented.CURRENCY_DIFFERS
        return None if presentment.amount_minor == row.left_minor else Presented.AMOUNT_DIFFERS
    currency, _, asked = row.merchant_amount.partition("/")
    if presentment.currency != currency:
        return Presented.CURRENCY_DIFFERS
    # What a reversal has left of it was rounded down, to the currency of the account.
    billed_minor = presentment.amount_minor * row.amount_minor // int(asked)
    return (
        None if abs(billed_minor - row.left_minor) <= (row.left_minor != row.amount_minor) else Presented.AMOUNT_DIFFERS
    )


def _post(
    records: Records, taken: TakenRequest, chosen: TakenRequest, presentment: Presentment
) -> tuple[Presented, RequestRow]:
    books, turn, row = records.books, records.desk.turn, chosen.row
    if row.arn:
        return Presented.PRESENTED_BEFORE, taken.row
    if not row.left_minor:
        return Presented.TAKEN_BACK, taken.row
    difference = _difference(row, presentment)
    if difference is not None:
        return difference, taken.row
    outcome = Presented.MATCHED
    if row.posted_minor < row.left_minor:
        outcome = Presented.POSTED if row.hold in books.ledger.holds else Presented.POSTED_LATE
        row = post(books, row, turn, forced=True)
    books.change(chosen, row._replace(arn=presentment.arn), turn)
    return outcome, taken.row._replace(card=row.card, account=row.account)


def _post_alone(
    records: Records, taken: TakenRequest, others: list[TakenRequest], presentment: Presentment
) -> tuple[Presented, RequestRow]:
    """Post a capture whose completion has not come: it comes later and finds it done, or never comes."""
    standing = standing_of(other.row for other in others)
    if standing.is_reversed:
        return Presented.TAKEN_BACK, taken.row
    holder = next((other.row for other in others if other.row.effect == HOLD and other.row.left_minor), None)
    if holder is None:
        return Presented.UNKNOWN_PAYMENT, taken.row
    if holder.merchant_amount or presentment.currency != holder.currency:
        # What the merchant's amount comes to in the account's currency, only the completion can say.
        return Presented.CURRENCY_DIFFERS, taken.row
    if not may_complete(standing, presentment.amount_minor, 0):
        return Presented.AMOUNT_DIFFERS, taken.row
    books, turn = records.books, records.desk.turn
    row = taken.row._replace(
        sequence=books.count(REQUESTS, turn),
        card=holder.card,
        account=holder.account,
        state=APPROVED,
        effect=CHARGE,
        left_minor=presentment.amount_minor,
        capture=f"{presentment.number:02d}{'F' if presentment.is_final else 'P'}",
    )
    settle_holds(books, others, turn, row)
    return Presented.POSTED_ALONE, post(books, row, turn, forced=True)


def _adjusted(host: IssuerHost, account: str, amount_minor: int, reference: str) -> Adjusted:
    ledger, turn = host.books.ledger, host.desk.turn
    known = ledger.accounts.get(account)
    if known is None:
        return Adjusted.NO_ACCOUNT
    equity = account_name(EQUITY, known.currency)
    if equity == account:
        return Adjusted.NO_ACCOUNT
    ledger.open_account(equity, known.currency, turn, may_overdraw=True)
    debit, credit = (equity, account) if amount_minor > 0 else (account, equity)
    return _ADJUSTED.get(
        ledger.transfer(debit, credit, abs(amount_minor), f"adjustment/{reference}", turn), Adjusted.AMOUNT_REFUSED
    )


_ADJUSTED = {Outcome.DONE: Adjusted.DONE, Outcome.INSUFFICIENT_FUNDS: Adjusted.INSUFFICIENT_FUNDS}
