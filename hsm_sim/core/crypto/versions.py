"""Cryptogram versions: which keys, data, padding and script forms a card and its issuer have agreed on.

A card says its version in its issuer application data (tag 9F10). Each version is a row of data; the functions below
read it, so that nothing else asks which scheme a card belongs to. What the rows say comes from pyemv, whose author
checked it with an HSM, and the vectors `arqc_*`, `arpc_*`, `issuer_script_*`; the schemes' documents were not seen.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from hsm_sim.core.crypto.ciphers import CardKey, same
from hsm_sim.core.crypto.cryptograms import application_cryptogram, arpc_method_1, arpc_method_2
from hsm_sim.core.crypto.emv import ChipKey, counter_diversifier, mastercard_diversifier, visa_script_key
from hsm_sim.core.crypto.pin_change import format_pin_change
from hsm_sim.core.crypto.pinblocks import format_pin
from hsm_sim.core.crypto.scripts import encipher, script_mac

Tags = Mapping[str, bytes]
"""EMV data elements by their tag in upper-case hex; values without tag and length."""

TERMINAL_TAGS: Final = ("9F02", "9F03", "9F1A", "95", "5F2A", "9A", "9C", "9F37", "82", "9F36")
"""Amount, other amount, country, TVR, currency, date, type, unpredictable number, AIP, ATC: all versions sign them."""

_VISA_RESULTS: Final = slice(3, 7)
_MASTERCARD_RESULTS: Final = slice(2, 8)
_MASTERCARD_COUNTERS: Final = slice(10, 18)
_VISA_FORMAT_2: Final = 0x1F
_ISO_2: Final = "34"


class Version(NamedTuple):
    """What one cryptogram version fixes.

    Attributes
    ----------
    card_key
        EMV option of the card's keys, "A" or "B".
    session
        Cryptogram keys: "none" (the card's master key), "common" or "mastercard".
    padding
        Of the signed data: "1" or "2".
    issuer_data
        The parts of tag 9F10 that are signed after the terminal's data.
    answer
        ARPC method, 1 or 2.
    answer_session
        Whether the ARPC uses the session key; if not, the card's master key.
    script_session
        Script keys: "visa" (from the ATC) or "common" (from the ARQC).
    script_binds
        Whether a script's MAC covers ATC and ARQC, which are not sent with it.
    encipherment
        "visa" or "mastercard".
    pin_block
        Of a new PIN without the present one: "visa" or "plain".
    """

    card_key: str
    session: str
    padding: str
    issuer_data: tuple[slice, ...]
    answer: int
    answer_session: bool
    script_session: str
    script_binds: bool
    encipherment: str
    pin_block: str


_WHOLE: Final = (slice(None),)
_RESULTS: Final = (_MASTERCARD_RESULTS,)
_RESULTS_AND_COUNTERS: Final = (_MASTERCARD_RESULTS, _MASTERCARD_COUNTERS)

VISA_10: Final = Version("A", "none", "1", (_VISA_RESULTS,), 1, False, "visa", True, "visa", "visa")
VISA_18: Final = Version("B", "common", "2", _WHOLE, 2, True, "visa", True, "visa", "visa")
VISA_22: Final = Version("B", "common", "2", _WHOLE, 2, True, "common", True, "visa", "plain")
INTERAC_133: Final = Version("A", "mastercard", "2", _WHOLE, 1, True, "common", False, "mastercard", "plain")
MASTERCARD_16: Final = Version("A", "mastercard", "2", _RESULTS, 1, False, "common", True, "mastercard", "plain")
MASTERCARD_17: Final = MASTERCARD_16._replace(issuer_data=_RESULTS_AND_COUNTERS)
MASTERCARD_20: Final = MASTERCARD_16._replace(session="common", answer_session=True)
MASTERCARD_21: Final = MASTERCARD_20._replace(issuer_data=_RESULTS_AND_COUNTERS)

VISA: Final = {0x0A: VISA_10, 0x12: VISA_18, 0x22: VISA_22}
MASTERCARD: Final = {0x10: MASTERCARD_16, 0x11: MASTERCARD_17, 0x14: MASTERCARD_20, 0x15: MASTERCARD_21}


def visa_version(issuer_application_data: bytes) -> Version:
    """Return the version that a Visa card's tag 9F10 names.

    Parameters
    ----------
    issuer_application_data
        Format 0, 1 or 3: length, key index, version, results. Format 2 (first byte X'1F'): length, version, key index.

    Raises
    ------
    ValueError
        Unknown version.
    """
    place = 1 if issuer_application_data[:1] == bytes((_VISA_FORMAT_2,)) else 2
    return _named(VISA, issuer_application_data[place : place + 1])


def mastercard_version(issuer_application_data: bytes) -> Version:
    """Return the version that a Mastercard's tag 9F10 names (key index, version, results, ...).

    The lowest bit says whether counters are signed, the third whether the common session key is used.

    Raises
    ------
    ValueError
        Unknown version.
    """
    return _named(MASTERCARD, issuer_application_data[1:2])


def signed_data(version: Version, tags: Tags) -> bytes:
    """Return what the card signs, without padding.

    Parameters
    ----------
    tags
        `TERMINAL_TAGS` and 9F10.

    Raises
    ------
    ValueError
        A tag is missing, or 9F10 is too short for what the version signs.
    """
    try:
        terminal = [tags[tag] for tag in TERMINAL_TAGS]
        application_data = tags["9F10"]
    except KeyError as missing:
        raise ValueError(f"tag {missing.args[0]} is missing") from None
    parts = [application_data[part] for part in version.issuer_data]
    for part, taken in zip(version.issuer_data, parts, strict=True):
        if part.stop is not None and len(taken) != part.stop - part.start:
            raise ValueError("tag 9F10 is too short")
    return b"".join(terminal + parts)


def session_key(version: Version, card: ChipKey, atc: bytes, unpredictable: bytes) -> CardKey:
    """Return the key of a transaction's cryptogram.

    Parameters
    ----------
    card
        The card's master key for cryptograms, made with `version.card_key`.
    atc
        bytes[2], tag 9F36.
    unpredictable
        bytes[4], tag 9F37.
    """
    if version.session == "none":
        return card.whole
    if version.session == "mastercard":
        return card.session(mastercard_diversifier(atc, unpredictable))
    return card.session(counter_diversifier(atc))


def make_cryptogram(version: Version, card: ChipKey, tags: Tags) -> bytes:
    """Return the cryptogram over the tags, bytes[8]: the card's side.

    Raises
    ------
    ValueError
        As `signed_data`.
    """
    data = signed_data(version, tags)
    return application_cryptogram(session_key(version, card, tags["9F36"], tags["9F37"]), data, version.padding)


def check_cryptogram(version: Version, card: ChipKey, tags: Tags, cryptogram: bytes) -> bool:
    """Check a cryptogram over the tags in constant time: the issuer's side.

    Raises
    ------
    ValueError
        As `signed_data`.
    """
    return same(make_cryptogram(version, card, tags), cryptogram)


def make_answer(
    version: Version, card: ChipKey, tags: Tags, arqc: bytes, response: bytes, proprietary: bytes = b""
) -> bytes:
    """Return the ARPC: bytes[8] by method 1, bytes[4] by method 2.

    Parameters
    ----------
    tags
        9F36 and 9F37.
    response
        Method 1: bytes[2], response code. Method 2: bytes[4], card status update.
    proprietary
        Method 2 only: 0 to 8 bytes.
    """
    key = session_key(version, card, tags["9F36"], tags["9F37"]) if version.answer_session else card.whole
    if version.answer == 1:
        return arpc_method_1(key, arqc, response)
    return arpc_method_2(key, arqc, response, proprietary)


def script_key(version: Version, card: ChipKey, atc: bytes, arqc: bytes) -> CardKey:
    """Return the session key of a script, from the card's key for integrity or confidentiality."""
    if version.script_session == "visa":
        return CardKey(visa_script_key(card.material, atc))
    return card.session(arqc)


def script_diversifier(arqc: bytes, number: int) -> bytes:
    """Return what stands for the ARQC in the keys and the MAC of a transaction's next scripts: bytes[8].

    Parameters
    ----------
    number
        0 for the first script, which uses the ARQC itself.

    Source
    ------
    jPOS says so of M/Chip and EMV common session keys; not checked against a card.
    """
    return ((int.from_bytes(arqc, "big") + number) % (1 << 64)).to_bytes(8, "big")


def authenticate_script(
    version: Version, integrity: ChipKey, header: bytes, atc: bytes, arqc: bytes, data: bytes = b""
) -> bytes:
    """Return the MAC of a script command: bytes[8].

    Parameters
    ----------
    integrity
        The card's master key for script integrity.
    header
        CLA, INS, P1, P2 and Lc, which counts the MAC.
    data
        The data as sent, enciphered or not.
    """
    bound = atc + arqc if version.script_binds else b""
    return script_mac(script_key(version, integrity, atc, arqc), header + bound + data)


def encipher_script(version: Version, confidentiality: ChipKey, data: bytes, atc: bytes, arqc: bytes) -> bytes:
    """Encipher the data of a script command under the card's master key for confidentiality."""
    return encipher(script_key(version, confidentiality, atc, arqc), data, version.encipherment)


class ChipKeys(NamedTuple):
    """A card's three master keys: for cryptograms, script integrity and script confidentiality."""

    cryptogram: ChipKey
    integrity: ChipKey
    confidentiality: ChipKey


def pin_change_command(
    version: Version, keys: ChipKeys, pin: str, atc: bytes, arqc: bytes, current_pin: str | None = None
) -> bytes:
    """Return a whole PIN CHANGE / UNBLOCK command with a new PIN: header, enciphered block, MAC.

    Parameters
    ----------
    pin
        4 to 12 digits.
    current_pin
        Visa only: the present PIN, for cards that want to see it.

    Raises
    ------
    ValueError
        A present PIN for a version whose cards do not take one.
    HsmError
        "24" length or "20" content of a PIN.
    """
    if current_pin is not None and version.encipherment != "visa":
        raise ValueError("this version takes no present PIN")
    if current_pin is not None or version.pin_block == "visa":
        block = format_pin_change(pin, keys.cryptogram.material, current_pin)
    else:
        block = format_pin(_ISO_2, pin, "", bytes)
    enciphered = encipher_script(version, keys.confidentiality, block, atc, arqc)
    header = bytes((0x84, 0x24, 0x00, 0x02 if current_pin is None else 0x01, len(enciphered) + 8))
    return header + enciphered + authenticate_script(version, keys.integrity, header, atc, arqc, enciphered)


def _named(versions: Mapping[int, Version], code: bytes) -> Version:
    if len(code) != 1 or code[0] not in versions:
        raise ValueError("unknown cryptogram version")
    return versions[code[0]]
