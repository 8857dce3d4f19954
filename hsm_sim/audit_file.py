"""Reading the audit log of a data folder: for `cardrails hsm audit`, also while the HSM is running.

The database is opened read-only and nothing is written, repaired or migrated: a log that looks wrong stays as it is.
Checking needs the master secret beside the database, because only the HSM's own key can tell its records from others.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from hsm_sim.core import indexes
from hsm_sim.core.audit import Checkpoint, Finding, Head, Record, Sign, signer, verify
from hsm_sim.core.errors import HsmError
from hsm_sim.core.keys.lmk import house_lmk
from hsm_sim.core.slots import VAULT_PARTY, KeyRow, Party, Slot
from hsm_sim.store import DATABASE, MASTER, read_master
from iso.errors import ConfigError
from node.journal import StoreError

_RECORDS: Final = (
    "SELECT sequence, at_ms, party, command, code, subject, previous, mac FROM hsm_audit ORDER BY sequence"
)
_HEAD: Final = "SELECT row, sequence, mac, seal FROM hsm_audit_head"
_KEY: Final = "SELECT party, place, neighbour, block FROM hsm_keys WHERE party = ? AND place = ?"


class AuditFile:
    """The log in a data folder; a context manager.

    Parameters
    ----------
    data_dir
        Folder with `hsm.db` and `hsm.lmk`.

    Raises
    ------
    ConfigError
        There is no HSM in this folder, or the master secret does not open its keys.
    StoreError
        The database is not one that an HSM of this version wrote.
    """

    def __init__(self, data_dir: Path) -> None:
        database, master = data_dir / DATABASE, data_dir / MASTER
        if not database.exists():
            raise ConfigError(database, "file", "missing", "must be the database of an HSM")
        secret = read_master(master)
        self._name = database.name
        self._database = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            self._sign = self._signer(secret, master)
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> "AuditFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def records(self) -> Iterator[Record]:
        """Yield every record, oldest first; `StoreError` if the table cannot be read."""
        for row in self._rows(_RECORDS):
            yield Record(*row)

    def head(self) -> Head | None:
        """Return the stored head; None if there is none."""
        for row in self._rows(_HEAD):
            return Head(*row)
        return None

    def verify(self, checkpoint: Checkpoint | None = None) -> Iterator[Finding]:
        """Check the log as it stands at one moment; see `hsm_sim.core.audit.verify`."""
        # One read transaction: an HSM that is running may add records between the head and the rows.
        self._database.execute("BEGIN")
        try:
            yield from verify(self.records(), self.head(), self._sign, checkpoint)
        finally:
            self._database.execute("ROLLBACK")

    def checkpoint(self) -> Checkpoint | None:
        """Return where the log stands, to be kept elsewhere; None if it has no head."""
        head = self.head()
        return None if head is None else Checkpoint(head.sequence, bytes(head.mac))

    def _signer(self, secret: bytes, master: Path) -> Sign:
        rows = list(self._rows(_KEY, (VAULT_PARTY, indexes.AUDIT)))
        if not rows:
            raise StoreError(f"{self._name}: this HSM has no audit log yet")
        slot = Slot(Party(VAULT_PARTY, ""), {"00": house_lmk(secret, VAULT_PARTY)})
        try:
            slot.load(KeyRow(*rows[0]))
        except HsmError as error:
            refused = error.code
        else:
            return signer(slot.keys[indexes.AUDIT])
        raise ConfigError(master, "content", refused, "must be the master secret of this database")

    def _rows(self, query: str, parameters: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._database.execute(query, parameters)
        except sqlite3.Error as error:
            reason = type(error).__name__
        else:
            return
        raise StoreError(f"{self._name}: the audit log cannot be read: {reason}")
