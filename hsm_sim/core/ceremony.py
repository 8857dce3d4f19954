"""The key ceremony: which keys each party needs, made where they are missing.

It stands for the officers who would bring components to real devices. Zone master keys are set in both tables at
once, as component entry would; every other shared key is made by one party and crosses to the other only as a key
block under their zone master key. It is repeatable: a party that is added later gets its keys, the others keep
theirs.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from hsm_sim.core import indexes
from hsm_sim.core.commands import ACQUIRER, GATEWAY, ISSUER, SWITCH
from hsm_sim.core.keyblock import Entropy, Header
from hsm_sim.core.keys import generate
from hsm_sim.core.slots import VAULT_PARTY, KeyRow, Party, Slot, ordinal

ZMK: Final = Header("K1", "A", "B")
ZAK: Final = Header("M6", "A", "C", exportability="E")
CVK: Final = Header("C0", "T", "C")
FINGERPRINT: Final = Header("M7", "H", "G")
DATA: Final = Header("D0", "A", "B")
TOKEN_IMK: Final = Header("E0", "T", "X")

_OWN_KEYS: Final[dict[str, tuple[tuple[str, Header, int], ...]]] = {
    ISSUER: ((indexes.CVK, CVK, 16), (indexes.FINGERPRINT, FINGERPRINT, 32)),
    SWITCH: ((indexes.DATA, DATA, 32),),
    "": (
        (indexes.VAULT, DATA, 32),
        (indexes.FINGERPRINT, FINGERPRINT, 32),
        (indexes.TOKEN_IMK, TOKEN_IMK, 16),
    ),
}
"""Keys that a role has for itself: place, header, length in bytes."""

_NEXT_ROLE: Final = {GATEWAY: ACQUIRER, ACQUIRER: SWITCH, SWITCH: ISSUER}
"""The path of a payment: who is whose neighbour."""


def hold(parties: Sequence[Party], slots: Mapping[str, Slot], entropy: Entropy) -> list[KeyRow]:
    """Make every key that is missing.

    Parameters
    ----------
    parties
        The configured parties, in order. The vault's own slot is served too.
    slots
        Slot by party name, with the stored keys already loaded.
    entropy
        Source of randomness.

    Returns
    -------
    list[KeyRow]
        Rows to store before the first command is answered; empty if nothing was missing.
    """
    rows: list[KeyRow] = []
    for party in (*parties, Party(VAULT_PARTY, "")):
        slot = slots[party.name]
        for index, header, length in _OWN_KEYS.get(party.role, ()):
            if index not in slot.keys:
                rows.append(slot.place(index, generate(header, length, entropy), "", entropy))
    for left, right in _pairs(parties):
        rows += _share_zone_master_key(left, right, parties, slots, entropy)
    for acquirer, switch in _pairs(parties):
        if acquirer.role == ACQUIRER:
            rows += _share_authentication_key(acquirer, switch, parties, slots, entropy)
    return rows


def places(parties: Sequence[Party]) -> dict[tuple[str, str], str]:
    """Return which neighbour each shared key belongs to: (party, index) -> neighbour.

    A stored row that names another neighbour means that the configuration was reordered: its keys would be used
    with the wrong peer.
    """
    wanted: dict[tuple[str, str], str] = {}
    for left, right in _pairs(parties):
        for party, other in ((left, right), (right, left)):
            number = ordinal(other, parties)
            wanted[party.name, indexes.zmk(other.role, number)] = other.name
            if left.role == ACQUIRER:
                wanted[party.name, indexes.zak(other.role, number)] = other.name
    return wanted


def _pairs(parties: Sequence[Party]) -> list[tuple[Party, Party]]:
    """Return the neighbouring pairs, each once: gateway-acquirer, acquirer-switch, switch-issuer."""
    return [(left, right) for left in parties for right in parties if _NEXT_ROLE.get(left.role) == right.role]


def _share_zone_master_key(
    left: Party, right: Party, parties: Sequence[Party], slots: Mapping[str, Slot], entropy: Entropy
) -> list[KeyRow]:
    at_left = indexes.zmk(right.role, ordinal(right, parties))
    at_right = indexes.zmk(left.role, ordinal(left, parties))
    if at_left in slots[left.name].keys and at_right in slots[right.name].keys:
        return []
    key = generate(ZMK, 32, entropy)
    return [
        slots[left.name].place(at_left, key, right.name, entropy),
        slots[right.name].place(at_right, key, left.name, entropy),
    ]


def _share_authentication_key(
    maker: Party, taker: Party, parties: Sequence[Party], slots: Mapping[str, Slot], entropy: Entropy
) -> list[KeyRow]:
    """Make a MAC key at one party and carry it to the other under their zone master key."""
    at_maker, at_taker = ordinal(taker, parties), ordinal(maker, parties)
    here, there = slots[maker.name], slots[taker.name]
    if indexes.zak(taker.role, at_maker) in here.keys and indexes.zak(maker.role, at_taker) in there.keys:
        return []
    key = generate(ZAK, 16, entropy)
    block = here.keys[indexes.zmk(taker.role, at_maker)].wrap(key, entropy)
    received = there.keys[indexes.zmk(maker.role, at_taker)].unwrap(block)
    return [
        here.place(indexes.zak(taker.role, at_maker), key, taker.name, entropy),
        there.place(indexes.zak(maker.role, at_taker), received, maker.name, entropy),
    ]
