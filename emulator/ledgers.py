"""The ledgers of a house, read without a node: which there are, and whether they are whole.

Nothing is written, and a running node is not disturbed: what is read is one snapshot of its books. An audit reads every
entry from the first one on and keeps only balances and open holds in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from banks.ledger import AccountRow, Audit, EntryRow, HeadRow, HoldRow
from banks.ledger.rows import ACCOUNTS, ENTRIES, FIRST_HASH, HEADS, HOLDS, OPEN
from emulator.ledger_sources import Books, BooksError, open_books
from node.database_url import DatabaseUrl

PROBLEMS_MAX = 20
"""Books that are broken everywhere need not say so everywhere."""
PROGRESS_EVERY = 100_000

R = TypeVar("R", AccountRow, EntryRow, HeadRow, HoldRow)
Progress = Callable[[str, int, int], None]
"""Told the node, how many entries have been read, and how many there are."""
_COLUMNS = MappingProxyType(
    {ACCOUNTS: AccountRow._fields, ENTRIES: EntryRow._fields, HEADS: HeadRow._fields, HOLDS: HoldRow._fields}
)


class Audited(NamedTuple):
    """What an audit found.

    Attributes
    ----------
    file
        Where the books are: a file, or a schema of a database server as it may be shown.
    hash
        Of the last entry: two runs over the same entries end at the same one.
    totals
        Sum of all balances per currency (ISO 4217 numeric): zeros.
    problems
        The first `PROBLEMS_MAX`; none if the ledger is whole.
    """

    node: str
    file: str
    entries: int
    accounts: int
    hash: str
    totals: dict[str, int]
    problems: list[str]
    problems_found: int


def ledger_files(folder: Path) -> dict[str, Path]:
    """Return the database of every bank in a folder, by node."""
    found = {}
    for file in sorted(folder.glob("*.db")):
        with open_books(file) as books:
            if all(books.columns(table) for table in _COLUMNS):
                found[file.stem] = file
    return found


def audit(node: str, place: Path | DatabaseUrl, progress: Progress | None = None) -> Audited:
    """Recompute a ledger from its first entry on.

    Raises
    ------
    BooksError
        The books cannot be read, or are of an earlier version.
    ConfigError
        They are on a database server, and its driver is not installed.
    """
    found = Audit()
    with open_books(place) as books:
        _check(books)
        [[expected]] = books.read(f"SELECT COUNT(*) FROM {ENTRIES}")
        try:
            for count, entry in enumerate(_rows(books, EntryRow, f"{ENTRIES} ORDER BY sequence"), start=1):
                found.take(entry)
                if progress is not None and count % PROGRESS_EVERY == 0:
                    progress(node, count, expected)
            accounts = list(_rows(books, AccountRow, ACCOUNTS))
            found.compare(accounts)
            found.compare_holds(_rows(books, HoldRow, f"{HOLDS} WHERE state = '{OPEN}'"))
        except TypeError:
            # A file takes anything in any column; a ledger writes numbers where numbers belong.
            failure = f"{books.place}: entry {found.sequence} or what follows it is nothing that a ledger has written"
        else:
            heads = list(_rows(books, HeadRow, HEADS))
            head = heads[0] if heads else HeadRow(ENTRIES, 0, FIRST_HASH)
            return _audited(node, books.place, found, expected, accounts, head)
    raise BooksError(failure)


def _audited(node: str, place: str, found: Audit, entries: int, accounts: list[AccountRow], head: HeadRow) -> Audited:
    problems = found.problems
    if (head.sequence, head.hash) != (found.sequence, found.hash):
        problems.append(f"entry {found.sequence}: it is the last, and the chain ends at {head.sequence}")
    totals: dict[str, int] = {}
    for account in accounts:
        totals[account.currency] = totals.get(account.currency, 0) + account.posted_minor
    shown = [_printable(problem) for problem in problems[:PROBLEMS_MAX]]
    return Audited(node, place, entries, len(accounts), found.hash, totals, shown, len(problems))


def _check(books: Books) -> None:
    for table, columns in _COLUMNS.items():
        there = books.columns(table)
        if not there:
            raise BooksError(f"{books.place}: no bank has kept books there")
        if not there.issuperset(columns):
            raise BooksError(f"{books.place}: of an earlier version; it is brought up to date when its node starts")


def _rows(books: Books, row: type[R], table: str) -> Iterator[R]:
    """Return rows of a table (`table` may go on with a condition or an order)."""
    return map(row._make, books.read(f"SELECT {', '.join(row._fields)} FROM {table}"))


def _printable(text: str) -> str:
    """Return a line that is safe to print, whatever somebody wrote into the books."""
    return "".join(char if char.isprintable() else "?" for char in text[:300])
