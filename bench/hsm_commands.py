"""Whole host commands in one process: a frame in, an answer out, beside the peer's bare operation."""

from __future__ import annotations

from typing import Final

import psec
import pyemv

from bench.hsm_bank import Bank, Keys
from bench.hsm_operations import CARD, CHIP, COUNTERS, PAN, PIN, PSN, PVKI, Pair, block_under, peer_arqc, wrapped_key
from hsm_sim.core import indexes
from hsm_sim.core.commands.wire import encode_command
from hsm_sim.core.crypto.ciphers import pad
from hsm_sim.core.crypto.emv import card_block
from hsm_sim.core.crypto.pinblocks import ISO_0
from hsm_sim.core.roles import ACQUIRER, ISSUER, SWITCH
from hsm_sim.requests import (
    Detokenise,
    ImportKey,
    MakeCryptogram,
    MakeCvv,
    MakeMac,
    MakeMacs,
    StoreCard,
    TranslatePin,
    VerifyCvv,
    VerifyMac,
    VerifyPinPvv,
)

MESSAGE: Final = bytes(range(150))
TOKENS: Final = 200
_PAYMENTS: Final = 8000
_WHOLE: Final = (
    "Engine.handle, a frame in and an answer out: parse, role, LMK, key by its place, permission, operation, audit; no "
    "socket and no commit. The peer does the bare operation"
)
_VAULT: Final = (
    "Engine.handle; a card in memory, its row and counters; another payment each time; no socket and no commit"
)


def commands(bank: Bank, keys: Keys, peers: dict[str, Pair]) -> list[Pair]:
    """Return host commands; the peers are those of `bench.hsm_operations`, by name."""
    zak = indexes.zak(SWITCH)
    (cvv,), (mac,) = bank.ask("a", MakeCvv(indexes.CVK, *CARD)), bank.ask("acquirer", MakeMac(zak, MESSAGE))
    pvv = psec.pin.generate_visa_pvv(keys.pvk, PVKI, PIN, PAN)
    pin = VerifyPinPvv(
        indexes.zpk(SWITCH), indexes.PVK, block_under(keys.other_zpk).hex().upper(), ISO_0, PAN, PVKI, pvv
    )
    to_issuer = TranslatePin(
        indexes.zpk(ACQUIRER), indexes.zpk(ISSUER), block_under(keys.zpk).hex().upper(), ISO_0, ISO_0, PAN
    )
    card = pyemv.kd.derive_icc_mk_a(keys.mk_ac, PAN, PSN)
    arqcs = [_verify_arqc(card, atc) for atc in COUNTERS]
    block = ImportKey(indexes.zmk(SWITCH), "R" + wrapped_key(keys))
    sent = (
        ("CW, make a CVV", bank.sender("a", MakeCvv(indexes.CVK, *CARD).encode()), "CVV"),
        ("CY, verify a CVV", bank.sender("a", VerifyCvv(indexes.CVK, *CARD, cvv.cvv).encode()), "CVV"),
        ("EC, verify a PIN by its PVV", bank.sender("a", pin.encode()), "PVV"),
        ("CC, translate a PIN", bank.sender("switch", to_issuer.encode()), "PIN translation, format 0 to 0"),
        ("KW, verify an ARQC", bank.sender("a", *arqcs), "ARQC, new session, card key kept by us"),
        ("A6, import a key", bank.sender("acquirer", block.encode()), "TR-31 unwrap, version D"),
        ("ZQ, make 16 AES-CMACs", bank.sender("acquirer", MakeMacs(zak, [MESSAGE] * 16).encode()), ""),
        ("M6, make an AES-CMAC", bank.sender("acquirer", MakeMac(zak, MESSAGE).encode()), ""),
        ("M8, verify an AES-CMAC", bank.sender("acquirer", VerifyMac(zak, MESSAGE, mac.mac).encode()), ""),
    )
    found = []
    for name, send, peer in sent:
        pair = peers.get(peer)
        found.append(Pair(name, send, pair.peer if pair else None, pair.said if pair else "", _WHOLE, ""))
    return found


def payments(bank: Bank) -> list[Pair]:
    """Return the vault's part of a payment: make a cryptogram, open the token with it.

    The cryptograms are made before, token by token, so that opening never finds the session key of the last one.
    """
    cards = bank.ask("gateway", *[StoreCard(pan, "3012", "", "bench") for pan in test_pans(TOKENS)])
    tokens = [card.token for card in cards]
    asked = [MakeCryptogram(token, 1999, "840", "SHOP") for token in tokens]
    opening = []
    for turn in range(_PAYMENTS // TOKENS):
        for token, made in zip(tokens, bank.ask("gateway", *asked), strict=True):
            proof = (made.cryptogram, made.atc, made.un)
            opening.append(Detokenise(token, f"{turn:012d}", *proof, 1999, "840", "SHOP").encode())
    making = bank.sender("gateway", *[request.encode() for request in asked])
    return [
        Pair("ZC, make a token cryptogram", making, path=_VAULT, aim=""),
        Pair("ZE, open a token by its cryptogram", bank.sender("switch", *opening), path=_VAULT, aim=""),
    ]


def _verify_arqc(card: bytes, atc: bytes) -> bytes:
    return encode_command(
        "KW",
        {
            "mode": "0",
            "scheme": "2",
            "mk_ac": indexes.MK_AC,
            "card": card_block(PAN, PSN),
            "atc": atc,
            "data": pad(CHIP, "2"),
            "arqc": peer_arqc(card, atc),
        },
    )


def test_pans(count: int) -> list[str]:
    """Return card numbers of a test range that pass the Luhn check."""
    found = []
    for number in range(count):
        digits = f"99000100{number:07d}"
        total = sum(sum(divmod(int(digit) * (2 if place % 2 == 0 else 1), 10)) for place, digit in enumerate(digits))
        found.append(f"{digits}{-total % 10}")
    return found
