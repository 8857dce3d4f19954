"""A double-entry ledger: integer minor units, append-only, hash-chained, zero in sum per currency at all times."""

from banks.ledger.book import Ledger
from banks.ledger.chain import Audit, verify
from banks.ledger.rows import AccountRow, EntryRow, HeadRow, HoldRow, Outcome

__all__ = ["AccountRow", "Audit", "EntryRow", "HeadRow", "HoldRow", "Ledger", "Outcome", "verify"]
