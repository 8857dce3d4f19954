"""Who the acquirer takes payments for: merchants and their terminals, as data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

ACTIVE, INACTIVE = "active", "inactive"
NO_MERCHANT, NOT_THE_TERMINAL = "03", "58"
"""DE 39: unknown or inactive merchant; a terminal that is not the merchant's. Source: shared facts, iso8583 3.4."""


class Merchant(NamedTuple):
    """One merchant. `identifier` is DE 42, `mcc` DE 18 (4 digits), `country` two letters."""

    identifier: str
    name: str
    mcc: str
    country: str
    city: str
    status: str = ACTIVE

    def name_location(self) -> str:
        """Return DE 43: name (25), city (13), country (2)."""
        return f"{self.name[:25]:<25}{self.city[:13]:<13}{self.country[:2]:<2}"


class Terminal(NamedTuple):
    """One terminal. `identifier` is DE 41, `merchant` the DE 42 it belongs to."""

    identifier: str
    merchant: str


class Directory:
    """Merchants and terminals, by identifier."""

    def __init__(self, merchants: Iterable[Merchant], terminals: Iterable[Terminal]) -> None:
        self.merchants = {merchant.identifier: merchant for merchant in merchants}
        self.terminals = {terminal.identifier: terminal for terminal in terminals}

    def admit(self, merchant: str, terminal: str) -> Merchant | str:
        """Return the merchant if it may authorise at this terminal, else DE 39.

        Unknown or inactive merchant: 03. A terminal that is unknown or another merchant's: 58.
        """
        found = self.merchants.get(merchant)
        if found is None or found.status != ACTIVE:
            return NO_MERCHANT
        owner = self.terminals.get(terminal)
        return found if owner is not None and owner.merchant == merchant else NOT_THE_TERMINAL
