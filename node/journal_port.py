"""What a journal is to a node, and what its tables say about themselves.

A room declares its tables with SQLAlchemy Core; hints in `Table.info` say what a journal must know about them:
`append_only: bool`; `open: None | (column, values)` says which rows a restart loads (None: none; absent: all).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import Table

from iso.errors import CardrailsError
from node.core.find import Find
from node.core.turn import Row

Stores = Mapping[str, Sequence[Row]]
Rows = dict[str, list[Row]]


class StoreError(CardrailsError):
    """The store could not take or give what it must. A node that gets this from a commit stops."""


class Journal(Protocol):
    """Where a node's truth is."""

    async def commit(self, stores: Stores) -> None:
        """Make all rows durable together, or raise StoreError and change nothing."""

    async def load(self) -> Rows:
        """Return the rows a restart needs, per table, in the order in which they were first written."""

    async def find(self, find: Find) -> list[Row]:
        """Return rows of the node's history."""

    async def aclose(self) -> None:
        """Let go of the database."""


class LocalJournal(Journal, Protocol):
    """A journal in the node's own reach: it answers look-ups without suspending. A database server is none."""

    def select(self, table: str, where: Mapping[str, Any], limit: int, order: str = "") -> list[Row]:
        """Return at most `limit` committed rows whose columns equal `where`, the lowest `order` column first.

        For a core that keeps its working set small: it does not suspend, so `where` must have an index.
        """


def is_loaded(table: Table) -> bool:
    """Whether a restart loads any row of a table."""
    return table.info.get("open", ()) is not None


def open_filter(table: Table) -> dict[str, Sequence[Any]]:
    """Return the values that columns of a row have if a restart loads it; empty: every row."""
    hint = table.info.get("open")
    return {hint[0]: hint[1]} if hint else {}


def key_of(table: Table) -> Callable[[Row], Any]:
    """Return the function that takes the primary key out of a row."""
    return itemgetter(*[index for index, item in enumerate(table.columns) if item.primary_key])


def last_words(rows: Sequence[Row], key: Callable[[Row], Any]) -> Sequence[Row]:
    """Return the rows that stay when later ones have replaced earlier ones with their key."""
    if len(rows) == 1:
        return rows
    return list({key(row): row for row in rows}.values())
