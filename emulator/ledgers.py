"""The ledgers in the files of a house, read without a node: which there are, and whether they are whole.

Nothing is written, and a running node is not disturbed: what is read is one snapshot of its file. An audit reads every
entry from the first one on and keeps only balances and open holds in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from banks.ledger import AccountRow, Audit, EntryRow, HeadRow, HoldRow
from banks.ledger.rows import ENTRIES, FIRST_HASH, OPEN
from iso.errors import CardrailsError

PROBLEMS_MAX = 20
"""A file that is broken everywhere need not say so everywhere."""
PROGRESS_EVERY = 100_000
_TABLES = frozenset({"accounts", "entries", "heads", "holds"})

R = TypeVar("R", AccountRow, EntryRow, HeadRow, HoldRow)
Progress = Callable[[str, int, int], None]
"""Told the node, how many entries have been read, and how many there are."""


class LedgerFileError(CardrailsError):
    """A file cannot be read as a bank's."""


class Audited(NamedTuple):
    """What an audit found.

    Attributes
    ----------
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
        with closing(_open(file)) as database:
            tables = {row[0] for row in _all(file, database, "SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables >= _TABLES:
            found[file.stem] = file
    return found


def audit(node: str, file: Path, progress: Progress | None = None) -> Audited:
    """Recompute a ledger from its first entry on.

    Raises
    ------
    LedgerFileError
        The file cannot be read, or is of an earlier version.
    """
    found = Audit()
    with closing(_open(file)) as database:
        _all(file, database, "BEGIN")
        expected = _all(file, database, "SELECT COUNT(*) FROM entries")[0][0]
        try:
            for count, entry in enumerate(_rows(file, database, EntryRow, "entries ORDER BY sequence"), start=1):
                found.take(entry)
                if progress is not None and count % PROGRESS_EVERY == 0:
                    progress(node, count, expected)
            accounts = list(_rows(file, database, AccountRow, "accounts"))
            found.compare(accounts)
            found.compare_holds(_rows(file, database, HoldRow, f"holds WHERE state = '{OPEN}'"))
        except TypeError:
            # The file takes anything in any column; a ledger writes numbers where numbers belong.
            failure = f"{file}: entry {found.sequence} or what follows it is nothing that a ledger has written"
        else:
            heads = list(_rows(file, database, HeadRow, "heads"))
            head = heads[0] if heads else HeadRow(ENTRIES, 0, FIRST_HASH)
            return _audited(node, file, found, expected, accounts, head)
    raise LedgerFileError(failure)


def _audited(node: str, file: Path, found: Audit, entries: int, accounts: list[AccountRow], head: HeadRow) -> Audited:
    problems = found.problems
    if (head.sequence, head.hash) != (found.sequence, found.hash):
        problems.append(f"entry {found.sequence}: it is the last, and the chain ends at {head.sequence}")
    totals: dict[str, int] = {}
    for account in accounts:
        totals[account.currency] = totals.get(account.currency, 0) + account.posted_minor
    shown = [_printable(problem) for problem in problems[:PROBLEMS_MAX]]
    return Audited(node, str(file), entries, len(accounts), found.hash, totals, shown, len(problems))


def _open(file: Path) -> sqlite3.Connection:
    """Open a file for reading.

    Beside a file that a node has open lies its write-ahead log, whose end is read too; without one nobody writes, and
    the file is taken as it lies, so that nothing appears beside it.
    """
    mode = "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "immutable=1"
    try:
        database = sqlite3.connect(f"{file.resolve().as_uri()}?{mode}", uri=True, isolation_level=None)
        try:
            database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except sqlite3.Error:
            database.close()
            raise
    except sqlite3.Error:
        failure = f"{file}: cannot be read as a database"
    else:
        return database
    raise LedgerFileError(failure)


def _rows(file: Path, database: sqlite3.Connection, row: type[R], table: str) -> Iterator[R]:
    """Yield rows of a table (`table` may go on with a condition or an order)."""
    name = table.partition(" ")[0]
    there = {column[1] for column in _all(file, database, f"PRAGMA table_info({name})")}
    if not there >= set(row._fields):
        raise LedgerFileError(f"{file}: of an earlier version; it is brought up to date when its node starts")
    try:
        for values in database.execute(f"SELECT {', '.join(row._fields)} FROM {table}"):
            yield row(*values)
    except sqlite3.Error as error:
        failure = f"{file}: {name} cannot be read: {type(error).__name__}"
    else:
        return
    raise LedgerFileError(failure)


def _all(file: Path, database: sqlite3.Connection, query: str) -> list[Any]:
    try:
        return database.execute(query).fetchall()
    except sqlite3.Error as error:
        failure = f"{file}: cannot be read: {type(error).__name__}"
    raise LedgerFileError(failure)


def _printable(text: str) -> str:
    """Return a line that is safe to print, whatever somebody wrote into the file."""
    return "".join(char if char.isprintable() else "?" for char in text[:300])
