"""The journal: what a turn changed, committed in one transaction before anything of it leaves the node.

SQLAlchemy Core describes the tables and compiles each statement once; the journal hands compiled SQL and plain values
to the driver. There are three of them with one contract: a SQLite file, a PostgreSQL schema, and memory.

A row replaces the row with its primary key, except in a table declared `append_only`. After a failed commit the node
must stop: its memory is ahead of its disk.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import MetaData

from iso.errors import ConfigError
from node.database_url import DatabaseUrl
from node.journal_memory import MemoryJournal
from node.journal_port import Journal, LocalJournal, Rows, StoreError, Stores
from node.journal_sqlite import CHECKPOINT_PAGES, SqliteJournal, lock_database
from node.journal_tables import saf_table, zone_keys_table

__all__ = [
    "CHECKPOINT_PAGES",
    "DatabaseUrl",
    "Journal",
    "LocalJournal",
    "MemoryJournal",
    "Rows",
    "SqliteJournal",
    "StoreError",
    "Stores",
    "lock_database",
    "open_journal",
    "saf_table",
    "zone_keys_table",
]


def open_journal(
    place: Path | DatabaseUrl | None, metadata: MetaData, migrations: str, *, power_safe: bool = False
) -> Journal:
    """Return a room's journal in a file, in a schema of a database server, or in memory if `place` is None.

    Raises
    ------
    StoreError
        Another process writes this file. Of a server `load` says so.
    ConfigError
        A database server is asked for, and the driver is not installed.
    """
    if place is None:
        return MemoryJournal(metadata)
    if isinstance(place, Path):
        return SqliteJournal(place, metadata, migrations, power_safe=power_safe)
    try:
        from node.journal_postgres import PostgresJournal
    except ImportError:
        raise ConfigError(
            "topology", "database", place.shown, "needs the driver: pip install 'cardrails[postgresql]'"
        ) from None
    return PostgresJournal(place, metadata, migrations, power_safe=power_safe)
