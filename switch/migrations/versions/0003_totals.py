"""Totals per member and settlement date, their reconciliations, and the settlement date itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COUNTERS = (
    "credits",
    "credit_reversals",
    "debits",
    "debit_reversals",
    "transfers",
    "transfer_reversals",
    "inquiries",
    "authorisations",
    "credit_processing_fees_minor",
    "credit_fees_minor",
    "debit_processing_fees_minor",
    "debit_fees_minor",
    "credits_minor",
    "credit_reversals_minor",
    "debits_minor",
    "debit_reversals_minor",
    "authorisations_minor",
    "authorisation_reversals",
    "authorisation_reversals_minor",
)


def upgrade() -> None:
    op.create_table(
        "totals",
        sa.Column("member", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        *[sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTERS],
    )
    op.create_table(
        "reconciliations",
        sa.Column("member", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("function", sa.Text, nullable=False),
        sa.Column("stan", sa.Text, nullable=False),
        sa.Column("transmitted", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("differs", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "settlement_days",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in ("settlement_days", "reconciliations", "totals"):
        op.drop_table(table)
