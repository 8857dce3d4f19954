"""Several questions of one conversation leave in one turn, and it goes on when all answers are there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.conversations import ConversationHost
from node.core.events import Answered, Called
from node.core.steps import UNKNOWN
from node.core.turn import Turn

AT = datetime(2026, 3, 14, tzinfo=UTC)


class Bench:
    """A host without links, and one conversation that asks."""

    def __init__(self, *questions: str) -> None:
        self.host = ConversationHost([])
        self.results: list[Any] = []
        self.asked = self.take(Called(1, lambda: self.host.desk.ask_all("hsm", questions, 2.0))).asks

    def take(self, *events: Any, now: float = 0.0) -> Turn:
        turn = Turn(AT)
        for event in events:
            self.host.handle(event, now, turn)
        self.host.expire(now, turn)
        self.results += [value for _, value in turn.outs]
        return turn


class TestAskingSeveralThings:
    """The answers come back in the order of the questions, whatever order they come in."""

    def test_all_leave_in_one_turn(self) -> None:
        bench = Bench("a", "b", "c")

        assert [ask.request for ask in bench.asked] == ["a", "b", "c"]
        assert len({ask.key for ask in bench.asked}) == 3

    @given(st.permutations(range(4)), st.integers(0, 3))
    def test_in_any_order_and_over_any_turns(self, order: list[int], split: int) -> None:
        bench = Bench("a", "b", "c", "d")
        answers = [Answered(bench.asked[place].key, f"answer {place}") for place in order]

        bench.take(*answers[:split])
        before = list(bench.results)
        bench.take(*answers[split:])

        assert before == []
        assert bench.results == [[f"answer {place}" for place in range(4)]]

    def test_what_did_not_come_in_time_is_unknown_and_may_come_later(self) -> None:
        bench = Bench("a", "b")
        bench.take(Answered(bench.asked[1].key, "b it is"))

        bench.take(now=2.0)
        late = bench.take(Answered(bench.asked[0].key, "a it was"), now=3.0)

        assert bench.results == [[UNKNOWN, "b it is"]]
        assert late.is_empty

    def test_silence_of_a_port_is_an_answer_of_its_own(self) -> None:
        bench = Bench("a", "b")

        bench.take(*(Answered(ask.key, None) for ask in bench.asked))

        assert bench.results == [[UNKNOWN, UNKNOWN]]

    @pytest.mark.parametrize("questions", [(), ("a",)])
    def test_one_or_none_is_no_special_case(self, questions: tuple[str, ...]) -> None:
        bench = Bench(*questions)

        bench.take(*(Answered(ask.key, "yes") for ask in bench.asked))

        assert bench.results == [["yes"] * len(questions)]
