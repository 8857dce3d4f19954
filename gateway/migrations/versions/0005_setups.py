"""Tokens, setup intents and attempts at setting a card up."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_LISTED = {"setup_intents": ("created", "customer", "method"), "setup_attempts": ("created", "setup")}


def upgrade() -> None:
    _tokens()
    _setup_intents()
    _setup_attempts()
    for table, columns in _LISTED.items():
        op.create_index(f"{table}_by_account", table, ["account", "seq"])
        for column in columns:
            op.create_index(f"{table}_list_{column}", table, ["account", column, "seq"])


def _tokens() -> None:
    _table(
        "tokens",
        _text("id"),
        _text("account"),
        _number("created"),
        _text("card"),
        _text("token"),
        _text("bin"),
        _text("last4"),
        _number("exp_month"),
        _number("exp_year"),
        _text("brand"),
        _text("funding"),
        _text("country"),
        _text("fingerprint"),
        _number("has_cvc"),
        _number("is_used"),
        _text("details"),
    )


def _setup_intents() -> None:
    _table(
        "setup_intents",
        _text("id"),
        _text("account"),
        _number("created"),
        _text("customer", nullable=True),
        _text("status"),
        _text("usage"),
        _text("method", nullable=True),
        _text("latest_attempt", nullable=True),
        _text("client_secret"),
        _text("last_error", nullable=True),
        _text("cancellation_reason", nullable=True),
        _text("details"),
        _text("metadata"),
    )


def _setup_attempts() -> None:
    _table(
        "setup_attempts",
        _text("id"),
        _text("account"),
        _number("created"),
        _text("setup", nullable=True),
        _text("customer", nullable=True),
        _text("method"),
        _text("usage"),
        _text("status"),
        _text("response_code", nullable=True),
        _text("network_transaction_id", nullable=True),
        _text("card"),
        _text("error", nullable=True),
    )


def _table(name: str, *columns: sa.Column[Any]) -> None:
    number = sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True)
    op.create_table(name, number, *columns, sa.UniqueConstraint("id", name=f"{name}_key"))


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False)
