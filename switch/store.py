"""The tables of the switch. A card is in them as its network token, or sealed; never as its number."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, Table, Text

from node.journal import saf_table
from switch.core.states import OPEN_ROWS

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

SAF = saf_table(METADATA)
