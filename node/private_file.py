"""Small files that only their owner may read: keys and secrets. Each is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file, or replace it; durable when this returns. OSError if that cannot be."""
    _draft(path, text).replace(path)


def made_once(path: Path, make: Callable[[], str]) -> str:
    """Return what a file holds; if there is none, the first of all processes that ask makes it, and all get the same.

    Raises
    ------
    OSError
        It can be neither read nor written.
    """
    if not path.exists():
        draft = _draft(path, make())
        # A link, not a rename: who comes second must not replace what the first one already uses.
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text("ascii", errors="replace")


def _draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft
