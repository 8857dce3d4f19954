"""Tables that more than one room has."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table, Text


def saf_table(metadata: MetaData) -> Table:
    """Declare the store-and-forward table; columns in the order of `SafEntry.row()`."""
    return Table(
        "saf",
        metadata,
        Column("identifier", Text, primary_key=True),
        Column("link", Text, nullable=False),
        Column("card", Text, nullable=False),
        Column("mti", Text, nullable=False),
        Column("fields", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("stored_at", Text, nullable=False),
        info={"open": ("state", ("waiting", "dead"))},
    )


def zone_keys_table(metadata: MetaData) -> Table:
    """Declare the record of the keys that a node shares with its neighbours: their states, never a key."""
    return Table(
        "zone_keys",
        metadata,
        Column("identifier", Text, primary_key=True),
        Column("link", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("generation", Integer, nullable=False),
        Column("kcv", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("made_at", Text, nullable=False),
        Column("changed_at", Text, nullable=False),
        info={"open": ("state", ("offered", "received", "current", "old"))},
    )
