"""Where each key lies in a party's key table: `K` + family (one hex digit) + ordinal (two hex digits).

The ceremony fills these places and everybody else names them; an index says nothing about the key itself. Keys
shared with a neighbour lie in one family per kind and role of the neighbour, and the ordinal counts the neighbours
of that role in the order of the configuration: a switch finds the MAC keys of its two acquirers at
`zak("acquirer", 0)` and `zak("acquirer", 1)`, each acquirer finds its own at `zak("switch")`. Parties may therefore
be added at the end of the configuration without moving a key.
"""

from typing import Final

from hsm_sim.core.roles import ROLES

_ZMK: Final = 0
_ZAK: Final = 4
_ZPK: Final = 8
_SECOND: Final = 0x80

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

PVK: Final = "KF05"
"""Issuer: Visa PIN verification key, V2."""

PVK_IBM: Final = "KF06"
"""Issuer: IBM 3624 PIN verification key, V1."""

MK_AC: Final = "KF07"
"""Issuer: master key of the application cryptograms, E0."""

MK_SMC: Final = "KF08"
"""Issuer: master key of script confidentiality, E1."""

MK_SMI: Final = "KF09"
"""Issuer: master key of script integrity, E2."""

MK_CVC3: Final = "KF0A"
"""Issuer: master key of dynamic card values, E6."""

AUDIT: Final = "KF0B"
"""Vault: key of the audit log's chain, M7."""

PAR: Final = "KF0C"
"""Vault: key of the payment account references, M7."""

TPK: Final = "KF0D"
"""Acquirer: PIN key of the terminals that have no key management of their own, P0."""

BDK: Final = "KF0E"
"""Acquirer: base derivation key of the terminals (TDES DUKPT), B0."""

BDK_AES: Final = "KF0F"
"""Acquirer: base derivation key of the terminals (AES DUKPT), B0."""


def zmk(neighbour_role: str, ordinal: int = 0) -> str:
    """Return the place of the zone master key shared with the nth neighbour of a role.

    Examples
    --------
    >>> zmk("gateway"), zmk("issuer", 1)
    ('K000', 'K301')
    """
    return f"K{_ZMK + ROLES.index(neighbour_role):X}{ordinal:02X}"


def zak(neighbour_role: str, ordinal: int = 0, *, retail: bool = False) -> str:
    """Return the place of the zone authentication key (link MACs) shared with the nth neighbour of a role.

    Each pair of neighbours has an AES key for CMAC (M6), and a TDES key for the retail MAC (M3).

    Examples
    --------
    >>> zak("switch"), zak("acquirer"), zak("issuer", 1, retail=True)
    ('K600', 'K500', 'K781')
    """
    return f"K{_ZAK + ROLES.index(neighbour_role):X}{ordinal + (_SECOND if retail else 0):02X}"


def zpk(neighbour_role: str, ordinal: int = 0, *, aes: bool = False) -> str:
    """Return the place of the zone PIN key (P0) shared with the nth neighbour of a role.

    Each pair of neighbours has a TDES key for PIN block formats 0 and 3, and an AES key for format 4.

    Examples
    --------
    >>> zpk("switch"), zpk("issuer", 1), zpk("issuer", 1, aes=True)
    ('KA00', 'KB01', 'KB81')
    """
    return f"K{_ZPK + ROLES.index(neighbour_role):X}{ordinal + (_SECOND if aes else 0):02X}"
