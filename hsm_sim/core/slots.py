"""Parties and their slots: LMK, role and key table each.

A slot is what a party owns inside the HSM. Keys are named on the wire by their place in the party's own table or
carried as key blocks under the party's own LMK; another party's blocks do not authenticate.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from hsm_sim.core.errors import BAD_INDEX, KEY_NOT_AVAILABLE, LMK_REFUSED, HsmError
from hsm_sim.core.keys.header import Entropy
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.lmk import Lmk
from hsm_sim.core.policy import Policy

VAULT_PARTY: Final = "vault"
"""The token vault's own slot: no role, no port, so that no command reaches its keys by name."""

OPEN_PARTY: Final = "open"
"""The slot of the open port: the public test LMKs, no keys of the house."""

KEYS_TABLE: Final = "hsm_keys"
"""The table of the stored keys of all parties."""

_CACHED_KEYS_MAX: Final = 1024
_DEFAULT: Final = Policy()
_HEX: Final = frozenset("0123456789ABCDEF")


class Party(NamedTuple):
    """A name and one of the roles of `hsm_sim.core.roles` (the vault's own slot has the role "")."""

    name: str
    role: str


class KeyRow(NamedTuple):
    """One row of a key table as it is stored: the neighbour who shares the key, and the block under the LMK."""

    party: str
    place: str
    neighbour: str
    block: str


class Slot:
    """A party's LMKs and key table.

    Parameters
    ----------
    party
        Name and role.
    lmks
        LMK by identifier, str[2]: what `%LL` must name. A party of the house has one; the open slot has the public
        test LMKs.
    policy
        The slot's security settings.

    Attributes
    ----------
    identifier
        The LMK that a command without `%LL` means: the first one.
    keys
        Key by place in the party's own table.
    neighbours
        The party that shares the key, by place; "" for a key of the party's own.
    """

    __slots__ = ("_cache", "identifier", "keys", "lmk", "lmks", "neighbours", "party", "policy")

    def __init__(self, party: Party, lmks: Mapping[str, Lmk], policy: Policy = _DEFAULT) -> None:
        self.party = party
        self.lmks = lmks
        self.identifier = next(iter(lmks))
        self.lmk = lmks[self.identifier]
        self.policy = policy
        self.keys: dict[str, Key] = {}
        self.neighbours: dict[str, str] = {}
        self._cache: dict[tuple[str, tuple[str, ...], str], Key] = {}

    def load(self, row: KeyRow) -> None:
        """Put a stored row into the table; `HsmError` "A4" if this LMK did not wrap it."""
        self.keys[row.place] = self.lmk.read(row.block, ())
        self.neighbours[row.place] = row.neighbour

    def place(self, index: str, key: Key, neighbour: str, entropy: Entropy) -> KeyRow:
        """Put a key into the table and return the row to store."""
        row = KeyRow(self.party.name, index, neighbour, self.lmk.write(key, "R", entropy))
        self.keys[index] = key
        self.neighbours[index] = neighbour
        return row

    def key(self, field: str, usages: tuple[str, ...] = (), identifier: str | None = None) -> Key:
        """Return the key that a command's key field names.

        Parameters
        ----------
        field
            `K` + 3H, or a key under the LMK in any of its forms. Opened keys are cached by the field, which is
            ciphertext; bounded.
        usages
            What the command accepts: a variant LMK opens the field as the first key type among them.
        identifier
            Which LMK; the slot's first one if None.

        Raises
        ------
        HsmError
            "21" not an index, "12" nothing at the index, "13" no such LMK, or what the LMK says of the field.
        """
        if field[0] == "K":
            if not _HEX.issuperset(field[1:]):
                raise HsmError(BAD_INDEX)
            found = self.keys.get(field)
            if found is None:
                raise HsmError(KEY_NOT_AVAILABLE)
            return found
        chosen = identifier or self.identifier
        name = (chosen, usages, field)
        cached = self._cache.get(name)
        if cached is None:
            cached = self.lmk_of(chosen).read(field, usages)
            if len(self._cache) >= _CACHED_KEYS_MAX:
                self._cache.pop(next(iter(self._cache)))
            self._cache[name] = cached
        return cached

    def lmk_of(self, identifier: str | None) -> Lmk:
        """Return an LMK of this slot; `HsmError` "13" if the identifier is another party's or nobody's."""
        if identifier is None:
            return self.lmk
        lmk = self.lmks.get(identifier)
        if lmk is None:
            raise HsmError(LMK_REFUSED)
        return lmk


def ordinal(party: Party, parties: Sequence[Party]) -> int:
    """Return how many parties of the same role come before this one in the configuration."""
    return [other for other in parties if other.role == party.role].index(party)
