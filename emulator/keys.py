"""The API keys of the topology's merchants: made once per data directory, readable by its owner only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from node.clock import Entropy
from node.private_file import made_once, write_private

FILE = "api-keys.json"
OPERATOR_FILE = "operator.key"


class ApiKeys(NamedTuple):
    """The two keys of one account, as the official SDKs expect them to look."""

    secret: str
    publishable: str

    def __repr__(self) -> str:
        return f"ApiKeys(...{self.secret[-4:]})"


def merchant_keys(data_dir: Path, accounts: Sequence[str], entropy: Entropy) -> dict[str, ApiKeys]:
    """Return the keys of each account; new accounts get new ones."""
    path = data_dir / FILE
    kept = json.loads(path.read_text()) if path.exists() else {}
    keys = {account: ApiKeys(**pair) for account, pair in kept.items()}
    for account in accounts:
        if account not in keys:
            keys[account] = ApiKeys(f"sk_test_{entropy(24).hex()}", f"pk_test_{entropy(24).hex()}")
    wanted = {account: keys[account] for account in accounts}
    if set(wanted) - set(kept):
        write_private(path, json.dumps({account: pair._asdict() for account, pair in keys.items()}, indent=2) + "\n")
    return wanted


def operator_key(data_dir: Path, entropy: Entropy) -> str:
    """Return the key that opens the gateway's `/emu/v1`; made at the first start, readable by its owner."""
    return made_once(data_dir / OPERATOR_FILE, lambda: f"emu_test_{entropy(24).hex()}\n").strip()
