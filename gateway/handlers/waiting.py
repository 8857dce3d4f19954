"""Waiting for what is owed: a request that rests on earlier messages lets the worker bring them first, for a moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from gateway.core.books import Books
from gateway.core.obligations import micros
from gateway.core.records import Obligation, SendRecord
from gateway.core.sends import CAPTURE, REFUND
from gateway.handlers.context import Ports
from node.core.duty import OPEN

_CHARGES_MAX = 64
_FOR_EVER = 2**62
_MONEY = (CAPTURE, REFUND)

Look = Callable[[Books, int], list[str]]


async def until_worked(ports: Ports, look: Look) -> None:
    """Wait until nothing is left that the worker is at, or is about to begin; no longer than our patience.

    Parameters
    ----------
    look
        From the books and now (Unix microseconds of wall time) to the charges that are being worked.
    """
    until = ports.wall() + timedelta(seconds=ports.timeouts.patience_s)
    for _ in range(_CHARGES_MAX):
        charges = await _seen(ports, look)
        left_s = (until - ports.wall()).total_seconds()
        if not charges or left_s <= 0:
            return
        watch = ports.watch(charges[0])
        try:
            # Seen again now that no end of an attempt can be missed.
            if charges[0] in await _seen(ports, look):
                await watch.wait(left_s)
        finally:
            watch.close()


async def _seen(ports: Ports, look: Look) -> list[str]:
    now = micros(ports.wall())
    return await ports.store.read(lambda books: look(books, now))


def of_message(send: str) -> Look:
    """Look at one message: its charge is worked until it has arrived, or an attempt has failed."""

    def look(books: Books, now: int) -> list[str]:
        duty = books.get(Obligation, send)
        if duty is None or duty.state != OPEN:
            return []
        first = books.find(Obligation, {"charge": duty.charge, "state": OPEN})[0]
        return [duty.charge] if _is_worked(first, now) else []

    return look


def of_account(account: str) -> Look:
    """Look at every capture and refund of an account."""

    def look(books: Books, now: int) -> list[str]:
        found = []
        for duty in books.due(_FOR_EVER, _CHARGES_MAX):
            record = books.get(SendRecord, duty.send) if _is_worked(duty, now) else None
            if record is not None and record.account == account and record.kind in _MONEY:
                found.append(duty.charge)
        return found

    return look


def _is_worked(duty: Obligation, now: int) -> bool:
    """Whether somebody is at it, or will be at once; what waits after a failed attempt is not."""
    return (duty.leased_until or 0) > now or duty.due_at <= now
