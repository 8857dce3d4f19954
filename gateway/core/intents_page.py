"""docs/reference/payment-states.md, printed from the table of states."""

from __future__ import annotations

import sys
from itertools import product

from gateway.core.intents import (
    CAPTURE_METHODS,
    CONFIRMATION_METHODS,
    FINAL,
    MOVES,
    RESERVED,
    Mode,
    Move,
    next_status,
)

_HEAD = """# States of a PaymentIntent

Printed from `gateway/core/intents.py` by `python -m gateway.core.intents_page`; a test compares. Do not edit.

A pair that is not in the table is refused with `payment_intent_unexpected_state`. An authorisation that nobody has
answered is a doubt: its void (0420) is repeated until it is accepted, and then the payment has failed. Captures and
voids are advices: they are durable with the change of state, and repeated (0221, 0421) until they are accepted.

If the acquirer refuses one for good, no state changes: [saf.md](saf.md). A capture that was refused no longer counts in
`amount_received`, and can be made again while the payment is `requires_capture`. A payment in doubt whose void was
refused stays `processing` until an operator has had it sent again.
"""

_MODES = """
## Ways to pay

The customer is away if the payment is confirmed with `off_session`: DE 48.12 then says that the merchant initiates it.
`automatic` and `automatic_async` differ in nothing here: the capture is decided in the commit of the approval.

| capture method | confirmation method | off session | who may confirm | approved leads to | DE 48.12 |
|---|---|---|---|---|---|
"""


def render() -> str:
    """Return the page: the table, a Mermaid diagram, and what each way to pay comes to."""
    rows = ["| state | what happens | next state | leaves the gateway | only if |", "|---|---|---|---|---|"]
    rows += [f"| {move.before} | {move.event} | {move.after} | {move.leaves} | {_only(move)} |" for move in MOVES]
    arrows = dict.fromkeys(f"    {move.before} --> {move.after}: {move.event}" for move in MOVES)
    diagram = ["```mermaid", "stateDiagram-v2", *arrows, *(f"    {state} --> [*]" for state in FINAL), "```"]
    reserved = f"\n`{RESERVED[0]}` is reserved for 3-D Secure: nothing leads there yet.\n"
    return "\n".join([_HEAD, *rows, "", *diagram, reserved]) + _MODES + "\n".join(_modes()) + "\n"


def _only(move: Move) -> str:
    named = [("capture method", move.captures), ("confirmation method", move.confirmations)]
    said = [f"{what} {' or '.join(values)}" for what, values in named if values]
    if move.is_off_session is not None:
        said.append("off session" if move.is_off_session else "on session")
    return "; ".join(said)


def _modes() -> list[str]:
    rows = []
    for mode in (Mode(*parts) for parts in product(CAPTURE_METHODS, CONFIRMATION_METHODS, (False, True))):
        may_customer = next_status("requires_confirmation", "confirm by the customer", mode) is not None
        who = "customer or server" if may_customer else "server"
        away, told = ("yes", "M") if mode.is_off_session else ("no", "")
        approved = next_status("processing", "approve", mode)
        rows.append(f"| {mode.capture} | {mode.confirmation} | {away} | {who} | {approved} | {told} |")
    return rows


if __name__ == "__main__":
    sys.stdout.write(render())
