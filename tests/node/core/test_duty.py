"""Duties under leases: worked by one holder at a time, taken over when it dies, and never dropped."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from node.core.duty import (
    DONE,
    OPEN,
    REFUSED,
    Duty,
    DutyRules,
    claimed,
    failed,
    fulfilled,
    may_claim,
    refused,
    reopened,
)
from tests.support.links import EPOCH

RULES = DutyRules(lease_s=60.0, backoff_first_s=1.0, backoff_max_s=8.0)


def duty(attempts: int = 0) -> Duty:
    return Duty("d1", OPEN, attempts, EPOCH, None, None)


class TestLease:
    """Nobody takes a duty whose lease is running; a lease that has run out is free."""

    def test_a_fresh_duty_may_be_claimed(self) -> None:
        assert may_claim(duty(), EPOCH)
        assert not may_claim(duty(), EPOCH - timedelta(seconds=1))

    def test_under_a_running_lease_it_may_not(self) -> None:
        taken = claimed(duty(), "gateway-1", EPOCH, RULES)

        assert (taken.holder, taken.attempts) == ("gateway-1", 1)
        assert not may_claim(taken, EPOCH + timedelta(seconds=59))
        assert may_claim(taken, EPOCH + timedelta(seconds=60))

    def test_one_that_is_done_is_nobodys(self) -> None:
        done = fulfilled(claimed(duty(), "gateway-1", EPOCH, RULES))

        assert (done.state, done.holder) == (DONE, None)
        assert not may_claim(done, EPOCH + timedelta(days=1))


class TestFailure:
    """A failed attempt gives the duty back, with a pause that doubles up to its maximum."""

    @given(st.integers(1, 60))
    def test_the_pause_doubles_up_to_its_maximum(self, attempts: int) -> None:
        given_back = failed(duty(attempts), EPOCH, RULES)

        pause = given_back.due_at - EPOCH
        assert pause == timedelta(seconds=min(2.0 ** (attempts - 1), 8.0))
        assert not may_claim(given_back, EPOCH)
        assert may_claim(given_back, given_back.due_at)


class TestRefusal:
    """What was refused for good is nobody's, until it is opened again; then the next attempt is a repeat."""

    def test_it_is_nobodys_and_says_since_when(self) -> None:
        ended = refused(claimed(duty(), "gateway-1", EPOCH, RULES), EPOCH + timedelta(seconds=2))

        assert (ended.state, ended.holder, ended.due_at) == (REFUSED, None, EPOCH + timedelta(seconds=2))
        assert not may_claim(ended, EPOCH + timedelta(days=1))

    def test_opened_again_it_is_due_and_its_attempts_still_count(self) -> None:
        later = EPOCH + timedelta(hours=1)
        again = reopened(refused(claimed(duty(), "gateway-1", EPOCH, RULES), EPOCH), later)

        assert may_claim(again, later)
        assert claimed(again, "gateway-2", later, RULES).attempts == 2
