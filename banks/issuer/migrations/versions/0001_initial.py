"""The issuer's first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cards",
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("last4", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("expiry", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("cvc_rule", sa.Text, nullable=False),
        sa.Column("cvc_absent", sa.Text, nullable=False),
        sa.Column("cvk", sa.Text, nullable=False),
        sa.Column("limit_minor", sa.BigInteger, nullable=False),
        sa.Column("velocity_max", sa.Integer, nullable=False),
        sa.Column("scripted_code", sa.Text, nullable=False),
        sa.Column("answer_after_ms", sa.Integer, nullable=False),
        sa.Column("answers", sa.Integer, nullable=False),
        sa.Column("used_on", sa.Text, nullable=False),
        sa.Column("used", sa.Integer, nullable=False),
    )
    op.create_table(
        "requests",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("mti", sa.Text, nullable=False),
        sa.Column("own", sa.Text, nullable=False, index=True),
        sa.Column("payment", sa.Text, nullable=False, index=True),
        sa.Column("original", sa.Text, nullable=False, index=True),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("authorisation_code", sa.Text, nullable=False),
        sa.Column("cvv2_result", sa.Text, nullable=False),
        sa.Column("hold", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "tombstones",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "accounts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("posted_minor", sa.BigInteger, nullable=False),
        sa.Column("held_minor", sa.BigInteger, nullable=False),
        sa.Column("may_overdraw", sa.Integer, nullable=False),
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
    )
    op.create_table(
        "heads",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in ("heads", "entries", "holds", "accounts", "counters", "tombstones", "requests", "cards"):
        op.drop_table(table)
