"""The first store of the switch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "legs",
        sa.Column("business", sa.Text, primary_key=True),
        sa.Column("original", sa.Text, nullable=False),
        sa.Column("acquirer", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("mti", sa.Text, nullable=False),
        sa.Column("elements", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("received_at", sa.Text, nullable=False),
    )
    op.create_index("legs_by_original", "legs", ["original"])
    op.create_table(
        "tombstones",
        sa.Column("business", sa.Text, primary_key=True),
        sa.Column("original", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("reserved", sa.Integer, nullable=False),
    )
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


def downgrade() -> None:
    for table in ("saf", "counters", "tombstones", "legs"):
        op.drop_table(table)
