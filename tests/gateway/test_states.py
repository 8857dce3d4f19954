"""The table of a payment's states: every state and event, in every way to pay."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.intents import (
    CAPTURE_METHODS,
    CONFIRMATION_METHODS,
    EVENTS,
    FINAL,
    MOVES,
    RESERVED,
    STATES,
    Mode,
    next_status,
    refusal,
)
from gateway.core.intents_page import render

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "payment-states.md"
MODES = [Mode(*parts) for parts in product(CAPTURE_METHODS, CONFIRMATION_METHODS, (False, True))]


class TestStates:
    """A payment moves by the table or not at all."""

    def test_the_table_knows_no_other_states(self) -> None:
        assert {state for move in MOVES for state in (move.before, move.after)} == set(STATES)

    def test_nothing_leads_to_what_is_reserved(self) -> None:
        assert not {move.after for move in MOVES} & set(RESERVED)

    @pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(map(str, mode)))
    def test_one_row_at_most_counts_for_a_payment(self, mode: Mode) -> None:
        counted = [(move.event, move.before) for move in MOVES if move.fits(mode)]

        assert len(counted) == len(set(counted))

    @pytest.mark.parametrize("state", [*STATES, *RESERVED])
    @pytest.mark.parametrize("event", EVENTS)
    def test_every_event_in_every_state_is_a_move_or_a_refusal(self, state: str, event: str) -> None:
        if any(next_status(state, event, mode) is None for mode in MODES):
            error = refusal(state, event, {"id": "pi_1"})

            assert (error.status, error.code) == (400, "payment_intent_unexpected_state")
            assert error.body()["error"]["payment_intent"] == {"id": "pi_1"}

    @given(st.sampled_from(MODES), st.lists(st.sampled_from(EVENTS), max_size=30))
    def test_money_comes_from_an_approval_and_the_end_is_final(self, mode: Mode, events: list[str]) -> None:
        state, is_approved = "requires_payment_method", False

        for event in events:
            before, state = state, next_status(state, event, mode) or state
            is_approved = is_approved or (event == "approve" and state != before)
            if state in ("requires_capture", "succeeded"):
                assert is_approved
            if before in FINAL:
                assert state == before

    @pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(map(str, mode)))
    def test_only_a_manual_capture_waits_for_one(self, mode: Mode) -> None:
        approved = next_status("processing", "approve", mode)

        assert approved == ("requires_capture" if mode.capture == "manual" else "succeeded")

    def test_the_page_says_what_the_table_says(self) -> None:
        assert PAGE.read_text("utf-8") == render()
