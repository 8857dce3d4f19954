"""What a gateway or terminal sends to an acquirer after a payment, and the acquirer's books as they are on disk."""

from __future__ import annotations

from banks.core.merchants import Directory, Merchant, Terminal
from banks.ledger import AccountRow, EntryRow, verify
from iso import Message
from iso.mti import first_mti
from iso.original import OriginalData
from iso.private import build_private
from iso.replacement import ReplacementAmounts
from node.core.saf import SafEntry
from tests.support.banks import AcquirerBench, at_acquirer, changed

LATER = "0314093000"
SHOP = Merchant("MERCHANT0000001", "The Shop", "5999", "US", "Springfield", reserve_bp=500)
CAFE = Merchant("MERCHANT0000003", "The Cafe", "5812", "US", "Springfield", fee_plan="none", over_capture_percent=20)
STALL = Merchant("MERCHANT0000004", "The Stall", "5999", "US", "Springfield", may_refund_unlinked=1)
MONEY = Directory(
    [SHOP, CAFE, STALL],
    [
        Terminal("TERM0001", SHOP.identifier),
        Terminal("TERM0002", SHOP.identifier),
        Terminal("TERM0003", CAFE.identifier),
        Terminal("TERM0004", STALL.identifier),
    ],
)
"""A shop with a reserve and two terminals, a restaurant that may capture more, a stall that may refund freely."""


class MoneyBench(AcquirerBench):
    """An acquirer that takes payments, with what a test asks of its books."""

    directory = MONEY

    def paid(self, request: Message | None = None, code: str = "00", **extra: str) -> Message:
        """Send a 0100 or 0200 and let the network answer it; return what the gateway gets."""
        self.gateway_says(request or at_acquirer())
        (answer,) = self.network_answers(code, **extra)
        return answer

    def told(self, message: Message) -> Message:
        """Send what the acquirer answers itself; return its answer."""
        (answer,) = self.gateway_says(message)
        return answer

    def balance(self, name: str, currency: str = "840") -> int:
        """What an account has; 0 if there is none."""
        account = self.host.books.ledger.accounts.get(f"{name}/{currency}")
        return account.posted_minor if account is not None else 0

    def paid_by_rrn(self, request: Message) -> Message:
        """As `paid`, where other messages to the network are waiting for answers as well."""
        self.gateway_says(request)
        asked = [message for message in self.sent["network"] if message.mti == request.mti]
        (answer,) = self.network_answers("00", to=asked[-1])
        return answer

    def owed(self, mti: str) -> list[Message]:
        """Every message of one type that store-and-forward has or had, oldest first."""
        entries = [SafEntry.from_row(row) for row in self.journal.rows["saf"].values()]
        return [entry.message for entry in entries if entry.message.mti == mti]

    @property
    def pending(self) -> int:
        """What is pending for the shop."""
        return self.balance(f"merchant/{SHOP.identifier}/pending")

    def advices(self, mti: str) -> list[Message]:
        """Every message of one type that went to the network."""
        return [message for message in self.sent.get("network", []) if message.mti == mti]

    def audit(self) -> list[str]:
        """Audit the ledger as it is on disk, and whether memory is what is on disk."""
        rows = self.journal.rows
        accounts = [AccountRow(*row) for row in rows["accounts"].values()]
        problems = verify([EntryRow(*row) for row in rows["entries"].values()], accounts)
        in_memory = {account.row() for account in self.host.books.ledger.accounts.values()}
        return problems + ([] if in_memory == set(accounts) else ["memory is not what is on disk"])


def adding_to(original: Message, stan: str, amount_minor: int, rrn: str | None = None) -> Message:
    """Return the 0100 that adds to an authorisation."""
    return original.with_fields(
        {4: f"{amount_minor:012d}", 7: LATER, 11: stan, 37: rrn, 48: None, 90: OriginalData.of(original).to_de90()}
    )


def capture_of(
    original: Message, stan: str, amount_minor: int | None = None, *, more: bool = False, **changes: str | None
) -> Message:
    """Return the 0220 that captures an authorisation; `more`: others may follow."""
    kept = (2, 3, 4, 12, 13, 41, 42, 49)
    fields: dict[int, str | None] = {element: original.get(element) for element in kept}
    fields |= {7: LATER, 11: stan, 39: "00", 90: OriginalData.of(original).to_de90()}
    fields[48] = build_private({"16": "01P" if more else "01F"})
    if amount_minor is not None:
        fields[4] = f"{amount_minor:012d}"
    return Message("0220", changed(fields, changes))


def refund_of(original: Message, stan: str, amount_minor: int, **changes: str | None) -> Message:
    """Return the 0200 that refunds a payment."""
    kept = (2, 12, 13, 41, 42, 49)
    fields: dict[int, str | None] = {element: original.get(element) for element in kept}
    fields |= {3: "200000", 4: f"{amount_minor:012d}", 7: LATER, 11: stan, 90: OriginalData.of(original).to_de90()}
    return Message("0200", changed(fields, changes))


def undoing(original: Message, stan: str, remains_minor: int | None = None, mti: str = "0420") -> Message:
    """Return the reversal of any message; `remains_minor`: of a part of it."""
    kept = (2, 3, 4, 12, 13, 41, 42, 49)
    fields = {element: original[element] for element in kept if element in original}
    named = original.with_fields({}, mti=first_mti(original.mti))
    fields |= {7: "0314094000", 11: stan, 90: OriginalData.of(named).to_de90()}
    if remains_minor is not None:
        fields[95] = ReplacementAmounts(remains_minor).to_de95()
    return Message(mti, fields)


def totals_of(terminal: str = "TERM0001", stan: str = "000500", mti: str = "0500", **changes: str | None) -> Message:
    """Return a request for totals that states a terminal without any money; `de88="..."` changes an element."""
    fields: dict[int, str | None] = {7: LATER, 11: stan, 41: terminal, 50: "840"}
    fields |= dict.fromkeys((74, 75, 76, 77), f"{0:010d}")
    fields |= dict.fromkeys((86, 87, 88, 89), f"{0:016d}")
    return Message(mti, changed(fields, changes))
