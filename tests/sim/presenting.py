"""Who carries presentments: from the acquirer's books to the card's issuer, and the note of it back.

It keeps nothing but what it has seen, and may be left at any point by a node that dies: the next round goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial

from banks.acquirer.presenting import Marked, presented, unpresented
from banks.core.clearings import ClearingRow
from banks.issuer.presenting import Presented, Presentment, present
from tests.sim.node import SimNode
from tests.sim.world import World

ACQUIRER_ID = "400001"
ISSUERS = ("issuer-a", "issuer-b")
AT_ONCE = 4
TWICE = 0.2


class Presenter:
    """Carries presentments in rounds. `counts` says what became of them."""

    def __init__(self, world: World, nodes: Mapping[str, SimNode]) -> None:
        self.world = world
        self.nodes = nodes
        self.counts: Counter[str] = Counter()
        self._done: dict[str, Presented] = {}

    def round(self) -> None:
        """Ask the acquirer what is open, and carry some of it."""
        acquirer = self.nodes["acquirer"]
        acquirer.call(lambda: unpresented(acquirer.machine, AT_ONCE), self._found)

    def _found(self, rows: list[ClearingRow]) -> None:
        for row in rows:
            for _ in range(2 if self.world.random.random() < TWICE else 1):
                self._soon(partial(self._present, row, ISSUERS))

    def _soon(self, action: partial[None]) -> None:
        self.world.after(self.world.between(0.0, 3.0), action)

    def _present(self, row: ClearingRow, issuers: tuple[str, ...]) -> None:
        node = self.nodes[issuers[0]]
        node.call(lambda: present(node.machine, presentment_of(row)), partial(self._presented, row, issuers))

    def _presented(self, row: ClearingRow, issuers: tuple[str, ...], outcome: Presented) -> None:
        if outcome is Presented.UNKNOWN_PAYMENT and issuers[1:]:
            self._present(row, issuers[1:])
            return
        before = self._done.get(row.arn)
        is_same = before in (None, outcome) or outcome is Presented.ARN_USED
        assert is_same, f"presented {row.arn} again: {outcome.value}, and before: {before}"
        self.counts[f"presentment {outcome.name.lower()}"] += 1
        if outcome.is_done:
            self._done[row.arn] = outcome
            self._soon(partial(self._mark, row.arn))

    def _mark(self, arn: str) -> None:
        acquirer = self.nodes["acquirer"]
        acquirer.call(lambda: presented(acquirer.machine, arn), self._marked)

    def _marked(self, marked: Marked) -> None:
        assert marked is not Marked.ABSENT
        self.counts[f"marked {marked.name.lower()}"] += 1


def presentment_of(row: ClearingRow) -> Presentment:
    """Return what an acquirer presents for one of its rows."""
    return Presentment(
        row.arn,
        ACQUIRER_ID,
        row.rrn,
        row.terminal,
        row.kind,
        row.number,
        row.amount_minor,
        row.currency,
        bool(row.is_final),
    )
