"""The issuer's tables. Row types in `banks.core` and `banks.ledger` list the same columns in the same order."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

from node.journal import zone_keys_table

METADATA = MetaData()

zone_keys_table(METADATA)

Table(
    "cards",
    METADATA,
    Column("fingerprint", Text, primary_key=True),
    Column("last4", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("expiry", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("cvc_rule", Text, nullable=False),
    Column("cvc_absent", Text, nullable=False),
    Column("cvk", Text, nullable=False),
    Column("limit_minor", BigInteger, nullable=False),
    Column("velocity_max", Integer, nullable=False),
    Column("scripted_code", Text, nullable=False),
    Column("answer_after_ms", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("used_on", Text, nullable=False),
    Column("used", Integer, nullable=False),
)

Table(
    "requests",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("mti", Text, nullable=False),
    Column("own", Text, nullable=False, index=True),
    Column("payment", Text, nullable=False, index=True),
    Column("original", Text, nullable=False, index=True),
    Column("card", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("authorisation_code", Text, nullable=False),
    Column("cvv2_result", Text, nullable=False),
    Column("hold", Text, nullable=False),
    Column("at", Text, nullable=False),
    info={"open": None},
)

Table(
    "tombstones",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("at", Text, nullable=False),
)

Table(
    "counters",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

Table(
    "accounts",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("currency", Text, nullable=False),
    Column("posted_minor", BigInteger, nullable=False),
    Column("held_minor", BigInteger, nullable=False),
    Column("may_overdraw", Integer, nullable=False),
)

Table(
    "holds",
    METADATA,
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
    METADATA,
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
    info={"append_only": True, "open": None},
)

Table(
    "heads",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)
