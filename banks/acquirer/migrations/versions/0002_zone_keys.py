"""Keys of the links that change while it runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "zone_keys",
        sa.Column("identifier", sa.Text, primary_key=True),
        sa.Column("link", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("kcv", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("made_at", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("zone_keys")
