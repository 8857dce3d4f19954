"""The tables of a bank's ledger, which both banks keep in databases of their own.

Row types in `banks.ledger.rows` list the same columns in the same order.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text


def ledger_tables(metadata: MetaData) -> None:
    """Declare accounts, holds, entries and heads."""
    Table(
        "accounts",
        metadata,
        Column("name", Text, primary_key=True),
        Column("currency", Text, nullable=False),
        Column("posted_minor", BigInteger, nullable=False),
        Column("held_minor", BigInteger, nullable=False),
        Column("may_overdraw", Integer, nullable=False),
        Column("last", BigInteger, nullable=False, server_default="0"),
    )
    Table(
        "holds",
        metadata,
        Column("identifier", Text, primary_key=True),
        Column("account", Text, nullable=False),
        Column("amount_minor", BigInteger, nullable=False),
        Column("state", Text, nullable=False, index=True),
        Column("made_at", BigInteger, nullable=False),
        Column("expires_at", BigInteger, nullable=False),
        Column("reference", Text, nullable=False),
        info={"open": ("state", ("open",))},
    )
    Table(
        "entries",
        metadata,
        Column("sequence", BigInteger, primary_key=True, autoincrement=False),
        Column("at", BigInteger, nullable=False),
        Column("kind", Text, nullable=False),
        Column("debit", Text, nullable=False),
        Column("credit", Text, nullable=False),
        Column("currency", Text, nullable=False),
        Column("amount_minor", BigInteger, nullable=False),
        Column("hold", Text, nullable=False),
        Column("reference", Text, nullable=False),
        Column("hash", Text, nullable=False),
        Column("debit_before", BigInteger, nullable=False, server_default="0"),
        Column("credit_before", BigInteger, nullable=False, server_default="0"),
        info={"append_only": True, "open": None},
    )
    Table(
        "heads",
        metadata,
        Column("name", Text, primary_key=True),
        Column("sequence", BigInteger, nullable=False),
        Column("hash", Text, nullable=False),
    )
