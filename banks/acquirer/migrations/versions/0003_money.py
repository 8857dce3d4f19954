"""Merchants, terminals and fee plans as rows; a ledger; captures, refunds and batches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("intents", sa.Column("mti", sa.Text, nullable=False, server_default="0100"))
    op.add_column("intents", sa.Column("kind", sa.Text, nullable=False, server_default="PURCHASE"))
    op.add_column("intents", sa.Column("root", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("intents", sa.Column("entry", sa.Text, nullable=False, server_default=""))
    op.add_column("intents", sa.Column("extra", sa.Text, nullable=False, server_default=""))
    op.add_column("intents", sa.Column("remains_minor", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("intents", sa.Column("authorised_minor", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("intents", sa.Column("captured_minor", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("intents", sa.Column("refunded_minor", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("intents", sa.Column("completions", sa.Integer, nullable=False, server_default="0"))
    op.add_column("intents", sa.Column("is_final", sa.Integer, nullable=False, server_default="0"))
    op.add_column("intents", sa.Column("refunds", sa.Integer, nullable=False, server_default="0"))
    op.add_column("intents", sa.Column("paid_at", sa.Text, nullable=False, server_default=""))
    op.create_index("ix_intents_rrn", "intents", ["rrn"])
    op.execute(
        "UPDATE intents SET remains_minor = amount_minor, authorised_minor = amount_minor WHERE state = 'approved'"
    )
    op.create_table(
        "accounts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("posted_minor", sa.BigInteger, nullable=False),
        sa.Column("held_minor", sa.BigInteger, nullable=False),
        sa.Column("may_overdraw", sa.Integer, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "holds",
        sa.Column("identifier", sa.Text, primary_key=True),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("debit", sa.Text, nullable=False),
        sa.Column("credit", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("hold", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("debit_before", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("credit_before", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "heads",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_table(
        "clearings",
        sa.Column("identifier", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("arn", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("payment", sa.BigInteger, nullable=False),
        sa.Column("rrn", sa.Text, nullable=False, index=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("terminal", sa.Text, nullable=False),
        sa.Column("merchant", sa.Text, nullable=False),
        sa.Column("stan", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("interchange_minor", sa.BigInteger, nullable=False),
        sa.Column("scheme_minor", sa.BigInteger, nullable=False),
        sa.Column("acquirer_minor", sa.BigInteger, nullable=False),
        sa.Column("reserve_minor", sa.BigInteger, nullable=False),
        sa.Column("is_final", sa.Integer, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("presented_at", sa.Text, nullable=False),
    )
    op.create_table(
        "merchants",
        sa.Column("identifier", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("mcc", sa.Text, nullable=False),
        sa.Column("country", sa.Text, nullable=False),
        sa.Column("city", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("settlement_account", sa.Text, nullable=False),
        sa.Column("fee_plan", sa.Text, nullable=False),
        sa.Column("reserve_bp", sa.Integer, nullable=False),
        sa.Column("over_capture_percent", sa.Integer, nullable=False),
        sa.Column("amount_max_minor", sa.BigInteger, nullable=False),
        sa.Column("may_refund_unlinked", sa.Integer, nullable=False),
    )
    op.create_table(
        "terminals",
        sa.Column("identifier", sa.Text, primary_key=True),
        sa.Column("merchant", sa.Text, nullable=False),
        sa.Column("pin_key", sa.Text, nullable=False),
        sa.Column("capabilities", sa.Text, nullable=False),
    )
    op.create_table(
        "fee_plans",
        sa.Column("plan", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, primary_key=True),
        sa.Column("interchange_bp", sa.Integer, nullable=False),
        sa.Column("interchange_minor", sa.BigInteger, nullable=False),
        sa.Column("scheme_bp", sa.Integer, nullable=False),
        sa.Column("scheme_minor", sa.BigInteger, nullable=False),
        sa.Column("acquirer_bp", sa.Integer, nullable=False),
        sa.Column("acquirer_minor", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "batches",
        sa.Column("terminal", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("credits", sa.Integer, nullable=False),
        sa.Column("credits_minor", sa.BigInteger, nullable=False),
        sa.Column("credit_reversals", sa.Integer, nullable=False),
        sa.Column("credit_reversals_minor", sa.BigInteger, nullable=False),
        sa.Column("debits", sa.Integer, nullable=False),
        sa.Column("debits_minor", sa.BigInteger, nullable=False),
        sa.Column("debit_reversals", sa.Integer, nullable=False),
        sa.Column("debit_reversals_minor", sa.BigInteger, nullable=False),
        sa.Column("opened_at", sa.Text, nullable=False),
        sa.Column("closed_at", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("closing", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
    )
    op.create_table(
        "adjustments",
        sa.Column("reference", sa.Text, primary_key=True),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in (
        "adjustments",
        "batches",
        "fee_plans",
        "terminals",
        "merchants",
        "clearings",
        "heads",
        "entries",
        "holds",
        "accounts",
    ):
        op.drop_table(table)
    op.drop_index("ix_intents_rrn", "intents")
    for column in (
        "mti",
        "kind",
        "root",
        "entry",
        "extra",
        "remains_minor",
        "authorised_minor",
        "captured_minor",
        "refunded_minor",
        "completions",
        "is_final",
        "refunds",
        "paid_at",
    ):
        op.drop_column("intents", column)
