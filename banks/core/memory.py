"""The requests a bank remembers: all that are open, and the most recent ones that are settled.

Older ones are in the journal only. `is_complete` says whether memory still holds everything there ever was, so that
a young node need not ask its journal about requests that it cannot have seen.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Remembered(Protocol):
    """What can be remembered: it has a key, and names under which others refer to it."""

    @property
    def key(self) -> str:
        """Unique."""

    def names(self) -> Iterable[str]:
        """Names shared with other records of the same payment; they never change."""


R = TypeVar("R", bound=Remembered)


class Memory(Generic[R]):
    """Records by key and by name.

    Parameters
    ----------
    settled_max
        How many settled records are kept beside the open ones.
    """

    def __init__(self, settled_max: int) -> None:
        self.is_complete = True
        self._settled_max = settled_max
        self._records: dict[str, R] = {}
        self._named: dict[str, list[R]] = {}
        self._settled: OrderedDict[str, int] = OrderedDict()
        self._settlements = 0
        self._questions = 0
        self._asked: dict[int, int] = {}
        self._pins: dict[str, int] = {}

    def get(self, key: str) -> R | None:
        """Return the record of a key."""
        return self._records.get(key)

    def named(self, name: str) -> list[R]:
        """Return the records that carry a name, oldest first."""
        return list(self._named.get(name, ()))

    def add(self, record: R) -> None:
        """Remember a record; it stays until it is settled and others have been settled after it."""
        self._records[record.key] = record
        named = self._named
        for name in record.names():
            others = named.get(name)
            if others is None:
                named[name] = [record]
            else:
                others.append(record)

    def settle(self, record: R) -> None:
        """Let a record go once `settled_max` others have been settled after it."""
        settled = self._settled
        self._settlements += 1
        settled[record.key] = self._settlements
        settled.move_to_end(record.key)
        for _ in range(len(settled) - self._settled_max):
            if self._asked and settled[next(iter(settled))] > next(iter(self._asked.values())):
                # The journal was asked before this was written: whoever asked finds it here or nowhere.
                return
            oldest, _ = settled.popitem(last=False)
            if oldest in self._pins:
                settled[oldest] = self._settlements
            elif oldest in self._records:
                self.is_complete = False
                self.forget(self._records[oldest])

    def asking(self) -> int:
        """Take notice of a question to the journal: what is settled from now on stays until `answered`."""
        self._questions += 1
        self._asked[self._questions] = self._settlements
        return self._questions

    def answered(self, question: int) -> None:
        """Take notice that a question has its answer, or gets none."""
        del self._asked[question]

    def reopen(self, record: R) -> None:
        """Keep a settled record until it is settled again: a conversation has taken it up."""
        self._settled.pop(record.key, None)

    def pin(self, record: R) -> None:
        """Keep a record for a conversation that still needs it, however many others are settled meanwhile."""
        self._pins[record.key] = self._pins.get(record.key, 0) + 1

    def unpin(self, record: R) -> None:
        """Give back one `pin`."""
        left = self._pins.pop(record.key) - 1
        if left:
            self._pins[record.key] = left

    def forget(self, record: R) -> None:
        """Drop a record."""
        self._records.pop(record.key, None)
        self._settled.pop(record.key, None)
        for name in record.names():
            others = [other for other in self._named.get(name, ()) if other is not record]
            if others:
                self._named[name] = others
            else:
                self._named.pop(name, None)

    def __len__(self) -> int:
        return len(self._records)
