"""Operations of the HSM on loaded keys, against psec and pyemv, in one process.

Ours is what a command's function does once its key is found: check what the key is for, compute, check or format. The
peers take clear keys as bytes and keep nothing between calls; where they could keep a derived key, they are measured
with it and without.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Final, NamedTuple

import psec
import pyemv

from bench.hsm_bank import HEADERS, Keys
from bench.processes import BenchError
from hsm_sim.core.commands.emv import card_key
from hsm_sim.core.commands.keyfields import MK_AC, PVK_VISA, ZPK
from hsm_sim.core.crypto.ciphers import same
from hsm_sim.core.crypto.cryptograms import application_cryptogram
from hsm_sim.core.crypto.emv import card_block, counter_diversifier
from hsm_sim.core.crypto.pinblocks import ISO_0, ISO_3, ISO_4, account_field
from hsm_sim.core.crypto.pins import visa_pvv
from hsm_sim.core.crypto.translation import check_translation, translate_pin
from hsm_sim.core.keys.key import Key
from node.clock import system_entropy

AT_LEAST: Final = "at least 5"
PAN: Final = "4242424242424242"
PSN: Final = "00"
PIN: Final = "1234"
PVKI: Final = "1"
CARD: Final = (PAN, "3012", "101")
CHIP: Final = bytes(range(29))
COUNTERS: Final = tuple(number.to_bytes(2, "big") for number in range(1, 4001))
_BARE: Final = "the bare function on a loaded key: usage and mode checked, cipher contexts kept with the key"
_ARQC: Final = (
    "the bare function: card key found, session key, MAC over 29 bytes with padding 2, compared. Same session: the "
    "transaction counter of the last command. New session: another counter each time, as every payment brings it; two "
    "TDES contexts are then new on our side. Card key kept: derived before the clock starts"
)


class Pair(NamedTuple):
    """What is measured against what, and said how; without a peer there is only a time."""

    name: str
    ours: Callable[[], object]
    peer: Callable[[], object] | None = None
    said: str = "psec"
    path: str = _BARE
    aim: str = AT_LEAST


def values_and_keys(keys: Keys) -> list[Pair]:
    """Return CVV, PVV and the opening of a key block."""
    key = {name: Key(HEADERS[name], getattr(keys, name)) for name in Keys._fields}
    account = account_field(PAN)
    block = wrapped_key(keys)

    def pvv() -> str:
        key["pvk"].permit(PVK_VISA.usages, PVK_VISA.mode)
        return visa_pvv(key["pvk"].tdes, PIN, account, PVKI)

    pairs = [
        Pair("CVV", lambda: key["cvk"].cvv(*CARD), lambda: psec.cvv.generate_cvv(keys.cvk, *CARD)),
        Pair("PVV", pvv, lambda: psec.pin.generate_visa_pvv(keys.pvk, PVKI, PIN, PAN)),
    ]
    for pair in pairs:
        _check_same(pair)
    if psec.tr31.unwrap(keys.zmk, block)[1] != keys.zpk or key["zmk"].unwrap(block).kcv != key["zpk"].kcv:
        raise BenchError("TR-31: the two sides differ")
    unwrap = Pair(
        "TR-31 unwrap, version D",
        lambda: key["zmk"].unwrap(block),
        lambda: psec.tr31.unwrap(keys.zmk, block),
        path="the bare function under a loaded AES-256 key: header read, authenticated, deciphered, a key handle made",
    )
    return [*pairs, unwrap]


def wrapped_key(keys: Keys) -> str:
    """Return the zone PIN key as a TR-31 block under the zone master key."""
    return Key(HEADERS["zmk"], keys.zmk).wrap(Key(HEADERS["zpk"], keys.zpk), system_entropy)


def translations(keys: Keys) -> list[Pair]:
    """Return PIN translation between two zones, by format."""
    key = {name: Key(HEADERS[name], getattr(keys, name)) for name in Keys._fields}
    given = block_under(keys.zpk)
    given_aes = psec.pinblock.encipher_pinblock_iso_4(keys.zpk_aes, PIN, PAN)
    account = account_field(PAN)

    def between_zones(after: str) -> bytes:
        source, target = key["zpk"], key["other_zpk"]
        source.permit(ZPK.usages, "D")
        target.permit(ZPK.usages, "E")
        check_translation(ISO_0, after)
        return translate_pin(source.tdes, target.tdes, given, ISO_0, after, account, account, system_entropy)[1]

    def between_aes_zones() -> bytes:
        source, target = key["zpk_aes"], key["other_zpk_aes"]
        source.permit(ZPK.usages, "D")
        target.permit(ZPK.usages, "E")
        check_translation(ISO_4, ISO_4)
        return translate_pin(source.aes, target.aes, given_aes, ISO_4, ISO_4, PAN, PAN, system_entropy)[1]

    def peer_reads() -> str:
        return str(psec.pinblock.decode_pinblock_iso_0(psec.des.decrypt_tdes_ecb(keys.zpk, given), PAN))

    def peer_writes_0() -> bytes:
        clear = psec.pinblock.encode_pinblock_iso_0(peer_reads(), PAN)
        return bytes(psec.des.encrypt_tdes_ecb(keys.other_zpk, clear))

    def peer_writes_3() -> bytes:
        clear = psec.pinblock.encode_pinblock_iso_3(peer_reads(), PAN)
        return bytes(psec.des.encrypt_tdes_ecb(keys.other_zpk, clear))

    def peer_writes_4() -> bytes:
        pin = psec.pinblock.decipher_pinblock_iso_4(keys.zpk_aes, given_aes, PAN)
        return bytes(psec.pinblock.encipher_pinblock_iso_4(keys.other_zpk_aes, pin, PAN))

    pairs = [
        Pair("PIN translation, format 0 to 0", lambda: between_zones(ISO_0), peer_writes_0),
        Pair("PIN translation, format 0 to 3", lambda: between_zones(ISO_3), peer_writes_3),
        Pair("PIN translation, format 4 to 4 (AES)", between_aes_zones, peer_writes_4),
    ]
    _check_same(pairs[0])
    return pairs


def block_under(key: bytes) -> bytes:
    """Return the PIN as a block of format 0 under a TDES key, from psec."""
    return bytes(psec.des.encrypt_tdes_ecb(key, psec.pinblock.encode_pinblock_iso_0(PIN, PAN)))


def peer_arqc(card: bytes, atc: bytes) -> bytes:
    """Return the cryptogram of a card's key and a counter, from pyemv."""
    session = pyemv.kd.derive_common_sk(card, counter_diversifier(atc))
    return bytes(pyemv.ac.generate_ac(session, CHIP, pyemv.ac.PaddingType.EMV))


def cryptograms(keys: Keys) -> list[Pair]:
    """Return the verification of a card's cryptogram, by what each side has kept."""
    issuer, block = Key(HEADERS["mk_ac"], keys.mk_ac), card_block(PAN, PSN)
    card = pyemv.kd.derive_icc_mk_a(keys.mk_ac, PAN, PSN)
    arqc = {atc: peer_arqc(card, atc) for atc in COUNTERS}
    same_counter = COUNTERS[0]
    session = pyemv.kd.derive_common_sk(card, counter_diversifier(same_counter))
    ours, theirs, forgetful = cycle(COUNTERS), cycle(COUNTERS), cycle(COUNTERS)

    def verify(atc: bytes) -> bool:
        issuer.permit(MK_AC.usages, MK_AC.mode)
        key = card_key(issuer, block).session(counter_diversifier(atc))
        return same(application_cryptogram(key, CHIP), arqc[atc])

    def new_session() -> bool:
        return verify(next(ours))

    def peer_same() -> bool:
        return bool(pyemv.ac.generate_ac(session, CHIP, pyemv.ac.PaddingType.EMV) == arqc[same_counter])

    def peer_new() -> bool:
        atc = next(theirs)
        return peer_arqc(card, atc) == arqc[atc]

    def peer_from_master() -> bool:
        atc = next(forgetful)
        return peer_arqc(pyemv.kd.derive_icc_mk_a(keys.mk_ac, PAN, PSN), atc) == arqc[atc]

    pairs = [
        Pair("ARQC, same session, kept by both", lambda: verify(same_counter), peer_same, "pyemv", _ARQC),
        Pair("ARQC, new session, card key kept by us", new_session, peer_from_master, "pyemv", _ARQC),
        Pair("ARQC, new session, card key kept by both", new_session, peer_new, "pyemv", _ARQC, ""),
    ]
    for pair in pairs:
        _check_same(pair)
    if not all(verify(atc) for atc in COUNTERS[:20]):
        raise BenchError("ARQC: the two sides differ")
    return pairs


def _check_same(pair: Pair) -> None:
    if pair.peer is None or pair.ours() != pair.peer():
        raise BenchError(f"{pair.name}: the two sides differ")
