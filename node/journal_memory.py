"""A journal without a disk, with the contract of the others: for simulations and ephemeral nodes in tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import MetaData, Table

from node.core.find import Find
from node.core.turn import Row
from node.journal_port import Rows, StoreError, Stores, is_loaded, open_filter

_Places = dict[tuple[Any, ...], dict[tuple[Any, ...], None]]


class MemoryJournal:
    """A journal without a disk, with the same contract: for simulations and ephemeral nodes in tests."""

    def __init__(self, metadata: MetaData) -> None:
        self._tables = metadata.tables
        self.rows: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in self._tables}
        self._names = {
            name: {item.name: index for index, item in enumerate(table.columns)} for name, table in self._tables.items()
        }
        self._keys = {
            name: [index for index, item in enumerate(table.columns) if item.primary_key]
            for name, table in self._tables.items()
        }
        self._places: dict[str, dict[tuple[str, ...], _Places]] = {name: {} for name in self._tables}

    def write(self, stores: Stores) -> None:
        """Commit, for callers without an event loop."""
        staged = []
        for name, rows in stores.items():
            table, key = self._tables[name], self._keys[name]
            for row in rows:
                if len(row) != len(table.columns):
                    raise StoreError(f"{name}: a row of {len(row)} values for {len(table.columns)} columns")
                staged.append((name, tuple(row[index] for index in key), row))
                if table.info.get("append_only") and staged[-1][1] in self.rows[name]:
                    raise StoreError(f"{name} is append-only: the key exists")
        for name, key_values, row in staged:
            self.rows[name][key_values] = row
            for columns, places in self._places[name].items():
                places.setdefault(self._values(name, columns, row), {})[key_values] = None

    def read(self) -> Rows:
        """Load, for callers without an event loop."""
        return {
            name: [row for row in self.rows[name].values() if _matches(table, row, open_filter(table))]
            for name, table in self._tables.items()
            if is_loaded(table)
        }

    def look_up(self, find: Find) -> list[Row]:
        """Find, for callers without an event loop."""
        table = self._tables[find.table]
        where = {name: (value,) for name, value in find.where.items()}
        rows = [row for row in self.rows[find.table].values() if _matches(table, row, where)]
        return rows[-find.limit :]

    def select(self, table: str, where: Mapping[str, Any], limit: int, order: str = "") -> list[Row]:
        """Return rows by what they were last written with; the first question about columns makes their index."""
        columns = tuple(where)
        values, rows, places = tuple(where.values()), self.rows[table], self._places[table]
        if columns not in places:
            index: _Places = {}
            for key, row in rows.items():
                index.setdefault(self._values(table, columns, row), {})[key] = None
            places[columns] = index
        candidates = [rows[key] for key in places[columns].get(values, ()) if key in rows]
        # A row that was replaced is still listed under its former values.
        found = [row for row in candidates if self._values(table, columns, row) == values]
        if order:
            found.sort(key=lambda row: self._values(table, (order,), row))
        return found[:limit]

    def _values(self, table: str, columns: tuple[str, ...], row: Row) -> tuple[Any, ...]:
        names = self._names[table]
        return tuple([row[names[column]] for column in columns])

    async def commit(self, stores: Stores) -> None:
        """Keep all rows, or raise StoreError and keep none."""
        self.write(stores)

    async def load(self) -> Rows:
        """Return open rows in the order in which they were first written."""
        return self.read()

    async def find(self, find: Find) -> list[Row]:
        """Return rows of the history."""
        return self.look_up(find)

    async def aclose(self) -> None:
        """Do nothing: there is no file."""


def _matches(table: Table, row: Row, where: Mapping[str, Sequence[Any]]) -> bool:
    names = table.columns.keys()
    return all(row[names.index(name)] in values for name, values in where.items())
