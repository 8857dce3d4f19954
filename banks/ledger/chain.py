"""The hash chain over the entries, and the audit that recomputes every balance from them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from json.encoder import encode_basestring_ascii

from banks.ledger.rows import (
    EXPIRE,
    FIRST_HASH,
    HOLD,
    MOVING,
    POST,
    POST_PART,
    VOID,
    VOID_PART,
    AccountRow,
    EntryRow,
    HoldRow,
)

Hashed = tuple[int, int, str, str, str, str, int, str, str]
"""An entry up to its reference: what its hash is made of."""


def entry_hash(previous: str, entry: EntryRow | Hashed) -> str:
    """Return the hash of an entry.

    Parameters
    ----------
    previous
        str[64] hexadecimal, the hash of the entry before it.
    entry
        Its own `hash` and what stands after that take no part.

    Returns
    -------
    str
        str[64] lower-case hexadecimal: SHA-256 over the previous hash and the entry as a JSON list.
    """
    sequence, at, kind, debit, credit, currency, amount_minor, hold, reference = entry[:9]
    # The list that json.dumps would write, at half its price: only texts from outside have anything to escape.
    quoted = encode_basestring_ascii
    account = quoted(debit)
    other = account if credit is debit else quoted(credit)
    canonical = (
        f'["{previous}",{sequence},{at},{quoted(kind)},{account},{other},'
        f"{quoted(currency)},{amount_minor},{quoted(hold)},{quoted(reference)}]"
    )
    return sha256(canonical.encode()).hexdigest()


def verify(
    entries: Iterable[EntryRow],
    accounts: Iterable[AccountRow] | None = None,
    holds: Iterable[HoldRow] | None = None,
) -> list[str]:
    """Audit a ledger from its first entry on.

    Parameters
    ----------
    entries
        All of them, in order of their sequence; read once, so they may come from a cursor.
    accounts
        If given, the balances that must follow from the entries.
    holds
        If given, the open holds that must follow from the entries.

    Returns
    -------
    list[str]
        One sentence per problem; empty if the chain is whole, every entry balances, no hold ends twice or with more
        than it held, every statement is linked, and balances and open holds are those of `accounts` and `holds`.
    """
    audit = Audit()
    for entry in entries:
        audit.take(entry)
    if accounts is not None:
        audit.compare(accounts)
    if holds is not None:
        audit.compare_holds(holds)
    return audit.problems


class Audit:
    """An audit under way, for whoever wants to see how far it is.

    Attributes
    ----------
    problems
        One sentence each.
    sequence, hash
        Of the latest entry taken.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.hash = FIRST_HASH
        self.sequence = 0
        self._posted: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._currencies: dict[str, str] = {}
        self._holds: dict[str, tuple[str, int]] = {}

    def take(self, entry: EntryRow) -> None:
        """Take the next entry."""
        self.sequence += 1
        if entry.sequence != self.sequence:
            self._problem(entry, f"expected sequence {self.sequence}")
            self.sequence = entry.sequence
        if entry_hash(self.hash, entry) != entry.hash:
            self._problem(entry, "its hash does not follow from the entry before it")
        self.hash = entry.hash
        if entry.amount_minor <= 0:
            self._problem(entry, "its amount is not positive")
        if (entry.kind in MOVING) == (entry.debit == entry.credit):
            self._problem(entry, "its accounts do not fit its kind")
        self._link(entry)
        self._apply(entry)

    def _link(self, entry: EntryRow) -> None:
        last = self._last
        if (entry.debit_before, entry.credit_before) != (last.get(entry.debit, 0), last.get(entry.credit, 0)):
            self._problem(entry, "its links to earlier entries are wrong")
        last[entry.debit] = last[entry.credit] = entry.sequence
        for account in (entry.debit, entry.credit):
            if self._currencies.setdefault(account, entry.currency) != entry.currency:
                self._problem(entry, "its account is of another currency")

    def _apply(self, entry: EntryRow) -> None:
        if entry.kind == HOLD:
            if entry.hold in self._holds:
                self._problem(entry, "its hold is open already")
            self._holds[entry.hold] = (entry.debit, entry.amount_minor)
            self._held[entry.debit] = self._held.get(entry.debit, 0) + entry.amount_minor
        elif entry.kind in (POST, POST_PART, VOID, VOID_PART, EXPIRE):
            self._end(entry)
        if entry.kind in MOVING:
            self._posted[entry.debit] = self._posted.get(entry.debit, 0) - entry.amount_minor
            self._posted[entry.credit] = self._posted.get(entry.credit, 0) + entry.amount_minor

    def _end(self, entry: EntryRow) -> None:
        account, held_minor = self._holds.pop(entry.hold, ("", 0))
        if account != entry.debit:
            self._problem(entry, "it ends a hold that is not open on its account")
            return
        is_part = entry.kind in (POST_PART, VOID_PART)
        if entry.amount_minor > held_minor or (is_part and entry.amount_minor == held_minor):
            self._problem(entry, "it takes more of its hold than there is")
        elif entry.kind in (VOID, EXPIRE) and entry.amount_minor != held_minor:
            self._problem(entry, "it does not end its hold as a whole")
        if is_part:
            self._holds[entry.hold] = (account, held_minor - entry.amount_minor)
            held_minor = entry.amount_minor
        self._held[account] -= held_minor

    def compare(self, accounts: Iterable[AccountRow]) -> None:
        """Compare with the accounts as they are stored."""
        sums: dict[str, int] = {}
        names = set()
        for account in accounts:
            names.add(account.name)
            sums[account.currency] = sums.get(account.currency, 0) + account.posted_minor
            if account.posted_minor != self._posted.get(account.name, 0):
                self.problems.append(f"account {account.name}: its balance does not follow from the entries")
            if account.held_minor != self._held.get(account.name, 0):
                self.problems.append(f"account {account.name}: what it holds does not follow from the entries")
            if account.last != self._last.get(account.name, 0):
                self.problems.append(f"account {account.name}: its latest entry is another")
            if account.currency != self._currencies.get(account.name, account.currency):
                self.problems.append(f"account {account.name}: its entries are of another currency")
        self.problems += [f"currency {currency}: sums to {total}" for currency, total in sums.items() if total]
        self.problems += [f"account {name}: entries but no account" for name in sorted(self._last.keys() - names)]

    def compare_holds(self, holds: Iterable[HoldRow]) -> None:
        """Compare with the open holds as they are stored."""
        stored = {hold.identifier: (hold.account, hold.amount_minor) for hold in holds}
        for name in sorted(stored.keys() | self._holds.keys()):
            if stored.get(name) != self._holds.get(name):
                self.problems.append(f"hold {name}: it does not follow from the entries")

    def _problem(self, entry: EntryRow, text: str) -> None:
        self.problems.append(f"entry {entry.sequence}: {text}")
