"""Straight-line conversations are resumed with their answer or with silence, once, and never by a stale deadline."""

from __future__ import annotations

from typing import Any

import pytest

from node.core.deadlines import Deadlines
from node.core.steps import UNKNOWN, Conversation, Reply, Stepper


async def asks(*keys: str, timeout_s: float = 5.0) -> list[Any]:
    return [await Reply(key, timeout_s) for key in keys]


class TestStepping:
    """A conversation runs up to its next question and goes on with what it is given."""

    def test_it_returns_what_it_was_given(self) -> None:
        steps, results = Stepper(), list[Any]()

        steps.start(asks("a", "b"), 0.0, results.append)
        assert steps.waits_for("a")
        assert not steps.waits_for("b")
        steps.resume("a", 1, 0.0)
        steps.resume("b", 2, 0.0)

        assert results == [[1, 2]]
        assert len(steps) == 0

    def test_a_key_that_nobody_waits_for_resumes_nobody(self) -> None:
        assert Stepper().resume("a", 1, 0.0) is False

    def test_two_conversations_never_wait_for_one_key(self) -> None:
        steps = Stepper()
        steps.start(asks("a"), 0.0)

        with pytest.raises(AssertionError, match="one key"):
            steps.start(asks("a"), 0.0)

    def test_closing_ends_all_of_them(self) -> None:
        steps = Stepper()
        steps.start(asks("a"), 0.0)

        steps.close()

        assert len(steps) == 0
        assert steps.resume("a", 1, 0.0) is False


class TestSilence:
    """Past its deadline a conversation goes on with UNKNOWN."""

    def test_at_the_deadline_it_is_resumed_with_unknown(self) -> None:
        steps, results = Stepper(), list[Any]()
        steps.start(asks("a"), 0.0, results.append)

        steps.expire(4.9)
        assert results == []
        steps.expire(5.0)

        assert results == [[UNKNOWN]]

    def test_a_stale_deadline_leaves_a_newer_conversation_alone(self) -> None:
        steps, results = Stepper(), list[Any]()
        steps.start(asks("a"), 0.0)
        steps.resume("a", 1, 1.0)
        steps.start(asks("a"), 1.0, results.append)

        steps.expire(5.0)
        assert results == []
        steps.expire(6.0)

        assert results == [[UNKNOWN]]

    def test_one_expiry_may_lead_to_the_next_question(self) -> None:
        steps, results = Stepper(), list[Any]()

        async def twice() -> list[Any]:
            return [await Reply("a", 1.0), await Reply("b", 9.0)]

        conversation: Conversation = twice()
        steps.start(conversation, 0.0, results.append)
        steps.expire(1.0)

        assert steps.waits_for("b")
        assert steps.deadline() == 10.0


class TestDeadlines:
    """A queue per duration: what expires comes in the order of its instants within each duration."""

    def test_nothing_expires_early_and_everything_expires_once(self) -> None:
        deadlines: Deadlines[str] = Deadlines()
        deadlines.set("slow", 10.0, 0.0)
        deadlines.set("fast", 1.0, 2.0)

        assert deadlines.next() == 3.0
        assert [key for _, key in deadlines.pop_expired(3.0)] == ["fast"]
        assert deadlines.next() == 10.0
        assert [key for _, key in deadlines.pop_expired(10.0)] == ["slow"]
        assert deadlines.next() is None

    def test_one_that_is_set_while_others_expire_is_kept(self) -> None:
        deadlines: Deadlines[str] = Deadlines()
        deadlines.set("first", 1.0, 0.0)

        for _ in deadlines.pop_expired(1.0):
            deadlines.set("second", 1.0, 1.0)

        assert deadlines.next() == 2.0
