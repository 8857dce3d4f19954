"""The acquirer's tables. Row types in `banks.core` list the same columns in the same order."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

from node.journal import saf_table, zone_keys_table

METADATA = MetaData()

saf_table(METADATA)
zone_keys_table(METADATA)

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
    Column("rrn", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("authorisation_code", Text, nullable=False),
    Column("private", Text, nullable=False),
    Column("settlement_date", Text, nullable=False),
    Column("wants_reversal", Integer, nullable=False),
    Column("at", Text, nullable=False),
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
