"""What the control port does with the books of a bank, be it an issuer or an acquirer: balances, statements, the chain.

Everything happens inside the node, in a turn: what is shown is durable, and nobody waits for whoever reads. It must
never show a card number; the books hold none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from banks.ledger import EntryRow, Ledger
from banks.ledger.book import Account
from banks.ledger.rows import ENTRIES
from node.bank_ports import SCAN_MAX, BankRefusalError, Page
from node.core.conversations import ConversationHost
from node.core.find import Find
from node.core.steps import UNKNOWN
from node.core.turn import Row
from node.runtime import Runtime

T = TypeVar("T")


class BooksDesk:
    """The ledger of a bank; see `node.bank_ports.BooksPort`.

    Parameters
    ----------
    kind
        "acquirer" or "issuer".
    runtime, host, ledger
        Of one node.
    journal_timeout_s
        How long an entry may take to be read.
    """

    def __init__(
        self, kind: str, runtime: Runtime, host: ConversationHost, ledger: Ledger, journal_timeout_s: float
    ) -> None:
        self._kind = kind
        self._runtime = runtime
        self._host = host
        self._ledger = ledger
        self._journal_timeout_s = journal_timeout_s

    async def ledger(self) -> dict[str, Any]:
        """Return where the hash chain ends, and what all balances come to per currency: zeros."""

        async def look() -> dict[str, Any]:
            head = self._ledger.head
            return {
                "kind": self._kind,
                "entries": head.sequence,
                "hash": head.hash,
                "accounts": len(self._ledger.accounts),
                "open_holds": len(self._ledger.holds),
                "totals": self._ledger.totals(),
            }

        return await self._runtime.call(look)

    async def accounts(self, page: Page, *, prefix: str = "", currency: str = "", last4: str = "") -> dict[str, Any]:
        """Return balances, oldest account first."""

        async def look() -> dict[str, Any]:
            def is_wanted(account: Account) -> bool:
                return account.name.startswith(prefix) and currency in ("", account.currency)

            found, following = scan(self._ledger.accounts, page, is_wanted)
            return {"accounts": [account_view(account) for account in found], "next": following}

        if last4:
            raise BankRefusalError("invalid", "last4: this bank has no cards")
        return await self._runtime.call(look)

    async def statement(self, account: str, before: str, limit: int) -> dict[str, Any]:
        """Return entries of an account, newest first, each with the balance after it."""

        async def look() -> dict[str, Any]:
            found = self._ledger.accounts.get(account)
            if found is None:
                raise BankRefusalError("absent", "account: there is none of this name")
            shown = account_view(found)
            sequence, balance_minor = _place(before) if before else (found.last, found.posted_minor)
            lines: list[dict[str, Any]] = []
            while sequence and len(lines) < limit:
                entry = await self._entry(sequence, account)
                lines.append(_line(entry, account, balance_minor))
                balance_minor -= entry.change_minor(account)
                sequence = entry.before(account)
            return {**shown, "entries": lines, "next": f"{sequence}.{balance_minor}" if sequence else None}

        return await self._runtime.call(look)

    async def find(self, table: str, limit: int, **where: Any) -> list[Row]:
        """Return stored rows, newest last; called within a conversation.

        Raises
        ------
        BankRefusalError
            The journal is silent.
        """
        rows = await self._host.desk.ask("journal", Find(table, where, limit), self._journal_timeout_s)
        if rows is UNKNOWN:
            raise BankRefusalError("silent", "the journal does not answer")
        return list(rows)

    async def _entry(self, sequence: int, account: str) -> EntryRow:
        rows = await self.find(ENTRIES, 1, sequence=sequence)
        entry = EntryRow(*rows[0]) if rows else None
        if entry is None or account not in (entry.debit, entry.credit):
            raise BankRefusalError("invalid", "before: must be the `next` of another page of this account")
        return entry


def scan(items: Mapping[str, T], page: Page, is_wanted: Callable[[T], bool]) -> tuple[list[T], int | None]:
    """Look through a part of the working set.

    Parameters
    ----------
    items
        Only ever added to, so that a place in it stays what it is.

    Returns
    -------
    tuple[list[T], int | None]
        At most `page.limit`, and where to go on; None at the end. After `SCAN_MAX` items a page ends early.
    """
    found: list[T] = []
    place = page.after
    places: Iterator[T] = islice(items.values(), place, place + SCAN_MAX)
    for item in places:
        place += 1
        if is_wanted(item):
            found.append(item)
            if len(found) == page.limit:
                break
    return found, place if place < len(items) else None


def account_view(account: Account) -> dict[str, Any]:
    """Return an account as JSON."""
    return {
        "account": account.name,
        "currency": account.currency,
        "posted_minor": account.posted_minor,
        "held_minor": account.held_minor,
        "available_minor": account.available_minor,
    }


def _line(entry: EntryRow, account: str, balance_minor: int) -> dict[str, Any]:
    other = entry.credit if account == entry.debit else entry.debit
    return {
        "sequence": entry.sequence,
        "at": datetime.fromtimestamp(entry.at, UTC).isoformat(),
        "kind": entry.kind,
        "amount_minor": entry.amount_minor,
        "change_minor": entry.change_minor(account),
        "balance_minor": balance_minor,
        "other": "" if other == account else other,
        "hold": entry.hold,
        "reference": entry.reference,
    }


def _place(before: str) -> tuple[int, int]:
    sequence, _, balance_minor = before.partition(".")
    return int(sequence), int(balance_minor)
