"""What a bank shows at the control port, and what it lets itself be told there.

Everything is JSON-able, and no answer holds a card number. A method returns once the turn that it saw is durable, so
that nobody reads what a crash could take back. What a bank will not do is a `BankRefusalError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from iso.errors import CardrailsError

LIMIT_MAX = 1_000
"""Rows of one answer."""
SCAN_MAX = 50_000
"""Rows that one question looks at: with a million cards the rest waits for the next one, and so do no payments."""

Cause = Literal["absent", "conflict", "invalid", "silent"]


class BankRefusalError(CardrailsError):
    """A bank does not do what it is asked.

    `cause`: absent (there is no such thing), conflict (not as things stand), invalid (never), silent (its HSM or its
    journal says nothing; ask again).
    """

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause


class Page(NamedTuple):
    """Which part of a list is wanted: up to `limit` rows after `after` (the `next` of the page before; 0 = first)."""

    after: int = 0
    limit: int = 100


class Adjustment(NamedTuple):
    """Money moved by hand, between an account and the bank's equity.

    Attributes
    ----------
    amount_minor
        Credited to the account; debited if negative.
    reference
        Names it for ever: the same adjustment again changes nothing, another one under its name is refused.
    caller
        Who wants it.
    """

    account: str
    amount_minor: int
    reference: str
    caller: str = ""


class BooksPort(Protocol):
    """The books of a bank."""

    async def ledger(self) -> dict[str, Any]:
        """Return where the hash chain ends, and what all balances come to per currency."""
        ...

    async def accounts(self, page: Page, *, prefix: str = "", currency: str = "", last4: str = "") -> dict[str, Any]:
        """Return balances, oldest account first."""
        ...

    async def statement(self, account: str, before: str, limit: int) -> dict[str, Any]:
        """Return entries of an account, newest first; `before` is the `next` of the page before."""
        ...

    async def payment(self, reference: str) -> dict[str, Any]:
        """Return everything that a bank has stored about the payment that an entry refers to, or of an RRN."""
        ...

    async def adjust(self, adjustment: Adjustment) -> dict[str, Any]:
        """Move money by hand; return the account's balances."""
        ...


class IssuerPort(Protocol):
    """The card file of an issuer, its scripted outcomes, and presentments."""

    async def cards(self, page: Page, last4: str = "") -> dict[str, Any]:
        """Return cards, oldest first: never a number."""
        ...

    async def issue(self, pan: str, columns: Mapping[str, Any], balance_minor: int) -> dict[str, Any]:
        """Put a card into the file; its number goes to the HSM for the fingerprint and nowhere else."""
        ...

    async def change_card(self, fingerprint: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change columns of a card."""
        ...

    async def scripts(self) -> dict[str, Any]:
        """Return the scripted outcomes in force, in the order in which they were put."""
        ...

    async def put_script(self, script: Mapping[str, Any]) -> dict[str, Any]:
        """Add a scripted outcome."""
        ...

    async def clear_scripts(self, card: str | None = None, number: int | None = None) -> dict[str, Any]:
        """End scripted outcomes: those of a card ("" = of all cards), one, or all; return how many."""
        ...

    async def present(self, presentments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Post presentments; one outcome each, the same for the same ARN."""
        ...


class AcquirerPort(Protocol):
    """The directory of an acquirer, and what it has taken for its merchants."""

    async def merchants(self, page: Page) -> dict[str, Any]:
        """Return merchants, oldest first."""
        ...

    async def merchant(self, identifier: str) -> dict[str, Any]:
        """Return one merchant with its terminals and its balances per currency."""
        ...

    async def add_merchant(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Take a merchant on."""
        ...

    async def change_merchant(self, identifier: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change columns of a merchant."""
        ...

    async def add_terminal(self, merchant: str, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Give a merchant a terminal."""
        ...

    async def unpresented(self, limit: int, after: str = "") -> list[dict[str, Any]]:
        """Return captures and refunds that have not been presented, oldest first."""
        ...

    async def presented(self, arns: Sequence[str]) -> list[dict[str, Any]]:
        """Mark captures and refunds as presented; one outcome each, the same for the same ARN."""
        ...
