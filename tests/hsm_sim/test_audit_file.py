"""The audit log of a data folder: checked from outside, also while the HSM is running."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import anyio
import pytest

from hsm_sim.audit_file import AuditFile
from hsm_sim.core.audit import Finding
from hsm_sim.requests import Detokenise
from hsm_sim.store import DATABASE, MASTER
from iso.errors import ConfigError
from tests.hsm_sim.nodes import serving, stored_node


class TestTheAuditLogOnDisk:
    """A data folder's log can be checked beside the running HSM, and a log that was tampered with is not continued."""

    def lives(self, folder: Path, count: int = 1) -> None:
        async def life(seed: str) -> None:
            node = stored_node(folder, seed)
            async with serving(node):
                await node.submit("gateway", [b"HEAD" + Detokenise("9999000000004242", "reference").encode()])
            await node.journal.aclose()

        for number in range(count):
            anyio.run(life, f"life {number}")

    def test_it_is_whole_after_several_lives(self, tmp_path: Path) -> None:
        self.lives(tmp_path, 3)

        with AuditFile(tmp_path) as log:
            records, findings, checkpoint = list(log.records()), list(log.verify()), log.checkpoint()

        assert [record.command for record in records] == ["start", "ZE", "stop"] * 3
        assert findings == []
        assert checkpoint is not None
        assert checkpoint.sequence == 9

    def test_it_can_be_checked_while_the_hsm_is_running(self, tmp_path: Path) -> None:
        async def life() -> tuple[int, list[Finding]]:
            node = stored_node(tmp_path)
            async with serving(node):
                await node.submit("gateway", [b"HEAD" + Detokenise("9999000000004242", "reference").encode()])
                with AuditFile(tmp_path) as log:
                    found = len(list(log.records())), list(log.verify())
            await node.journal.aclose()
            return found

        assert anyio.run(life) == (2, [])

    @pytest.mark.parametrize(
        ("statement", "problem"),
        [
            ("UPDATE hsm_audit SET party = 'switch' WHERE sequence = 2", "changed"),
            ("DELETE FROM hsm_audit WHERE sequence = 2", "removed"),
            ("DELETE FROM hsm_audit WHERE sequence = 3", "cut"),
            ("DELETE FROM hsm_audit_head", "head"),
            (
                "INSERT INTO hsm_audit SELECT 4, at_ms, party, command, code, '', previous, mac FROM hsm_audit",
                "inserted",
            ),
        ],
    )
    def test_tampering_is_found(self, tmp_path: Path, statement: str, problem: str) -> None:
        self.lives(tmp_path)
        database = sqlite3.connect(tmp_path / DATABASE)
        database.execute(statement if "INSERT" not in statement else statement + " WHERE sequence = 2")
        database.commit()
        database.close()

        with AuditFile(tmp_path) as log:
            assert problem in [finding.problem for finding in log.verify()]

    def test_a_log_that_was_removed_is_not_begun_anew(self, tmp_path: Path) -> None:
        self.lives(tmp_path)
        database = sqlite3.connect(tmp_path / DATABASE)
        database.executescript("DELETE FROM hsm_audit_head; DELETE FROM hsm_audit;")
        database.close()

        with pytest.raises(ConfigError, match="the audit log was removed"):
            anyio.run(stored_node(tmp_path).run)

    def test_a_folder_without_an_hsm_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"hsm\.db"):
            AuditFile(tmp_path)

    def test_another_master_secret_is_one_line(self, tmp_path: Path) -> None:
        self.lives(tmp_path)
        (tmp_path / MASTER).write_text("00" * 32)

        with pytest.raises(ConfigError, match=r"hsm\.lmk"):
            AuditFile(tmp_path)
