"""The book: accounts, holds, and the only six ways to change them.

The working set (balances and open holds) is in memory and decides; every change is recorded as rows of the turn, so
that what is decided here is durable before anything of the turn leaves the node. A balance is credits minus debits:
a customer's money is positive, what the bank put into the world is the negative balance of its equity account.

It must never change a balance without an entry, nor an entry once made.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from banks.ledger import rows
from banks.ledger.chain import entry_hash
from banks.ledger.rows import AccountRow, EntryRow, HeadRow, HoldRow, Outcome
from iso.money import currency as currency_of
from node.core.turn import Turn

_record = tuple.__new__
"""Makes a named tuple at half the price of calling its class: some are made for every order."""


class Account:
    """One account. `available_minor` is what a new hold or payment may take."""

    __slots__ = ("currency", "held_minor", "last", "may_overdraw", "name", "posted_minor")

    def __init__(self, row: AccountRow) -> None:
        self.name = row.name
        self.currency = row.currency
        self.posted_minor = row.posted_minor
        self.held_minor = row.held_minor
        self.may_overdraw = bool(row.may_overdraw)
        self.last = row.last

    @property
    def available_minor(self) -> int:
        """Posted minus held."""
        return self.posted_minor - self.held_minor

    def row(self) -> AccountRow:
        """Return the account as it is stored."""
        columns = self.name, self.currency, self.posted_minor, self.held_minor, int(self.may_overdraw), self.last
        return _record(AccountRow, columns)


class Ledger:
    """A double-entry ledger of many currencies."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.holds: dict[str, HoldRow] = {}
        """The open holds."""
        self._expiries: list[tuple[int, str]] = []
        self._head = HeadRow(rows.ENTRIES, 0, rows.FIRST_HASH)

    @property
    def head(self) -> HeadRow:
        """Where the chain ends."""
        return self._head

    def restore(self, accounts: Iterable[AccountRow], holds: Iterable[HoldRow], heads: Iterable[HeadRow]) -> None:
        """Take back balances, open holds and the end of the chain; no entry is read."""
        for account in accounts:
            self.accounts[account.name] = Account(account)
        for hold in holds:
            if hold.state == rows.OPEN:
                self._remember(hold)
        for head in heads:
            self._head = head

    def open_account(self, name: str, currency: str, turn: Turn, *, may_overdraw: bool = False) -> Account:
        """Return the account of this name, opened with a balance of zero if it is new.

        Raises
        ------
        IsoError
            `currency` (ISO 4217 numeric) is not in the table of `iso.money`.
        """
        account = self.accounts.get(name)
        if account is None:
            row = AccountRow(name, currency_of(currency).numeric, 0, 0, int(may_overdraw))
            account = self.accounts[name] = Account(row)
            turn.store(rows.ACCOUNTS, account.row())
        return account

    def transfer(
        self, debit: str, credit: str, amount_minor: int, reference: str, turn: Turn, *, forced: bool = False
    ) -> Outcome:
        """Move money from one account to another; `forced` as for a hold."""
        outcome = self._pair(debit, credit, amount_minor)
        if outcome is not Outcome.DONE:
            return outcome
        payer, payee = self.accounts[debit], self.accounts[credit]
        if amount_minor > payer.available_minor and not (forced or payer.may_overdraw):
            return Outcome.INSUFFICIENT_FUNDS
        if _would_be_too_great(payer, payee, amount_minor):
            return Outcome.BALANCE_TOO_GREAT
        self._move(payer, payee, amount_minor)
        self._enter(rows.TRANSFER, payer, payee, amount_minor, "", reference, turn)
        return Outcome.DONE

    def hold(
        self,
        identifier: str,
        account: str,
        amount_minor: int,
        lasts_s: int,
        reference: str,
        turn: Turn,
        *,
        forced: bool = False,
    ) -> Outcome:
        """Set funds aside.

        Parameters
        ----------
        identifier
            Never used before; an open hold of that name is reported as HOLD_EXISTS.
        amount_minor
            1 to `rows.GREATEST_MINOR`.
        lasts_s
            Seconds of business time until it expires.
        forced
            True for what somebody else has promised in the bank's name (stand-in): it may overdraw.
        """
        if amount_minor <= 0:
            return Outcome.AMOUNT_NOT_POSITIVE
        if amount_minor > rows.GREATEST_MINOR:
            return Outcome.AMOUNT_TOO_GREAT
        if identifier in self.holds:
            return Outcome.HOLD_EXISTS
        holder = self.accounts.get(account)
        if holder is None:
            return Outcome.NO_ACCOUNT
        if amount_minor > holder.available_minor and not (forced or holder.may_overdraw):
            return Outcome.INSUFFICIENT_FUNDS
        if holder.held_minor + amount_minor > rows.GREATEST_BALANCE_MINOR:
            return Outcome.BALANCE_TOO_GREAT
        at = turn.seconds
        made = HoldRow(identifier, account, amount_minor, rows.OPEN, at, at + lasts_s, reference)
        self._remember(made)
        holder.held_minor += amount_minor
        turn.store(rows.HOLDS, made)
        self._enter(rows.HOLD, holder, holder, amount_minor, identifier, reference, turn)
        return Outcome.DONE

    def post(
        self, identifier: str, credit: str, amount_minor: int, reference: str, turn: Turn, *, final: bool = True
    ) -> Outcome:
        """Move held money, at most what is held.

        Parameters
        ----------
        final
            True: the hold ends, and what is left of it becomes available again. False: what is left stays held.
        """
        held = self.holds.get(identifier)
        outcome = _of_a_part(held, amount_minor)
        if outcome is not Outcome.DONE or held is None:
            return outcome
        outcome = self._pair(held.account, credit, amount_minor)
        if outcome is not Outcome.DONE:
            return outcome
        if amount_minor > held.amount_minor:
            return Outcome.EXCEEDS_HOLD
        payer, payee = self.accounts[held.account], self.accounts[credit]
        if _would_be_too_great(payer, payee, amount_minor):
            return Outcome.BALANCE_TOO_GREAT
        is_part = not final and amount_minor < held.amount_minor
        if is_part:
            self._lower(held, amount_minor, turn)
        else:
            self._end(held, rows.POSTED, turn)
        self._move(payer, payee, amount_minor)
        self._enter(rows.POST_PART if is_part else rows.POST, payer, payee, amount_minor, identifier, reference, turn)
        return Outcome.DONE

    def void(self, identifier: str, reference: str, turn: Turn, amount_minor: int | None = None) -> Outcome:
        """Release held money without moving it; `amount_minor` None or all of it ends the hold."""
        held = self.holds.get(identifier)
        amount = held.amount_minor if held is not None and amount_minor is None else amount_minor
        outcome = _of_a_part(held, 1 if amount is None else amount)
        if outcome is not Outcome.DONE or held is None or amount is None:
            return outcome
        if amount > held.amount_minor:
            return Outcome.EXCEEDS_HOLD
        if amount < held.amount_minor:
            account = self._lower(held, amount, turn)
            self._enter(rows.VOID_PART, account, account, amount, identifier, reference, turn)
        else:
            account = self._end(held, rows.VOIDED, turn)
            self._enter(rows.VOID, account, account, amount, identifier, reference, turn)
        return Outcome.DONE

    def expire(self, turn: Turn) -> list[str]:
        """End every hold whose time is up at `turn.at`; return their identifiers. Costs nothing if there is none."""
        expired: list[str] = []
        if not self._expiries:
            return expired
        at = turn.seconds
        while self._expiries and self._expiries[0][0] <= at:
            held = self.holds.get(heappop(self._expiries)[1])
            if held is not None and held.expires_at <= at:
                account = self._end(held, rows.EXPIRED, turn)
                self._enter(rows.EXPIRE, account, account, held.amount_minor, held.identifier, held.reference, turn)
                expired.append(held.identifier)
        return expired

    def totals(self) -> dict[str, int]:
        """Return the sum of all balances per currency: zero, always."""
        sums: dict[str, int] = {}
        for account in self.accounts.values():
            sums[account.currency] = sums.get(account.currency, 0) + account.posted_minor
        return sums

    def _pair(self, debit: str, credit: str, amount_minor: int) -> Outcome:
        if amount_minor <= 0:
            return Outcome.AMOUNT_NOT_POSITIVE
        if amount_minor > rows.GREATEST_MINOR:
            return Outcome.AMOUNT_TOO_GREAT
        payer, payee = self.accounts.get(debit), self.accounts.get(credit)
        if payer is None or payee is None:
            return Outcome.NO_ACCOUNT
        if payer is payee:
            return Outcome.SAME_ACCOUNT
        return Outcome.DONE if payer.currency == payee.currency else Outcome.CURRENCIES_DIFFER

    def _move(self, payer: Account, payee: Account, amount_minor: int) -> None:
        payer.posted_minor -= amount_minor
        payee.posted_minor += amount_minor

    def _remember(self, hold: HoldRow) -> None:
        self.holds[hold.identifier] = hold
        heappush(self._expiries, (hold.expires_at, hold.identifier))

    def _lower(self, held: HoldRow, amount_minor: int, turn: Turn) -> Account:
        lowered = held._replace(amount_minor=held.amount_minor - amount_minor)
        self.holds[held.identifier] = lowered
        account = self.accounts[held.account]
        account.held_minor -= amount_minor
        turn.store(rows.HOLDS, lowered)
        return account

    def _end(self, held: HoldRow, state: str, turn: Turn) -> Account:
        del self.holds[held.identifier]
        account = self.accounts[held.account]
        account.held_minor -= held.amount_minor
        turn.store(rows.HOLDS, held._replace(state=state))
        if len(self._expiries) > 2 * len(self.holds) + 1_000:
            # Ended holds leave their instants behind; without this the heap would grow for a week.
            self._expiries = [(hold.expires_at, hold.identifier) for hold in self.holds.values()]
            heapify(self._expiries)
        return account

    def _enter(
        self, kind: str, debit: Account, credit: Account, amount_minor: int, hold: str, reference: str, turn: Turn
    ) -> None:
        sequence = self._head.sequence + 1
        name, before = debit.name, debit.last
        hashed = (sequence, turn.seconds, kind, name, credit.name, debit.currency, amount_minor, hold, reference)
        digest = entry_hash(self._head.hash, hashed)
        turn.store(rows.ENTRIES, _record(EntryRow, (*hashed, digest, before, credit.last)))
        debit.last = credit.last = sequence
        self._head = HeadRow(rows.ENTRIES, sequence, digest)
        _store_last(rows.HEADS, self._head, turn)
        _store_last(rows.ACCOUNTS, debit.row(), turn)
        if credit is not debit:
            _store_last(rows.ACCOUNTS, credit.row(), turn)


def _of_a_part(held: HoldRow | None, amount_minor: int) -> Outcome:
    if amount_minor <= 0:
        return Outcome.AMOUNT_NOT_POSITIVE
    if amount_minor > rows.GREATEST_MINOR:
        return Outcome.AMOUNT_TOO_GREAT
    return Outcome.HOLD_NOT_OPEN if held is None else Outcome.DONE


def _would_be_too_great(payer: Account, payee: Account, amount_minor: int) -> bool:
    greatest = rows.GREATEST_BALANCE_MINOR
    return payee.posted_minor + amount_minor > greatest or payer.posted_minor - amount_minor < -greatest


def _store_last(table: str, row: HeadRow | AccountRow, turn: Turn) -> None:
    """Store a row that replaces an earlier one of its key; in its place where that is among the latest two of the turn.

    A busy turn changes the head of the chain, and often one account, with every entry: they are written once.
    """
    stored = turn.stores.get(table)
    if stored:
        if stored[-1][0] == row[0]:
            stored[-1] = row
            return
        if len(stored) > 1 and stored[-2][0] == row[0]:
            stored[-2] = row
            return
    turn.store(table, row)
