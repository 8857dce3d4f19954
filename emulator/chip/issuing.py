"""A test card is issued: number, expiry, CVVs, PIN and PVV, tracks, and with a chip its keys and its profile.

Every value that rests on a key comes from the issuer's HSM by host commands: CW, BA, DG and, for the chip, ZW. What a
stripe carries behind the service code is the issuer's own affair; here it is PVKI, PVV and CVV (iCVV on the chip).

Only test numbers are issued: BINs of the test cards that ship with the product, and 99, which is assigned to nobody.

Source
------
AIDs, service codes and chip records: public lists and EMV Book 3 as commonly described. Issuer application data: shared
facts and the vectors of the cryptogram versions; the schemes' documents were not seen.
"""

from __future__ import annotations

import hashlib
import re
from calendar import monthrange
from collections.abc import Iterator
from typing import Final, NamedTuple

from banks.issuer.config import shipped_cards
from emulator.chip.parties import Issuer
from emulator.chip.softcard import MASTERCARD, VISA, Card, Keys, Profile
from hsm_sim.core.commands.fields import Value
from hsm_sim.core.crypto.pinblocks import account_field
from hsm_sim.core.crypto.pins import random_pin
from hsm_sim.core.errors import OK, HsmError
from hsm_sim.core.keys.header import Entropy
from hsm_sim.core.vault.numbers import TOKEN_BIN
from hsm_sim.requests.cards import MakeCvv
from hsm_sim.requests.emv import PersonaliseCard
from hsm_sim.requests.generic import HostCommand
from hsm_sim.requests.pin_values import MakeStoredPvv
from iso import ConfigError
from iso.masks import luhn_digit
from iso.subfields.bertlv import BerTlv
from iso.subfields.node import Node

PRODUCTS: Final = {"credit": "01", "debit": "26", "prepaid": "21"}
"""Product -> second and third digit of the service code: where it is authorised, and whether a PIN is asked for."""

CRYPTOGRAM_VERSIONS: Final = {VISA: (10, 18), MASTERCARD: (16, 17, 20, 21)}
PVKI: Final = "1"
PSN: Final = "01"
_OWN_BIN: Final = "99"
_BIN: Final = re.compile(r"[0-9]{6,11}")
_EXPIRY: Final = re.compile(r"[0-9]{2}(0[1-9]|1[0-2])")
_PIN: Final = re.compile(r"[0-9]{4,12}")
_NAME: Final = re.compile(r"[A-Z0-9 .,'&/-]{2,26}")
_AMEX: Final = ("34", "37")
_OWN_AID: Final = "F0" + "CARDRAIL".encode("ascii").hex().upper()
_AIDS: Final = {VISA: "A0000000031010", MASTERCARD: "A0000000041010"}
_DIGITS: Final = bytes(byte % 10 for byte in range(250))

_CVM_LIST: Final = "0000000000000000" + "4203" + "0103" + "1E03" + "1F03"
_CDOL_1: Final = "9F02069F03069F1A0295055F2A029A039C019F3704"
_CDOL_2: Final = "8A02" + _CDOL_1
_AFL: Final = "08010200"


class Order(NamedTuple):
    """What is wanted.

    Attributes
    ----------
    bin
        6 to 11 digits.
    product
        A key of `PRODUCTS`.
    is_emv
        Whether it has a chip.
    expiry
        YYMM.
    name
        As it is embossed, for example `DOE/JANE`.
    pin
        4 to 12 digits; "" for a random one of 4.
    version
        Cryptogram version; 0 for the scheme's and product's usual one.
    """

    bin: str
    product: str
    is_emv: bool
    expiry: str
    name: str
    pin: str = ""
    version: int = 0


class Issued(NamedTuple):
    """One card, whole. Everything in it is secret on a real card.

    Attributes
    ----------
    track1, track2
        Without sentinels.
    card
        The chip; None if it has none.
    """

    pan: str
    expiry: str
    name: str
    product: str
    service_code: str
    cvv: str
    cvv2: str
    icvv: str
    pin: str
    pvki: str
    pvv: str
    track1: str
    track2: str
    card: Card | None

    def __repr__(self) -> str:
        return f"Issued(product={self.product!r})"


def allowed_bins() -> list[str]:
    """Return the prefixes that cards may be issued in: those of the shipped test cards, and our own."""
    prefixes = {card.pan[:6] for card in shipped_cards() if not card.pan.startswith(_OWN_BIN)}
    return [*sorted(prefixes), _OWN_BIN]


def check_order(order: Order) -> Order:
    """Return an order that can be carried out.

    Raises
    ------
    ConfigError
        A value breaks a rule; the rule names what is allowed.
    """
    if not _BIN.fullmatch(order.bin):
        raise ConfigError("command line", "--bin", order.bin, "must be 6 to 11 digits")
    if not order.bin.startswith(tuple(allowed_bins())) or order.bin.startswith(TOKEN_BIN):
        rule = f"must begin with a test BIN, one of {', '.join(allowed_bins())} (but not {TOKEN_BIN}: network tokens)"
        raise ConfigError("command line", "--bin", order.bin, rule)
    if not _EXPIRY.fullmatch(order.expiry):
        raise ConfigError("command line", "--expiry", order.expiry, "must be YYMM")
    if not _NAME.fullmatch(order.name):
        raise ConfigError("command line", "--name", order.name, "must be 2 to 26 capital letters, as SURNAME/FIRST")
    if order.pin and not _PIN.fullmatch(order.pin):
        raise ConfigError("command line", "--pin", "hidden", "must be 4 to 12 digits")
    if order.is_emv:
        known = CRYPTOGRAM_VERSIONS[_scheme(order.bin)]
        if order.version and order.version not in known:
            rule = f"must be one of {', '.join(map(str, known))} for this BIN"
            raise ConfigError("command line", "--cvn", order.version, rule)
    return order


def issue(issuer: Issuer, order: Order, entropy: Entropy) -> Issued:
    """Issue one card.

    Parameters
    ----------
    issuer
        Whose keys make it; its HSM must be in the authorised state.
    order
        Of `check_order`.
    entropy
        Draws the account number and the PIN.

    Raises
    ------
    HsmError
        The issuer's HSM refused.
    """
    pan = draw_pan(order.bin, entropy)
    pin = order.pin or random_pin(4, entropy)
    service_code = ("2" if order.is_emv else "1") + PRODUCTS[order.product]
    cvv, cvv2, icvv = (
        issuer.desk.ask(MakeCvv(issuer.cvk, pan, order.expiry, code)).cvv for code in (service_code, "000", "999")
    )
    pvv = _pvv(issuer, pin, pan)
    behind = f"{order.expiry}{service_code}{PVKI}{pvv}"
    issued = Issued(
        pan=pan,
        expiry=order.expiry,
        name=order.name,
        product=order.product,
        service_code=service_code,
        cvv=cvv,
        cvv2=cvv2,
        icvv=icvv,
        pin=pin,
        pvki=PVKI,
        pvv=pvv,
        track1=f"B{pan}^{order.name}^{behind}{cvv}",
        track2=f"{pan}={behind}{cvv}",
        card=None,
    )
    return issued._replace(card=_personalised(issuer, order, issued)) if order.is_emv else issued


def draw_pan(prefix: str, entropy: Entropy) -> str:
    """Return a card number with this prefix: 16 digits (15 for American Express), valid check digit."""
    length = 15 if prefix.startswith(_AMEX) else 16
    digits = ""
    while len(digits) < length - 1 - len(prefix):
        drawn = entropy(1)[0]
        if drawn < len(_DIGITS):
            digits += str(_DIGITS[drawn])
    partial = prefix + digits
    return partial + luhn_digit(partial)


def seeded(seed: str) -> Entropy:
    """Return chance that is the same for the same seed."""

    def blocks() -> Iterator[int]:
        number = 0
        while True:
            yield from hashlib.sha256(f"cardrails cards {number} {seed}".encode()).digest()
            number += 1

    stream = blocks()

    def draw(length: int) -> bytes:
        return bytes(next(stream) for _ in range(length))

    return draw


def records(issued: Issued) -> list[str]:
    """Return what READ RECORD answers, in hex: records 1 and 2 of the file with short identifier 1."""
    card = issued.card
    assert card is not None, "the card has no chip"
    track2 = card.profile.track2.replace("=", "D")
    pan = issued.pan + "F" * (len(issued.pan) % 2)
    first = {"57": track2 + "F" * (len(track2) % 2), "5F20": issued.name.encode("ascii").hex()}
    second = {
        "5A": pan,
        "5F24": f"{issued.expiry}{_last_day(issued.expiry):02d}",
        "5F34": PSN,
        "5F28": "0840",
        "5F30": f"0{issued.service_code}",
        "8C": _CDOL_1,
        "8D": _CDOL_2,
        "8E": _CVM_LIST,
        "9F07": "FF00",
        "9F08": "0096",
    }
    layout = BerTlv()
    found = []
    for record in (first, second):
        nodes = tuple(Node(tag, bytes.fromhex(value)) for tag, value in record.items())
        found.append(layout.build([Node("70", b"", children=nodes)]).hex().upper())
    return found


def file_locator() -> str:
    """Return tag 94 in hex: which records there are."""
    return _AFL


def _last_day(expiry: str) -> int:
    return monthrange(2000 + int(expiry[:2]), int(expiry[2:]))[1]


def _pvv(issuer: Issuer, pin: str, pan: str) -> str:
    values: dict[str, Value] = {"clear": f"{pin}F", "account": account_field(pan)}
    stored = issuer.desk.ask(HostCommand("BA", values))
    if stored.code != OK:
        raise HsmError(stored.code)
    return issuer.desk.ask(MakeStoredPvv(issuer.pvk, str(stored.values["pin"]), pan, PVKI)).pvv


def _personalised(issuer: Issuer, order: Order, issued: Issued) -> Card:
    scheme = _scheme(order.bin)
    version = order.version or _usual_version(scheme, order.product)
    profile = Profile(
        scheme=scheme,
        aid=_OWN_AID if order.bin.startswith(_OWN_BIN) else _AIDS[scheme],
        label=("CARDRAILS" if order.bin.startswith(_OWN_BIN) else scheme.upper()) + f" {order.product.upper()}",
        pan=issued.pan,
        psn=PSN,
        expiry=order.expiry,
        track2=f"{issued.pan}={order.expiry}{issued.service_code}{PVKI}{issued.pvv}{issued.icvv}",
        service_code=issued.service_code,
        aip=bytes.fromhex("1C00" if scheme == VISA else "1800"),
        issuer_data=_issuer_data(scheme, version),
    )
    card = Card(profile, Keys(b"", b"", b"", b""), issued.pin)
    masters = (issuer.mk_ac, issuer.mk_smi, issuer.mk_smc, issuer.mk_cvc3)
    made = issuer.desk.ask(PersonaliseCard(masters, issued.pan, PSN, card.version.card_key))
    return card._replace(keys=Keys(*(bytes.fromhex(key) for key in made[1:])))


def _issuer_data(scheme: str, version: int) -> bytes:
    """Return tag 9F10 without results: key index 1, and the cryptogram version."""
    if scheme == VISA:
        return bytes((6, 1, version, 3, 0, 0, 0))
    return bytes((1, version)) + bytes(16)


def _usual_version(scheme: str, product: str) -> int:
    if scheme == MASTERCARD:
        return 16
    return 18 if product == "credit" else 10


def _scheme(prefix: str) -> str:
    """Return whose chip rules a BIN follows; our own BINs follow Visa's."""
    if prefix.startswith(("4", _OWN_BIN)):
        return VISA
    if "51" <= prefix[:2] <= "55" or "2221" <= prefix[:4] <= "2720":
        return MASTERCARD
    rule = "has no chip profile here: with --emv it must begin with 4, 51 to 55, 2221 to 2720 or 99"
    raise ConfigError("command line", "--bin", prefix, rule)
