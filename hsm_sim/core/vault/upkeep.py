"""The vault's work in the background: rows come over to new keys, old keys are destroyed, deleted numbers erased.

Each step changes a bounded number of rows in its turn, so that no command waits long, and each row is complete at
every moment: it names the key that opens it. After a restart the work goes on where the rows say that it is.
"""

from typing import Final, NamedTuple

from hsm_sim.core.errors import ROTATION_UNDER_WAY, HsmError
from hsm_sim.core.slots import KEYS_TABLE
from hsm_sim.core.vault.keyring import CARD, FINGERPRINT, Keyring
from hsm_sim.core.vault.rows import ACTIVE, ERASED, FIRST_LAYOUT, NO_KEY, SUSPENDED, CardRow, Shelf
from hsm_sim.core.vault.settings import VaultSettings
from hsm_sim.core.vault.working import WorkingSet
from node.core.turn import Turn

ERASE_LOOK_S: Final = 60.0
"""How often an idle HSM compares business time, which may jump, with the next erasure."""


class Rotation(NamedTuple):
    """How far the changes of the vault's keys are.

    Attributes
    ----------
    card_version, fingerprint_version
        What new rows use.
    is_resealing, is_fingerprinting
        Whether old rows are still coming over.
    has_former_fingerprints
        Whether the former fingerprint key still exists, so that both fingerprints of a card are told.
    """

    card_version: int
    fingerprint_version: int
    is_resealing: bool
    is_fingerprinting: bool
    has_former_fingerprints: bool


class Upkeep:
    """The background work.

    Parameters
    ----------
    cards, keyring, shelf, settings
        The vault's own parts.
    """

    def __init__(self, cards: WorkingSet, keyring: Keyring, shelf: Shelf, settings: VaultSettings) -> None:
        self._cards = cards
        self._keyring = keyring
        self._shelf = shelf
        self._settings = settings
        self._to_reseal = keyring.older(CARD)
        if shelf.sealed_under(FIRST_LAYOUT, 1):
            self._to_reseal.insert(0, FIRST_LAYOUT)
        self._to_fingerprint = keyring.older(FINGERPRINT)
        first = shelf.deleted(1)
        self._erase_at = first[0].erase_at if first else None
        self._step_at = 0.0
        self._rotated_in: Turn | None = None
        self._asked_in: Turn | None = None
        self._asked = 0

    def rotate(self, kind: str, turn: Turn) -> int:
        """Begin to change a key; return its new version.

        Parameters
        ----------
        kind
            "card", which seals card numbers, or "fingerprint".

        Raises
        ------
        HsmError
            "VI": its last change is not finished.
        """
        if kind == CARD and self._to_reseal:
            # Rows of the first layout name no version that a rotation could wait for.
            raise HsmError(ROTATION_UNDER_WAY)
        turn.store(KEYS_TABLE, self._keyring.rotate(kind))
        self._rotated_in, self._step_at = turn, 0.0
        if kind == CARD:
            self._to_reseal = self._keyring.older(CARD)
        else:
            self._to_fingerprint = self._keyring.older(FINGERPRINT)
        return self._keyring.current(kind)

    def retire_fingerprints(self, turn: Turn) -> None:
        """Destroy the former fingerprint key: everybody outside knows the new fingerprints.

        Raises
        ------
        HsmError
            "VJ": there is none. "VI": rows still have fingerprints of it.
        """
        if self._to_fingerprint:
            raise HsmError(ROTATION_UNDER_WAY)
        turn.store(KEYS_TABLE, self._keyring.retire(FINGERPRINT))

    def rotation(self) -> Rotation:
        """Return how far the changes are."""
        keyring = self._keyring
        return Rotation(
            keyring.current(CARD),
            keyring.current(FINGERPRINT),
            bool(self._to_reseal),
            bool(self._to_fingerprint),
            bool(keyring.older(FINGERPRINT)),
        )

    def erase_later(self, at: int, turn: Turn) -> None:
        """Take notice of a number that is to be erased at a business time, in seconds."""
        if turn is not self._asked_in:
            self._asked_in, self._asked = turn, at
        self._asked = min(self._asked, at)
        if self._erase_at is None or at < self._erase_at:
            self._erase_at = at

    def step(self, now: float, turn: Turn) -> None:
        """Do what is due, at most `batch_rows` rows of each kind of work. To be called once in a turn."""
        if turn is self._rotated_in:
            # Rows of this turn are not on the shelf yet: the old key may still be theirs.
            return
        at = int(turn.at.timestamp())
        if self._is_erasure_due(at):
            self._erase(at, turn)
            if self._is_erasure_due(at):
                self._step_at = min(self._step_at, now + self._settings.batch_every_s)
        if now < self._step_at:
            return
        if self._to_reseal:
            self._reseal(self._to_reseal[0], turn)
        elif self._to_fingerprint:
            self._fingerprint(self._to_fingerprint[0], turn)
        is_busy = self._to_reseal or self._to_fingerprint or self._is_erasure_due(at)
        self._step_at = now + (self._settings.batch_every_s if is_busy else ERASE_LOOK_S)

    def deadline(self) -> float | None:
        """Return when `step` next has work, in monotonic seconds."""
        has_work = self._to_reseal or self._to_fingerprint or self._erase_at is not None
        return self._step_at if has_work else None

    def _reseal(self, version: int, turn: Turn) -> None:
        found = self._shelf.sealed_under(version, self._settings.batch_rows)
        for committed in found:
            row = self._cards.card(committed.token).row
            if row.key_version == version:
                self._renew(row, turn)
        # Only what is committed counts: rows of this very turn are seen at the next step.
        if not found:
            self._to_reseal.pop(0)
            if version != FIRST_LAYOUT and version in self._keyring.older(CARD):
                turn.store(KEYS_TABLE, self._keyring.retire(CARD))

    def _fingerprint(self, version: int, turn: Turn) -> None:
        found = self._shelf.fingerprinted_under(version, self._settings.batch_rows)
        for committed in found:
            row = self._cards.card(committed.token).row
            if row.fingerprint_version == version:
                self._renew(row, turn)
        if not found:
            self._to_fingerprint.pop(0)

    def _renew(self, row: CardRow, turn: Turn) -> None:
        """Bring a row to the current versions of all keys. A forged row is set aside, sealed as it is."""
        pan = self._opened(row)
        if pan is None:
            self._cards.put(row._replace(key_version=NO_KEY, fingerprint="", fingerprint_version=NO_KEY), turn)
            return
        par = row.par or self._keyring.par(self._settings.par_controller, pan)
        renewed = row._replace(par=par)
        if row.state in (ACTIVE, SUSPENDED) and row.fingerprint:
            fingerprint, _ = self._keyring.fingerprints(row.requestor, pan)
            version = self._keyring.current(FINGERPRINT)
            renewed = renewed._replace(fingerprint=fingerprint, fingerprint_version=version)
        self._cards.put(self._keyring.seal(renewed, pan), turn)

    def _opened(self, row: CardRow) -> str | None:
        try:
            return self._keyring.open(row)
        except HsmError:
            return None

    def _is_erasure_due(self, at: int) -> bool:
        return self._erase_at is not None and self._erase_at <= at

    def _erase(self, at: int, turn: Turn) -> None:
        """Take the numbers of deleted cards whose time is over; the token stays, as a tombstone."""
        found = self._shelf.deleted(self._settings.batch_rows + 1)
        due = [row for row in found[: self._settings.batch_rows] if row.erase_at <= at]
        for row in due:
            self._cards.put(_erased(row, at), turn)
        later = [row.erase_at for row in found[len(due) :][:1]]
        if turn is self._asked_in:
            later.append(self._asked)
        self._erase_at = min(later, default=None)


def _erased(row: CardRow, at: int) -> CardRow:
    """Return what is left of a deleted row: the token and its history, nothing of the card."""
    return row._replace(state=ERASED, expiry="", par="", key_version=NO_KEY, sealed=b"", changed_at=at, erase_at=0)
