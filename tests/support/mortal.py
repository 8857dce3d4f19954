"""The command that users type, in a process that kills itself at a chosen commit of the gateway's store.

`python -m tests.support.mortal FATE up ...`: once the file FATE exists, it says "before N" or "after N". Commits that
change rows are counted from then on; before or after the N-th the process ends as by `kill -9`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gateway.node
from emulator.cli import main
from gateway.store import SqliteStore
from gateway.store_books import SqlBooks

BEFORE, AFTER = "before", "after"


class MortalStore(SqliteStore):
    """A store that does not survive one of its commits."""

    fate = Path()

    def __init__(self, path: Path, **options: Any) -> None:
        super().__init__(path, **options)
        self._changes = self._counted = 0

    def _commit(self) -> None:
        changes: int = self._driver.total_changes
        if changes != self._changes and self.fate.exists():
            self._counted += 1
            self._meet(BEFORE)
        self._changes = changes
        super()._commit()

    def _run(self, jobs: Sequence[Any], kind: type[SqlBooks]) -> None:
        super()._run(jobs, kind)
        if self._counted:
            self._meet(AFTER)

    def _meet(self, moment: str) -> None:
        if self.fate.read_text() == f"{moment} {self._counted}":
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    MortalStore.fate = Path(sys.argv[1])
    gateway.node.SqliteStore = MortalStore  # type: ignore[misc]
    sys.exit(main(sys.argv[2:]))
