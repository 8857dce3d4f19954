"""Card cryptography as pure functions: CVV, ISO 9797-1 MACs, CMAC, check values, EMV keys, fingerprints.

Everything rests on the `cryptography` package. TDES keys are expanded to 24 bytes (shorter ones are deprecated
there) and one ECB context is kept per key: ECB has no state between whole blocks, and making a context costs more
than the encryption. Callers compare results in constant time (`same`).
"""

import base64
import hashlib
import hmac
from typing import Final, TypeAlias

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

Keyed: TypeAlias = CMAC
"""An AES-CMAC that has its key and no data yet: copying it is four times cheaper than keying a new one."""

BLOCK: Final = 8
_LETTERS_TO_DIGITS: Final = str.maketrans("ABCDEF", "012345")
_FINGERPRINT_LABEL: Final = b"hsm_sim/pan-fp/v1"


class Tdes:
    """One TDES key with its cached context.

    Parameters
    ----------
    key
        bytes[8], bytes[16] or bytes[24]. Single-length keys exist only as the left half of a double-length one.
    """

    __slots__ = ("_cipher", "_context")

    def __init__(self, key: bytes) -> None:
        whole = key * 3 if len(key) == 8 else (key + key[:8])[:24]
        self._cipher = TripleDES(whole)
        self._context: CipherContext | None = None

    def encrypt(self, data: bytes) -> bytes:
        """Encrypt whole blocks in ECB mode."""
        if self._context is None:
            self._context = Cipher(self._cipher, modes.ECB()).encryptor()
        return self._context.update(data)

    def chain(self, data: bytes) -> bytes:
        """Return the last block of a CBC encryption from a zero vector: bytes[8]."""
        encryptor = Cipher(self._cipher, modes.CBC(bytes(BLOCK))).encryptor()
        return encryptor.update(data)[-BLOCK:]


class CardKey:
    """A double-length TDES key as CVV and the retail MAC use it: the left half alone, and both."""

    __slots__ = ("both", "left")

    def __init__(self, key: bytes) -> None:
        self.left = Tdes(key[:8])
        self.both = Tdes(key)


def same(left: str | bytes, right: str | bytes) -> bool:
    """Compare secrets in constant time."""
    a = left.encode("utf-8") if isinstance(left, str) else left
    b = right.encode("utf-8") if isinstance(right, str) else right
    return hmac.compare_digest(a, b)


def xor(left: bytes, right: bytes) -> bytes:
    """Return the bitwise exclusive or of two strings of the same length."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def pad(data: bytes, method: str) -> bytes:
    """Pad to whole 8-byte blocks.

    Parameters
    ----------
    data
        Any bytes.
    method
        "0" none, "1" ISO 9797-1 method 1 (zeros), "2" method 2 (X'80', then zeros).

    Returns
    -------
    bytes
        At least one block, except with method "0".
    """
    if method == "2":
        data += b"\x80"
    if method == "0":
        return data
    return data + bytes(-len(data) % BLOCK) if data else bytes(BLOCK)


def card_verification_value(key: CardKey, pan: str, expiry: str, service_code: str) -> str:
    """Return a CVV, CVV2 (service code 000) or iCVV (999).

    Parameters
    ----------
    key
        The card verification key pair, CVK A and B.
    pan
        12 to 19 digits.
    expiry
        str[4], in the order that the card scheme uses; this house always uses YYMM.
    service_code
        str[3].

    Returns
    -------
    str
        str[3] decimal: the digits of the result first, then its letters with A-F turned into 0-5. The second scan
        matters for about one card in 16,700.

    Source
    ------
    The Visa rule as open implementations have it; shared facts, hsm 1 and the vectors `cvv_generate*`.
    """
    digits = (pan + expiry + service_code).ljust(32, "0")
    first = key.left.encrypt(bytes.fromhex(digits[:16]))
    result = key.both.encrypt(xor(first, bytes.fromhex(digits[16:32]))).hex().upper()
    decimals = "".join(character for character in result if character.isdigit())
    letters = "".join(character for character in result if not character.isdigit())
    return (decimals + letters.translate(_LETTERS_TO_DIGITS))[:3]


def mac_algorithm_1(key: Tdes, padded: bytes) -> bytes:
    """Return ISO 9797-1 algorithm 1 (CBC-MAC with the whole key) over whole blocks: bytes[8]."""
    return key.chain(padded)


def mac_algorithm_3(key: CardKey, padded: bytes) -> bytes:
    """Return ISO 9797-1 algorithm 3 (the retail MAC, X9.19) over whole blocks: bytes[8]."""
    last = padded[-BLOCK:]
    before = key.left.chain(padded[:-BLOCK]) if len(padded) > BLOCK else bytes(BLOCK)
    return key.both.encrypt(xor(before, last))


def keyed_cmac(key: bytes) -> Keyed:
    """Return an AES-CMAC without data, to be copied for each message."""
    return CMAC(AES(key))


def cmac(keyed: Keyed, data: bytes) -> bytes:
    """Return AES-CMAC over the data: bytes[16]."""
    context = keyed.copy()
    context.update(data)
    return context.finalize()


def tdes_check_value(key: bytes) -> str:
    """Return the key check value of a TDES key: str[6] hex, the left of an encrypted zero block."""
    return Tdes(key).encrypt(bytes(BLOCK))[:3].hex().upper()


def aes_check_value(key: bytes) -> str:
    """Return the key check value of an AES key: str[6] hex, the left of CMAC over a zero block (X9.24-1)."""
    return cmac(keyed_cmac(key), bytes(16))[:3].hex().upper()


def hmac_check_value(key: bytes) -> str:
    """Return the key check value of an HMAC key: str[6] hex, the left of HMAC-SHA-256 over nothing."""
    return hmac.digest(key, b"", hashlib.sha256)[:3].hex().upper()


def lmk_check_value(key: bytes) -> str:
    """Return the check value that NC reports for an AES LMK: str[16].

    Six hex digits of CMAC over the empty string, then ten zeros.

    Source
    ------
    Shared facts, hsm 2.3 (the value that one payShield 10K shows for its test LMK).
    """
    return cmac(keyed_cmac(key), b"")[:3].hex().upper() + "0" * 10


def odd_parity(key: bytes) -> bytes:
    """Set the lowest bit of each byte so that the byte has an odd number of ones."""
    return bytes(byte ^ (byte.bit_count() & 1 ^ 1) for byte in key)


def fingerprint(key: bytes, scope: str, pan: str) -> str:
    """Return a keyed fingerprint of the whole PAN.

    Parameters
    ----------
    key
        HMAC key, bytes[32].
    scope
        Whose fingerprint it is: two scopes cannot be joined on it.
    pan
        12 to 19 digits.

    Returns
    -------
    str
        str[29], `fp_` + 26 lower-case base32 characters (128 bits).

    Source
    ------
    Shared facts, hsm 5.
    """
    digest = hmac.digest(key, b"\x00".join((_FINGERPRINT_LABEL, scope.encode(), pan.encode())), hashlib.sha256)
    return "fp_" + base64.b32encode(digest[:16]).decode("ascii").rstrip("=").lower()


def emv_card_key(issuer_key: Tdes, account: str, sequence: str = "00") -> bytes:
    """Derive a card's (here: a token's) key from the issuer master key, EMV option A: bytes[16], odd parity.

    Parameters
    ----------
    issuer_key
        The issuer master key, double length.
    account
        The account number; with the sequence number its rightmost 16 digits are used.
    sequence
        str[2], account sequence number.

    Source
    ------
    EMV Book 2 A1.4.1 as open implementations have it; vectors `emv_icc_mk_option_a`.
    """
    left = bytes.fromhex((account + sequence)[-16:].rjust(16, "0"))
    return odd_parity(issuer_key.encrypt(left + xor(left, b"\xff" * BLOCK)))


def emv_session_key(card_key: bytes, atc: bytes) -> bytes:
    """Derive the session key of one transaction counter, EMV common session key: bytes[16].

    Source
    ------
    EMV Book 2 A1.3 as open implementations have it; vector `emv_common_session_key`.
    """
    rest = bytes(5)
    return Tdes(card_key).encrypt(atc + b"\xf0" + rest + atc + b"\x0f" + rest)


def emv_cryptogram(session_key: bytes, data: bytes) -> bytes:
    """Return the application cryptogram over the data: algorithm 3 with padding method 2, bytes[8]."""
    return mac_algorithm_3(CardKey(session_key), pad(data, "2"))
