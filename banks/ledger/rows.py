"""What the ledger stores, and what it answers.

Amounts are integer minor units of the account's currency; a balance is credits minus debits. Instants are whole
seconds since 1970 of business time. Each row type lists its table's columns in order.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

ACCOUNTS, HOLDS, ENTRIES, HEADS = "accounts", "holds", "entries", "heads"

OPEN, POSTED, VOIDED, EXPIRED = "open", "posted", "voided", "expired"
"""States of a hold; every one but the first is final."""

TRANSFER, HOLD, POST, VOID, EXPIRE = "transfer", "hold", "post", "void", "expire"
"""Kinds of entries. Only transfers and posts move money; the others name one account on both sides."""

FIRST_HASH = "0" * 64
"""What the first entry is chained to."""


class Outcome(Enum):
    """What became of an order to the ledger: one value per cause.

    Where several causes apply, the one that stands first here is reported. Only DONE changes anything.
    """

    AMOUNT_NOT_POSITIVE = "amount not positive"
    HOLD_EXISTS = "an open hold has this identifier"
    HOLD_NOT_OPEN = "no open hold has this identifier"
    """It was never made, or has been posted, voided or expired: after a restart nobody remembers which."""
    NO_ACCOUNT = "no such account"
    SAME_ACCOUNT = "debit and credit are one account"
    CURRENCIES_DIFFER = "the accounts are of different currencies"
    EXCEEDS_HOLD = "more than was held"
    INSUFFICIENT_FUNDS = "insufficient funds"
    DONE = "done"


class AccountRow(NamedTuple):
    """One account of one currency (ISO 4217 numeric). `may_overdraw` is 1 for the bank's own accounts, else 0."""

    name: str
    currency: str
    posted_minor: int
    held_minor: int
    may_overdraw: int


class HoldRow(NamedTuple):
    """Funds set aside on one account until `expires_at`."""

    identifier: str
    account: str
    amount_minor: int
    state: str
    made_at: int
    expires_at: int
    reference: str


class EntryRow(NamedTuple):
    """One line of the journal, for ever. `hash` is the chain's SHA-256 in hexadecimal up to and with this entry."""

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


class HeadRow(NamedTuple):
    """Where a chain ends, so that a restart goes on without reading it."""

    name: str
    sequence: int
    hash: str
