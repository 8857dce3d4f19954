"""A PIN as it rests outside the HSM under the LMK: digits under a TDES LMK, `J` and hex under an AES LMK.

Both forms are our own inside; only their shape is public. They bind the account, so that a field that was copied to
another account does not open.
"""

from typing import Final

from hsm_sim.core.crypto import ff1
from hsm_sim.core.crypto.ciphers import Aes
from hsm_sim.core.crypto.pinblocks import PIN_MAX, PIN_MIN, check_pin, decipher_iso4, encipher_iso4
from hsm_sim.core.crypto.pins import check_account
from hsm_sim.core.errors import BAD_LMK_PIN, BAD_PIN_BLOCK, BAD_PIN_LENGTH, HsmError
from hsm_sim.core.keys.header import Entropy

_DOMAIN_MIN: Final = 100
_AES_PREFIX: Final = "J"
_AES_CHARACTERS: Final = 33
_HEX: Final = frozenset("0123456789ABCDEF")


def pin_under_lmk(key: bytes, pin: str, account: str, digits: int | None = None) -> str:
    """Encrypt a PIN into digits, the form of a variant or TDES LMK.

    The first digit of what is encrypted is the PIN's length less four and the rest is zero-filled, so that a field of
    the largest length can hold a shorter PIN and most wrong fields are found out.

    Parameters
    ----------
    key
        AES key of FF1, bytes[16], bytes[24] or bytes[32].
    pin
        4 to 12 digits.
    account
        str[12], the tweak: the field of one account does not open under another.
    digits
        Length of the field, at least the PIN's length + 1, which is also the default.

    Returns
    -------
    str
        `digits` digits.

    Raises
    ------
    HsmError
        "24" or "20" for the PIN, "22" account.

    Source
    ------
    Our own: the shape is public (shared facts, hsm 2.2), the manufacturer's algorithm is not, so that fields of real
    hardware do not open here. A field of five digits has a domain of 10^5, below the 10^6 that NIST's draft revision
    asks for (the 2016 edition asks for 100): the shape leaves no room, and the PINs are test PINs.
    """
    digits = len(check_pin(pin)) + 1 if digits is None else digits
    if not len(pin) < digits <= PIN_MAX + 1:
        raise HsmError(BAD_PIN_LENGTH)
    clear = f"{len(pin) - PIN_MIN}{pin}".ljust(digits, "0")
    return ff1.encrypt(key, check_account(account).encode("ascii"), clear, minimum_domain=_DOMAIN_MIN)


def pin_from_lmk(key: bytes, field: str, account: str) -> str:
    """Decrypt what `pin_under_lmk` made.

    Raises
    ------
    HsmError
        "14" if the field is not of this key and account, "22" account.
    """
    tweak = check_account(account).encode("ascii")
    if not PIN_MIN < len(field) <= PIN_MAX + 1 or not (field.isascii() and field.isdigit()):
        raise HsmError(BAD_LMK_PIN)
    clear = ff1.decrypt(key, tweak, field, minimum_domain=_DOMAIN_MIN)
    end = int(clear[0]) + PIN_MIN + 1
    if end > len(clear) or clear[end:].strip("0"):
        raise HsmError(BAD_LMK_PIN)
    return clear[1:end]


def pin_under_aes_lmk(cipher: Aes, pin: str, account: str, entropy: Entropy) -> str:
    """Encrypt a PIN into the form of an AES LMK: str[33], `J` and an ISO format 4 block over the account field.

    Raises
    ------
    HsmError
        "24" or "20" for the PIN, "22" account.

    Source
    ------
    Our own inside; only the shape is public (shared facts, hsm 2.2).
    """
    return _AES_PREFIX + encipher_iso4(cipher, pin, check_account(account), entropy).hex().upper()


def pin_from_aes_lmk(cipher: Aes, field: str, account: str) -> str:
    """Decrypt what `pin_under_aes_lmk` made.

    Raises
    ------
    HsmError
        "14" if the field is not of this key and account, "22" account.
    """
    check_account(account)
    if len(field) != _AES_CHARACTERS or field[0] != _AES_PREFIX or not _HEX.issuperset(field[1:]):
        raise HsmError(BAD_LMK_PIN)
    try:
        return decipher_iso4(cipher, bytes.fromhex(field[1:]), account)
    except HsmError as refused:
        if refused.code not in (BAD_PIN_BLOCK, BAD_PIN_LENGTH):
            raise
    raise HsmError(BAD_LMK_PIN)
