"""The banks of a house through their control ports: what `node.control_bank` serves, typed, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from node.bank_ports import LIMIT_MAX
from node.control_client import ControlClient, ControlError

_NOT_FOUND = 404
PRESENT_WAIT_S = 20.0
"""Five hundred presentments may need rows that only the journal has."""


class BankClient:
    """Calls the banks of a house."""

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    def banks(self, nodes: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return those of the nodes that are banks, each with the end of its ledger; see `BooksPort.ledger`."""
        found = {}
        for node in nodes:
            try:
                found[node] = self.ledger(node)
            except ControlError as error:
                if error.status != _NOT_FOUND:
                    raise
        return found

    def ledger(self, node: str) -> dict[str, Any]:
        """Return where a bank's hash chain ends, and the sums of its balances."""
        return self._control.call("GET", node, "bank/ledger", "bank:read")

    def accounts(self, node: str, *, limit: int = 0, **wanted: str) -> Iterator[dict[str, Any]]:
        """Yield balances; `wanted`: prefix, currency (ISO 4217 numeric), last4. `limit` 0 = all."""
        return self._pages(node, "accounts", "accounts", limit, wanted)

    def statement(self, node: str, account: str, limit: int = 50, before: str = "") -> dict[str, Any]:
        """Return entries of an account, newest first; see `BooksPort.statement`."""
        asked = {"account": account, "limit": limit, "before": before}
        return self._control.call("GET", node, f"bank/statement?{urlencode(asked)}", "bank:read")

    def payment(self, node: str, reference: str) -> dict[str, Any]:
        """Return what a bank has stored about a payment, by the reference of an entry or by RRN."""
        return self._control.call("GET", node, f"bank/payment?{urlencode({'reference': reference})}", "bank:read")

    def adjust(self, node: str, account: str, amount_minor: int, reference: str) -> dict[str, Any]:
        """Credit an account, or debit it (`amount_minor` below zero); the same reference again changes nothing."""
        body = {"account": account, "amount_minor": amount_minor, "reference": reference}
        return self._control.call("POST", node, "bank/adjustments", "bank:write", body)

    # An issuer.

    def cards(self, node: str, *, limit: int = 0, **wanted: str) -> Iterator[dict[str, Any]]:
        """Yield cards; `wanted`: last4."""
        return self._pages(node, "cards", "cards", limit, wanted)

    def issue(self, node: str, pan: str, balance_minor: int = 0, **columns: Any) -> dict[str, Any]:
        """Put a card into an issuer's file."""
        body = {"pan": pan, "balance_minor": balance_minor, "columns": columns}
        return self._control.call("POST", node, "bank/cards", "cards:write", body)

    def change_card(self, node: str, card: str, **changes: Any) -> dict[str, Any]:
        """Change columns of a card; `card` as `cards` names it."""
        path = f"bank/cards/{quote(card, safe='')}"
        return self._control.call("PATCH", node, path, "cards:write", {"changes": changes})

    def scripts(self, node: str) -> list[dict[str, Any]]:
        """Return the scripted outcomes in force."""
        return list(self._control.call("GET", node, "bank/scripts", "bank:read")["scripts"])

    def put_script(self, node: str, **script: Any) -> dict[str, Any]:
        """Add a scripted outcome: card, when, code, delay_ms, answers, times."""
        return self._control.call("POST", node, "bank/scripts", "cards:write", script)

    def clear_scripts(self, node: str, **which: str | int) -> int:
        """End scripted outcomes: `card=`, `number=`, or all; return how many."""
        path = f"bank/scripts?{urlencode(which)}"
        return int(self._control.call("DELETE", node, path, "cards:write")["cleared"])

    def present(self, node: str, presentments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Post presentments; one outcome each, in order."""
        body = {"presentments": [dict(one) for one in presentments]}
        answer = self._control.call("POST", node, "bank/present", "bank:write", body, wait_s=PRESENT_WAIT_S)
        return list(answer["presentments"])

    # An acquirer.

    def merchants(self, node: str, *, limit: int = 0) -> Iterator[dict[str, Any]]:
        """Yield merchants."""
        return self._pages(node, "merchants", "merchants", limit, {})

    def merchant(self, node: str, merchant: str) -> dict[str, Any]:
        """Return a merchant with its terminals and balances."""
        return self._control.call("GET", node, f"bank/merchants/{quote(merchant, safe='')}", "bank:read")

    def add_merchant(self, node: str, merchant: str, **columns: Any) -> dict[str, Any]:
        """Take a merchant on."""
        body = {"merchant": merchant, "columns": columns}
        return self._control.call("POST", node, "bank/merchants", "merchants:write", body)

    def change_merchant(self, node: str, merchant: str, **changes: Any) -> dict[str, Any]:
        """Change columns of a merchant."""
        path = f"bank/merchants/{quote(merchant, safe='')}"
        return self._control.call("PATCH", node, path, "merchants:write", {"changes": changes})

    def add_terminal(self, node: str, merchant: str, terminal: str, **columns: Any) -> dict[str, Any]:
        """Give a merchant a terminal."""
        path = f"bank/merchants/{quote(merchant, safe='')}/terminals"
        body = {"terminal": terminal, "columns": columns}
        return self._control.call("POST", node, path, "merchants:write", body)

    def unpresented(self, node: str, limit: int = 500, after: str = "") -> list[dict[str, Any]]:
        """Return captures and refunds that have not been presented, oldest first; `after` an ARN."""
        asked = {"limit": limit, "after": after}
        return list(self._control.call("GET", node, f"bank/unpresented?{urlencode(asked)}", "bank:read")["unpresented"])

    def presented(self, node: str, arns: Sequence[str]) -> list[dict[str, Any]]:
        """Mark captures and refunds as presented; one outcome each, in order."""
        body = {"arns": list(arns)}
        answer = self._control.call("POST", node, "bank/presented", "bank:write", body, wait_s=PRESENT_WAIT_S)
        return list(answer["presented"])

    def _pages(self, node: str, path: str, key: str, limit: int, wanted: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        after: int | None = 0
        left = limit
        while after is not None and (left or not limit):
            asked = {**wanted, "after": after, "limit": min(left or LIMIT_MAX, LIMIT_MAX)}
            page = self._control.call("GET", node, f"bank/{path}?{urlencode(asked)}", "bank:read")
            rows = page[key][: left or None]
            yield from rows
            left, after = left - len(rows) if limit else 0, page["next"]
