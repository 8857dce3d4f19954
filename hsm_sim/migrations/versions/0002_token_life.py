"""Tokens with a life, a domain and a payment account reference; counters and references that are looked up on demand.

Cards of the first layout keep the key version -1 until the HSM, which alone has the keys, has sealed them anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rebuild_cards()
    op.create_table(
        "hsm_counters",
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("atc", sa.Integer, nullable=False),
        sa.Column("seen", sa.Integer, nullable=False),
    )
    op.execute(
        "INSERT INTO hsm_counters SELECT token, MAX(atc), MAX(seen) FROM ("
        "SELECT token, atc, 0 AS seen FROM hsm_cryptograms UNION ALL SELECT token, atc, atc FROM hsm_references"
        ") AS used GROUP BY token"
    )
    op.add_column("hsm_references", sa.Column("merchant", sa.Text, nullable=False, server_default=""))
    op.add_column("hsm_references", sa.Column("audit_id", sa.Text, nullable=False, server_default="0" * 16))
    op.create_index("hsm_references_reference", "hsm_references", ["token", "reference"])


def _rebuild_cards() -> None:
    """Make the table anew: its columns have an order that rows are written in."""
    op.rename_table("hsm_cards", "hsm_cards_old")
    op.create_table(
        "hsm_cards",
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("requestor", sa.Text, nullable=False),
        sa.Column("expiry", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("fingerprint_version", sa.Integer, nullable=False),
        sa.Column("key_version", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("par", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Integer, nullable=False),
        sa.Column("erase_at", sa.Integer, nullable=False),
        sa.Column("token_expiry", sa.Text, nullable=False),
        sa.Column("channels", sa.Text, nullable=False),
        sa.Column("merchants", sa.Text, nullable=False),
        sa.Column("currencies", sa.Text, nullable=False),
        sa.Column("amount_max", sa.Integer, nullable=True),
        sa.Column("merchant_initiated", sa.Integer, nullable=False),
    )
    op.execute(
        "INSERT INTO hsm_cards SELECT token, requestor, expiry, fingerprint, 1, -1, sealed, created_at,"
        " '', 'active', '', created_at, 0, '', '', '', '', NULL, 0 FROM hsm_cards_old"
    )
    op.drop_table("hsm_cards_old")
    op.create_index("hsm_cards_fingerprint", "hsm_cards", ["fingerprint", "expiry"])
    op.create_index("hsm_cards_key_version", "hsm_cards", ["key_version"])
    op.create_index("hsm_cards_fingerprint_version", "hsm_cards", ["fingerprint_version"])
    op.create_index("hsm_cards_erasure", "hsm_cards", ["state", "erase_at"])


def downgrade() -> None:
    raise RuntimeError("sealed card numbers do not go back to the first layout: restore a backup")
