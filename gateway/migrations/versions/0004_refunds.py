"""Refunds, and what captures and refunds did to a merchant's balance."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0007"
branch_labels = None
depends_on = None

_LISTED = {
    "refunds": ("created", "charge", "intent"),
    "balance_transactions": ("created", "source", "type", "currency"),
}


def upgrade() -> None:
    _refunds()
    _balance_transactions()
    for table, columns in _LISTED.items():
        op.create_index(f"{table}_by_account", table, ["account", "seq"])
        for column in columns:
            op.create_index(f"{table}_list_{column}", table, ["account", column, "seq"])


def _refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        _text("id"),
        _text("account"),
        _number("created"),
        _text("charge"),
        _text("intent"),
        _text("customer", nullable=True),
        _text("method"),
        _number("amount"),
        _text("currency"),
        _text("status"),
        _text("reason", nullable=True),
        _text("failure_reason", nullable=True),
        _number("is_announced"),
        _text("reference", nullable=True),
        _text("balance_transaction", nullable=True),
        _text("details"),
        _text("metadata"),
        sa.UniqueConstraint("id", name="refunds_key"),
    )


def _balance_transactions() -> None:
    op.create_table(
        "balance_transactions",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        _text("id"),
        _text("account"),
        _number("created"),
        _text("type"),
        _text("source"),
        _text("charge"),
        _number("amount"),
        _text("currency"),
        _text("send"),
        _text("description", nullable=True),
        _number("available_on"),
        _number("is_booked"),
        _number("interchange", nullable=True),
        _number("scheme", nullable=True),
        _number("acquirer", nullable=True),
        sa.UniqueConstraint("id", name="balance_transactions_key"),
    )


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)
