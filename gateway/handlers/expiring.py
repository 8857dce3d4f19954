"""Authorisations end when their time is up by the business clock, whether or not anybody asks."""

from __future__ import annotations

from gateway.core.books import Books
from gateway.core.captures import expire
from gateway.handlers.context import Ports

_AT_ONCE = 64


async def expire_due(ports: Ports) -> int:
    """End the authorisations whose time is up; what they held is owed to the network as voids.

    Returns
    -------
    int
        How many were ended; what is busy is left for the next time.
    """
    at = ports.now()

    def work(books: Books) -> int:
        return sum(expire(books, charge, at) is not None for charge in books.expiring(at.created, _AT_ONCE))

    count = await ports.store.write(work)
    if count:
        ports.owed()
    return count
