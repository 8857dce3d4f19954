"""The tables of the switch. A card is in them as its network token, or sealed; never as its number."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

from node.journal import saf_table, zone_keys_table
from switch.core import totals
from switch.core.states import OPEN_ROWS
from switch.core.totals import OPEN

METADATA = MetaData()

LEGS = Table(
    "legs",
    METADATA,
    Column("business", Text, primary_key=True),
    Column("original", Text, nullable=False),
    Column("acquirer", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("mti", Text, nullable=False),
    Column("elements", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("received_at", Text, nullable=False),
    Column("parts", Text, nullable=False, server_default="{}"),
    Index("legs_by_original", "original"),
    info={"open": ("state", OPEN_ROWS)},
)
"""One row per leg, in the order of `Leg.row()`. A restart loads those that an issuer may hold money for."""

TOMBSTONES = Table(
    "tombstones",
    METADATA,
    Column("business", Text, primary_key=True),
    Column("original", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", Text, nullable=False),
    info={"open": ("state", ("waiting",))},
)
"""Reversals whose original has not been seen, in the order of `Tombstone.row()`."""

COUNTERS = Table(
    "counters",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("reserved", Integer, nullable=False),
)
"""Up to where each counter may have handed out numbers."""

STAND_IN = Table(
    "stand_in",
    METADATA,
    Column("card", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("day", Text, nullable=False),
    Column("approvals", Integer, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
)
"""What stand-in has approved per card and currency on the latest day on which it did, in the order of `Used.row()`."""

TOTALS = Table(
    "totals",
    METADATA,
    Column("member", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("state", Text, nullable=False),
    *[Column(name, BigInteger, nullable=False) for name in totals.COUNTERS],
    info={"open": ("state", (OPEN,))},
)
"""What each member's accepted messages come to, in the order of `totals.row()`; closed once it is too old."""

RECONCILIATIONS = Table(
    "reconciliations",
    METADATA,
    Column("member", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("function", Text, nullable=False),
    Column("stan", Text, nullable=False),
    Column("transmitted", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("differs", Text, nullable=False),
    Column("at", Text, nullable=False),
    info={"open": ("state", (OPEN,))},
)
"""The latest reconciliation of each row of totals, in the order of `Reconciliation.row()`."""

SETTLEMENT_DAYS = Table(
    "settlement_days",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("day", Text, nullable=False),
)
"""The current settlement date, once there has been a cut-over."""

SAF = saf_table(METADATA)

ZONE_KEYS = zone_keys_table(METADATA)
"""What became of each key that the switch shares with a member or an issuer."""
