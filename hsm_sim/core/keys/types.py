"""What keys are for, in both worlds: key types of variant LMKs, usages of key blocks, and which match.

A key type `VLL` is a variant and a code of an LMK pair; it fixes what the key does. A key block says the same with
usage, algorithm and mode of use. Where a key crosses from one world to the other (A6, A8, BW) it keeps its meaning.

Source
------
Pairs, variants and the types of the pair 28-29: shared facts, hsm 2.3. Usages: TR-31 as open implementations list
them. The other names, the Thales numeric usages and the legal combinations are general knowledge (the public pages on
key attributes of a cloud payment service are the model); the manufacturer's manual was not used.
"""

from typing import Final, NamedTuple

from hsm_sim.core.errors import BAD_KEY_TYPE, WRONG_ALGORITHM, WRONG_MODE, WRONG_USAGE, HsmError
from hsm_sim.core.keys.header import AES, HMAC, TDES, Header

PAIR_OF_CODE: Final = {
    "00": 2,
    "01": 3,
    "02": 7,
    "03": 8,
    "04": 9,
    "05": 10,
    "06": 11,
    "07": 12,
    "08": 13,
    "09": 14,
    "0A": 15,
    "0B": 16,
    "0C": 17,
    "0D": 18,
    "0E": 19,
}
"""Second and third character of a key type -> place of its pair in the list 00-01, 02-03, ... 38-39."""

PIN_PAIR: Final = 1
"""Place of the pair 02-03, which is for PINs in the host's storage."""


class KeyType(NamedTuple):
    """A key type of variant LMKs.

    Attributes
    ----------
    name
        The field's abbreviation.
    usages
        Key block usages with the same meaning; a key that crosses over without attributes gets the first.
    mode
        Mode of use that it gets then.
    """

    name: str
    usages: tuple[str, ...]
    mode: str


TYPES: Final[dict[str, KeyType]] = {
    "000": KeyType("ZMK", ("K0", "K1", "52", "54"), "B"),
    "001": KeyType("ZPK", ("P0", "72"), "B"),
    "002": KeyType("TPK, TMK, PVK", ("P0", "71", "K0", "51", "V0", "V1", "V2"), "N"),
    "402": KeyType("CVK, CSCK", ("C0", "11", "12", "13"), "C"),
    "003": KeyType("TAK", ("M3", "M1", "M0", "M6"), "C"),
    "006": KeyType("WWK", ("01",), "N"),
    "008": KeyType("ZAK", ("M3", "M1", "M0", "M6"), "C"),
    "009": KeyType("BDK-1", ("B0",), "X"),
    "609": KeyType("BDK-2", ("41", "B0"), "X"),
    "809": KeyType("BDK-3", ("42", "B0"), "X"),
    "909": KeyType("BDK-4", ("43", "B0"), "X"),
    "302": KeyType("IKEY", ("B1",), "X"),
    "109": KeyType("MK-AC", ("E0",), "X"),
    "209": KeyType("MK-SMI", ("E2",), "X"),
    "309": KeyType("MK-SMC", ("E1",), "X"),
    "409": KeyType("MK-DAC", ("E3",), "X"),
    "509": KeyType("MK-DN", ("E4",), "X"),
    "709": KeyType("MK-DCVV, MK-CVC3", ("E6", "32", "31"), "X"),
    "00A": KeyType("ZEK", ("22", "D0"), "B"),
    "00B": KeyType("DEK", ("21", "D0"), "B"),
    "30B": KeyType("TEK", ("23", "D0"), "B"),
    "10C": KeyType("HMAC key", ("M7", "61", "62", "63", "64", "65"), "C"),
    "70D": KeyType("TPK", ("71", "P0"), "B"),
    "80D": KeyType("TMK", ("51", "K0"), "B"),
    "90D": KeyType("TKR", ("73", "K0"), "N"),
}
"""Key type -> meaning. 70D, 80D and 90D keep terminal keys apart from the pair 14-15, as the PCI settings demand."""

WRAPPING: Final = ("000", "K0", "K1", "52", "54", "002", "51", "80D", "90D", "73")
"""Usages of keys that may wrap others: zone and terminal master keys."""

CVK: Final = ("402", "C0", "11", "12", "13")
"""Usages of card verification keys."""

_CRYPT, _CHECK, _DERIVE = "BEDN", "CGVN", "XN"
_TDES, _TDES_AES = TDES, TDES + AES
_LEGAL: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(("B0", "B1", "41", "42", "43", "44"), (_TDES_AES, _DERIVE)),
    **dict.fromkeys(("C0", "11", "12", "13"), (_TDES, _CHECK)),
    **dict.fromkeys(("D0", "D2", "21", "22", "23", "24", "25"), (_TDES_AES, _CRYPT)),
    **dict.fromkeys(("E0", "E1", "E2", "E3", "E4", "E5", "E6", "31", "32"), (_TDES_AES, _DERIVE)),
    **dict.fromkeys(("K0", "K1", "51", "52", "54", "73"), (_TDES_AES, _CRYPT)),
    **dict.fromkeys(("M0", "M1", "M2", "M3", "M4", "M5"), (_TDES, _CHECK)),
    **dict.fromkeys(("M6", "M8"), (_TDES_AES, _CHECK)),
    **dict.fromkeys(("M7", "61", "62", "63", "64", "65"), (HMAC, _CHECK)),
    **dict.fromkeys(("P0", "71", "72"), (_TDES_AES, _CRYPT)),
    **dict.fromkeys(("V0", "V1", "V2", "V3", "V4"), (_TDES_AES, _CHECK)),
    "01": (_TDES, "N"),
}
"""Usage -> algorithms and modes of use that make sense with it."""


def pair_of(key_type: str) -> tuple[int, int]:
    """Return the place of the LMK pair and the variant of a key type.

    Raises
    ------
    HsmError
        "28": not a key type. Any variant of a known pair is one, also without a name in `TYPES`.
    """
    place = PAIR_OF_CODE.get(key_type[1:])
    if place is None or not ("0" <= key_type[0] <= "9"):
        raise HsmError(BAD_KEY_TYPE)
    return place, int(key_type[0])


def key_type_of(usages: tuple[str, ...]) -> str:
    """Return the key type among the usages that a command accepts: the first one of three characters.

    Raises
    ------
    HsmError
        "A6": the command takes key blocks only.
    """
    for usage in usages:
        if len(usage) == 3:
            return usage
    raise HsmError(WRONG_USAGE)


def same_purpose(one: str, other: str) -> bool:
    """Return whether two usages (key types or key block usages) may stand for one purpose."""
    return one == other or other in _usages(one) or one in _usages(other)


def _usages(usage: str) -> tuple[str, ...]:
    known = TYPES.get(usage)
    return known.usages if known else ()


def block_header(key_type: str, algorithm: str = TDES) -> Header:
    """Return the header that a key of a type gets in a key block when no attributes are given.

    Raises
    ------
    HsmError
        "28": the type has no counterpart.
    """
    known = TYPES.get(key_type)
    if known is None:
        raise HsmError(BAD_KEY_TYPE)
    return Header(known.usages[0], algorithm, known.mode, exportability="S")


def check_attributes(header: Header) -> None:
    """Refuse attributes that contradict each other, before a key is made or taken in with them.

    A single-length DES key may stand wherever TDES may; whether it may stand at all is the slot's policy. Usages
    without a rule (asymmetric, reserved) are refused: nothing here works with them.

    Raises
    ------
    HsmError
        "A6" unknown usage, "A7" algorithm or "A8" mode of use that does not go with it.
    """
    rule = _LEGAL.get(header.usage)
    if rule is None:
        raise HsmError(WRONG_USAGE)
    algorithms, modes = rule
    if header.algorithm not in algorithms and not (header.algorithm == "D" and TDES in algorithms):
        raise HsmError(WRONG_ALGORITHM)
    if header.mode not in modes:
        raise HsmError(WRONG_MODE)
