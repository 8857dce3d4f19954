"""The HSM without its node: the same engine, in the caller's process, for tools and never for a running house.

Two of them exist. `open_hsm` answers as the open port does, under the public test LMKs. `custodian_hsm` opens the key
tables of a stopped or running house, read-only, with the master secret beside them: whoever holds that file holds the
smart cards of all officers, so every slot is in the authorised state. Nothing that such an engine changes is kept,
and its commands are not in the house's audit log.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from hsm_sim.core.engine import build_engine
from hsm_sim.core.keys.header import Entropy, Header
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.lmk import AesBlockLmk, Lmk, house_lmk
from hsm_sim.core.keys.public import public_lmks
from hsm_sim.core.limits import KEY_LENGTH, PinFails
from hsm_sim.core.policy import Policy
from hsm_sim.core.slots import KEYS_TABLE, OPEN_PARTY, VAULT_PARTY, Party
from hsm_sim.requests import Request
from hsm_sim.shelf import JournalShelf
from hsm_sim.store import DATABASE, MASTER, MASTER_LENGTH, metadata, read_master
from iso.errors import ConfigError
from node.core.turn import Turn
from node.journal import MemoryJournal

T = TypeVar("T")

_HEADER: Final = b"0000"
_PIN_FAILS_MAX: Final = 0


class OfflineHsm:
    """An engine that answers at once and keeps nothing.

    Parameters
    ----------
    parties
        Of the house; none for the open slot alone.
    master
        bytes[32], the master secret.
    keys
        Rows of the key tables.
    at
        Business time of all commands.
    entropy
        Source of randomness.

    Raises
    ------
    ConfigError
        The master secret does not open the key tables, or a key is missing in them.
    """

    def __init__(
        self, parties: Sequence[Party], master: bytes, keys: Sequence[tuple[Any, ...]], at: datetime, entropy: Entropy
    ) -> None:
        policies = {party.name: Policy(authorised=True) for party in parties}
        journal = MemoryJournal(metadata)
        self._engine, made = build_engine(
            parties,
            master,
            entropy,
            {KEYS_TABLE: keys},
            JournalShelf(journal),
            policies=policies,
            pin_fails=PinFails(entropy(KEY_LENGTH), _PIN_FAILS_MAX),
        )
        missing = sorted({f"{row.party} {row.place}" for row in made if row.party != VAULT_PARTY})
        if missing:
            rule = "must hold every key: start the house once with this version"
            raise ConfigError(DATABASE, KEYS_TABLE, f"{missing[0]} missing", rule)
        self._lmks: dict[str, Lmk] = {party.name: house_lmk(master, party.name) for party in parties}
        self._at = at
        self._entropy = entropy

    def exchange(self, party: str, command: bytes) -> bytes:
        """Carry out a command, without header and length bytes; return the answer in the same form.

        Raises
        ------
        RemoteProtocolError
            No command can be read from it.
        """
        return self._engine.handle(party, _HEADER + command, 0.0, Turn(self._at))[len(_HEADER) :]

    def ask(self, party: str, request: Request[T]) -> T:
        """Send one typed request; see `hsm_sim.requests`."""
        return request.parse(self.exchange(party, request.encode()))

    def enter(self, party: str, header: Header, material: bytes, scheme: str = "R") -> str:
        """Enter a clear key as officers do with its components; return it as a field under the party's LMK.

        Parameters
        ----------
        party
            One of the house, or `OPEN_PARTY`: then under the AES test LMK, "02".
        header
            What the key is for.
        material
            The clear key; a test key, or one that a device of the caller holds anyway.
        scheme
            R or S.
        """
        lmk = public_lmks()["02"] if party == OPEN_PARTY else self._lmks[party]
        assert isinstance(lmk, AesBlockLmk)
        return lmk.write(Key(header, material), scheme, self._entropy)


def open_hsm(at: datetime, entropy: Entropy) -> OfflineHsm:
    """Return an HSM with the open slot alone: the public test LMKs."""
    return OfflineHsm((), bytes(MASTER_LENGTH), (), at, entropy)


def custodian_hsm(data_dir: Path, parties: Sequence[Party], at: datetime, entropy: Entropy) -> OfflineHsm:
    """Open the key tables of a house.

    Parameters
    ----------
    data_dir
        Of the house, with `hsm.db` and `hsm.lmk`; it may be running.
    parties
        As in the house's topology, in its order.

    Raises
    ------
    ConfigError
        A file is missing or wrong, or see `OfflineHsm`.
    """
    master = read_master(_file(data_dir, MASTER))
    with _reading(data_dir) as database:
        keys = database.execute(f"SELECT party, place, neighbour, block FROM {KEYS_TABLE}").fetchall()
    return OfflineHsm(parties, master, keys, at, entropy)


@contextmanager
def _reading(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """Open the database for one consistent look; nothing is written, and the house's own writer is not disturbed."""
    file = _file(data_dir, DATABASE)
    problem = ""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as database:
            database.execute("BEGIN")
            yield database
    except sqlite3.Error as error:
        problem = type(error).__name__
    if problem:
        raise ConfigError(file, "content", problem, "must be the database of an HSM of this version")


def _file(data_dir: Path, name: str) -> Path:
    file = data_dir / name
    if not file.is_file():
        raise ConfigError(file, "--data-dir", "missing", "must be the folder of a house that was started once")
    return file
