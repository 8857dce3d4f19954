"""Key tables, stored cards, issued cryptograms and what they were spent on."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hsm_keys",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("place", sa.Text, primary_key=True),
        sa.Column("neighbour", sa.Text, nullable=False),
        sa.Column("block", sa.Text, nullable=False),
    )
    op.create_table(
        "hsm_cards",
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("requestor", sa.Text, nullable=False),
        sa.Column("expiry", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("key_version", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
    )
    op.create_table(
        "hsm_cryptograms",
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("atc", sa.Integer, primary_key=True),
        sa.Column("issued_at", sa.Integer, nullable=False),
    )
    op.create_table(
        "hsm_references",
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("atc", sa.Integer, primary_key=True),
        sa.Column("reference", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in ("hsm_references", "hsm_cryptograms", "hsm_cards", "hsm_keys"):
        op.drop_table(table)
