"""The pepper: a secret beside the database that keys what the database remembers of requests' parameters.

The parameters of an idempotent request may hold a card number, so the database keeps only a keyed hash of them. The
key must outlive the caller's API key, or a request could not be repeated after a roll; and it must not be in the
database, or a stolen one could be searched for card numbers. So it is a file of its own, readable by its owner only.
Without it a gateway still serves: idempotency keys that were used before are refused as used for something else.
Gateways that share a store share this file.
"""

from __future__ import annotations

from pathlib import Path

from node.clock import Entropy
from node.journal import StoreError
from node.private_file import made_once

LENGTH_BYTES = 32


def pepper_beside(database: Path, entropy: Entropy) -> bytes:
    """Return bytes[32]; made at the first start, by whoever is first.

    Raises
    ------
    StoreError
        The file is there and is none of ours. Bring back the right one, or remove it.
    """
    path = database.with_suffix(".pepper")
    text = made_once(path, lambda: entropy(LENGTH_BYTES).hex())
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != LENGTH_BYTES:
        raise StoreError(f"{path.name} is not a pepper of this gateway")
    return found
