"""A card terminal in software: what it tells the card, how it enciphers a PIN, and what it puts into a message.

Pure, as the card is: the clock's and chance's part comes in as arguments, and a terminal whose counter went on is a new
value. It stands for a device with keys of its own, which is why clear keys lie in it: they were loaded from the
acquirer's HSM under a terminal master key (`emulator.chip.loading`), and they are test keys.

Source
------
Terminal tags and their bits: EMV Books 3 and 4 as commonly described. DE 22, 25 and 53: ISO 8583:1987 and the layout
of DE 53 that card networks publish (general knowledge). Serial number and second half of a block: DE 48 of the house.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

from emulator.chip.softcard import Card, CardError, Cryptogram, Kind
from hsm_sim.core.crypto import dukpt_aes, dukpt_tdes
from hsm_sim.core.crypto.ciphers import Aes, Tdes
from hsm_sim.core.crypto.ksn import next_ksn
from hsm_sim.core.crypto.pinblocks import ISO_0, ISO_4, account_field, encipher_iso4, format_pin
from hsm_sim.core.keys.header import Entropy
from iso.money import currency
from iso.private import KEY_SERIAL, PIN_REST, build_private
from iso.subfields.bertlv import BerTlv
from iso.subfields.node import Node

TDES_DESCRIPTOR: Final = "609"
AES_DESCRIPTOR: Final = "80B"
"""Key serial number descriptors of host commands: 20 and 24 hex digits."""

_CHIP_ORDER: Final = (
    *("9F26", "9F27", "9F10", "9F37", "9F36", "95", "9A", "9C", "9F02", "5F2A", "82", "9F1A", "9F03"),
    *("9F33", "9F34", "9F35", "9F1E", "84", "9F09", "9F41", "5F34"),
)
_NO_DATA_AUTHENTICATION: Final = 0x80
_PIN_WRONG: Final = 0x80
_PIN_TRIES_OUT: Final = 0x20
_PIN_ONLINE: Final = 0x04
_FLOOR_LIMIT: Final = 0x80
_FORCED_ONLINE: Final = 0x08
_CAPABILITIES: Final = bytes.fromhex("E0F8C8")
_ATTENDED_ONLINE: Final = bytes.fromhex("22")
_APPLICATION_VERSION: Final = bytes.fromhex("0096")
_SECURITY_CONTROL: Final = "2001010100000000"
"""DE 53: PIN enciphered by zone, algorithm TDES, block ISO 0, key index 01."""


_PIN_DIGITS: Final = 16


class PinKey(Enum):
    """Under what a terminal enciphers PINs: the value is what the command line calls it."""

    TPK = "tpk"
    DUKPT = "dukpt"
    DUKPT_AES = "dukpt-aes"


class Cvm(Enum):
    """How the cardholder was verified: tag 9F34."""

    NONE = "1F0302"
    ONLINE_PIN = "420300"
    OFFLINE_PIN_RIGHT = "410302"
    OFFLINE_PIN_WRONG = "410301"


class PinBlock(NamedTuple):
    """An enciphered PIN block.

    Attributes
    ----------
    block
        16H, or 32H with AES.
    format
        Host-command code: "01" ISO 0, "48" ISO 4.
    ksn, descriptor
        Key serial number in hex and its descriptor; "" under a TPK.
    """

    key: PinKey
    block: str
    format: str
    ksn: str = ""
    descriptor: str = ""

    def __repr__(self) -> str:
        return f"PinBlock(key={self.key.value!r}, format={self.format!r})"


class Payment(NamedTuple):
    """What the shop wants: an amount, and how the terminal goes about it.

    Attributes
    ----------
    amount_minor, currency
        Integer minor units, and either code of the currency.
    at
        Local time of the terminal.
    unpredictable
        bytes[4], tag 9F37: chance, or the card signs yesterday's answer.
    forced_online
        The shop pressed "online".
    floor_minor
        Below this amount the terminal may ask for an offline approval.
    type
        str[2], first digits of DE 3, and tag 9C.
    other_minor
        Cash that the cardholder is handed; a part of the amount (tag 9F03).
    """

    amount_minor: int
    currency: str
    at: datetime
    unpredictable: bytes
    forced_online: bool = False
    floor_minor: int = 0
    type: str = "00"
    other_minor: int = 0


class Terminal(NamedTuple):
    """One terminal.

    Attributes
    ----------
    serial
        str[8], tag 9F1E.
    country
        Numeric ISO 3166, str[3].
    tpk
        bytes[16], terminal PIN key.
    initial_key, ksn
        TDES DUKPT: bytes[16], and the serial number of the last PIN, bytes[10].
    aes_initial_key, aes_ksn
        AES DUKPT: bytes[16], and bytes[12].
    sequence
        Payments so far.
    """

    serial: str
    country: str
    tpk: bytes
    initial_key: bytes
    ksn: bytes
    aes_initial_key: bytes
    aes_ksn: bytes
    sequence: int = 0

    def __repr__(self) -> str:
        return f"Terminal({self.serial!r}, sequence={self.sequence})"

    def encipher_pin(self, key: PinKey, pin: str, pan: str, entropy: Entropy) -> tuple[PinBlock, Terminal]:
        """Encipher one PIN; see `encipher_pins`."""
        blocks, after = self.encipher_pins(key, (pin,), pan, entropy)
        return blocks[0], after

    def encipher_pins(
        self, key: PinKey, pins: Sequence[str], pan: str, entropy: Entropy
    ) -> tuple[tuple[PinBlock, ...], Terminal]:
        """Encipher the PINs of one payment; with DUKPT all of them under the next key, which no other payment has.

        Returns
        -------
        tuple
            The blocks, and the terminal afterwards. Keep it before a block leaves.

        Raises
        ------
        HsmError
            "24" or "20" a PIN, "22" the PAN; "15" the DUKPT counter is used up.
        """
        if key is PinKey.DUKPT_AES:
            ksn = next_ksn(self.aes_ksn)
            derived = dukpt_aes.transaction_key(self.aes_initial_key, ksn)
            aes = Aes(dukpt_aes.working_key(derived, ksn, dukpt_aes.PIN_ENCRYPTION))
            sealed = [encipher_iso4(aes, pin, pan, entropy) for pin in pins]
            made = [PinBlock(key, one.hex().upper(), ISO_4, ksn.hex().upper(), AES_DESCRIPTOR) for one in sealed]
            return tuple(made), self._replace(aes_ksn=ksn)
        material, after, serial, descriptor = self.tpk, self, "", ""
        if key is PinKey.DUKPT:
            ksn = next_ksn(self.ksn)
            material = dukpt_tdes.working_key(dukpt_tdes.transaction_key(self.initial_key, ksn), dukpt_tdes.PIN)
            after, serial, descriptor = self._replace(ksn=ksn), ksn.hex().upper(), TDES_DESCRIPTOR
        tdes = Tdes(material)
        sealed = [tdes.encrypt(format_pin(ISO_0, pin, account_field(pan), entropy)) for pin in pins]
        return tuple(PinBlock(key, one.hex().upper(), ISO_0, serial, descriptor) for one in sealed), after


class Authorisation(NamedTuple):
    """What leaves the terminal.

    Attributes
    ----------
    cryptogram
        What the card said.
    tags
        All chip data by tag.
    chip_data
        The same as BER-TLV: DE 55.
    pin
        The PIN block, or None.
    fields
        Data elements of a 1987 request as text; binary ones in hex.
    """

    cryptogram: Cryptogram
    tags: dict[str, bytes]
    chip_data: bytes
    pin: PinBlock | None
    fields: dict[str, str]

    def __repr__(self) -> str:
        return f"Authorisation({self.cryptogram.kind.name})"


def authorise(
    card: Card,
    terminal: Terminal,
    payment: Payment,
    wanted: Kind,
    pin_block: PinBlock | None = None,
    offline_pin: bool | None = None,
) -> tuple[Authorisation, Card, Terminal]:
    """Carry out a payment up to the card's first cryptogram.

    Parameters
    ----------
    wanted
        What the terminal asks the card for; above the floor limit, and after a PIN that the card found wrong, an
        approval becomes a question to the issuer.
    pin_block
        Of `Terminal.encipher_pin`, if the PIN goes online.
    offline_pin
        Whether the card found the PIN right (`Card.verify_pin`), if it checked one.

    Returns
    -------
    tuple
        What leaves, and card and terminal afterwards: keep both first.

    Raises
    ------
    CardError
        The card refuses.
    IsoError
        The currency is unknown.
    """
    exceeds = payment.amount_minor >= payment.floor_minor
    if wanted is Kind.TC and (exceeds or payment.forced_online or offline_pin is False):
        wanted = Kind.ARQC
    tags = _payment_tags(card, terminal, payment, pin_block, offline_pin)
    cryptogram, after = card.generate_ac(tags, wanted, offline_pin)
    tags |= cryptogram.tags
    chip_data = build_chip_data(tags)
    fields = _fields(card, payment, chip_data, pin_block)
    made = Authorisation(cryptogram, tags, chip_data, pin_block, fields)
    return made, after, terminal._replace(sequence=terminal.sequence + 1)


def build_chip_data(tags: dict[str, bytes]) -> bytes:
    """Return chip data as DE 55 carries them: the tags of a request, in a fixed order."""
    return BerTlv().build(Node(tag, tags[tag]) for tag in _CHIP_ORDER if tag in tags)


def read_chip_data(data: bytes) -> dict[str, bytes]:
    """Return the tags of DE 55; `RemoteProtocolError` if it is not BER-TLV."""
    return {node.tag: node.raw for node in BerTlv().parse(data) if node.tag}


def _payment_tags(
    card: Card, terminal: Terminal, payment: Payment, pin_block: PinBlock | None, offline_pin: bool | None
) -> dict[str, bytes]:
    if not 0 <= payment.amount_minor < 10**12:
        raise CardError("an amount has at most 12 digits of minor units")
    if len(payment.unpredictable) != 4:
        raise CardError("the unpredictable number has four bytes")
    cvm = Cvm.NONE
    if pin_block is not None:
        cvm = Cvm.ONLINE_PIN
    elif offline_pin is not None:
        cvm = Cvm.OFFLINE_PIN_RIGHT if offline_pin else Cvm.OFFLINE_PIN_WRONG
    verification = (_PIN_WRONG if offline_pin is False else 0) | (_PIN_ONLINE if pin_block is not None else 0)
    verification |= 0 if card.memory.pin_tries else _PIN_TRIES_OUT
    risk = _FLOOR_LIMIT if payment.amount_minor >= payment.floor_minor else 0
    risk |= _FORCED_ONLINE if payment.forced_online else 0
    return {
        "9F02": bytes.fromhex(f"{payment.amount_minor:012d}"),
        "9F03": bytes.fromhex(f"{payment.other_minor:012d}"),
        "9F1A": bytes.fromhex(f"0{terminal.country}"),
        "95": bytes((_NO_DATA_AUTHENTICATION, 0, verification, risk, 0)),
        "5F2A": bytes.fromhex(f"0{currency(payment.currency).numeric}"),
        "9A": bytes.fromhex(f"{payment.at:%y%m%d}"),
        "9C": bytes.fromhex(payment.type),
        "9F37": payment.unpredictable,
        "9F33": _CAPABILITIES,
        "9F34": bytes.fromhex(cvm.value),
        "9F35": _ATTENDED_ONLINE,
        "9F1E": terminal.serial.encode("ascii"),
        "84": bytes.fromhex(card.profile.aid),
        "9F09": _APPLICATION_VERSION,
        "9F41": bytes.fromhex(f"{(terminal.sequence + 1) % 10**8:08d}"),
        "5F34": bytes.fromhex(card.profile.psn),
    }


def _fields(card: Card, payment: Payment, chip_data: bytes, pin_block: PinBlock | None) -> dict[str, str]:
    fields = {
        "3": f"{payment.type}0000",
        "4": f"{payment.amount_minor:012d}",
        "22": "051",
        "23": f"0{card.profile.psn}",
        "25": "00",
        "35": card.profile.track2,
        "49": currency(payment.currency).numeric,
        "55": chip_data.hex().upper(),
    }
    if pin_block is not None:
        elements, tags = pin_elements(pin_block)
        fields |= {str(element): value for element, value in elements.items()}
        if tags:
            fields["48"] = build_private(tags)
    return fields


def pin_elements(pin: PinBlock) -> tuple[dict[int, str], dict[str, str]]:
    """Return how a PIN block travels to the acquirer: elements, and tags of DE 48.

    DE 52 has eight bytes: the second half of a format 4 block is tag 20. Tag 19 is the serial number of a DUKPT key.
    """
    elements = {26: "12", 52: pin.block[:_PIN_DIGITS]}
    tags = {KEY_SERIAL: pin.ksn} if pin.ksn else {}
    if len(pin.block) > _PIN_DIGITS:
        tags[PIN_REST] = pin.block[_PIN_DIGITS:]
    else:
        elements[53] = _SECURITY_CONTROL
    return elements, tags
