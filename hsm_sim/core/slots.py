"""Parties and their slots: one LMK, role and key table each.

A slot is what a party owns inside the HSM. Keys are named on the wire by their place in the party's own table or
carried as key blocks under the party's own LMK; another party's blocks do not authenticate.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from hsm_sim.core.errors import BAD_INDEX, KEY_NOT_AVAILABLE, HsmError
from hsm_sim.core.keyblock import Entropy
from hsm_sim.core.keys import Key, derive_lmk, from_lmk

VAULT_PARTY: Final = "vault"
"""The token vault's own slot: no role, no port, so that no command reaches its keys by name."""

_CACHED_BLOCKS_MAX: Final = 1024
_HEX: Final = frozenset("0123456789ABCDEF")


class Party(NamedTuple):
    """A name and one of the roles of `hsm_sim.core.commands.ROLES` (the vault's own slot has the role "")."""

    name: str
    role: str


class KeyRow(NamedTuple):
    """One row of a key table as it is stored: the neighbour who shares the key, and the block under the LMK."""

    party: str
    place: str
    neighbour: str
    block: str


class Slot:
    """A party's LMK and key table.

    Parameters
    ----------
    party
        Name and role.
    identifier
        str[2], the LMK identifier that `%LL` must name.
    master
        bytes[32], the master secret that the LMK is derived from.
    """

    __slots__ = ("_cache", "identifier", "keys", "lmk", "lmk_check", "party")

    def __init__(self, party: Party, identifier: str, master: bytes) -> None:
        self.party = party
        self.identifier = identifier
        self.lmk, self.lmk_check = derive_lmk(master, party.name)
        self.keys: dict[str, Key] = {}
        self._cache: dict[bytes, Key] = {}

    def load(self, row: KeyRow) -> None:
        """Put a stored row into the table; `HsmError` "A4" if this LMK did not wrap it."""
        self.keys[row.place] = from_lmk(self.lmk, row.block)

    def place(self, index: str, key: Key, neighbour: str, entropy: Entropy) -> KeyRow:
        """Put a key into the table and return the row to store."""
        self.keys[index] = key
        return KeyRow(self.party.name, index, neighbour, key.under(self.lmk, entropy))

    def key(self, field: str) -> Key:
        """Return the key that a command's key field names.

        Parameters
        ----------
        field
            `K` + 3H or `R` + key block. Unwrapped blocks are cached by the hash of the block, bounded.

        Raises
        ------
        HsmError
            "21" not an index, "12" nothing at the index, "83" or "A4" not a block under this party's LMK.
        """
        if field[0] == "K":
            if not _HEX.issuperset(field[1:]):
                raise HsmError(BAD_INDEX)
            found = self.keys.get(field)
            if found is None:
                raise HsmError(KEY_NOT_AVAILABLE)
            return found
        name = hashlib.sha256(field.encode("ascii")).digest()
        cached = self._cache.get(name)
        if cached is None:
            cached = from_lmk(self.lmk, field[1:])
            if len(self._cache) >= _CACHED_BLOCKS_MAX:
                self._cache.pop(next(iter(self._cache)))
            self._cache[name] = cached
        return cached


def ordinal(party: Party, parties: Sequence[Party]) -> int:
    """Return how many parties of the same role come before this one in the configuration."""
    return [other for other in parties if other.role == party.role].index(party)
