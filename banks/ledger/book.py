"""The book: accounts, holds, and the only five ways to change them.

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
from node.core.turn import Turn


class Account:
    """One account. `available_minor` is what a new hold or payment may take."""

    __slots__ = ("currency", "held_minor", "may_overdraw", "name", "posted_minor")

    def __init__(self, row: AccountRow) -> None:
        self.name = row.name
        self.currency = row.currency
        self.posted_minor = row.posted_minor
        self.held_minor = row.held_minor
        self.may_overdraw = bool(row.may_overdraw)

    @property
    def available_minor(self) -> int:
        """Posted minus held."""
        return self.posted_minor - self.held_minor

    def row(self) -> AccountRow:
        """Return the account as it is stored."""
        return AccountRow(self.name, self.currency, self.posted_minor, self.held_minor, int(self.may_overdraw))


class Ledger:
    """A double-entry ledger of many currencies."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.holds: dict[str, HoldRow] = {}
        """The open holds."""
        self._expiries: list[tuple[int, str]] = []
        self._head = HeadRow(rows.ENTRIES, 0, rows.FIRST_HASH)

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
        """Return the account of this name, opened with a balance of zero if it is new."""
        account = self.accounts.get(name)
        if account is None:
            account = self.accounts[name] = Account(AccountRow(name, currency, 0, 0, int(may_overdraw)))
            turn.store(rows.ACCOUNTS, account.row())
        return account

    def transfer(self, debit: str, credit: str, amount_minor: int, reference: str, turn: Turn) -> Outcome:
        """Move money from one account to another."""
        outcome = self._pair(debit, credit, amount_minor)
        if outcome is not Outcome.DONE:
            return outcome
        payer, payee = self.accounts[debit], self.accounts[credit]
        if amount_minor > payer.available_minor and not payer.may_overdraw:
            return Outcome.INSUFFICIENT_FUNDS
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
        lasts_s
            Seconds of business time until it expires.
        forced
            True for what somebody else has promised in the bank's name (stand-in): it may overdraw.
        """
        if amount_minor <= 0:
            return Outcome.AMOUNT_NOT_POSITIVE
        if identifier in self.holds:
            return Outcome.HOLD_EXISTS
        holder = self.accounts.get(account)
        if holder is None:
            return Outcome.NO_ACCOUNT
        if amount_minor > holder.available_minor and not (forced or holder.may_overdraw):
            return Outcome.INSUFFICIENT_FUNDS
        at = int(turn.at.timestamp())
        made = HoldRow(identifier, account, amount_minor, rows.OPEN, at, at + lasts_s, reference)
        self._remember(made)
        holder.held_minor += amount_minor
        turn.store(rows.HOLDS, made)
        self._enter(rows.HOLD, holder, holder, amount_minor, identifier, reference, turn)
        return Outcome.DONE

    def post(self, identifier: str, credit: str, amount_minor: int, reference: str, turn: Turn) -> Outcome:
        """End a hold by moving its final amount, at most what was held; the rest becomes available again."""
        if amount_minor <= 0:
            return Outcome.AMOUNT_NOT_POSITIVE
        held = self.holds.get(identifier)
        if held is None:
            return Outcome.HOLD_NOT_OPEN
        outcome = self._pair(held.account, credit, amount_minor)
        if outcome is not Outcome.DONE:
            return outcome
        if amount_minor > held.amount_minor:
            return Outcome.EXCEEDS_HOLD
        payer, payee = self._end(held, rows.POSTED, turn), self.accounts[credit]
        self._move(payer, payee, amount_minor)
        self._enter(rows.POST, payer, payee, amount_minor, identifier, reference, turn)
        return Outcome.DONE

    def void(self, identifier: str, reference: str, turn: Turn) -> Outcome:
        """End a hold without moving money."""
        held = self.holds.get(identifier)
        if held is None:
            return Outcome.HOLD_NOT_OPEN
        account = self._end(held, rows.VOIDED, turn)
        self._enter(rows.VOID, account, account, held.amount_minor, identifier, reference, turn)
        return Outcome.DONE

    def expire(self, turn: Turn) -> list[str]:
        """End every hold whose time is up at `turn.at`; return their identifiers. Costs nothing if there is none."""
        expired: list[str] = []
        if not self._expiries:
            return expired
        at = int(turn.at.timestamp())
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
        at = int(turn.at.timestamp())
        entry = EntryRow(sequence, at, kind, debit.name, credit.name, debit.currency, amount_minor, hold, reference, "")
        entry = entry._replace(hash=entry_hash(self._head.hash, entry))
        self._head = HeadRow(rows.ENTRIES, sequence, entry.hash)
        turn.store(rows.ENTRIES, entry)
        turn.store(rows.HEADS, self._head)
        turn.store(rows.ACCOUNTS, debit.row())
        if credit is not debit:
            turn.store(rows.ACCOUNTS, credit.row())
