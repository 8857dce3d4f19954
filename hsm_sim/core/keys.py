"""Key handles: a key's material never leaves its object, and every operation checks what the key is for first.

A `Key` says openly what it may do (TR-31 usage, algorithm, mode of use, exportability) and shows its check value;
it offers operations instead of bytes. Wrapping and unwrapping go from object to key block and back. `repr`, `str`,
pickling and copying never show or move the material.
"""

import hashlib
import hmac
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hsm_sim.core import crypto
from hsm_sim.core.errors import (
    BAD_DATA,
    BAD_KEY_LENGTH,
    EXPORT_REFUSED,
    RECORD_FORGED,
    SINGLE_LENGTH_KEY,
    WRONG_ALGORITHM,
    WRONG_MODE,
    WRONG_USAGE,
    HsmError,
)
from hsm_sim.core.keyblock import Entropy, Header, Protection

_LENGTHS: Final = {"T": (16, 24), "A": (16, 24, 32), "H": (16, 24, 32)}
_DOUBLE_LENGTH_ONLY: Final = frozenset(("C0", "M3", "E0"))
_MODES_THAT_ALLOW: Final = {
    "G": frozenset("CGN"),
    "V": frozenset("CVN"),
    "E": frozenset("BEN"),
    "D": frozenset("BDN"),
    "X": frozenset("XN"),
}
_MAC_USAGE: Final = {"1": ("M1", "T"), "3": ("M3", "T"), "6": ("M6", "A")}
_NONCE_LENGTH: Final = 12


class Key:
    """A key that only works: it can be used and wrapped, not read.

    Parameters
    ----------
    header
        What the key is for.
    material
        The clear key. TDES 16 or 24 bytes, AES 16, 24 or 32, HMAC 16, 24 or 32.

    Raises
    ------
    HsmError
        "A7" unknown algorithm; "27" the length does not fit; "75" a single-length TDES key posing as double.
    """

    __slots__ = ("_card", "_cmac", "_gcm", "_material", "_protection", "header", "kcv")

    def __init__(self, header: Header, material: bytes) -> None:
        if header.algorithm not in _LENGTHS:
            raise HsmError(WRONG_ALGORITHM)
        if len(material) not in _LENGTHS[header.algorithm]:
            raise HsmError(BAD_KEY_LENGTH)
        if header.usage in _DOUBLE_LENGTH_ONLY and (header.algorithm != "T" or len(material) != 16):
            raise HsmError(BAD_KEY_LENGTH)
        if header.algorithm == "T" and material[:8] == material[8:16]:
            raise HsmError(SINGLE_LENGTH_KEY)
        self.header = header
        self._material = material
        self._card: crypto.CardKey | None = None
        self._cmac: crypto.Keyed | None = None
        self._gcm: AESGCM | None = None
        self._protection: Protection | None = None
        self.kcv = _CHECK_VALUES[header.algorithm](material)

    def __repr__(self) -> str:
        return f"Key(usage={self.header.usage}, algorithm={self.header.algorithm}, kcv={self.kcv})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key cannot be pickled or copied")

    def permit(self, usages: tuple[str, ...], mode: str) -> None:
        """Refuse the key unless it is for one of these usages and its mode of use allows the operation.

        Parameters
        ----------
        usages
            TR-31 usages.
        mode
            G generate, V verify, E encrypt or wrap, D decrypt or unwrap, X derive.

        Raises
        ------
        HsmError
            "A6" wrong usage, "A8" wrong mode. Fix the key table; a retry cannot help.
        """
        if self.header.usage not in usages:
            raise HsmError(WRONG_USAGE)
        if self.header.mode not in _MODES_THAT_ALLOW[mode]:
            raise HsmError(WRONG_MODE)

    def cvv(self, pan: str, expiry: str, service_code: str, mode: str = "G") -> str:
        """Return the card verification value, str[3]. Usage C0; `mode` is G, or V when it is made to compare."""
        self.permit(("C0",), mode)
        return crypto.card_verification_value(self._card_key(), pan, expiry, service_code)

    def mac(self, algorithm: str, padding: str, data: bytes, mode: str = "G") -> bytes:
        """Return a MAC of 8 bytes.

        Parameters
        ----------
        algorithm
            "1" or "3", ISO 9797-1 (usages M1 and M3, TDES); "6", AES-CMAC, left half (usage M6).
        padding
            "0", "1" or "2"; CMAC takes "0" only, it pads by itself.
        data
            Any bytes; whole blocks for algorithms 1 and 3 without padding.
        mode
            G, or V when the MAC is made to compare.

        Raises
        ------
        HsmError
            "A6", "A7" or "A8": not a key for this algorithm; "15": unknown algorithm or padding, or data that
            needs padding.
        """
        if algorithm not in _MAC_USAGE or padding not in "012":
            raise HsmError(BAD_DATA)
        usage, cipher = _MAC_USAGE[algorithm]
        self.permit((usage,), mode)
        if self.header.algorithm != cipher:
            raise HsmError(WRONG_ALGORITHM)
        if algorithm == "6":
            if padding != "0":
                raise HsmError(BAD_DATA)
            return crypto.cmac(self._cmac_key(), data)[:8]
        padded = crypto.pad(data, padding)
        if not padded or len(padded) % crypto.BLOCK:
            raise HsmError(BAD_DATA)
        if algorithm == "1":
            return crypto.mac_algorithm_1(self._card_key().both, padded)
        return crypto.mac_algorithm_3(self._card_key(), padded)

    def fingerprint(self, scope: str, pan: str) -> str:
        """Return the keyed fingerprint of a PAN in a scope, str[29]. Usage M7."""
        self.permit(("M7",), "G")
        return crypto.fingerprint(self._material, scope, pan)

    def token_cryptogram(self, token: str, atc: int, data: bytes) -> bytes:
        """Return the one-time cryptogram of a token over the data, bytes[8]. Usage E0."""
        self.permit(("E0",), "X")
        card_key = crypto.emv_card_key(self._card_key().both, token)
        return crypto.emv_cryptogram(crypto.emv_session_key(card_key, atc.to_bytes(2, "big")), data)

    def seal(self, clear: bytes, context: bytes, entropy: Entropy) -> bytes:
        """Encrypt with AES-GCM: nonce, ciphertext, tag; 28 bytes longer than the input. Usage D0."""
        self.permit(("D0",), "E")
        nonce = entropy(_NONCE_LENGTH)
        return nonce + self._gcm_key().encrypt(nonce, clear, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt what `seal` made in the same context.

        Raises
        ------
        HsmError
            "V7": it was changed, moved to another context, or sealed under another key.
        """
        self.permit(("D0",), "D")
        try:
            return self._gcm_key().decrypt(sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:], context)
        except (InvalidTag, ValueError):
            forged = HsmError(RECORD_FORGED)
        raise forged

    def wrap(self, key: "Key", entropy: Entropy, exportability: str = "N") -> str:
        """Export another key as a TR-31 block under this one. Usage K1.

        Parameters
        ----------
        key
            The key to export; it must be exportable (E).
        exportability
            What the receiver may do with it; N unless it has to travel on.

        Raises
        ------
        HsmError
            "29": the key may not leave this party.
        """
        self.permit(("K1",), "E")
        if key.header.exportability != "E":
            raise HsmError(EXPORT_REFUSED)
        header = key.header._replace(exportability=exportability)
        return self._protection_key().wrap(key._material, header, entropy)

    def unwrap(self, block: str) -> "Key":
        """Import a key from a TR-31 block under this one. Usage K1.

        Raises
        ------
        HsmError
            "83" or "A4", as `Protection.unwrap`; or what `Key` refuses.
        """
        self.permit(("K1",), "D")
        return Key(*self._protection_key().unwrap(block))

    def under(self, lmk: Protection, entropy: Entropy) -> str:
        """Return the key block under the party's own LMK, for its key table. Every key may be stored so."""
        return lmk.wrap(self._material, self.header, entropy)

    def _card_key(self) -> crypto.CardKey:
        if self.header.algorithm != "T":
            raise HsmError(WRONG_ALGORITHM)
        if self._card is None:
            self._card = crypto.CardKey(self._material)
        return self._card

    def _cmac_key(self) -> crypto.Keyed:
        if self._cmac is None:
            self._cmac = crypto.keyed_cmac(self._material)
        return self._cmac

    def _gcm_key(self) -> AESGCM:
        if self.header.algorithm != "A":
            raise HsmError(WRONG_ALGORITHM)
        if self._gcm is None:
            self._gcm = AESGCM(self._material)
        return self._gcm

    def _protection_key(self) -> Protection:
        if self.header.algorithm != "A":
            raise HsmError(WRONG_ALGORITHM)
        if self._protection is None:
            self._protection = Protection(self._material)
        return self._protection


_CHECK_VALUES: Final = {
    "T": crypto.tdes_check_value,
    "A": crypto.aes_check_value,
    "H": crypto.hmac_check_value,
}


def generate(header: Header, length: int, entropy: Entropy) -> Key:
    """Make a new random key.

    Parameters
    ----------
    length
        Bytes. TDES keys get odd parity.
    """
    material = entropy(length)
    return Key(header, crypto.odd_parity(material) if header.algorithm == "T" else material)


def from_lmk(lmk: Protection, block: str) -> Key:
    """Return the handle of a key block under the party's own LMK; `HsmError` "83" or "A4" if it is not one."""
    return Key(*lmk.unwrap(block))


def derive_lmk(master: bytes, party: str) -> tuple[Protection, str]:
    """Derive a party's LMK from the master secret, which stands for the smart cards of a real HSM.

    Parameters
    ----------
    master
        bytes[32].
    party
        The party's name: each has an LMK of its own, and none opens another's key blocks.

    Returns
    -------
    tuple
        The LMK as a key block protection key, and its check value, str[16].
    """
    lmk = hmac.digest(master, b"cardrails/lmk/v1\x00" + party.encode("utf-8"), hashlib.sha256)
    return Protection(lmk), crypto.lmk_check_value(lmk)
