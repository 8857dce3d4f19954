"""A bounded memory of what was looked up: the entry that came first goes first."""

from __future__ import annotations


class Known:
    """Names and what they stand for.

    Parameters
    ----------
    entries_max
        At so many the oldest is forgotten; 0 remembers nothing.
    """

    __slots__ = ("_entries", "_entries_max", "get")

    def __init__(self, entries_max: int) -> None:
        self._entries: dict[bytes, str] = {}
        self._entries_max = entries_max
        self.get = self._entries.get

    def put(self, name: bytes, value: str) -> None:
        """Remember an entry."""
        entries = self._entries
        if self._entries_max and name not in entries:
            if len(entries) >= self._entries_max:
                del entries[next(iter(entries))]
            entries[name] = value

    def __len__(self) -> int:
        return len(self._entries)
