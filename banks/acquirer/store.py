"""The acquirer's tables. Row types in `banks.core` and `banks.ledger` list the same columns in the same order."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

from banks.store import ledger_tables
from node.journal import saf_table, zone_keys_table

METADATA = MetaData()

saf_table(METADATA)
zone_keys_table(METADATA)
ledger_tables(METADATA)

Table(
    "intents",
    METADATA,
    Column("identifier", BigInteger, primary_key=True, autoincrement=False),
    Column("terminal", Text, nullable=False),
    Column("gateway_stan", Text, nullable=False),
    Column("gateway_time", Text, nullable=False),
    Column("state", Text, nullable=False, index=True),
    Column("token", Text, nullable=False),
    Column("processing_code", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("local_time", Text, nullable=False),
    Column("local_date", Text, nullable=False),
    Column("merchant", Text, nullable=False),
    Column("mcc", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("name_location", Text, nullable=False),
    Column("stan", Text, nullable=False),
    Column("network_time", Text, nullable=False),
    Column("rrn", Text, nullable=False, index=True),
    Column("code", Text, nullable=False),
    Column("authorisation_code", Text, nullable=False),
    Column("private", Text, nullable=False),
    Column("settlement_date", Text, nullable=False),
    Column("wants_reversal", Integer, nullable=False),
    Column("at", Text, nullable=False),
    Column("mti", Text, nullable=False, server_default="0100"),
    Column("kind", Text, nullable=False, server_default="PURCHASE"),
    Column("root", BigInteger, nullable=False, server_default="0"),
    Column("entry", Text, nullable=False, server_default=""),
    Column("extra", Text, nullable=False, server_default=""),
    Column("remains_minor", BigInteger, nullable=False, server_default="0"),
    Column("authorised_minor", BigInteger, nullable=False, server_default="0"),
    Column("captured_minor", BigInteger, nullable=False, server_default="0"),
    Column("refunded_minor", BigInteger, nullable=False, server_default="0"),
    Column("completions", Integer, nullable=False, server_default="0"),
    Column("is_final", Integer, nullable=False, server_default="0"),
    Column("refunds", Integer, nullable=False, server_default="0"),
    Column("paid_at", Text, nullable=False, server_default=""),
    Index("ix_intents_gateway", "terminal", "gateway_stan", "gateway_time"),
    info={"open": ("state", ("sent",))},
)

Table(
    "tombstones",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("at", Text, nullable=False),
)

Table(
    "counters",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

Table(
    "clearings",
    METADATA,
    Column("identifier", BigInteger, primary_key=True, autoincrement=False),
    Column("arn", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, index=True),
    Column("payment", BigInteger, nullable=False),
    Column("rrn", Text, nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("terminal", Text, nullable=False),
    Column("merchant", Text, nullable=False),
    Column("stan", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("interchange_minor", BigInteger, nullable=False),
    Column("scheme_minor", BigInteger, nullable=False),
    Column("acquirer_minor", BigInteger, nullable=False),
    Column("reserve_minor", BigInteger, nullable=False),
    Column("is_final", Integer, nullable=False),
    Column("at", Text, nullable=False),
    Column("presented_at", Text, nullable=False),
    info={"open": ("state", ("open",))},
)

Table(
    "merchants",
    METADATA,
    Column("identifier", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("mcc", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("city", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("settlement_account", Text, nullable=False),
    Column("fee_plan", Text, nullable=False),
    Column("reserve_bp", Integer, nullable=False),
    Column("over_capture_percent", Integer, nullable=False),
    Column("amount_max_minor", BigInteger, nullable=False),
    Column("may_refund_unlinked", Integer, nullable=False),
)

Table(
    "terminals",
    METADATA,
    Column("identifier", Text, primary_key=True),
    Column("merchant", Text, nullable=False),
    Column("pin_key", Text, nullable=False),
    Column("capabilities", Text, nullable=False),
)

Table(
    "fee_plans",
    METADATA,
    Column("plan", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("interchange_bp", Integer, nullable=False),
    Column("interchange_minor", BigInteger, nullable=False),
    Column("scheme_bp", Integer, nullable=False),
    Column("scheme_minor", BigInteger, nullable=False),
    Column("acquirer_bp", Integer, nullable=False),
    Column("acquirer_minor", BigInteger, nullable=False),
)

Table(
    "batches",
    METADATA,
    Column("terminal", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False, index=True),
    Column("credits", Integer, nullable=False),
    Column("credits_minor", BigInteger, nullable=False),
    Column("credit_reversals", Integer, nullable=False),
    Column("credit_reversals_minor", BigInteger, nullable=False),
    Column("debits", Integer, nullable=False),
    Column("debits_minor", BigInteger, nullable=False),
    Column("debit_reversals", Integer, nullable=False),
    Column("debit_reversals_minor", BigInteger, nullable=False),
    Column("opened_at", Text, nullable=False),
    Column("closed_at", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("closing", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    info={"open": ("state", ("open",))},
)

Table(
    "adjustments",
    METADATA,
    Column("reference", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("caller", Text, nullable=False),
    Column("at", Text, nullable=False),
    info={"open": None},
)
