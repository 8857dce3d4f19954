"""Captures, increments and everything else that is owed: amounts of their own, and one row per message."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _payment_intents()
    _charges()
    _sends()
    _obligations()


def _payment_intents() -> None:
    _rebuild(
        "payment_intents",
        "payment_intents_key",
        (
            _text("id"),
            _text("account"),
            _number("created"),
            _text("customer", nullable=True),
            _text("status"),
            _number("amount"),
            _number("amount_capturable"),
            _number("amount_received"),
            _text("currency"),
            _text("method", nullable=True),
            _text("latest_charge", nullable=True),
            _text("client_secret"),
            _text("last_error", nullable=True),
            _number("canceled_at", nullable=True),
            _text("cancellation_reason", nullable=True),
            _text("busy", nullable=True),
            _text("details"),
            _text("metadata"),
        ),
        {"amount_capturable": "0", "busy": "NULL"},
    )
    op.create_index("payment_intents_by_account", "payment_intents", ["account", "seq"])
    op.create_index("payment_intents_by_customer", "payment_intents", ["customer"])


def _charges() -> None:
    # What had succeeded before there were captures was taken at once, and whole.
    is_paid = "CASE status WHEN 'succeeded' THEN 1 ELSE 0 END"
    _rebuild(
        "charges",
        "charges_key",
        (
            _text("id"),
            _text("account"),
            _number("created"),
            _text("intent"),
            _text("customer", nullable=True),
            _text("method"),
            _number("amount"),
            _number("amount_captured"),
            _number("amount_refunded"),
            _number("amount_released"),
            _number("captures"),
            _number("captured"),
            _text("currency"),
            _text("status"),
            _text("network_status"),
            _text("response_code", nullable=True),
            _text("authorisation_code", nullable=True),
            _text("rrn", nullable=True),
            _text("network_transaction_id", nullable=True),
            _text("network_advice_code", nullable=True),
            _text("failure_code", nullable=True),
            _text("failure_message", nullable=True),
            _number("expires_at", nullable=True),
            _text("balance_transaction", nullable=True),
            _text("card"),
            _text("details"),
            _text("metadata"),
        ),
        {
            "amount_captured": f"amount * {is_paid}",
            "amount_refunded": "0",
            "amount_released": "0",
            "captures": is_paid,
            "captured": is_paid,
            "network_advice_code": "NULL",
            "expires_at": "NULL",
            "balance_transaction": "NULL",
        },
    )
    op.create_index("charges_by_account", "charges", ["account", "seq"])
    op.create_index("charges_by_intent", "charges", ["intent"])
    op.create_index("charges_by_expires_at", "charges", ["expires_at"])


def _sends() -> None:
    # DE 48 with tags 06 and 13, whose length has three digits.
    length = "substr('00' || length(trace), length('00' || length(trace)) - 2, 3)"
    _rebuild(
        "sends",
        "sends_key",
        (
            _text("id"),
            _text("kind"),
            _text("account"),
            _text("subject"),
            _text("charge"),
            _text("intent"),
            _text("terminal"),
            _text("merchant"),
            _text("stan"),
            _text("transmitted"),
            _text("local_time"),
            _text("local_date"),
            _text("token"),
            _text("expiry"),
            _number("amount"),
            _number("remains", nullable=True),
            _text("currency"),
            _text("original", nullable=True),
            _text("original_data"),
            _text("rrn", nullable=True),
            _text("authorisation_code", nullable=True),
            _text("private"),
            _text("trace"),
            _text("request", nullable=True),
            _text("claim", nullable=True),
            _text("result"),
        ),
        {
            "id": "charge || '/authorise/1'",
            "kind": "'authorise'",
            "subject": "charge",
            "remains": "NULL",
            "original": "NULL",
            "original_data": "''",
            "authorisation_code": "NULL",
            "private": f"'060020713' || {length} || trace",
            "request": "NULL",
        },
    )
    # An obligation was the duty to reverse an authorisation; now the reversal is a message like others.
    op.execute(
        "INSERT INTO sends (id, kind, account, subject, charge, intent, terminal, merchant, stan, transmitted, "
        "local_time, local_date, token, expiry, amount, remains, currency, original, original_data, rrn, "
        "authorisation_code, private, trace, request, claim, result) "
        "SELECT s.id || '/void/1', 'void', s.account, s.id, s.charge, s.intent, s.terminal, s.merchant, o.stan, "
        "o.transmitted, s.local_time, s.local_date, s.token, s.expiry, s.amount, NULL, s.currency, s.id, "
        "'0100' || s.stan || s.transmitted || '0000000000000000000000', s.rrn, NULL, '', s.trace, NULL, NULL, "
        "CASE o.state WHEN 'open' THEN 'owed' ELSE '00' END "
        "FROM obligations o JOIN sends s ON s.charge = o.charge ORDER BY o.seq"
    )
    op.create_index("sends_by_result", "sends", ["result"])
    op.create_index("sends_by_charge", "sends", ["charge"])
    op.create_index("sends_by_intent", "sends", ["intent"])


def _obligations() -> None:
    _rebuild(
        "obligations",
        "obligations_key",
        (
            _text("send"),
            _text("charge"),
            _text("state"),
            _number("attempts"),
            _number("due_at"),
            _number("leased_until", nullable=True),
            _text("holder", nullable=True),
        ),
        {"send": "charge || '/authorise/1/void/1'"},
    )
    op.create_index("obligations_by_state", "obligations", ["state", "due_at"])
    op.create_index("obligations_by_charge", "obligations", ["charge"])


def _rebuild(table: str, key: str, columns: tuple[sa.Column[Any], ...], values: dict[str, str]) -> None:
    """Give a table new columns, in their order; `values` are expressions over the old row, others are copied."""
    op.rename_table(table, f"{table}_before")
    op.create_table(
        table,
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        *columns,
        sa.UniqueConstraint(columns[0].name, name=key),
    )
    names = ["seq", *(column.name for column in columns)]
    chosen = ", ".join(values.get(name, name) for name in names)
    op.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {chosen} FROM {table}_before ORDER BY seq")
    op.drop_table(f"{table}_before")


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)
