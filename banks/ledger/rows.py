"""What the ledger stores, and what it answers.

Amounts are integer minor units of the account's currency (`iso.money` knows its exponent); a balance is credits minus
debits. Instants are whole seconds since 1970 of business time. Each row type lists its table's columns in order.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

ACCOUNTS, HOLDS, ENTRIES, HEADS = "accounts", "holds", "entries", "heads"

OPEN, POSTED, VOIDED, EXPIRED = "open", "posted", "voided", "expired"
"""States of a hold; every one but the first is final."""

TRANSFER, HOLD, POST, VOID, EXPIRE = "transfer", "hold", "post", "void", "expire"
POST_PART, VOID_PART = "post part", "void part"
"""Kinds of entries. Only transfers and posts move money; the others name one account on both sides. A post, a void and
an expiry end their hold; the two of a part leave it open with what remains."""

FIRST_HASH = "0" * 64
"""What the first entry is chained to."""

GREATEST_MINOR = 10**12 - 1
"""The most that one order may move or hold: what the twelve digits of DE 4 can say."""
GREATEST_BALANCE_MINOR = 10**18 - 1
"""The most that an account may have, owe or hold; it fits 64 bits with room for one more order."""


class Outcome(Enum):
    """What became of an order to the ledger: one value per cause.

    Where several causes apply, the one that stands first here is reported. Only DONE changes anything.
    """

    AMOUNT_NOT_POSITIVE = "amount not positive"
    AMOUNT_TOO_GREAT = "more than one order may move"
    HOLD_EXISTS = "an open hold has this identifier"
    HOLD_NOT_OPEN = "no open hold has this identifier"
    """It was never made, or has been posted, voided or expired: after a restart nobody remembers which."""
    NO_ACCOUNT = "no such account"
    SAME_ACCOUNT = "debit and credit are one account"
    CURRENCIES_DIFFER = "the accounts are of different currencies"
    EXCEEDS_HOLD = "more than was held"
    INSUFFICIENT_FUNDS = "insufficient funds"
    BALANCE_TOO_GREAT = "an account would have more than it can"
    DONE = "done"


class AccountRow(NamedTuple):
    """One account of one currency (ISO 4217 numeric).

    `may_overdraw` is 1 for the bank's own accounts, else 0. `last` is the sequence of the latest entry that names the
    account, 0 = none: from there a statement is read backwards, entry by entry.
    """

    name: str
    currency: str
    posted_minor: int
    held_minor: int
    may_overdraw: int
    last: int = 0


class HoldRow(NamedTuple):
    """Funds set aside on one account until `expires_at`. `amount_minor` is what is still held, or was at its end."""

    identifier: str
    account: str
    amount_minor: int
    state: str
    made_at: int
    expires_at: int
    reference: str


class EntryRow(NamedTuple):
    """One line of the journal, for ever.

    `hash` is the chain's SHA-256 in hexadecimal up to and with this entry. What stands after it is not hashed, since it
    follows from the rest: the sequence of the entry before this one that named the debited (credited) account, or 0.
    """

    sequence: int
    at: int
    kind: str
    debit: str
    credit: str
    currency: str
    amount_minor: int
    hold: str
    reference: str
    hash: str
    debit_before: int = 0
    credit_before: int = 0

    def before(self, account: str) -> int:
        """Return the sequence of the entry that stands before this one in the statement of `account`; 0 = none."""
        return self.debit_before if account == self.debit else self.credit_before

    def change_minor(self, account: str) -> int:
        """Return by how much this entry changed the balance of `account`; 0 where it only held or released."""
        if self.kind not in MOVING:
            return 0
        return self.amount_minor if account == self.credit else -self.amount_minor


MOVING = frozenset({TRANSFER, POST, POST_PART})
"""Kinds of entries that move money."""


class HeadRow(NamedTuple):
    """Where a chain ends, so that a restart goes on without reading it."""

    name: str
    sequence: int
    hash: str
