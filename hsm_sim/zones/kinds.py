"""Which keys two neighbours share, what they are for, and where each lies in a party's key table."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from hsm_sim.core import indexes
from iso import ConfigError

ORDINALS_MAX = 16
"""Neighbours of one role whose keys can be changed over the link."""

_FIRST_FAMILY, _LAST_FAMILY = 4, 11
_AES_PLACE = 0x80


class KeyKind(Enum):
    """What a shared key is for. The value is its name for people and in rows."""

    MAC = "mac"
    MAC_RETAIL = "mac-retail"
    PIN = "pin"
    PIN_AES = "pin-aes"

    @property
    def purpose(self) -> Purpose:
        """What a key block's header says of it."""
        return _PURPOSES[self]

    @property
    def is_mac(self) -> bool:
        """Whether messages themselves show which key their sender uses."""
        return self in (KeyKind.MAC, KeyKind.MAC_RETAIL)


class Purpose(NamedTuple):
    """Usage and mode of a key block, the algorithm that makes such a key, and the code of the kind in DE 53."""

    usage: str
    algorithm: str
    mode: str
    code: str


_PURPOSES = {
    KeyKind.MAC: Purpose("M6", "A1", "C", "01"),
    KeyKind.PIN: Purpose("P0", "T2", "B", "02"),
    KeyKind.PIN_AES: Purpose("P0", "A1", "B", "03"),
    KeyKind.MAC_RETAIL: Purpose("M3", "T2", "C", "04"),
}
KIND_OF_CODE = {purpose.code: kind for kind, purpose in _PURPOSES.items()}
KIND_OF_HEADER = {(purpose.usage, purpose.algorithm[0]): kind for kind, purpose in _PURPOSES.items()}
"""Usage and algorithm of a key block's header to what the key is for."""


class Zone(NamedTuple):
    """One key that a link's two sides share, as one side sees it.

    Attributes
    ----------
    link
        As this node calls it.
    place
        Where the key that is in use lies.
    zmk
        Where the master key lies under which keys travel on this link.
    """

    link: str
    kind: KeyKind
    place: str
    zmk: str

    @property
    def coming(self) -> str:
        """Where a key waits until both sides have it."""
        return f"KC{_number(self.place):02X}"

    @property
    def old(self) -> str:
        """Where the key before the one in use lies."""
        return f"KD{_number(self.place):02X}"


def _number(place: str) -> int:
    """Give each place of a shared key a number of its own, from 0 to 255.

    Raises
    ------
    ConfigError
        Too many neighbours of one role.
    """
    family, ordinal = int(place[1], 16), int(place[2:], 16)
    is_aes, ordinal = ordinal >= _AES_PLACE, ordinal % _AES_PLACE
    if not _FIRST_FAMILY <= family <= _LAST_FAMILY or ordinal >= ORDINALS_MAX:
        rule = f"a shared key of one of the first {ORDINALS_MAX} neighbours of a role"
        raise ConfigError("keys", "place", place, rule)
    return (family - _FIRST_FAMILY) << 5 | is_aes << 4 | ordinal


def zones_of(link: str, role: str, ordinal: int = 0, *, mac: KeyKind | None = None, pins: bool = True) -> list[Zone]:
    """Return the keys shared with the nth neighbour of a role.

    Parameters
    ----------
    link
        What this node calls the link to it.
    mac
        How the link's messages are authenticated; None: they are not.
    pins
        Whether PINs cross the link.
    """
    zmk, zones = indexes.zmk(role, ordinal), []
    if mac is not None:
        zones.append(Zone(link, mac, mac_place(mac, role, ordinal), zmk))
    if pins:
        zones.append(Zone(link, KeyKind.PIN, indexes.zpk(role, ordinal), zmk))
        zones.append(Zone(link, KeyKind.PIN_AES, indexes.zpk(role, ordinal, aes=True), zmk))
    return zones


def mac_place(mac: KeyKind, role: str, ordinal: int = 0) -> str:
    """Return where the MAC key shared with the nth neighbour of a role lies."""
    return indexes.zak(role, ordinal, retail=mac is KeyKind.MAC_RETAIL)
