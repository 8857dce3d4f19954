"""Values printed on or sent by a card: CVV, CVV2, iCVV, CAVV, dCVV, CVC3, AMEX CSC."""

from typing import Final, NamedTuple

from hsm_sim.core.crypto.ciphers import CardKey, pad, xor
from hsm_sim.core.crypto.macs import mac_algorithm_3

_LETTERS_TO_DIGITS: Final = bytes.maketrans(b"abcdef", b"012345")


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
    return _decimals(key, pan + expiry + service_code)[:3]


def cardholder_authentication_value(key: CardKey, pan: str, number: str, result: str, second_factor: str) -> str:
    """Return the three digits that make a Visa CAVV (3-D Secure) hard to forge.

    Parameters
    ----------
    key
        The CAVV key pair.
    pan
        12 to 19 digits.
    number
        str[4], the rightmost digits of the authentication tracking number (an unpredictable number). It takes the
        place of a CVV's expiry.
    result
        str[1], authentication results code.
    second_factor
        str[2], second factor authentication code. With `result` it takes the place of the service code.

    Returns
    -------
    str
        str[3] decimal.

    Source
    ------
    jPOS and the tests of an open Go library (gocavv) agree; the scheme's own document was not seen.
    """
    return _decimals(key, pan + number + result + second_factor)[:3]


def dynamic_cvv(card_key: CardKey, pan: str, expiry: str, service_code: str, atc: int) -> str:
    """Return Visa's dCVV: a CVV under the card's own key, with the transaction counter in the PAN.

    Parameters
    ----------
    card_key
        The key derived from the dCVV master key and the PAN, EMV option A (or B).
    pan
        12 to 19 digits.
    expiry
        str[4], YYMM.
    service_code
        str[3].
    atc
        0..65535; as four hex digits it replaces the first four of the PAN.

    Returns
    -------
    str
        str[3] decimal.

    Source
    ------
    jPOS and gep3 agree on the counter's place; gep3 leaves the service code at 000. The scheme's document was not
    seen.
    """
    return _decimals(card_key, f"{atc:04X}{pan[4:]}{expiry}{service_code}")[:3]


def cvc3_vector(card_key: CardKey, track: bytes) -> bytes:
    """Return the IVCVC3 of static track data: bytes[2]."""
    return mac_algorithm_3(card_key, pad(track, "2"))[-2:]


def dynamic_cvc3(card_key: CardKey, vector: bytes, unpredictable: bytes, atc: bytes) -> str:
    """Return Mastercard's CVC3.

    Parameters
    ----------
    card_key
        The key derived from the CVC3 master key and the PAN, EMV option A or B.
    vector
        bytes[2], `cvc3_vector` of the track: packed digits of track 2, ASCII of track 1, or a stored IVCVC3.
    unpredictable
        bytes[4], the unpredictable number of the terminal.
    atc
        bytes[2] big-endian, application transaction counter.

    Returns
    -------
    str
        str[5] decimal, zero-filled; a track carries the last digits, as many as it has room for (often 3).

    Source
    ------
    pyemv; vectors `cvc3_track1` and `cvc3_track2`.
    """
    return f"{int.from_bytes(card_key.both.encrypt(vector + unpredictable + atc)[-2:], 'big'):05d}"


class SecurityCodes(NamedTuple):
    """What American Express makes in one go: codes of five, four and three digits."""

    five: str
    four: str
    three: str


def amex_security_codes(key: CardKey, account: str, expiry: str, service_code: str = "") -> SecurityCodes:
    """Return the AMEX card security codes CSC-5, CSC-4 and CSC-3, or the AEVV in the same shape.

    Parameters
    ----------
    key
        The card security code key, double length.
    account
        15 digits.
    expiry
        str[4], YYMM; for an AEVV the unpredictable number.
    service_code
        Empty for version 1; str[3] for version 2; for an AEVV the authentication result and second factor.

    Returns
    -------
    SecurityCodes
        Twelve successive digits of one decimalised block, cut into 5 + 4 + 3.

    Source
    ------
    A best reading that does not claim to meet real cards: the algorithm is not public. IBM's public CCA pages say
    that the input is the expiry and then the account, under a key of MAC class; the field that host command RY adds
    for version 2 comes last; cipher and decimalisation are those of a CVV. Shared facts, hsm 6.7: one source.
    """
    digits = _decimals(key, expiry + account + service_code)
    return SecurityCodes(digits[:5], digits[5:9], digits[9:12])


def _decimals(key: CardKey, digits: str) -> str:
    """Return the 16 decimal digits that the CVV rule makes of up to 32."""
    filled = digits.ljust(32, "0")
    first = key.left.encrypt(bytes.fromhex(filled[:16]))
    result = key.both.encrypt(xor(first, bytes.fromhex(filled[16:32]))).hex().encode("ascii")
    decimals = result.translate(None, b"abcdef")
    letters = result.translate(_LETTERS_TO_DIGITS, b"0123456789")
    return (decimals + letters).decode("ascii")
