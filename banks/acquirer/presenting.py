"""What has to be presented to the issuers, and the note that it has been.

Whoever carries presentments asks for what is open, oldest first, takes each to the card's issuer and then reports it.
Both are conversations inside the node (`runtime.call`), so their answers wait for the commit of what they saw.
"""

from __future__ import annotations

from enum import Enum

from banks.acquirer.host import AcquirerHost
from banks.core import clearings
from banks.core.clearings import ClearingRow, sequence_of
from node.core.find import Find
from node.core.steps import UNKNOWN


class Marked(Enum):
    """What became of the note that something has been presented."""

    DONE = "presented"
    BEFORE = "has been presented before"
    REVERSED = "was reversed before it was presented"
    ABSENT = "no such capture or refund"
    SILENT = "the journal is silent; ask again"


async def unpresented(host: AcquirerHost, limit: int, after: str = "") -> list[ClearingRow]:
    """Return what has not been presented, oldest first.

    Parameters
    ----------
    limit
        At most so many.
    after
        ARN behind which to begin; "" for the first.

    Returns
    -------
    list[ClearingRow]
        Without captures that the network has not been told of yet: these wait for store-and-forward.
    """
    begin = sequence_of(after)
    found: list[ClearingRow] = []
    for row in host.books.clearings.values():
        if len(found) >= limit:
            break
        if row.identifier > begin and f"completion/{row.identifier}" not in host.saf.entries:
            found.append(row)
    return found


async def presented(host: AcquirerHost, arn: str) -> Marked:
    """Note that a capture or refund has been presented; the same ARN again changes nothing."""
    identifier = sequence_of(arn)
    row = host.books.clearings.get(identifier)
    if row is not None and row.arn == arn:
        turn = host.desk.turn
        at = turn.at.isoformat()
        host.books.put_clearing(row._replace(state=clearings.PRESENTED, presented_at=at), turn)
        return Marked.DONE
    where = {"identifier": identifier}
    rows = await host.desk.ask("journal", Find(clearings.CLEARINGS, where), host.rules.journal_timeout_s)
    if rows is UNKNOWN:
        return Marked.SILENT
    stored = ClearingRow(*rows[0]) if rows else None
    if stored is None or stored.arn != arn:
        return Marked.ABSENT
    return Marked.BEFORE if stored.presented_at else Marked.REVERSED
