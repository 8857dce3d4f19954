"""The switch's store: its migrations make the tables that the code describes, and rows come back as they went."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, inspect

from node.core.saf import SafEntry
from node.migrate import upgrade
from switch.core.legs import Leg, names_of_request
from switch.core.reversal import WAITING, Tombstone
from switch.store import METADATA
from tests.support.switch import EPOCH, request


class TestMigrations:
    """A database that was migrated is the one that METADATA describes."""

    def test_migrations_and_tables_agree(self, tmp_path: Path) -> None:
        upgrade(tmp_path / "switch.db", "switch.migrations")

        engine = create_engine(f"sqlite:///{tmp_path / 'switch.db'}")
        found = inspect(engine)
        made = {
            table: [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(table)]
            for table in found.get_table_names()
            if table != "alembic_version"
        }
        keys = {table: found.get_pk_constraint(table)["constrained_columns"] for table in made}
        indexes = {index["name"] for table in made for index in found.get_indexes(table)}
        engine.dispose()

        assert made == {
            name: [(column.name, str(column.type), bool(column.nullable)) for column in table.columns]
            for name, table in METADATA.tables.items()
        }
        assert keys == {name: list(table.primary_key.columns.keys()) for name, table in METADATA.tables.items()}
        assert indexes == {index.name for table in METADATA.tables.values() for index in table.indexes}


class TestRows:
    """A row has its table's columns, in order."""

    def test_rows_fit_their_tables(self) -> None:
        names = names_of_request(request())
        leg = dict(
            zip(METADATA.tables["legs"].columns.keys(), Leg(names, "acquirer", "0100", EPOCH).row(), strict=True)
        )
        tombstone = Tombstone(names, WAITING, "2026-03-14").row()
        entry = SafEntry("0420/x", "issuer-a", "token", request(), "2026-03-14").row()

        assert (leg["business"], leg["original"]) == (names.business, names.original)
        assert (leg["acquirer"], leg["state"], leg["mti"]) == ("acquirer", "new", "0100")
        assert len(tombstone) == len(METADATA.tables["tombstones"].columns)
        assert len(entry) == len(METADATA.tables["saf"].columns)
