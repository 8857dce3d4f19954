"""Duties that several workers share: a durable obligation is worked by whoever holds its lease.

A gateway that does not know the outcome of a payment owes the network a reversal. The duty is written with that
uncertainty, in one commit. Any worker may claim it for a while; if the worker dies, the lease runs out and another one
takes over. The peer's host is idempotent, so that two workers at once do no harm. What the peer refuses for good ends
as refused: kept, visible, and open again when somebody asks for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

OPEN, DONE, REFUSED = "open", "done", "refused"


class DutyRules(NamedTuple):
    """Durations in seconds of wall time; `attempts_alarm` attempts without success raise a warning in the log.

    `retry_codes` are the values of DE 39 (1987) with which a host says that it cannot take a message now.
    Source: shared facts, iso8583 3.7.
    """

    lease_s: float = 60.0
    backoff_first_s: float = 1.0
    backoff_max_s: float = 60.0
    attempts_alarm: int = 10
    retry_codes: frozenset[str] = frozenset({"09", "19", "68", "90", "91", "92", "96"})


class Duty(NamedTuple):
    """One obligation. Instants are timezone-aware UTC."""

    identifier: str
    state: str
    attempts: int
    due_at: datetime
    leased_until: datetime | None
    holder: str | None


def may_claim(duty: Duty, now: datetime) -> bool:
    """Whether a worker may take this duty at `now`: open, due, and nobody's lease on it is running."""
    is_free = duty.leased_until is None or duty.leased_until <= now
    return duty.state == OPEN and duty.due_at <= now and is_free


def claimed(duty: Duty, holder: str, now: datetime, rules: DutyRules) -> Duty:
    """Return the duty under the lease of `holder`, with one more attempt counted."""
    return duty._replace(attempts=duty.attempts + 1, leased_until=now + timedelta(seconds=rules.lease_s), holder=holder)


def failed(duty: Duty, now: datetime, rules: DutyRules) -> Duty:
    """Return the duty given back after an attempt without an acknowledgement, due after its back-off."""
    pause_s = min(rules.backoff_first_s * 2 ** min(max(duty.attempts - 1, 0), 30), rules.backoff_max_s)
    return duty._replace(due_at=now + timedelta(seconds=pause_s), leased_until=None, holder=None)


def fulfilled(duty: Duty) -> Duty:
    """Return the duty done."""
    return duty._replace(state=DONE, leased_until=None, holder=None)


def refused(duty: Duty, now: datetime) -> Duty:
    """Return the duty ended without success; its `due_at` says when."""
    return duty._replace(state=REFUSED, due_at=now, leased_until=None, holder=None)


def reopened(duty: Duty, now: datetime) -> Duty:
    """Return a refused duty open again, due at once; its attempts go on being counted, so that the next is a repeat."""
    return duty._replace(state=OPEN, due_at=now)
