"""The acquirer's first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saf",
        sa.Column("identifier", sa.Text, primary_key=True),
        sa.Column("link", sa.Text, nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("mti", sa.Text, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("stored_at", sa.Text, nullable=False),
    )
    op.create_table(
        "intents",
        sa.Column("identifier", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("terminal", sa.Text, nullable=False),
        sa.Column("gateway_stan", sa.Text, nullable=False),
        sa.Column("gateway_time", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("processing_code", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("local_time", sa.Text, nullable=False),
        sa.Column("local_date", sa.Text, nullable=False),
        sa.Column("merchant", sa.Text, nullable=False),
        sa.Column("mcc", sa.Text, nullable=False),
        sa.Column("country", sa.Text, nullable=False),
        sa.Column("name_location", sa.Text, nullable=False),
        sa.Column("stan", sa.Text, nullable=False),
        sa.Column("network_time", sa.Text, nullable=False),
        sa.Column("rrn", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("authorisation_code", sa.Text, nullable=False),
        sa.Column("private", sa.Text, nullable=False),
        sa.Column("settlement_date", sa.Text, nullable=False),
        sa.Column("wants_reversal", sa.Integer, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_index("ix_intents_gateway", "intents", ["terminal", "gateway_stan", "gateway_time"])
    op.create_table(
        "tombstones",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("counters", "tombstones", "intents", "saf"):
        op.drop_table(table)
