"""The acquirer as a bank: what the gateway asks of it beside the wire, on its control port.

The acquirer decides whom it takes payments for. A merchant that it does not know cannot be paid, whatever the gateway's
books say; so it is asked first, and a merchant is written down here only once it agreed. What a merchant is owed is the
acquirer's ledger alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol


class Enrolment(NamedTuple):
    """A merchant that asks to be taken on, with its first terminal.

    Attributes
    ----------
    merchant, terminal
        DE 42 (15 characters) and DE 41 (8 characters). They follow from the account's id, so that asking again after
        an answer was lost names the same ones.
    name, city, country
        As DE 43 says them: at most 25 and 13 printable characters, two letters.
    mcc
        str[4] decimal.
    currency
        ISO 4217 numeric, of the settlement account.
    """

    merchant: str
    terminal: str
    name: str
    mcc: str
    city: str
    country: str
    currency: str


class Verdict(NamedTuple):
    """What the bank said. `detail` says why it refused, in a sentence that may be shown."""

    is_done: bool
    detail: str = ""


class BookingKey(NamedTuple):
    """What the acquirer knows a message of ours by: DE 41, 11 and 7."""

    terminal: str
    stan: str
    transmitted: str


class BookingFees(NamedTuple):
    """What was taken from the merchant, and for whom; minor units."""

    interchange: int = 0
    scheme: int = 0
    acquirer: int = 0


class Booking(NamedTuple):
    """A capture or refund in the acquirer's books. `reference` is its ARN; `amount` in minor units, never negative."""

    key: BookingKey
    reference: str
    amount: int
    fees: BookingFees


class Holding(NamedTuple):
    """What the acquirer holds for a merchant in one currency (ISO 4217 numeric), minor units; may be negative."""

    currency: str
    pending: int
    available: int


class Bank(Protocol):
    """The acquirer's control port. None everywhere means that it was silent: ask again."""

    async def enrol(self, enrolment: Enrolment) -> Verdict | None:
        """Take a merchant on, with its terminal; doing it again changes nothing and is done."""

    async def change_merchant(self, merchant: str, changes: Mapping[str, str]) -> Verdict | None:
        """Change `name`, `mcc`, `city` or `country` of a merchant (DE 42)."""

    async def holdings(self, merchant: str) -> list[Holding] | None:
        """Return what a merchant (DE 42) is owed, per currency."""

    async def bookings(self, rrns: Collection[str]) -> list[Booking] | None:
        """Return the captures and refunds of the payments with these RRNs, as they were booked."""

    def close(self) -> None:
        """Close the connections."""


class NoBank:
    """A bank that is out of reach: for a gateway that was started without the acquirer's control port."""

    async def enrol(self, enrolment: Enrolment) -> Verdict | None:
        """Say nothing."""
        return None

    async def change_merchant(self, merchant: str, changes: Mapping[str, str]) -> Verdict | None:
        """Say nothing."""
        return None

    async def holdings(self, merchant: str) -> list[Holding] | None:
        """Say nothing."""
        return None

    async def bookings(self, rrns: Collection[str]) -> list[Booking] | None:
        """Say nothing."""
        return None

    def close(self) -> None:
        """Do nothing: there are no connections."""
