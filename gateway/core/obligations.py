"""Between the row of an obligation and the chassis's duty rules, which decide who may work it and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.core.records import Obligation, SendRecord
from node.core.duty import OPEN, Duty, DutyRules, claimed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Return Unix microseconds of an aware instant."""
    return (at - _EPOCH) // _MICROSECOND


def instant(microseconds: int) -> datetime:
    """Return the aware UTC instant of Unix microseconds."""
    return _EPOCH + microseconds * _MICROSECOND


def incurred(record: SendRecord, now: datetime) -> Obligation:
    """Return the obligation to bring a message to the acquirer, due at once."""
    return Obligation(record.id, record.charge, OPEN, 0, micros(now), None, None)


def leased(row: Obligation, holder: str, now: datetime, rules: DutyRules) -> Obligation:
    """Return the row under the lease of `holder`, with one more attempt counted."""
    return with_duty(row, claimed(as_duty(row), holder, now, rules))


def as_duty(row: Obligation) -> Duty:
    """Return the duty that a row stands for."""
    leased_until = None if row.leased_until is None else instant(row.leased_until)
    return Duty(row.send, row.state, row.attempts, instant(row.due_at), leased_until, row.holder)


def with_duty(row: Obligation, duty: Duty) -> Obligation:
    """Return the row after the duty has changed."""
    return row._replace(
        state=duty.state,
        attempts=duty.attempts,
        due_at=micros(duty.due_at),
        leased_until=None if duty.leased_until is None else micros(duty.leased_until),
        holder=duty.holder,
    )
