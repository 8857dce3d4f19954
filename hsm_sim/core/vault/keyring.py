"""The vault's keys and their versions: what seals a row now, and what still opens the older ones.

A rotation makes a new version. New rows use it at once, old rows are opened by the version that they name and come
over in the background (`hsm_sim.core.vault.upkeep`); a version that no row names is destroyed. Versions lie in the
key table of the vault's own slot, so a restart finds a rotation where it was.

A fingerprint is known outside: while two versions of its key exist, both fingerprints of a card are told, and the
older key lives until somebody says that nobody needs the older ones any more.
"""

from functools import lru_cache
from typing import Final

from hsm_sim.core import indexes
from hsm_sim.core.errors import NOTHING_TO_RETIRE, RECORD_FORGED, ROTATION_UNDER_WAY, HsmError
from hsm_sim.core.keys.header import Entropy
from hsm_sim.core.keys.key import Key, generate
from hsm_sim.core.slots import KeyRow, Slot
from hsm_sim.core.vault.rows import FIRST_LAYOUT, CardRow

CARD: Final = "card"
FINGERPRINT: Final = "fingerprint"
_PLACES: Final = {CARD: indexes.VAULT, FINGERPRINT: indexes.FINGERPRINT}
_LENGTH: Final = 32
_FIRST_LABEL: Final = "hsm_sim/card/v1"
_LABEL: Final = "hsm_sim/card/v2"
_SEALED: Final = CardRow._fields.index("sealed")


class Keyring:
    """The versions of the vault's keys.

    Parameters
    ----------
    slot
        The vault's own slot; its first versions are there (the key ceremony made them).
    entropy
        Source of randomness.

    Attributes
    ----------
    token
        E0, issuer master key of the token cryptograms.
    """

    def __init__(self, slot: Slot, entropy: Entropy) -> None:
        self._slot = slot
        self._entropy = entropy
        self._versions = {kind: _versions(slot, place) for kind, place in _PLACES.items()}
        self._par = slot.keys[indexes.PAR]
        self.token = slot.keys[indexes.TOKEN_IMK]

    def current(self, kind: str) -> int:
        """Return the version that new rows use."""
        return self._versions[kind][-1]

    def older(self, kind: str) -> list[int]:
        """Return the versions that only old rows use, oldest first."""
        return self._versions[kind][:-1]

    def rotate(self, kind: str) -> KeyRow:
        """Make a new version of a key, used from now on.

        Parameters
        ----------
        kind
            `CARD` or `FINGERPRINT`.

        Returns
        -------
        KeyRow
            To be stored before anything that the new version made.

        Raises
        ------
        HsmError
            "VI": the last rotation of this key is not finished.
        """
        if self.older(kind):
            raise HsmError(ROTATION_UNDER_WAY)
        version = self.current(kind) + 1
        key = generate(self._key(kind, self.current(kind)).header, _LENGTH, self._entropy)
        row = self._slot.place(_place(kind, version), key, "", self._entropy)
        self._versions[kind].append(version)
        return row

    def retire(self, kind: str) -> KeyRow:
        """Destroy the oldest version; no row may use it any more.

        Returns
        -------
        KeyRow
            An empty block in the place of the key.

        Raises
        ------
        HsmError
            "VJ": there is only one version.
        """
        if not self.older(kind):
            raise HsmError(NOTHING_TO_RETIRE)
        place = _place(kind, self._versions[kind].pop(0))
        del self._slot.keys[place]
        return KeyRow(self._slot.party.name, place, "", "")

    def seal(self, row: CardRow, pan: str) -> CardRow:
        """Return the row with the card number sealed under the current version, bound to every other column."""
        version = self.current(CARD)
        bound = row._replace(key_version=version)
        sealed = self._key(CARD, version).seal(pan.encode("ascii"), _context(bound), self._entropy)
        return bound._replace(sealed=sealed)

    def open(self, row: CardRow) -> str:
        """Return the card number of a row.

        Raises
        ------
        HsmError
            "V7": something of the row was changed, or its key does not exist.
        """
        version = 1 if row.key_version == FIRST_LAYOUT else row.key_version
        if version not in self._versions[CARD]:
            raise HsmError(RECORD_FORGED)
        return self._key(CARD, version).open(row.sealed, _context(row)).decode("ascii")

    def fingerprints(self, requestor: str, pan: str) -> tuple[str, str]:
        """Return the fingerprint of a card in a requestor's scope, and the former one while its key still exists."""
        scope, versions = "requestor:" + requestor, self._versions[FINGERPRINT]
        now = self._key(FINGERPRINT, versions[-1]).fingerprint(scope, pan)
        return now, self._key(FINGERPRINT, versions[-2]).fingerprint(scope, pan) if len(versions) > 1 else ""

    def par(self, controller: str, pan: str) -> str:
        """Return the payment account reference: the same for a card number, whoever asks.

        Parameters
        ----------
        controller
            str[4], who gives out the references.

        Returns
        -------
        str
            str[29]: the controller and 25 upper-case base32 characters.

        Source
        ------
        Shared facts, hsm 5, for the shape.
        """
        return controller + self._par.fingerprint("par", pan)[3:28].upper()

    def __repr__(self) -> str:
        return f"Keyring({', '.join(f'{kind}={versions}' for kind, versions in self._versions.items())})"

    def _key(self, kind: str, version: int) -> Key:
        return self._slot.keys[_place(kind, version)]


def _place(kind: str, version: int) -> str:
    """Return where a version lies; no wire field can name a later one, as their names are too long for it."""
    return _PLACES[kind] if version == 1 else f"{_PLACES[kind]}.{version}"


def _versions(slot: Slot, place: str) -> list[int]:
    later = [int(name.removeprefix(place + ".")) for name in slot.keys if name.startswith(place + ".")]
    return sorted([*later, 1] if place in slot.keys else later)


@lru_cache(maxsize=4096)
def _context(row: CardRow) -> bytes:
    """Return what the sealed number is bound to: every other column, quoted, so that none passes for another."""
    if row.key_version == FIRST_LAYOUT:
        return "\x00".join((_FIRST_LABEL, row.token, row.expiry, "1", row.requestor)).encode("utf-8")
    return ascii((_LABEL, *row[:_SEALED], *row[_SEALED + 1 :])).encode("ascii")
