"""Faults that a tester provokes on a link, as data: where, which message, what happens.

The four places at which one exchange between an asking and an answering node can break are the two directions at each
end: "out" at the asker is before the write, "in" at the answerer is after it, "out" at the answerer is after its
commit, "in" at the asker is after the answer.

`fault` is what a fault is, `engine` decides which message it strikes, `damage` says what its bytes become, `lane` in
which order they cross. All of it is pure; `node.link_faults` performs it.
"""

from __future__ import annotations

from node.core.faults.engine import Faults, Fired, Strike
from node.core.faults.fault import ACTIONS, Action, Direction, Fault

__all__ = ["ACTIONS", "Action", "Direction", "Fault", "Faults", "Fired", "Strike"]
