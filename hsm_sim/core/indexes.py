"""Where each key lies in a party's key table: `K` + family (one hex digit) + ordinal (two hex digits).

The ceremony fills these places and everybody else names them; an index says nothing about the key itself. Keys
shared with a neighbour lie in one family per kind and role of the neighbour, and the ordinal counts the neighbours
of that role in the order of the configuration: a switch finds the MAC keys of its two acquirers at
`zak("acquirer", 0)` and `zak("acquirer", 1)`, each acquirer finds its own at `zak("switch")`. Parties may therefore
be added at the end of the configuration without moving a key.
"""

from typing import Final

from hsm_sim.core.commands import ROLES

_ZMK: Final = 0
_ZAK: Final = 4

CVK: Final = "KF00"
"""Issuer: card verification key, C0."""

FINGERPRINT: Final = "KF01"
"""Issuer, vault: fingerprint key, M7."""

DATA: Final = "KF02"
"""Switch: data key for sealed PANs, D0."""

VAULT: Final = "KF03"
"""Vault: key of the stored cards, D0."""

TOKEN_IMK: Final = "KF04"
"""Vault: issuer master key of the token cryptograms, E0."""


def zmk(neighbour_role: str, ordinal: int = 0) -> str:
    """Return the place of the zone master key shared with the nth neighbour of a role.

    Examples
    --------
    >>> zmk("gateway"), zmk("issuer", 1)
    ('K000', 'K301')
    """
    return f"K{_ZMK + ROLES.index(neighbour_role):X}{ordinal:02X}"


def zak(neighbour_role: str, ordinal: int = 0) -> str:
    """Return the place of the zone authentication key (link MACs, M6) shared with the nth neighbour of a role.

    Examples
    --------
    >>> zak("switch"), zak("acquirer")
    ('K600', 'K500')
    """
    return f"K{_ZAK + ROLES.index(neighbour_role):X}{ordinal:02X}"
