"""The pepper: a secret beside the database that keys what the database remembers of requests' parameters.

The parameters of an idempotent request may hold a card number, so the database keeps only a keyed hash of them. The
key must outlive the caller's API key, or a request could not be repeated after a roll; and it must not be in the
database, or a stolen one could be searched for card numbers. So it is a file of its own, readable by its owner only.
Without it a gateway still serves: idempotency keys that were used before are refused as used for something else.
Gateways that share a store share this file.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from node.clock import Entropy
from node.journal import StoreError

LENGTH_BYTES = 32


def pepper_beside(database: Path, entropy: Entropy) -> bytes:
    """Return bytes[32]; made at the first start, by whoever is first.

    Raises
    ------
    StoreError
        The file is there and is none of ours. Bring back the right one, or remove it.
    """
    path = database.with_suffix(".pepper")
    if not path.exists():
        draft = path.with_suffix(f".pepper.{os.getpid()}.new")
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(entropy(LENGTH_BYTES).hex())
            file.flush()
            os.fsync(file.fileno())
        # A link, not a rename: who comes second must not replace what the first one already uses.
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    text = path.read_bytes()
    try:
        found = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        found = b""
    if len(found) != LENGTH_BYTES:
        raise StoreError(f"{path.name} is not a pepper of this gateway")
    return found
