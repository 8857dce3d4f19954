"""The hash chain over the entries, and the audit that recomputes every balance from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256

from banks.ledger.rows import EXPIRE, FIRST_HASH, HOLD, POST, TRANSFER, VOID, AccountRow, EntryRow


def entry_hash(previous: str, entry: EntryRow) -> str:
    """Return the hash of an entry.

    Parameters
    ----------
    previous
        str[64] hexadecimal, the hash of the entry before it.
    entry
        Its own `hash` takes no part.

    Returns
    -------
    str
        str[64] lower-case hexadecimal: SHA-256 over the previous hash and the entry as a JSON list.
    """
    canonical = json.dumps([previous, *entry[:-1]], separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


def verify(entries: Iterable[EntryRow], accounts: Iterable[AccountRow] | None = None) -> list[str]:
    """Audit a ledger from its first entry on.

    Parameters
    ----------
    entries
        All of them, in order of their sequence.
    accounts
        If given, the balances that must follow from the entries.

    Returns
    -------
    list[str]
        One sentence per problem; empty if the chain is whole, every entry balances, no hold ends twice and the
        balances are those of `accounts`.
    """
    audit = _Audit()
    for entry in entries:
        audit.take(entry)
    if accounts is not None:
        audit.compare(accounts)
    return audit.problems


class _Audit:
    def __init__(self) -> None:
        self.problems: list[str] = []
        self._hash = FIRST_HASH
        self._sequence = 0
        self._posted: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._holds: dict[str, EntryRow] = {}

    def take(self, entry: EntryRow) -> None:
        self._sequence += 1
        if entry.sequence != self._sequence:
            self._problem(entry, f"expected sequence {self._sequence}")
            self._sequence = entry.sequence
        if entry_hash(self._hash, entry) != entry.hash:
            self._problem(entry, "its hash does not follow from the entry before it")
        self._hash = entry.hash
        if entry.amount_minor <= 0:
            self._problem(entry, "its amount is not positive")
        if (entry.kind in (TRANSFER, POST)) == (entry.debit == entry.credit):
            self._problem(entry, "its accounts do not fit its kind")
        self._apply(entry)

    def _apply(self, entry: EntryRow) -> None:
        if entry.kind == HOLD:
            if entry.hold in self._holds:
                self._problem(entry, "its hold is open already")
            self._holds[entry.hold] = entry
            self._held[entry.debit] = self._held.get(entry.debit, 0) + entry.amount_minor
            return
        if entry.kind in (POST, VOID, EXPIRE):
            held = self._holds.pop(entry.hold, None)
            if held is None or held.debit != entry.debit:
                self._problem(entry, "it ends a hold that is not open on its account")
            else:
                self._held[held.debit] -= held.amount_minor
        if entry.kind in (TRANSFER, POST):
            self._posted[entry.debit] = self._posted.get(entry.debit, 0) - entry.amount_minor
            self._posted[entry.credit] = self._posted.get(entry.credit, 0) + entry.amount_minor

    def compare(self, accounts: Iterable[AccountRow]) -> None:
        sums: dict[str, int] = {}
        names = set()
        for account in accounts:
            names.add(account.name)
            sums[account.currency] = sums.get(account.currency, 0) + account.posted_minor
            if account.posted_minor != self._posted.get(account.name, 0):
                self.problems.append(f"account {account.name}: its balance does not follow from the entries")
            if account.held_minor != self._held.get(account.name, 0):
                self.problems.append(f"account {account.name}: what it holds does not follow from the entries")
        self.problems += [f"currency {currency}: sums to {total}" for currency, total in sums.items() if total]
        self.problems += [f"account {name}: entries but no account" for name in sorted(self._posted.keys() - names)]

    def _problem(self, entry: EntryRow, text: str) -> None:
        self.problems.append(f"entry {entry.sequence}: {text}")
