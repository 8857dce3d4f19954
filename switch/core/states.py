"""The life of a leg: which states there are, what can happen in each, and what that leads to.

A leg is one request of an acquirer together with the request to an issuer that it causes. `TRANSITIONS` is the whole
rule: `advance` refuses anything that is not in it, so that a gap is found by the first test that meets it and never
by a payment. The table and the diagram of docs/reference/switch-states.md are printed from here
(`python -m switch.core.states`).
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class _ByIdentity(Enum):
    """Members are looked up many times per message: the hash of an object is several times cheaper than Enum's."""

    __hash__ = object.__hash__


class State(_ByIdentity):
    """Where a leg stands. The values are what the `legs` table holds."""

    NEW = "new"
    """Just read; nothing is remembered yet."""
    OPENING = "opening"
    """The HSM is opening or sealing the card. Nothing has left for an issuer."""
    FORWARDED = "forwarded"
    """Durable, and released to the issuer."""
    WITHDRAWN = "withdrawn"
    """Forwarded, and the acquirer has reversed it meanwhile: an approval may no longer pass."""
    APPROVED = "approved"
    DECLINED = "declined"
    """Declined by the issuer, or refused here before anything left."""
    UNKNOWN = "unknown"
    """The issuer was silent. We answered for it and owe it a reversal, which is in the SAF."""
    STOOD_IN = "stood in"
    """Approved by the switch in the issuer's place; the advice is in the SAF."""
    ADVISED = "advised"
    """An acquirer's advice, taken over: it is in the SAF."""
    REVERSED = "reversed"
    """Approved, or advised; the reversal is in the SAF."""


class Cause(_ByIdentity):
    """What can happen to a leg."""

    REQUESTED = "requested"
    COPIED = "copied"
    REFUSED = "refused"
    OPENED = "opened"
    ISSUER_APPROVED = "issuer approved"
    ISSUER_DECLINED = "issuer declined"
    SILENCE = "silence"
    NOT_WRITTEN = "not written"
    STOOD_IN = "stand-in approved"
    TAKEN_OVER = "taken over"
    REVERSAL = "reversal"
    PARTIAL_REVERSAL = "partial reversal"
    LATE_ANSWER = "late answer"
    RESTART = "restart"


class Transition(NamedTuple):
    """What a cause leads to, and what the switch records for it."""

    state: State
    records: str


_JOINS: Final = "nothing: the answer goes to the latest copy"
_AGAIN: Final = "the stored answer again"
_TAKEN: Final = "0430/00, nothing further"
_DROPPED: Final = "a trace"
_OWED: Final = "0110/91 and a 0420 in the SAF, in one turn"
_OWED_OR_DECLINED: Final = "0110/91, or stand-in's decline, and a 0420 in the SAF, in one turn"
_STANDS: Final = "the leg, 0110/00 and a 0120 in the SAF, in one turn"
_UNDONE: Final = "0430/00 and a 0420 in the SAF, in one turn"
_PARTLY: Final = "the leg, 0430/00 and a 0420 with DE 95 in the SAF, in one turn"
_TOO_EARLY: Final = "0430/09: nothing is approved yet of which a part could be undone"

TRANSITIONS: Final[dict[tuple[State, Cause], Transition]] = {
    (State.NEW, Cause.REQUESTED): Transition(State.OPENING, "a question to the HSM; the deadline starts"),
    (State.NEW, Cause.REFUSED): Transition(State.DECLINED, "the leg and its refusal"),
    (State.OPENING, Cause.COPIED): Transition(State.OPENING, _JOINS),
    (State.OPENING, Cause.REFUSED): Transition(State.DECLINED, "the leg and its refusal"),
    (State.OPENING, Cause.OPENED): Transition(State.FORWARDED, "the leg, then the request to the issuer"),
    (State.OPENING, Cause.STOOD_IN): Transition(State.STOOD_IN, _STANDS),
    (State.OPENING, Cause.TAKEN_OVER): Transition(
        State.ADVISED, "the leg, 0130/00 and the advice in the SAF, in one turn"
    ),
    (State.OPENING, Cause.SILENCE): Transition(State.DECLINED, "the leg and 0110/96"),
    (State.OPENING, Cause.PARTIAL_REVERSAL): Transition(State.OPENING, _TOO_EARLY),
    (State.OPENING, Cause.REVERSAL): Transition(State.DECLINED, "the leg, 0110/21 and 0430/00; nothing was sent"),
    (State.OPENING, Cause.LATE_ANSWER): Transition(State.OPENING, _DROPPED),
    (State.FORWARDED, Cause.COPIED): Transition(State.FORWARDED, _JOINS),
    (State.FORWARDED, Cause.ISSUER_APPROVED): Transition(State.APPROVED, "the leg and the answer"),
    (State.FORWARDED, Cause.ISSUER_DECLINED): Transition(State.DECLINED, "the leg and the answer"),
    (State.FORWARDED, Cause.STOOD_IN): Transition(State.STOOD_IN, _STANDS),
    (State.FORWARDED, Cause.SILENCE): Transition(State.UNKNOWN, _OWED_OR_DECLINED),
    (State.FORWARDED, Cause.NOT_WRITTEN): Transition(
        State.DECLINED, "0110/91, or stand-in's decline; there is nothing to reverse"
    ),
    (State.FORWARDED, Cause.PARTIAL_REVERSAL): Transition(State.FORWARDED, _TOO_EARLY),
    (State.FORWARDED, Cause.REVERSAL): Transition(State.WITHDRAWN, "the leg and 0430/00"),
    (State.FORWARDED, Cause.LATE_ANSWER): Transition(State.FORWARDED, _DROPPED),
    (State.FORWARDED, Cause.RESTART): Transition(State.UNKNOWN, "a 0420 in the SAF"),
    (State.WITHDRAWN, Cause.COPIED): Transition(State.WITHDRAWN, _JOINS),
    (State.WITHDRAWN, Cause.ISSUER_APPROVED): Transition(State.REVERSED, "0110/21 and a 0420 in the SAF"),
    (State.WITHDRAWN, Cause.ISSUER_DECLINED): Transition(State.DECLINED, "the leg and the answer"),
    (State.WITHDRAWN, Cause.SILENCE): Transition(State.UNKNOWN, _OWED),
    (State.WITHDRAWN, Cause.NOT_WRITTEN): Transition(State.DECLINED, "0110/91; there is nothing to reverse"),
    (State.WITHDRAWN, Cause.REVERSAL): Transition(State.WITHDRAWN, _TAKEN),
    (State.WITHDRAWN, Cause.PARTIAL_REVERSAL): Transition(State.WITHDRAWN, _TAKEN),
    (State.WITHDRAWN, Cause.LATE_ANSWER): Transition(State.WITHDRAWN, _DROPPED),
    (State.WITHDRAWN, Cause.RESTART): Transition(State.UNKNOWN, "a 0420 in the SAF"),
    (State.APPROVED, Cause.COPIED): Transition(State.APPROVED, _AGAIN),
    (State.APPROVED, Cause.REVERSAL): Transition(State.REVERSED, _UNDONE),
    (State.APPROVED, Cause.PARTIAL_REVERSAL): Transition(State.APPROVED, _PARTLY),
    (State.APPROVED, Cause.LATE_ANSWER): Transition(State.APPROVED, _DROPPED),
    (State.STOOD_IN, Cause.COPIED): Transition(State.STOOD_IN, _AGAIN),
    (State.STOOD_IN, Cause.REVERSAL): Transition(State.REVERSED, f"{_UNDONE}, behind its 0120"),
    (State.STOOD_IN, Cause.PARTIAL_REVERSAL): Transition(State.STOOD_IN, f"{_PARTLY}, behind its 0120"),
    (State.STOOD_IN, Cause.LATE_ANSWER): Transition(State.STOOD_IN, f"{_DROPPED}: the 0120 stands"),
    (State.ADVISED, Cause.COPIED): Transition(State.ADVISED, _AGAIN),
    (State.ADVISED, Cause.REVERSAL): Transition(State.REVERSED, f"{_UNDONE}, behind the advice"),
    (State.ADVISED, Cause.PARTIAL_REVERSAL): Transition(State.ADVISED, f"{_PARTLY}, behind the advice"),
    (State.ADVISED, Cause.LATE_ANSWER): Transition(State.ADVISED, _DROPPED),
    (State.DECLINED, Cause.COPIED): Transition(State.DECLINED, _AGAIN),
    (State.DECLINED, Cause.REVERSAL): Transition(State.DECLINED, _TAKEN),
    (State.DECLINED, Cause.PARTIAL_REVERSAL): Transition(State.DECLINED, _TAKEN),
    (State.DECLINED, Cause.LATE_ANSWER): Transition(State.DECLINED, _DROPPED),
    (State.UNKNOWN, Cause.COPIED): Transition(State.UNKNOWN, _AGAIN),
    (State.UNKNOWN, Cause.REVERSAL): Transition(State.UNKNOWN, _TAKEN),
    (State.UNKNOWN, Cause.PARTIAL_REVERSAL): Transition(State.UNKNOWN, _TAKEN),
    (State.UNKNOWN, Cause.LATE_ANSWER): Transition(State.UNKNOWN, _DROPPED),
    (State.REVERSED, Cause.COPIED): Transition(State.REVERSED, "0110/21: what is reversed is no approval any more"),
    (State.REVERSED, Cause.REVERSAL): Transition(State.REVERSED, _TAKEN),
    (State.REVERSED, Cause.PARTIAL_REVERSAL): Transition(State.REVERSED, _TAKEN),
    (State.REVERSED, Cause.LATE_ANSWER): Transition(State.REVERSED, _DROPPED),
}

IN_FLIGHT: Final = frozenset({State.OPENING, State.FORWARDED, State.WITHDRAWN})
"""Somebody still waits for these; every other state but NEW is an end."""

OPEN_ROWS: Final = (State.FORWARDED.value, State.WITHDRAWN.value)
"""States whose rows a restart has to load: an issuer may hold money for them and nobody here knows."""


def advance(state: State, cause: Cause) -> State:
    """Return the state after `cause`.

    Raises
    ------
    AssertionError
        The table does not know this step: a programmer's mistake, never a peer's.
    """
    transition = TRANSITIONS.get((state, cause))
    assert transition is not None, f"a leg that is {state.value} cannot see: {cause.value}"
    return transition.state


def render() -> str:
    """Return docs/reference/switch-states.md: the table and a Mermaid diagram."""
    lines = [
        "# States of a leg in the switch",
        "",
        "Printed from `switch/core/states.py` by `python -m switch.core.states`; a test compares. Do not edit.",
        "",
        "A pair that is not in the table cannot happen; the switch asserts so at run time.",
        "",
        "| state | what happens | next state | what the switch records |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {state.value} | {cause.value} | {transition.state.value} | {transition.records} |"
        for (state, cause), transition in TRANSITIONS.items()
    ]
    lines += ["", "Steps that lead nowhere else are left out of the picture.", "", "```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{state.value}" as {_id(state)}' for state in State if _id(state) != state.value]
    lines += [f"    [*] --> {_id(State.NEW)}"]
    lines += [
        f"    {_id(state)} --> {_id(transition.state)}: {cause.value}"
        for (state, cause), transition in TRANSITIONS.items()
        if transition.state is not state
    ]
    lines += ["```", ""]
    return "\n".join(lines)


def _id(state: State) -> str:
    """Return what Mermaid calls a state: one word."""
    return state.value.replace(" ", "_")


if __name__ == "__main__":
    print(render(), end="")
