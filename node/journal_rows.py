"""Many rows of a restart in little memory: texts that many rows have are one object.

A card file of a million rows has a few states, currencies and key names, and a driver makes a new string for each of
them in each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Table, Text

from node.core.turn import Row

CHUNK_ROWS = 5_000
_LOOKED_AT_EVERY = 16
_WORTH_IT = 8
"""A column is shared if each of its texts is in so many rows of a chunk, on average."""


class Sharing:
    """Gathers the rows of one table, a chunk at a time."""

    def __init__(self, table: Table) -> None:
        self.rows: list[Row] = []
        self._texts: dict[int, dict[str, str]] = {
            index: {}
            for index, column in enumerate(table.columns)
            if isinstance(column.type, Text) and not column.primary_key
        }
        self._chunks = 0

    def add(self, chunk: Sequence[Iterable[Any]]) -> None:
        """Take rows as the driver gave them."""
        if len(chunk) < CHUNK_ROWS:
            self.rows += map(tuple, chunk)
            return
        columns: list[Iterable[Any]] = list(zip(*chunk, strict=True))
        if self._chunks % _LOOKED_AT_EVERY == 0:
            self._look(columns)
        self._chunks += 1
        for index, texts in self._texts.items():
            if texts:
                columns[index] = map(texts.get, columns[index], columns[index])
        self.rows += zip(*columns, strict=True)

    def _look(self, columns: Sequence[Iterable[Any]]) -> None:
        """Learn which texts many rows have."""
        for index, texts in self._texts.items():
            distinct = set(columns[index])
            if len(distinct) * _WORTH_IT <= CHUNK_ROWS:
                texts.update((text, texts.get(text, text)) for text in distinct)
