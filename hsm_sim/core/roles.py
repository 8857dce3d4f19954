"""Roles of the parties: what a port may be used for."""

from typing import Final

GATEWAY: Final = "gateway"
ACQUIRER: Final = "acquirer"
SWITCH: Final = "switch"
ISSUER: Final = "issuer"
OPEN: Final = "open"
"""The open port: standard commands under the public test LMKs, for anybody on this machine."""

ROLES: Final = (GATEWAY, ACQUIRER, SWITCH, ISSUER)
"""Roles of the house's parties, in the order of a payment's path."""

EVERYBODY: Final = frozenset((*ROLES, OPEN))
BANKS: Final = frozenset((ACQUIRER, ISSUER, OPEN))
NETWORK: Final = frozenset((ACQUIRER, SWITCH, ISSUER, OPEN))
"""Who shares keys with a neighbour on the ISO 8583 side."""

ISSUERS: Final = frozenset((ISSUER, OPEN))
"""Who verifies and issues: PINs, card values, application cryptograms."""

ACQUIRERS: Final = frozenset((ACQUIRER, OPEN))
MAC_USERS: Final = frozenset((ACQUIRER, SWITCH, ISSUER, OPEN))
