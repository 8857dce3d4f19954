"""Indexes behind every filter of a list, and behind the age of a claim."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_LISTED = {
    "customers": ("created", "email", "deleted"),
    "payment_methods": ("created", "customer"),
    "payment_intents": ("created", "customer"),
    "charges": ("created", "customer", "intent"),
    "events": ("created",),
}


def upgrade() -> None:
    op.drop_index("payment_methods_by_customer", "payment_methods")
    op.drop_index("payment_intents_by_customer", "payment_intents")
    op.create_index("claims_by_claimed_at", "claims", ["claimed_at"])
    for table, columns in _LISTED.items():
        for column in columns:
            op.create_index(f"{table}_list_{column}", table, ["account", column, "seq"])
