"""The table of transitions is whole: every pair is a step or is impossible; the document is printed from it."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from switch.core.states import IN_FLIGHT, OPEN_ROWS, TRANSITIONS, Cause, State, advance, render

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "switch-states.md"

ALIAS = re.compile(r'state "([^"]+)" as (\w+)')
EDGE = re.compile(r"(\[\*\]|\w+) --> (\w+)(?:: [\w -]+)?")

IMPOSSIBLE: dict[str, set[tuple[State, Cause]]] = {
    "nothing but a first look happens to a leg that nobody has looked at": {
        (State.NEW, cause) for cause in Cause if cause not in (Cause.REQUESTED, Cause.REFUSED)
    },
    "a leg is requested and opened once": {
        (state, cause)
        for state in State
        for cause in (Cause.REQUESTED, Cause.OPENED)
        if (state, cause) not in ((State.NEW, Cause.REQUESTED), (State.OPENING, Cause.OPENED))
    },
    "only what has not left is refused": {
        (state, Cause.REFUSED) for state in State if state not in (State.NEW, State.OPENING)
    },
    "only what is at the issuer is answered, or found unwritten": {
        (state, cause)
        for state in State
        for cause in (Cause.ISSUER_APPROVED, Cause.ISSUER_DECLINED, Cause.NOT_WRITTEN)
        if state not in (State.FORWARDED, State.WITHDRAWN)
    },
    "only what is in flight has a deadline": {(state, Cause.SILENCE) for state in State if state not in IN_FLIGHT},
    "stand-in decides about what waits for an issuer, and not about what its acquirer has reversed": {
        (state, Cause.STOOD_IN) for state in State if state not in (State.OPENING, State.FORWARDED)
    },
    "only an advice whose card is being opened is taken over": {
        (state, Cause.TAKEN_OVER) for state in State if state is not State.OPENING
    },
    "a restart loads what is at the issuer and nothing else": {
        (state, Cause.RESTART) for state in State if state.value not in OPEN_ROWS
    },
}


class TestTransitions:
    """Every state sees every cause, or a reason says why it cannot."""

    @pytest.mark.parametrize(("state", "cause"), list(product(State, Cause)), ids=str)
    def test_every_pair_is_legal_or_explicitly_impossible(self, state: State, cause: Cause) -> None:
        impossible = any((state, cause) in pairs for pairs in IMPOSSIBLE.values())

        assert ((state, cause) in TRANSITIONS) is not impossible

    @pytest.mark.parametrize(("state", "cause"), list(product(State, Cause)), ids=str)
    def test_an_impossible_step_is_refused_at_run_time(self, state: State, cause: Cause) -> None:
        if (state, cause) in TRANSITIONS:
            assert advance(state, cause) is TRANSITIONS[state, cause].state
        else:
            with pytest.raises(AssertionError, match=f"{state.value} cannot see: {cause.value}"):
                advance(state, cause)

    def test_every_state_can_be_reached(self) -> None:
        reached = {State.NEW}
        for _ in State:
            reached |= {step.state for (state, _), step in TRANSITIONS.items() if state in reached}

        assert reached == set(State)

    def test_an_end_never_becomes_an_approval(self) -> None:
        into_approved = {state for (state, _), step in TRANSITIONS.items() if step.state is State.APPROVED}

        into_stood_in = {state for (state, _), step in TRANSITIONS.items() if step.state is State.STOOD_IN}

        assert into_approved == {State.FORWARDED, State.APPROVED}
        assert into_stood_in == {State.OPENING, State.FORWARDED, State.STOOD_IN}

    def test_what_ended_never_waits_again(self) -> None:
        again = [
            (state, cause)
            for (state, cause), step in TRANSITIONS.items()
            if state not in IN_FLIGHT and state is not State.NEW and step.state in IN_FLIGHT
        ]

        assert again == []


class TestDocument:
    """The page is printed from the table."""

    def test_the_page_is_what_the_table_prints(self) -> None:
        assert DOCUMENT.read_text("utf-8") == render()

    def test_the_diagram_has_each_state_under_one_word_and_each_edge_between_two_of_them(self) -> None:
        lines = [line.strip() for line in render().split("stateDiagram-v2\n")[1].split("```")[0].splitlines()]
        renamed = {match[2]: match[1] for line in lines if (match := ALIAS.fullmatch(line))}
        edges = [match.groups() for line in lines if (match := EDGE.fullmatch(line))]

        names = {renamed.get(end, end) for edge in edges for end in edge} - {"[*]"}

        assert len(edges) + len(renamed) == len(lines)
        assert names == {state.value for state in State}
