"""The first store of the gateway."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _customers()
    _payment_methods()
    _payment_intents()
    _charges()
    _sends()
    _obligations()
    _claims()
    _terminals()


def _customers() -> None:
    op.create_table(
        "customers",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("id", name="customers_key"),
    )
    op.create_index("customers_by_account", "customers", ["account", "seq"])


def _payment_methods() -> None:
    op.create_table(
        "payment_methods",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("bin", sa.Text(), nullable=False),
        sa.Column("last4", sa.Text(), nullable=False),
        sa.Column("exp_month", sa.BigInteger(), nullable=False),
        sa.Column("exp_year", sa.BigInteger(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.Column("funding", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("cvc_check", sa.Text(), nullable=True),
        sa.Column("is_spent", sa.BigInteger(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.UniqueConstraint("id", name="payment_methods_key"),
    )
    op.create_index("payment_methods_by_account", "payment_methods", ["account", "seq"])
    op.create_index("payment_methods_by_customer", "payment_methods", ["customer"])


def _payment_intents() -> None:
    op.create_table(
        "payment_intents",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("amount_received", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("latest_charge", sa.Text(), nullable=True),
        sa.Column("client_secret", sa.Text(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("canceled_at", sa.BigInteger(), nullable=True),
        sa.Column("cancellation_reason", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.UniqueConstraint("id", name="payment_intents_key"),
    )
    op.create_index("payment_intents_by_account", "payment_intents", ["account", "seq"])
    op.create_index("payment_intents_by_customer", "payment_intents", ["customer"])


def _charges() -> None:
    op.create_table(
        "charges",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("intent", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("network_status", sa.Text(), nullable=False),
        sa.Column("response_code", sa.Text(), nullable=True),
        sa.Column("authorisation_code", sa.Text(), nullable=True),
        sa.Column("rrn", sa.Text(), nullable=True),
        sa.Column("network_transaction_id", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.UniqueConstraint("id", name="charges_key"),
    )
    op.create_index("charges_by_account", "charges", ["account", "seq"])
    op.create_index("charges_by_intent", "charges", ["intent"])


def _sends() -> None:
    op.create_table(
        "sends",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("intent", sa.Text(), nullable=False),
        sa.Column("terminal", sa.Text(), nullable=False),
        sa.Column("merchant", sa.Text(), nullable=False),
        sa.Column("stan", sa.Text(), nullable=False),
        sa.Column("transmitted", sa.Text(), nullable=False),
        sa.Column("local_time", sa.Text(), nullable=False),
        sa.Column("local_date", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("expiry", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=False),
        sa.Column("rrn", sa.Text(), nullable=True),
        sa.Column("claim", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.UniqueConstraint("charge", name="sends_key"),
    )
    op.create_index("sends_by_result", "sends", ["result"])


def _obligations() -> None:
    op.create_table(
        "obligations",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("stan", sa.Text(), nullable=False),
        sa.Column("transmitted", sa.Text(), nullable=False),
        sa.UniqueConstraint("charge", name="obligations_key"),
    )
    op.create_index("obligations_by_state", "obligations", ["state", "due_at"])


def _claims() -> None:
    op.create_table(
        "claims",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.UniqueConstraint("account", "key", name="claims_key"),
    )


def _terminals() -> None:
    op.create_table(
        "terminals",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("terminal", sa.Text(), nullable=False),
        sa.Column("stan", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("terminal", name="terminals_key"),
    )
