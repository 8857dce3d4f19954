"""What the control port does with the switch's settlement: show totals, and cut over on demand."""

from __future__ import annotations

from datetime import date
from typing import Any

from node.runtime import Runtime
from switch.core.machine import SwitchMachine
from switch.core.reconcile import Reconciliation
from switch.core.totals import Figures, Key


class SettlementDesk:
    """Totals and cut-over of a switch; see `node.controlled.Settlement`. Both happen in a turn of the node."""

    def __init__(self, runtime: Runtime, machine: SwitchMachine) -> None:
        self._runtime = runtime
        self._machine = machine

    async def totals(self, member: str | None = None, day: date | None = None) -> dict[str, Any]:
        """Return the current settlement date and the totals that are not closed, by date, member and currency."""

        async def look() -> dict[str, Any]:
            machine = self._machine
            figures, latest = machine.book.totals.figures, machine.reconciler.latest
            keys = {key for key in (*figures, *latest) if member in (None, key.member) and day in (None, key.day)}
            return {
                "date": machine.days.current(machine.errands.turn).isoformat(),
                "totals": [
                    _view(key, figures.get(key) or Figures(), latest.get(key))
                    for key in sorted(keys, key=lambda key: (key.day, key.member, key.currency))
                ],
            }

        return await self._runtime.call(look)

    async def cut_over(self) -> dict[str, Any]:
        """Begin the next settlement date; return it. Members are told in the same turn."""

        async def act() -> dict[str, Any]:
            machine = self._machine
            return {"date": machine.days.cut_over(machine.errands.turn).isoformat()}

        return await self._runtime.call(act)


def _view(key: Key, figures: Figures, found: Reconciliation | None) -> dict[str, Any]:
    return {
        "member": key.member,
        "date": key.day.isoformat(),
        "currency": key.currency,
        **figures.counts,
        "net_minor": figures.net_minor,
        "reconciled": None
        if found is None
        else {"in_balance": not found.differs, "differs": list(found.differs), "stan": found.stan, "at": found.at},
    }
