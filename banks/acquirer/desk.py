"""What the control port does with an acquirer: its books, its merchants and terminals, and what is to be presented.

Everything happens inside the node, in a turn: a merchant that was suspended is, in the file and in the next request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from banks.acquirer.booking import pending_account, reserve_account
from banks.acquirer.host import AcquirerHost
from banks.acquirer.presenting import presented, unpresented
from banks.core.adjustments import ADJUSTMENTS, AdjustmentRow, adjustments_account
from banks.core.clearings import CLEARINGS, ClearingRow, sequence_of
from banks.core.identity import payment_of
from banks.core.intents import INTENTS, IntentRow
from banks.core.merchants import Merchant, Terminal
from banks.desk import BooksDesk, account_view, scan
from banks.ledger import Outcome
from iso.errors import CardrailsError
from iso.money import CURRENCIES
from iso.pan import mask_text
from node.bank_ports import Adjustment, BankRefusalError, Page
from node.runtime import Runtime

_OF_ONE_PAYMENT_MAX = 100
_PAYMENT_PARTS = 4
_HIDDEN = frozenset({"token", "private", "extra"})
"""Columns of an intent that no answer shows: which card it was, and what else the answers said."""


class AcquirerDesk(BooksDesk):
    """Books and merchants of an acquirer; see `node.bank_ports.AcquirerPort`."""

    def __init__(self, runtime: Runtime, host: AcquirerHost) -> None:
        super().__init__("acquirer", runtime, host, host.books.ledger, host.rules.journal_timeout_s)
        self._acquirer = host
        self._adjusted: dict[str, AdjustmentRow] = {}
        """Adjustments since the start; older ones are in the journal."""

    async def merchants(self, page: Page) -> dict[str, Any]:
        """Return merchants, oldest first."""

        async def look() -> dict[str, Any]:
            found, following = scan(self._acquirer.books.directory.merchants, page, lambda _: True)
            return {"merchants": [merchant_view(merchant) for merchant in found], "next": following}

        return await self._runtime.call(look)

    async def merchant(self, identifier: str) -> dict[str, Any]:
        """Return one merchant with its terminals and its balances per currency."""

        async def look() -> dict[str, Any]:
            return self._whole(self._known(identifier))

        return await self._runtime.call(look)

    async def add_merchant(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Take a merchant on."""
        identifier = str(_plain(columns["merchant"])).strip()
        others = {name: _plain(value) for name, value in columns.items() if name != "merchant"}

        async def act() -> dict[str, Any]:
            books = self._acquirer.books
            if identifier in books.directory.merchants:
                raise BankRefusalError("conflict", "merchant: there is one of this identifier")
            if missing := {"name", "mcc", "country", "city"} - others.keys():
                raise BankRefusalError("invalid", f"columns: {', '.join(sorted(missing))} are needed")
            blank = Merchant(identifier, "", "", "", "")
            merchant = self._fit(lambda: blank.changed(others).checked())
            books.put_merchant(merchant, self._host.desk.turn)
            return self._whole(merchant)

        return await self._runtime.call(act)

    async def change_merchant(self, identifier: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change columns of a merchant; all of them or, if one cannot be, none."""

        async def act() -> dict[str, Any]:
            known = self._known(identifier)
            wanted = {name: _plain(value) for name, value in changes.items()}
            merchant = self._fit(lambda: known.changed(wanted))
            self._acquirer.books.put_merchant(merchant, self._host.desk.turn)
            return self._whole(merchant)

        return await self._runtime.call(act)

    async def add_terminal(self, merchant: str, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Give a merchant a terminal."""
        identifier = str(columns["terminal"])
        others = {name: value for name, value in columns.items() if name != "terminal"}
        if unknown := others.keys() - {"pin_key", "capabilities"}:
            raise BankRefusalError("invalid", f"columns: a terminal has no {', '.join(sorted(unknown))}")
        texts = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in others.items()}

        async def act() -> dict[str, Any]:
            books, owner = self._acquirer.books, self._known(merchant)
            if identifier in books.directory.terminals:
                raise BankRefusalError("conflict", "terminal: there is one of this identifier")
            terminal = Terminal(identifier, owner.identifier, **texts)
            try:
                books.put_terminal(terminal.checked(), self._host.desk.turn)
            except CardrailsError as error:
                problem = str(error)
            else:
                return self._whole(owner)
            raise BankRefusalError("invalid", problem)

        return await self._runtime.call(act)

    async def unpresented(self, limit: int, after: str = "") -> list[dict[str, Any]]:
        """Return captures and refunds that have not been presented, oldest first."""

        async def look() -> list[dict[str, Any]]:
            return [self._clearing(row) for row in await unpresented(self._acquirer, limit, after)]

        return await self._runtime.call(look)

    async def presented(self, arns: Sequence[str]) -> list[dict[str, Any]]:
        """Mark captures and refunds as presented; one outcome each, the same for the same ARN."""

        async def act() -> list[dict[str, Any]]:
            return [{"arn": arn, "outcome": (await presented(self._acquirer, arn)).name.lower()} for arn in arns]

        return await self._runtime.call(act)

    async def adjust(self, adjustment: Adjustment) -> dict[str, Any]:
        """Move money by hand, between an account and what was adjusted before."""

        async def act() -> dict[str, Any]:
            known = self._adjusted.get(adjustment.reference)
            if known is None:
                rows = await self.find(ADJUSTMENTS, 1, reference=adjustment.reference)
                stored = AdjustmentRow(*rows[0]) if rows else None
                # It may have been ordered twice while the journal was asked.
                known = self._adjusted.get(adjustment.reference) or stored
            if known is None:
                self._adjusted[adjustment.reference] = self._adjust(adjustment)
            elif (known.account, known.amount_minor) != (adjustment.account, adjustment.amount_minor):
                raise BankRefusalError("conflict", "its reference stands for another adjustment")
            return account_view(self._ledger.accounts[adjustment.account])

        return await self._runtime.call(act)

    def _adjust(self, order: Adjustment) -> AdjustmentRow:
        ledger, turn = self._ledger, self._host.desk.turn
        account = ledger.accounts.get(order.account)
        if account is None:
            raise BankRefusalError("absent", "account: there is none of this name")
        other = adjustments_account(account.currency)
        ledger.open_account(other, account.currency, turn, may_overdraw=True)
        payer, payee = (other, account.name) if order.amount_minor > 0 else (account.name, other)
        outcome = ledger.transfer(payer, payee, abs(order.amount_minor), f"adjustment/{order.reference}", turn)
        if outcome is not Outcome.DONE:
            raise BankRefusalError("conflict" if outcome is Outcome.INSUFFICIENT_FUNDS else "invalid", outcome.value)
        row = AdjustmentRow(order.reference, account.name, order.amount_minor, order.caller, turn.at.isoformat())
        turn.store(ADJUSTMENTS, row)
        return row

    async def payment(self, reference: str) -> dict[str, Any]:
        """Return the requests, captures and refunds of a payment: by RRN, name, or what an entry refers to."""

        async def look() -> dict[str, Any]:
            rrn = await self._rrn(reference)
            intents = await self.find(INTENTS, _OF_ONE_PAYMENT_MAX, rrn=rrn) if rrn else []
            cleared = await self.find(CLEARINGS, _OF_ONE_PAYMENT_MAX, rrn=rrn) if rrn else []
            return {
                "requests": [self._intent(IntentRow(*row)) for row in intents],
                "clearings": [self._clearing(ClearingRow(*row)) for row in cleared],
            }

        return await self._runtime.call(look)

    async def _rrn(self, reference: str) -> str:
        head, _, rest = reference.partition("/")
        if not rest:
            return reference
        if head == "payment":
            parts = reference.split("/")
            return parts[2] if len(parts) == _PAYMENT_PARTS else ""
        rows = await self.find(CLEARINGS, 1, identifier=sequence_of(rest))
        return ClearingRow(*rows[0]).rrn if rows else ""

    def _known(self, identifier: str) -> Merchant:
        merchant = self._acquirer.books.directory.merchants.get(identifier.strip())
        if merchant is None:
            raise BankRefusalError("absent", "merchant: there is none of this identifier")
        return merchant

    def _fit(self, make: Any) -> Merchant:
        try:
            merchant: Merchant = make()
        except CardrailsError as error:
            problem = str(error)
        else:
            if self._acquirer.books.fee_plans.knows(merchant.fee_plan):
                return merchant
            problem = "fee_plan: there is no such plan"
        raise BankRefusalError("invalid", problem)

    def _whole(self, merchant: Merchant) -> dict[str, Any]:
        books = self._acquirer.books
        owned = [item for item in books.directory.terminals.values() if item.merchant == merchant.identifier]
        terminals = [
            {"terminal": item.identifier, "pin_key": item.pin_key, "capabilities": item.capabilities} for item in owned
        ]
        balances = [balance for code in CURRENCIES if (balance := self._balance(merchant.identifier, code.numeric))]
        return {**merchant_view(merchant), "terminals": terminals, "balances": balances}

    def _balance(self, merchant: str, currency: str) -> dict[str, Any] | None:
        accounts = self._acquirer.books.ledger.accounts
        names = {
            "pending": pending_account(merchant, currency),
            "available": f"merchant/{merchant}/available/{currency}",
            "reserve": reserve_account(merchant, currency),
        }
        if not any(name in accounts for name in names.values()):
            return None
        figures = {
            f"{part}_minor": accounts[name].posted_minor if name in accounts else 0 for part, name in names.items()
        }
        return {"currency": currency, **figures}

    def _intent(self, row: IntentRow) -> dict[str, Any]:
        shown = {name: value for name, value in row._asdict().items() if name not in _HIDDEN}
        return {**shown, "payment": payment_of(self._acquirer.rules.acquirer_id, row.rrn, row.terminal)}

    def _clearing(self, row: ClearingRow) -> dict[str, Any]:
        return {**row._asdict(), "acquirer": self._acquirer.rules.acquirer_id}


def merchant_view(merchant: Merchant) -> dict[str, Any]:
    """Return a merchant as JSON."""
    columns = merchant._asdict()
    return {"merchant": columns.pop("identifier"), **columns}


def _plain(value: Any) -> str | int:
    """Return a value as the directory takes it: yes and no are 1 and 0 there, and no card number is stored."""
    if mask_text(str(value)) != str(value):
        raise BankRefusalError("invalid", "columns: no card number belongs into the directory")
    return int(value) if isinstance(value, bool) else value
