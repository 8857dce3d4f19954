"""Issuer scripts, and what a test house needs to personalise and play chip cards: KU, ZW, ZY."""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.emv import card_key
from hsm_sim.core.commands.fields import HEX, Block, Choice, Delimited, Fixed, Raw, Values
from hsm_sim.core.commands.groups import Literal, When
from hsm_sim.core.commands.keyfields import MK_AC, MK_CVC3, MK_SMC, MK_SMI, KeyField
from hsm_sim.core.commands.row import OWN, Command
from hsm_sim.core.crypto import versions
from hsm_sim.core.crypto.ciphers import CardKey
from hsm_sim.core.crypto.emv import ChipKey, card_block, visa_script_key
from hsm_sim.core.crypto.scripts import encipher, script_mac
from hsm_sim.core.errors import BAD_ACCOUNT, BAD_DATA, ZERO_LENGTH, HsmError
from hsm_sim.core.roles import ISSUERS
from iso.errors import RemoteProtocolError
from iso.subfields import BerTlv

_VISA: Final = "0"
_FORMS: Final = {_VISA: "visa", "1": "mastercard", "2": "emv"}
_KEYS: Final = {"ac": "mk_ac", "smi": "mk_smi", "smc": "mk_smc", "cvc3": "mk_cvc3"}
_CHIP_DATA: Final = BerTlv()
_VERSIONS: Final = {"V": versions.visa_version, "M": versions.mastercard_version}


def _is_enciphered(values: Values) -> bool:
    return values["mode"] == "1"


def _session(card: ChipKey, scheme: str, data: bytes) -> CardKey:
    """Return a script's session key: from the ATC on the right of the session data, or from all eight bytes."""
    if scheme == _VISA:
        return CardKey(visa_script_key(card.material, data[-2:]))
    return card.session(data)


def _secure(call: Call) -> Reply:
    scheme, command = call.text("scheme"), call.data()
    if not command:
        raise HsmError(ZERO_LENGTH)
    integrity = _session(card_key(call.key("mk_smi"), call.data("card")), scheme, call.data("session"))
    if not _is_enciphered(call.values):
        return {"mode": "0", "mac": script_mac(integrity, command)}
    offset, clear = int(call.text("offset"), 16), call.data("secret")
    if offset > len(command) or not 1 <= len(clear) <= 255:
        raise HsmError(BAD_DATA)
    confidentiality = _session(card_key(call.key("mk_smc"), call.data("card")), scheme, call.data("secret_session"))
    sealed = encipher(confidentiality, clear, _FORMS[scheme])
    mac = script_mac(integrity, command[:offset] + sealed + command[offset:])
    return {"mode": "1", "mac": mac, "sealed": sealed}


def _card_keys(call: Call) -> Reply:
    block = card_block(call.text("pan"), call.text("psn"), call.text("option"))
    return {name: card_key(call.key(field), block).material.hex().upper() for name, field in _KEYS.items()}


def _tags(chip: bytes) -> dict[str, bytes]:
    """Return chip data (as DE 55 carries them) by tag."""
    try:
        nodes = _CHIP_DATA.parse(chip)
    except RemoteProtocolError:
        nodes = ()
    return {node.tag: node.raw for node in nodes if node.tag}


def _make_cryptogram(call: Call) -> Reply:
    tags = _tags(call.data("chip"))
    # Session keys are made of both: another length would not be whole cipher blocks.
    if len(tags.get("9F36", b"")) != 2 or len(tags.get("9F37", b"")) != 4:
        raise HsmError(BAD_DATA)
    try:
        version = _VERSIONS[call.text("scheme")](tags.get("9F10", b""))
        block = card_block(call.text("pan"), call.text("psn"), version.card_key)
        made = versions.make_cryptogram(version, card_key(call.key("mk_ac"), block), tags)
    except ValueError:
        made = b""
    if not made:  # raised outside the handler: its context would carry the data
        raise HsmError(BAD_DATA)
    return {"cryptogram": made.hex().upper()}


_PAN: Final = Delimited("pan", 12, 19, BAD_ACCOUNT)
_PSN: Final = Fixed("psn", 2)

ROWS: Final = (
    Command(
        "KU",
        "secure an issuer script: mode 0 its MAC, mode 1 also data enciphered into it at an offset; scheme 0 Visa "
        "(session keys from the ATC in the last two bytes of the session data), 1 Mastercard and 2 common core "
        "(session keys from all eight)",
        _secure,
        (
            Choice("mode", "01", "04"),
            Choice("scheme", tuple(_FORMS), "05"),
            KeyField("mk_smi", MK_SMI),
            When(_is_enciphered, "mode 1", KeyField("mk_smc", MK_SMC, parity="11")),
            Raw("card", 8),
            Raw("session", 8),
            Block("data"),
            Literal(b";"),
            When(
                _is_enciphered,
                "mode 1",
                Fixed("offset", 4, HEX),
                Raw("secret_session", 8),
                Block("secret"),
                Literal(b";"),
            ),
        ),
        (Raw("mac", 8), When(_is_enciphered, "mode 1", Block("sealed"))),
        ISSUERS,
        source="the start of the layout from one open source, with low certainty; mode 1 is our own reading. It does "
        "not claim to meet a device",
        codes={"04": "invalid mode flag", "05": "unknown scheme", "81": "no data"},
    ),
    Command(
        "ZW",
        "a test card's own keys, clear, to personalise a software chip: for cryptograms, script integrity, script "
        "confidentiality and dynamic card values. A real device never gives them away so",
        _card_keys,
        (
            KeyField("mk_ac", MK_AC),
            KeyField("mk_smi", MK_SMI),
            KeyField("mk_smc", MK_SMC),
            KeyField("mk_cvc3", MK_CVC3),
            _PAN,
            _PSN,
            Choice("option", "AB"),
        ),
        tuple(Fixed(name, 32, HEX) for name in _KEYS),
        ISSUERS,
        is_authorised=True,
        is_audited=True,
        source=OWN,
    ),
    Command(
        "ZY",
        "a test card's cryptogram over chip data (BER-TLV, as in DE 55): scheme V Visa, M Mastercard; tag 9F10 names "
        "the cryptogram version. It stands for the card, so it is for tests only",
        _make_cryptogram,
        (KeyField("mk_ac", MK_AC), Choice("scheme", tuple(_VERSIONS)), _PAN, _PSN, Block("chip")),
        (Fixed("cryptogram", 16, HEX),),
        ISSUERS,
        is_authorised=True,
        is_audited=True,
        source=OWN,
    ),
)
