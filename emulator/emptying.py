"""A house that is emptied: its nodes begin again as at their first start, with the same keys for whoever calls them.

What is wanted is written down first, and done at the next start, before any node opens its files: however often a
process dies on the way, either a node is as it was or it is empty. What lets callers in stays (API keys, the
operator's key, the control ports' secret), and so does the master secret of the HSM.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from node.journal_sqlite import lock_database

_DATABASES = ("db", "messages.db", "requests.db")
_PARTS = ("", "-wal", "-shm")


def want_empty(data_dir: Path, names: Iterable[str]) -> None:
    """Write down that some nodes are to be empty from their next start on; it is on disk when this returns."""
    for name in names:
        descriptor = os.open(_mark(data_dir, name), os.O_CREAT | os.O_WRONLY, 0o600)
        os.fsync(descriptor)
        os.close(descriptor)
    folder = os.open(data_dir, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def empty_wanted(data_dir: Path, names: Iterable[str]) -> list[str]:
    """Remove what the nodes have kept of which that is wanted; return their names.

    Raises
    ------
    StoreError
        Another process runs one of them.
    """
    wanted = [name for name in names if _mark(data_dir, name).exists()]
    for name in wanted:
        lock = lock_database(data_dir / f"{name}.db")
        try:
            for kept in _DATABASES:
                for part in _PARTS:
                    (data_dir / f"{name}.{kept}{part}").unlink(missing_ok=True)
            (data_dir / f"{name}.clock").unlink(missing_ok=True)
            _mark(data_dir, name).unlink()
        finally:
            os.close(lock)
    return wanted


def _mark(data_dir: Path, name: str) -> Path:
    return data_dir / f"{name}.reset"
