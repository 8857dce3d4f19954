"""What a gateway owes, worked by hand: one duty at a time, as the worker takes many."""

from __future__ import annotations

from gateway.core.records import Obligation
from gateway.handlers.context import Ports
from gateway.handlers.duties import Look, look
from gateway.handlers.sending import attempt


async def work_one(ports: Ports, holder: str) -> Obligation | None:
    """Take one duty that is due and try to fulfil it; return it after the attempt, None if none was due."""
    ports = ports._replace(holder=holder)
    for duty, record in (await look(ports, 1)).taken:
        return await attempt(ports, duty, record)
    return None


async def owed(ports: Ports) -> Look:
    """Return what is owed, and take nothing of it."""
    return await look(ports, 0)
