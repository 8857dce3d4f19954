"""The acquirer's books at a glance, for the control port."""

from __future__ import annotations

from typing import Any

from banks.acquirer.books import AcquirerBooks
from banks.core import intents
from banks.core.batches import BatchRow


def overview(books: AcquirerBooks) -> dict[str, Any]:
    """Summarise for the control port; JSON-able, without card numbers."""
    return {
        "intents": books.counted(intents.INTENTS_MADE),
        "remembered": len(books.memory),
        "tombstones": len(books.tombstones),
        "merchants": [merchant._asdict() for merchant in books.directory.merchants.values()],
        "terminals": [terminal._asdict() for terminal in books.directory.terminals.values()],
        "accounts": [
            {"account": account.name, "currency": account.currency, "posted_minor": account.posted_minor}
            for account in books.ledger.accounts.values()
        ],
        "totals": books.ledger.totals(),
        "unpresented": len(books.clearings),
        "batches": [
            {"terminal": batch.terminal, "currency": batch.currency, "number": batch.number, **_figures(batch)}
            for batch in books.batches.values()
        ],
    }


def _figures(batch: BatchRow) -> dict[str, int]:
    names = ("credits", "credit_reversals", "debits", "debit_reversals")
    return {column: getattr(batch, column) for name in names for column in (name, f"{name}_minor")}
