"""Where the HSM keeps what must survive a restart, and nothing in clear.

Keys are stored as key blocks under their party's LMK, card numbers sealed under the vault key. The master secret that
the LMKs come from is a file of its own, `hsm.lmk`: it stands for the smart cards of a real device. Without it the
database is of no use; an ephemeral HSM has both in memory only. CVV2s are in no table.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text

from hsm_sim.core.audit import AUDIT_HEAD_TABLE, AUDIT_TABLE
from hsm_sim.core.keys.header import Entropy
from hsm_sim.core.slots import KEYS_TABLE
from hsm_sim.core.vault import CARDS_TABLE, COUNTERS_TABLE, CRYPTOGRAMS_TABLE, REFERENCES_TABLE
from iso.errors import ConfigError
from node.journal import LocalJournal, MemoryJournal, SqliteJournal
from node.private_file import made_once

DATABASE: Final = "hsm.db"
MASTER: Final = "hsm.lmk"
MASTER_LENGTH: Final = 32

metadata: Final = MetaData()

keys = Table(
    KEYS_TABLE,
    metadata,
    Column("party", Text, primary_key=True),
    Column("place", Text, primary_key=True),
    Column("neighbour", Text, nullable=False),
    Column("block", Text, nullable=False),
)
cards = Table(
    CARDS_TABLE,
    metadata,
    Column("token", Text, primary_key=True),
    Column("requestor", Text, nullable=False),
    Column("expiry", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("fingerprint_version", Integer, nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("par", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", Integer, nullable=False),
    Column("erase_at", Integer, nullable=False),
    Column("token_expiry", Text, nullable=False),
    Column("channels", Text, nullable=False),
    Column("merchants", Text, nullable=False),
    Column("currencies", Text, nullable=False),
    Column("amount_max", Integer, nullable=True),
    Column("merchant_initiated", Integer, nullable=False),
    Index("hsm_cards_fingerprint", "fingerprint", "expiry"),
    Index("hsm_cards_fingerprint_version", "fingerprint_version"),
    Index("hsm_cards_key_version", "key_version"),
    Index("hsm_cards_erasure", "state", "erase_at"),
    info={"open": None},
)
counters = Table(
    COUNTERS_TABLE,
    metadata,
    Column("token", Text, primary_key=True),
    Column("atc", Integer, nullable=False),
    Column("seen", Integer, nullable=False),
    info={"open": None},
)
cryptograms = Table(
    CRYPTOGRAMS_TABLE,
    metadata,
    Column("token", Text, primary_key=True),
    Column("atc", Integer, primary_key=True),
    Column("issued_at", Integer, nullable=False),
    info={"append_only": True, "open": None},
)
references = Table(
    REFERENCES_TABLE,
    metadata,
    Column("token", Text, primary_key=True),
    Column("atc", Integer, primary_key=True),
    Column("reference", Text, nullable=False),
    Column("merchant", Text, nullable=False),
    Column("audit_id", Text, nullable=False),
    Index("hsm_references_reference", "token", "reference"),
    info={"append_only": True, "open": None},
)
audit = Table(
    AUDIT_TABLE,
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("at_ms", Integer, nullable=False),
    Column("party", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    info={"append_only": True, "open": None},
)
audit_head = Table(
    AUDIT_HEAD_TABLE,
    metadata,
    Column("row", Integer, primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)


def open_store(data_dir: Path | None, entropy: Entropy, *, power_safe: bool = False) -> tuple[LocalJournal, bytes]:
    """Open the database and the master secret of an HSM.

    Parameters
    ----------
    data_dir
        Existing folder; None for an ephemeral HSM, which keeps everything in memory.
    entropy
        Makes the master secret of a new HSM.
    power_safe
        Survive a power loss, not only a killed process.

    Returns
    -------
    tuple
        The journal, and the master secret, bytes[32].

    Raises
    ------
    ConfigError
        The master secret is missing beside an existing database, is not 32 bytes in hex, or others can read it.
    StoreError
        Another process writes this database.
    """
    if data_dir is None:
        return MemoryJournal(metadata), entropy(MASTER_LENGTH)
    database, master_file = data_dir / DATABASE, data_dir / MASTER
    if database.exists() and not master_file.exists():
        raise ConfigError(master_file, "file", "missing", f"must lie beside {DATABASE}: it opens its keys")
    # The journal's lock comes first, so that two processes cannot both make a master secret.
    journal = SqliteJournal(database, metadata, "hsm_sim.migrations", power_safe=power_safe)
    made_once(master_file, lambda: entropy(MASTER_LENGTH).hex().upper() + "\n")
    return journal, read_master(master_file)


def read_master(path: Path) -> bytes:
    """Return the master secret of a file, bytes[32].

    Raises
    ------
    ConfigError
        There is none, others can read it, or it is not 32 bytes in hex.
    """
    if not path.is_file():
        raise ConfigError(path, "file", "missing", f"must lie beside {DATABASE}: it opens its keys")
    if path.stat().st_mode & 0o077:
        raise ConfigError(path, "mode", oct(path.stat().st_mode & 0o777), "must be 0600: nobody else may read it")
    text = path.read_text("ascii", errors="replace").strip()
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != MASTER_LENGTH:
        raise ConfigError(path, "content", "hidden", f"must be {MASTER_LENGTH} bytes in hex")
    return secret
