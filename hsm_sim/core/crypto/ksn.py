"""Key serial numbers: how they stand in a host command, and which transaction counters are valid.

A TDES DUKPT serial number is 10 bytes whose last 21 bits are the counter; an AES one is 12 bytes whose last 4 are.
Shorter TDES numbers are filled on the left with F, as the field rule of ANSI X9.24 has it.

Source
------
Shared facts, hsm 2.2 (the descriptor formula rests on public articles and fits all captures). That an AES serial
number is 24 hex digits whatever its descriptor says is our own reading: no capture was found.
"""

from typing import Final

from hsm_sim.core.errors import BAD_DATA, HsmError

TDES_KSN_BYTES: Final = 10
AES_KSN_BYTES: Final = 12
TDES_COUNTER_MASK: Final = 0x1FFFFF
AES_COUNTER_MASK: Final = 0xFFFFFFFF
TDES_COUNTER_ONES_MAX: Final = 10
AES_COUNTER_ONES_MAX: Final = 16
_COUNTER_DIGITS: Final = 5
_TDES_KSN_DIGITS: Final = 2 * TDES_KSN_BYTES


def ksn_length(descriptor: str) -> int:
    """Return how many hex digits a TDES serial number has.

    Parameters
    ----------
    descriptor
        str[3] hex: digits of the BDK identifier, of the sub-key identifier, and of the device identifier. The counter
        adds five.

    Returns
    -------
    int
        For example 16 for 605 and 20 for 609 or A05.

    Raises
    ------
    HsmError
        "15" if the descriptor is not three hex digits or describes more than 20.
    """
    if len(descriptor) != 3 or not set(descriptor) <= set("0123456789ABCDEFabcdef"):
        raise HsmError(BAD_DATA)
    length = sum(int(digit, 16) for digit in descriptor) + _COUNTER_DIGITS
    if length > _TDES_KSN_DIGITS:
        raise HsmError(BAD_DATA)
    return length


def ksn_field_length(descriptor: str, data: str) -> int:
    """Return how many characters of `data` are the serial number.

    That is `ksn_length`, except that a 20-digit field whose surplus on the left is all F is taken whole: one open
    simulator sends 605 with a field of 20.
    """
    length = ksn_length(descriptor)
    fill = "F" * (_TDES_KSN_DIGITS - length)
    return _TDES_KSN_DIGITS if data[:_TDES_KSN_DIGITS].upper().startswith(fill) else length


def read_ksn(field: str, aes: bool = False) -> bytes:
    """Return a serial number as bytes: bytes[10] filled with F on the left, or bytes[12] for AES.

    Raises
    ------
    HsmError
        "15" if the field is not hex, too long, or for AES not exactly 24 digits.
    """
    digits = 2 * (AES_KSN_BYTES if aes else TDES_KSN_BYTES)
    if len(field) > digits or (aes and len(field) != digits) or not set(field) <= set("0123456789ABCDEFabcdef"):
        raise HsmError(BAD_DATA)
    return bytes.fromhex(field.rjust(digits, "F"))


def counter_valid(counter: int, ones_max: int) -> bool:
    """Say whether a device may use this counter: at most 10 ones (TDES) or 16 (AES).

    Zero counts as valid: one device capture computes a MAC with it.
    """
    return counter.bit_count() <= ones_max


def next_ksn(ksn: bytes) -> bytes:
    """Return the serial number of a device's next transaction; counters with too many ones are skipped.

    Parameters
    ----------
    ksn
        bytes[10] (TDES) or bytes[12] (AES).

    Raises
    ------
    HsmError
        "15" if there is none: the device must get a new initial key.
    """
    aes = len(ksn) == AES_KSN_BYTES
    mask = AES_COUNTER_MASK if aes else TDES_COUNTER_MASK
    ones_max = AES_COUNTER_ONES_MAX if aes else TDES_COUNTER_ONES_MAX
    number = int.from_bytes(ksn, "big")
    counter = (number & mask) + 1
    while counter.bit_count() > ones_max:
        counter += counter & -counter  # all counters between keep these ones and add more
    if counter > mask:
        raise HsmError(BAD_DATA)
    return (number & ~mask | counter).to_bytes(len(ksn), "big")
