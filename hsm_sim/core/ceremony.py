"""The key ceremony: which keys each party needs, made where they are missing.

It stands for the officers who would bring components to real devices. Zone master keys are set in both tables at
once, as component entry would; every other shared key is made by one party and crosses to the other only as a key
block under their zone master key. It is repeatable: a party that is added later gets its keys, the others keep
theirs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hsm_sim.core import indexes
from hsm_sim.core.keys.header import Entropy, Header
from hsm_sim.core.keys.key import generate
from hsm_sim.core.roles import ACQUIRER, GATEWAY, ISSUER, SWITCH
from hsm_sim.core.slots import VAULT_PARTY, KeyRow, Party, Slot, ordinal

ZMK: Final = Header("K1", "A", "B")
ZAK: Final = Header("M6", "A", "C", exportability="E")
ZAK_RETAIL: Final = Header("M3", "T", "C", exportability="E")
ZPK: Final = Header("P0", "T", "B", exportability="E")
ZPK_AES: Final = Header("P0", "A", "B", exportability="E")
FINGERPRINT: Final = Header("M7", "H", "G")
DATA: Final = Header("D0", "A", "B")

_OWN_KEYS: Final[dict[str, tuple[tuple[str, Header, int], ...]]] = {
    ACQUIRER: (
        (indexes.TPK, Header("P0", "T", "B", exportability="E"), 16),
        (indexes.BDK, Header("B0", "T", "X"), 16),
        (indexes.BDK_AES, Header("B0", "A", "X"), 16),
    ),
    ISSUER: (
        (indexes.CVK, Header("C0", "T", "C", exportability="E"), 16),
        (indexes.FINGERPRINT, FINGERPRINT, 32),
        (indexes.PVK, Header("V2", "T", "C"), 16),
        (indexes.PVK_IBM, Header("V1", "T", "C"), 16),
        (indexes.MK_AC, Header("E0", "T", "X"), 16),
        (indexes.MK_SMC, Header("E1", "T", "X"), 16),
        (indexes.MK_SMI, Header("E2", "T", "X"), 16),
        (indexes.MK_CVC3, Header("E6", "T", "X"), 16),
    ),
    SWITCH: ((indexes.DATA, DATA, 32),),
    "": (
        (indexes.VAULT, DATA, 32),
        (indexes.FINGERPRINT, FINGERPRINT, 32),
        (indexes.TOKEN_IMK, Header("E0", "T", "X"), 16),
        (indexes.AUDIT, FINGERPRINT, 32),
        (indexes.PAR, FINGERPRINT, 32),
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
            if not any(place.partition(".")[0] == index for place in slot.keys):
                rows.append(slot.place(index, generate(header, length, entropy), "", entropy))
    for left, right in _pairs(parties):
        rows += _share_zone_master_key(left, right, parties, slots, entropy)
    for left, right in _pairs(parties):
        for place, shared in _shared(left):
            rows += _share(left, right, place, shared, parties, slots, entropy)
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
            for place, _ in _shared(left):
                wanted[party.name, place(other.role, number)] = other.name
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


def _shared(left: Party) -> tuple[tuple[Callable[[str, int], str], Header], ...]:
    """Return the keys that a party makes for its neighbour nearer to the issuer: where they lie, what they are for."""
    shared = ((indexes.zak, ZAK), (_retail_zak, ZAK_RETAIL), (indexes.zpk, ZPK), (_aes_zpk, ZPK_AES))
    return shared if left.role in (ACQUIRER, SWITCH) else ()


def _retail_zak(neighbour_role: str, ordinal: int) -> str:
    return indexes.zak(neighbour_role, ordinal, retail=True)


def _aes_zpk(neighbour_role: str, ordinal: int) -> str:
    return indexes.zpk(neighbour_role, ordinal, aes=True)


def _share(
    maker: Party,
    taker: Party,
    index: Callable[[str, int], str],
    header: Header,
    parties: Sequence[Party],
    slots: Mapping[str, Slot],
    entropy: Entropy,
) -> list[KeyRow]:
    """Make a key at one party and carry it to the other under their zone master key."""
    at_maker, at_taker = ordinal(taker, parties), ordinal(maker, parties)
    here, there = slots[maker.name], slots[taker.name]
    if index(taker.role, at_maker) in here.keys and index(maker.role, at_taker) in there.keys:
        return []
    key = generate(header, 16, entropy)
    block = here.keys[indexes.zmk(taker.role, at_maker)].wrap(key, entropy)
    received = there.keys[indexes.zmk(maker.role, at_taker)].unwrap(block)
    return [
        here.place(index(taker.role, at_maker), key, taker.name, entropy),
        there.place(index(maker.role, at_taker), received, maker.name, entropy),
    ]
