"""EMV keys: from the issuer's master key to a card's, and from a card's to one transaction's.

The issuer derives every card's key from the PAN and its sequence number, the card holds its own; both derive the same
session key. These are plain functions of bytes and digits: the issuer's HSM and a software chip use the same ones.
Derived keys have odd parity, as cards show it, although DES ignores it.
"""

import hashlib
from collections import OrderedDict
from typing import Final

from hsm_sim.core.crypto.ciphers import BLOCK, CardKey, Tdes, odd_parity, xor

_ONES: Final = b"\xff" * BLOCK
_LETTERS_TO_DIGITS: Final = bytes.maketrans(b"abcdef", b"012345")
_NO_VECTOR: Final = bytes(16)
_TREE_RIGHT: Final = b"\x00" * 7 + b"\xf0"
CARDS_MAX: Final = 4096


def card_block(account: str, sequence: str = "00", option: str = "A") -> bytes:
    """Return what stands for a card in the derivation of its keys: bytes[8], packed digits.

    Parameters
    ----------
    account
        12 to 19 digits.
    sequence
        str[2], PAN sequence number.
    option
        "A": the rightmost 16 digits of account and sequence; "B": the same for accounts of up to 16 digits, for
        longer ones a decimalised SHA-1 of all of them.

    Source
    ------
    EMV Book 2 A1.4.1 and A1.4.2 as open implementations have them; vectors `emv_icc_mk_option_*`.
    """
    digits = account + sequence
    if option == "B" and len(account) > 16:
        return _decimalised(bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits))
    return bytes.fromhex(digits[-16:].rjust(16, "0"))


def card_block_of_packed(packed: bytes, option: str = "A") -> bytes:
    """Return the same for account and sequence number as a host command packs them: bytes[8].

    Parameters
    ----------
    packed
        Account and sequence number, packed two digits to a byte, with a zero in front if they are odd in number.
    option
        As in `card_block`. More than nine bytes hold an account of more than 16 digits.
    """
    if option == "B" and len(packed) > 9:
        return _decimalised(packed)
    return packed[-BLOCK:].rjust(BLOCK, b"\x00")


def derive_card_key(issuer_key: Tdes, block: bytes) -> bytes:
    """Derive a card's master key: bytes[16], odd parity.

    Parameters
    ----------
    issuer_key
        The issuer master key, double length.
    block
        bytes[8], of `card_block`.
    """
    return odd_parity(issuer_key.encrypt(block + xor(block, _ONES)))


def emv_card_key(issuer_key: Tdes, account: str, sequence: str = "00", option: str = "A") -> bytes:
    """Derive a card's (or a token's) key from the issuer master key: bytes[16], odd parity.

    Parameters
    ----------
    issuer_key
        The issuer master key, double length.
    account
        12 to 19 digits.
    sequence
        str[2], account sequence number.
    option
        EMV option "A" or "B".
    """
    return derive_card_key(issuer_key, card_block(account, sequence, option))


def common_session_key(card_key: Tdes, diversifier: bytes) -> bytes:
    """Derive a session key, EMV common session key: bytes[16], odd parity.

    Parameters
    ----------
    card_key
        The card's master key.
    diversifier
        bytes[8]. ATC and six zero bytes for cryptograms; ATC, two zero bytes and the unpredictable number for
        Mastercard's own method (SKD); the ARQC for issuer scripts.

    Source
    ------
    EMV Book 2 A1.3 as open implementations have it; vector `emv_common_session_key`.
    """
    before, after = diversifier[:2], diversifier[3:]
    return odd_parity(card_key.encrypt(before + b"\xf0" + after + before + b"\x0f" + after))


def counter_diversifier(atc: bytes) -> bytes:
    """Return the diversifier of the common session key for cryptograms: bytes[8]."""
    return atc + bytes(6)


def mastercard_diversifier(atc: bytes, unpredictable: bytes) -> bytes:
    """Return the diversifier of Mastercard's session keys (SKD) for cryptograms: bytes[8]."""
    return atc + b"\x00\x00" + unpredictable


def visa_script_key(card_key: bytes, atc: bytes) -> bytes:
    """Derive Visa's session key for issuer scripts: bytes[16], odd parity.

    Parameters
    ----------
    card_key
        bytes[16], the card's key for script integrity or confidentiality.
    atc
        bytes[2] big-endian.

    Source
    ------
    pyemv and jPOS; vector `issuer_script_mac_visa_cvn18`.
    """
    number = int.from_bytes(atc, "big")
    return odd_parity(xor(card_key, number.to_bytes(BLOCK, "big") + (number ^ 0xFFFF).to_bytes(BLOCK, "big")))


def tree_session_key(
    card_key: bytes, atc: bytes, branch: int = 4, height: int = 8, vector: bytes = _NO_VECTOR
) -> bytes:
    """Derive a session key by the EMV2000 tree: bytes[16], odd parity.

    Parameters
    ----------
    card_key
        bytes[16], the card's master key: the root.
    atc
        bytes[2] big-endian: the leaf.
    branch, height
        4 and 8, or 2 and 16.
    vector
        bytes[16], what stands for the parent of the root.

    Raises
    ------
    ValueError
        The tree has fewer leaves than there are counters.

    Source
    ------
    pyemv, and the payShield capture in vector `arqc_verify_KW_scheme0_emv2000`. EMV withdrew the method in 2005.
    """
    if branch < 2 or branch**height < 0x10000:
        raise ValueError("the tree is too small")
    leaf = int.from_bytes(atc, "big")
    parent, grandparent = card_key, vector
    for level in range(height - 1, 0, -1):
        parent, grandparent = _child(parent, grandparent, leaf // branch**level % branch), parent
    return odd_parity(xor(_child(parent, grandparent, leaf % branch), grandparent))


class ChipKey:
    """One card's master key for one purpose, with its contexts and its last session.

    Parameters
    ----------
    material
        bytes[16].
    """

    __slots__ = ("_diversifier", "_session", "_whole", "material")

    def __init__(self, material: bytes) -> None:
        self.material = material
        self._whole: CardKey | None = None
        self._diversifier = b""
        self._session: CardKey | None = None

    def __repr__(self) -> str:
        return "ChipKey()"

    @property
    def whole(self) -> CardKey:
        """The master key itself, for methods without session keys."""
        if self._whole is None:
            self._whole = CardKey(self.material)
        return self._whole

    def session(self, diversifier: bytes) -> CardKey:
        """Return the common session key of a diversifier, bytes[8].

        The last one is kept: an ARPC and a script come right after the cryptogram that they answer.
        """
        if self._session is None or diversifier != self._diversifier:
            self._session = CardKey(common_session_key(self.whole.both, diversifier))
            self._diversifier = diversifier
        return self._session


class IssuerMasterKey:
    """An issuer master key that remembers the card keys it derived, up to a limit.

    Parameters
    ----------
    key
        bytes[16].
    cards_max
        Cards remembered; the one that was not used for longest goes first.
    """

    __slots__ = ("_cards", "_cards_max", "_cipher")

    def __init__(self, key: bytes, cards_max: int = CARDS_MAX) -> None:
        self._cipher = Tdes(key)
        self._cards: OrderedDict[bytes, ChipKey] = OrderedDict()
        self._cards_max = cards_max

    def __len__(self) -> int:
        return len(self._cards)

    def card(self, block: bytes) -> ChipKey:
        """Return a card's key by its `card_block`, bytes[8]."""
        found = self._cards.pop(block, None)
        if found is None:
            found = ChipKey(derive_card_key(self._cipher, block))
            if len(self._cards) >= self._cards_max:
                self._cards.popitem(last=False)
        self._cards[block] = found
        return found


def _decimalised(packed: bytes) -> bytes:
    hashed = hashlib.sha1(packed, usedforsecurity=False).hexdigest().encode("ascii")
    decimals = hashed.translate(None, b"abcdef")
    letters = hashed.translate(_LETTERS_TO_DIGITS, b"0123456789")
    return bytes.fromhex((decimals + letters)[:16].decode("ascii"))


def _child(parent: bytes, grandparent: bytes, number: int) -> bytes:
    left = xor(grandparent[:BLOCK], number.to_bytes(BLOCK, "big"))
    right = xor(xor(grandparent[BLOCK:], number.to_bytes(BLOCK, "big")), _TREE_RIGHT)
    return Tdes(parent).encrypt(left + right)
