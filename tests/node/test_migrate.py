"""A database that is brought to a newer revision is at the old one or at the new one, whenever a process dies."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from node.migrate import revisions, upgrade

ROOMS = ("hsm_sim", "banks.issuer", "banks.acquirer", "switch", "gateway")


class Died(Exception):
    """What a process does not come back from."""


@contextmanager
def counting(limit: int | None = None) -> Iterator[list[str]]:
    """Note every statement of an upgrade, and die at one of them."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if len(seen) == limit:
            raise Died
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def schema(file: Path) -> list[Any]:
    database = sqlite3.connect(file)
    try:
        return database.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    finally:
        database.close()


@pytest.mark.parametrize("room", ROOMS)
def test_who_dies_on_the_way_has_changed_nothing(tmp_path: Path, room: str) -> None:
    migrations = f"{room}.migrations"
    with counting() as statements:
        upgrade(tmp_path / "whole.db", migrations)
    whole = schema(tmp_path / "whole.db")

    for part in (1, 2, 3):
        file = tmp_path / f"part{part}.db"
        with counting(len(statements) * part // 4), pytest.raises(Died):
            upgrade(file, migrations)
        left = schema(file)
        upgrade(file, migrations)

        assert left == []
        assert schema(file) == whole
    assert len(statements) > len(revisions(migrations))
