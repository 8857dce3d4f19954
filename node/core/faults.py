"""Faults that a tester provokes on a link, as data: where, which message, what happens.

The four places at which one exchange between an asking and an answering node can break are the two directions at each
end: "out" at the asker is before the write, "in" at the answerer is after it, "out" at the answerer is after its
commit, "in" at the asker is after the answer.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Direction = Literal["in", "out"]
Action = Literal["close", "drop"]


class Fault(NamedTuple):
    """One fault. It fires `times` times and is then spent.

    `mti` is the four digits in the 1987 form ("0100"); `close` cuts the connection at that point, the message is not
    passed on; `drop` loses the message and leaves the connection.
    """

    link: str
    direction: Direction
    mti: str
    action: Action
    times: int = 1


class Faults:
    """The faults of one node that are not spent yet, with how often each may still fire."""

    def __init__(self) -> None:
        self._left: dict[Fault, int] = {}
        self.fired: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Arm a fault."""
        self._left[fault] = self._left.get(fault, 0) + fault.times

    def clear(self) -> None:
        """Disarm all."""
        self._left.clear()

    @property
    def armed(self) -> bool:
        """Whether any fault may still fire; the hot path asks nothing else."""
        return bool(self._left)

    def strike(self, link: str, direction: Direction, mti: str) -> Action | None:
        """Return what happens to this message, counting the fault as fired; None if nothing does."""
        for fault, left in self._left.items():
            if (fault.link, fault.direction, fault.mti) == (link, direction, mti):
                self.fired.append(fault)
                if left == 1:
                    del self._left[fault]
                else:
                    self._left[fault] = left - 1
                return fault.action
        return None
