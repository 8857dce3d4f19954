"""Partial reversals of a leg, and what stand-in has approved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("legs", sa.Column("parts", sa.Text, nullable=False, server_default="{}"))
    op.create_table(
        "stand_in",
        sa.Column("card", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("approvals", sa.Integer, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("stand_in")
    op.drop_column("legs", "parts")
