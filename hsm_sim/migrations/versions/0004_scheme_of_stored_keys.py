"""Stored keys say in which form they are: `R` before what has always been a TR-31 block."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE hsm_keys SET block = 'R' || block WHERE block LIKE 'D%'")


def downgrade() -> None:
    op.execute("UPDATE hsm_keys SET block = substr(block, 2) WHERE block LIKE 'RD%'")
