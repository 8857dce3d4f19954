"""Everything that happened for a payment, as one list of steps in order.

A step is a flat JSON object with `step` (http, hsm, iso8583, decision, remark, ledger), `at` (business time, ISO
8601) and `node`; the rest depends on what it is. Some ledger entries know whole seconds only. A node commits what an
answer rests on before it answers, so such an entry stands right behind the message that came in before it at its node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

View: TypeAlias = dict[str, Any]
Steps: TypeAlias = list[View]

HTTP, HSM, ISO, DECISION, REMARK, LEDGER = "http", "hsm", "iso8583", "decision", "remark", "ledger"
_GATEWAY = "gateway"
_RANKS = {HTTP: 0, "in": 1, HSM: 2, DECISION: 3, LEDGER: 4, "out": 5, REMARK: 6}
"""Of what has the same instant: a node decides and books between what came in and what it answers."""
_REQUEST_DIGITS = frozenset("024")
"""Third digits of an MTI that ask for something or tell something; the others answer."""


def in_order(
    requests: Iterable[View],
    messages: Sequence[View],
    remarks: Iterable[View],
    commands: Iterable[View],
    decisions: Iterable[View],
    postings: Iterable[View],
) -> Steps:
    """Merge what is known of a payment.

    Parameters
    ----------
    requests
        As `gateway.core.request_rows.shown` says them.
    messages, remarks
        As the control ports say them; messages in the order in which they crossed.
    commands
        HSM commands of the other nodes, with `node`.
    decisions
        What the issuers decided and why, with `node`.
    postings
        Ledger entries with `node`.
    """
    placed: list[tuple[str, int, int, View]] = []
    for request in requests:
        calls = request["hsm"]
        shown = {name: value for name, value in request.items() if name != "hsm"}
        placed.append(_placed({"step": HTTP, "node": _GATEWAY, **shown}, placed))
        for call in calls:
            placed.append(_placed({"step": HSM, "node": _GATEWAY, "request": request["request"], **call}, placed))
    for message in messages:
        placed.append(_placed({"step": ISO, **message}, placed))
    for remark in remarks:
        # A remark's own "kind" stays: it says what was noted.
        placed.append(_placed({"step": REMARK, **remark}, placed))
    for command in commands:
        placed.append(_placed({"step": HSM, **command}, placed))
    for decision in decisions:
        placed.append(_placed({"step": DECISION, **decision}, placed))
    for posting in postings:
        at, _, number, step = _placed({"step": LEDGER, **posting}, placed)
        is_exact = "." in at
        placed.append((at if is_exact else _after(posting, messages) or at, _RANKS[LEDGER], number, step))
    return [step for _, _, _, step in sorted(placed, key=lambda one: one[:3])]


def _placed(step: View, before: Sequence[Any]) -> tuple[str, int, int, View]:
    rank = step["direction"] if step["step"] == ISO else step["step"]
    return step["at"], _RANKS[rank], len(before), step


def _after(posting: View, messages: Sequence[View]) -> str | None:
    """Return when the message came in that an entry belongs to: the last of its second that asked its node."""
    second = posting["at"][:19]
    found = [
        message["at"]
        for message in messages
        if message["node"] == posting["node"]
        and message["direction"] == "in"
        and message["at"][:19] <= second
        and message["mti"][2] in _REQUEST_DIGITS
    ]
    return max(found, default=None)
