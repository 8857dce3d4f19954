"""The issuer's tables. Row types in `banks.core` and `banks.ledger` list the same columns in the same order."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

from banks.store import ledger_tables
from node.journal import zone_keys_table

METADATA = MetaData()

ledger_tables(METADATA)
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
    Column("used_on", Text, nullable=False),
    Column("used", Integer, nullable=False),
    Column("used_minor", BigInteger, nullable=False),
    Column("cvc_forgiven", Integer, nullable=False),
    Column("service_code", Text, nullable=False),
    Column("cash_limit_minor", BigInteger, nullable=False),
    Column("day_limit_minor", BigInteger, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("mccs_refused", Text, nullable=False),
    Column("authentication", Text, nullable=False),
    Column("avs_address", Text, nullable=False),
    Column("avs_postcode", Text, nullable=False),
    Column("avs_required", Integer, nullable=False),
    Column("pin_method", Text, nullable=False),
    Column("pvk", Text, nullable=False),
    Column("pvki", Text, nullable=False),
    Column("pin_value", Text, nullable=False),
    Column("pin_table", Text, nullable=False),
    Column("pin_validation", Text, nullable=False),
    Column("pin_tries_max", Integer, nullable=False),
    Column("pin_tries", Integer, nullable=False),
    Column("scheme", Text, nullable=False),
    Column("psn", Text, nullable=False),
    Column("mk_ac", Text, nullable=False),
    Column("atc", Integer, nullable=False),
)

Table(
    "scripts",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("card", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("delay_ms", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False),
    info={"open": ("state", ("open",))},
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
    Column("hold", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("effect", Text, nullable=False, server_default=""),
    Column("left_minor", BigInteger, nullable=False, server_default="0"),
    Column("posted_minor", BigInteger, nullable=False, server_default="0"),
    Column("until", BigInteger, nullable=False, server_default="0"),
    Column("capture", Text, nullable=False, server_default=""),
    Column("arn", Text, nullable=False, server_default=""),
    Column("merchant_amount", Text, nullable=False, server_default=""),
    Column("answer", Text, nullable=False, server_default=""),
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
