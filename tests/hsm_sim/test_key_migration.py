"""Key tables of earlier versions open again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hsm_sim.store import DATABASE
from tests.hsm_sim.nodes import serving, stored_node


def _as_before(path: Path) -> int:
    """Put the stored keys back into the form of the third revision, which left the scheme out."""
    database = sqlite3.connect(path)
    database.execute("UPDATE hsm_keys SET block = substr(block, 2) WHERE block LIKE 'RD%'")
    database.execute("UPDATE alembic_version SET version_num = '0003'")
    database.commit()
    (count,) = database.execute("SELECT count(*) FROM hsm_keys WHERE block LIKE 'D%'").fetchone()
    database.close()
    return int(count)


@pytest.mark.trio
class TestStoredKeys:
    """A data folder of an earlier version has the same keys after the change."""

    async def test_blocks_without_their_scheme_are_the_same_keys(self, tmp_path: Path) -> None:
        before = stored_node(tmp_path)
        async with serving(before):
            values = before.engine.check_values()
        await before.journal.aclose()
        changed = _as_before(tmp_path / DATABASE)

        after = stored_node(tmp_path, seed="another start")
        async with serving(after):
            found = after.engine.check_values()
        await after.journal.aclose()

        assert changed > 20
        assert found == values
