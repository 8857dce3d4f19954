"""Refunds, balance transactions and the balance as an official SDK reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from gateway.core.bank import Holding
from gateway.core.records import Charge
from gateway.core.records_money import BalanceTransaction, Refund
from gateway.core.render import Shape
from iso.money import currency

PENDING = "pending"
_PASSED_ON, _OWN = "payment_method_passthrough_fee", "stripe_fee"
_FEES = (
    ("interchange", _PASSED_ON, "Interchange fee"),
    ("scheme", _PASSED_ON, "Scheme fee"),
    ("acquirer", _OWN, "Acquirer fee"),
)


def refund(row: Refund) -> Shape:
    """Return a refund. It has no `livemode`."""
    details = json.loads(row.details)
    return {
        "id": row.id,
        "object": "refund",
        "amount": row.amount,
        "balance_transaction": row.balance_transaction,
        "charge": row.charge,
        "created": row.created,
        "currency": row.currency,
        "customer": row.customer,
        "destination_details": _destination(row),
        "instructions_email": details.get("instructions_email"),
        "metadata": json.loads(row.metadata),
        "next_action": None,
        "payment_intent": row.intent,
        "payment_method": row.method,
        "reason": row.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": row.status,
        "transfer_reversal": None,
        **({} if row.failure_reason is None else {"failure_reason": row.failure_reason}),
        **({"pending_reason": "processing"} if row.status == PENDING else {}),
    }


def balance_transaction(row: BalanceTransaction) -> Shape | None:
    """Return a balance transaction; None as long as the acquirer has not said how it booked it."""
    if not row.is_booked:
        return None
    parts = [(getattr(row, part) or 0, kind, words) for part, kind, words in _FEES]
    fee = sum(amount for amount, _, _ in parts)
    return {
        "id": row.id,
        "object": "balance_transaction",
        "amount": row.amount,
        "available_on": row.available_on,
        "balance_type": "payments",
        "created": row.created,
        "currency": row.currency,
        "description": row.description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [
            {"amount": amount, "application": None, "currency": row.currency, "description": words, "type": kind}
            for amount, kind, words in parts
            if amount
        ],
        "net": row.amount - fee,
        "reporting_category": row.type,
        "source": row.source,
        # Nothing is paid out yet, so nothing has left what is pending at the acquirer.
        "status": PENDING,
        "type": row.type,
    }


def balance(holdings: Iterable[Holding], default_currency: str) -> Shape:
    """Return the balance as the acquirer's ledger has it.

    Parameters
    ----------
    holdings
        One per currency.
    default_currency
        Alphabetic, lower case; shown with zeros if the merchant has nothing in it.
    """
    held = {currency(holding.currency).alpha.lower(): holding for holding in holdings}
    names = sorted({default_currency, *held}, key=lambda name: (name != default_currency, name))
    nothing = Holding("", 0, 0)
    return {
        "object": "balance",
        "available": [_money(held.get(name, nothing).available, name) for name in names],
        "livemode": False,
        "pending": [_money(held.get(name, nothing).pending, name) for name in names],
    }


def description_of(row: Charge) -> str | None:
    """Return the description of a charge."""
    found: str | None = json.loads(row.details).get("description")
    return found


def _money(amount: int, name: str) -> Shape:
    return {"amount": amount, "currency": name, "source_types": {"card": amount}}


def _destination(row: Refund) -> Shape:
    card: Shape = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    if row.reference is not None:
        card |= {"reference": row.reference, "reference_status": "available"}
    if row.status == PENDING:
        card["type"] = "pending"
    return {"card": card, "type": "card"}
