"""What a new acquirer begins with. What is in its database wins over what its configuration says, which only adds."""

from __future__ import annotations

from collections.abc import Iterable

from banks.acquirer.books import AcquirerBooks
from banks.core.fees import FeePlanRow
from banks.core.merchants import Directory
from node.core.turn import Turn


def seed_directory(books: AcquirerBooks, directory: Directory, plans: Iterable[FeePlanRow], turn: Turn) -> None:
    """Add merchants, terminals and fee plans that are not there yet."""
    for plan in plans:
        if (plan.plan, plan.currency) not in books.fee_plans.rows:
            books.put_fee_plan(plan, turn)
    for merchant in directory.merchants.values():
        if merchant.identifier not in books.directory.merchants:
            books.put_merchant(merchant, turn)
    for terminal in directory.terminals.values():
        if terminal.identifier not in books.directory.terminals:
            books.put_terminal(terminal, turn)
