"""Searches: arrivals that wait until the journal has said whether it knows the leg that they are about.

Memory holds the latest legs only. A repeat from before a restart, or the reversal of an old approval, is answered from
the journal, which takes a turn; whatever else arrives about the same leg meanwhile waits behind it, in order.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from node.core.find import Find
from node.core.link import Arrival
from node.core.turn import Turn
from switch.core.legs import TABLE, Names

PORT = "journal"


class SearchKey(NamedTuple):
    """The key of a question to the journal."""

    number: int


class Waiting(NamedTuple):
    """Who waits, and for which legs the journal has been asked on its behalf: a restart of the question is none."""

    arrival: Arrival
    searched: frozenset[Names]


class _Search:
    __slots__ = ("arrivals", "by_business", "names")

    def __init__(self, names: Names) -> None:
        self.names = names
        self.arrivals: list[Waiting] = []
        self.by_business = False


class Searches:
    """The questions that are out, and who waits for each.

    Parameters
    ----------
    timeout_s
        How long the journal may take.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._number = 0
        self._running: dict[Hashable, _Search] = {}
        self._by_name: dict[str, _Search] = {}

    def join(self, arrival: Arrival, names: Names, searched: frozenset[Names] = frozenset()) -> bool:
        """Let an arrival wait behind a search for the same leg, if there is one."""
        search = self._by_name.get(names.original) or self._by_name.get(names.business)
        if search is None:
            return False
        search.arrivals.append(Waiting(arrival, searched | {names}))
        return True

    def start(self, arrival: Arrival, names: Names, turn: Turn, searched: frozenset[Names] = frozenset()) -> None:
        """Ask the journal for the leg that an arrival is about."""
        search = _Search(names)
        search.arrivals.append(Waiting(arrival, searched | {names}))
        self._by_name[names.original] = self._by_name[names.business] = search
        self._ask(search, {"original": names.original}, turn)

    def take(self, key: Hashable, *, found: bool, turn: Turn) -> list[Waiting] | None:
        """Take an answer; return who waited, or None while the search goes on under the leg's other name."""
        search = self._running.pop(key)
        if not found and not search.by_business:
            search.by_business = True
            self._ask(search, {"business": search.names.business}, turn)
            return None
        return self._end(search)

    def give_up(self, key: Hashable) -> list[Waiting]:
        """Take the journal's silence; return who waited."""
        return self._end(self._running.pop(key))

    def __len__(self) -> int:
        return len(self._running)

    def _ask(self, search: _Search, where: dict[str, str], turn: Turn) -> None:
        self._number += 1
        key = SearchKey(self._number)
        self._running[key] = search
        turn.ask(PORT, key, Find(TABLE, where), self.timeout_s)

    def _end(self, search: _Search) -> list[Waiting]:
        for name in set(search.names):
            del self._by_name[name]
        return search.arrivals
