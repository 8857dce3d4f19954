"""Key handles: a key's material never leaves its object, and every operation checks what the key is for first.

A `Key` says openly what it may do (usage or key type, algorithm, mode of use, exportability) and shows its check
value; it offers operations and cached ciphers instead of bytes. `repr`, `str`, pickling and copying never show or
move the material; `derive` hands it to one function of the core and returns what that function makes of it.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hsm_sim.core.crypto import ciphers, cvv, emv, fingerprints, macs
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
from hsm_sim.core.keys import types
from hsm_sim.core.keys.blocks import OptionalBlocks
from hsm_sim.core.keys.header import AES, DES, HMAC, TDES, Entropy, Header
from hsm_sim.core.keys.schemes import has_odd_parity
from hsm_sim.core.keys.tr31 import Protection

T = TypeVar("T")

_LENGTHS: Final = {DES: (8,), TDES: (16, 24), AES: (16, 24, 32), HMAC: range(14, 129)}
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
        The clear key. DES 8 bytes, TDES 16 or 24, AES 16, 24 or 32, HMAC 14 to 128.
    blocks
        Optional blocks of the key block that it came in; they travel on with it.
    single_length
        Whether a single-length DES key, openly (algorithm D) or posing as TDES, is accepted.

    Attributes
    ----------
    header, blocks
        As above.

    Raises
    ------
    HsmError
        "A7" unknown algorithm; "27" the length does not fit; "75" a single-length TDES key posing as double.
    """

    __slots__ = ("_aes", "_cmac", "_gcm", "_kept", "_material", "_pair", "_protection", "blocks", "header")

    def __init__(
        self, header: Header, material: bytes, blocks: OptionalBlocks = (), *, single_length: bool = False
    ) -> None:
        if header.algorithm not in _LENGTHS:
            raise HsmError(WRONG_ALGORITHM)
        if len(material) not in _LENGTHS[header.algorithm]:
            raise HsmError(BAD_KEY_LENGTH)
        if header.usage in _DOUBLE_LENGTH_ONLY and header.algorithm in (TDES, DES) and len(material) != 16:
            raise HsmError(BAD_KEY_LENGTH)
        if not single_length:
            if header.algorithm == DES:
                raise HsmError(BAD_KEY_LENGTH)
            if header.algorithm == TDES and material[:8] == material[8:16]:
                raise HsmError(SINGLE_LENGTH_KEY)
        self.header = header
        self.blocks = blocks
        self._material = material
        self._pair: ciphers.CardKey | None = None
        self._aes: ciphers.Aes | None = None
        self._cmac: macs.Keyed | None = None
        self._gcm: AESGCM | None = None
        self._protection: Protection | None = None
        self._kept: dict[object, object] = {}

    def __repr__(self) -> str:
        return f"Key(usage={self.header.usage}, algorithm={self.header.algorithm}, kcv={self.kcv})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key cannot be pickled or copied")

    @property
    def kcv(self) -> str:
        """The key check value, str[6] hex."""
        return self.check_value()

    def check_value(self, length: int = 6, ecb: bool = False) -> str:
        """Return the key check value.

        Parameters
        ----------
        length
            Hex digits, 6 or 16.
        ecb
            For an AES key: an encrypted zero block (legacy) instead of CMAC over one.
        """
        algorithm = self.header.algorithm
        if algorithm in (TDES, DES):
            value = self.pair.both.encrypt(bytes(ciphers.BLOCK))
        elif algorithm == HMAC:
            value = hmac.digest(self._material, b"", hashlib.sha256)
        elif ecb:
            value = self.aes.encrypt(bytes(ciphers.AES_BLOCK))
        else:
            value = macs.cmac(self._cmac_key(), bytes(ciphers.AES_BLOCK))
        return value.hex().upper()[:length]

    @property
    def length(self) -> int:
        """The key's length in bytes."""
        return len(self._material)

    @property
    def odd_parity(self) -> bool:
        """Whether a DES or TDES key has odd parity; True for keys without parity."""
        return self.header.algorithm not in (TDES, DES) or has_odd_parity(self._material)

    @property
    def pair(self) -> ciphers.CardKey:
        """The cached ciphers of a DES or TDES key: the left half, and the whole. `HsmError` "A7" for others."""
        if self._pair is None:
            if self.header.algorithm not in (TDES, DES):
                raise HsmError(WRONG_ALGORITHM)
            self._pair = ciphers.CardKey(self._material)
        return self._pair

    @property
    def tdes(self) -> ciphers.Tdes:
        """The cached cipher of a DES or TDES key; `HsmError` "A7" for others."""
        return self.pair.both

    @property
    def aes(self) -> ciphers.Aes:
        """The cached cipher of an AES key; `HsmError` "A7" for others."""
        if self._aes is None:
            if self.header.algorithm != AES:
                raise HsmError(WRONG_ALGORITHM)
            self._aes = ciphers.Aes(self._material)
        return self._aes

    def derive(self, function: Callable[[bytes], T]) -> T:
        """Return what a function of the core makes of the material: another key, a MAC, a wrapped key.

        Only `hsm_sim.core` may call it, only after `permit`, and the function must not keep or return its argument.
        """
        return function(self._material)

    def keep(self, make: Callable[[bytes], T]) -> T:
        """Return what a class of the core makes of the material, made once: a DUKPT host, an issuer master key.

        As `derive`; the object lives as long as the key.
        """
        kept = self._kept.get(make)
        if kept is None:
            kept = self._kept[make] = make(self._material)
        return kept  # type: ignore[return-value]  # each maker has its own place

    def cmac(self, data: bytes) -> bytes:
        """Return the CMAC over the data: bytes[16] with AES, bytes[8] with TDES. The caller has called `permit`."""
        return macs.cmac(self._cmac_key(), data)

    def retyped(self, header: Header) -> "Key":
        """Return the same key with another header, for a crossing from one kind of LMK to another.

        The caller has checked that the purpose stays the same (`types.same_purpose`). A key that was accepted once
        is not measured again.
        """
        return Key(header, self._material, self.blocks, single_length=True)

    def permit(self, usages: tuple[str, ...], mode: str) -> None:
        """Refuse the key unless it is for one of these usages and its mode of use allows the operation.

        Parameters
        ----------
        usages
            Key block usages and key types.
        mode
            G generate, V verify, E encrypt or wrap, D decrypt or unwrap, X derive; "" if any will do.

        Raises
        ------
        HsmError
            "A6" wrong usage, "A8" wrong mode. Fix the key table; a retry cannot help.
        """
        if self.header.usage not in usages:
            raise HsmError(WRONG_USAGE)
        if mode and self.header.mode not in _MODES_THAT_ALLOW[mode]:
            raise HsmError(WRONG_MODE)

    def cvv(self, pan: str, expiry: str, service_code: str, mode: str = "G") -> str:
        """Return the card verification value, str[3]. `mode` is G, or V when it is made to compare."""
        self.permit(types.CVK, mode)
        return cvv.card_verification_value(self.pair, pan, expiry, service_code)

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
            return macs.cmac(self._cmac_key(), data)[:8]
        padded = ciphers.pad(data, padding)
        if not padded or len(padded) % ciphers.BLOCK:
            raise HsmError(BAD_DATA)
        if algorithm == "1":
            return macs.mac_algorithm_1(self.pair.both, padded)
        return macs.mac_algorithm_3(self.pair, padded)

    def fingerprint(self, scope: str, pan: str) -> str:
        """Return the keyed fingerprint of a PAN in a scope, str[29]. Usage M7."""
        self.permit(("M7",), "G")
        return fingerprints.fingerprint(self.keep(macs.KeyedHmac), scope, pan)

    def token_cryptogram(self, token: str, atc: int, data: bytes) -> bytes:
        """Return the one-time cryptogram of a token over the data, bytes[8]. Usage E0."""
        self.permit(("E0",), "X")
        card = self.keep(emv.IssuerMasterKey).card(emv.card_block(token))
        session = card.session(emv.counter_diversifier(atc.to_bytes(2, "big")))
        return macs.mac_algorithm_3(session, ciphers.pad(data, "2"))

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
        return self._protection_key().wrap(key._material, header, entropy, key.blocks)

    def unwrap(self, block: str) -> "Key":
        """Import a key from a TR-31 block under this one. Usage K1.

        Raises
        ------
        HsmError
            "83" or "A4", as `Protection.unwrap`; or what `Key` refuses.
        """
        self.permit(("K1",), "D")
        return Key(*self._protection_key().unwrap(block))

    def _cmac_key(self) -> macs.Keyed:
        if self._cmac is None:
            if self.header.algorithm not in (AES, TDES):
                raise HsmError(WRONG_ALGORITHM)
            keyed = macs.keyed_cmac if self.header.algorithm == AES else macs.keyed_cmac_tdes
            self._cmac = keyed(self._material)
        return self._cmac

    def _gcm_key(self) -> AESGCM:
        if self.header.algorithm != AES:
            raise HsmError(WRONG_ALGORITHM)
        if self._gcm is None:
            self._gcm = AESGCM(self._material)
        return self._gcm

    def _protection_key(self) -> Protection:
        if self.header.algorithm != AES:
            raise HsmError(WRONG_ALGORITHM)
        if self._protection is None:
            self._protection = Protection(self._material)
        return self._protection


def generate(header: Header, length: int, entropy: Entropy, *, single_length: bool = False) -> Key:
    """Make a new random key.

    Parameters
    ----------
    length
        Bytes. DES and TDES keys get odd parity.
    single_length
        Whether a single-length DES key may be made.
    """
    material = entropy(length)
    if header.algorithm in (TDES, DES):
        material = ciphers.odd_parity(material)
    return Key(header, material, single_length=single_length)
