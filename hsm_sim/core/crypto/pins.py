"""PIN verification values (Visa PVV, IBM 3624 PIN and offset), and which PINs may be chosen.

Source
------
Shared facts, hsm 2.2, and the vectors `visa_pvv_generate`, `ibm3624_*`, `pin_verify_ibm3624_DA`; the offset of a PIN
that is longer than the check length follows IBM's public z/OS pages. The scheme's and the manufacturer's documents
were not seen.
"""

from collections.abc import Collection
from functools import lru_cache
from itertools import pairwise
from typing import Final

from hsm_sim.core.crypto.ciphers import Tdes, same
from hsm_sim.core.crypto.pinblocks import (
    PIN_MAX,
    PIN_MIN,
    check_pin,
)
from hsm_sim.core.errors import (
    BAD_ACCOUNT,
    BAD_DATA,
    BAD_INDEX,
    BAD_PIN_LENGTH,
    BAD_TABLE_DECIMALISATION,
    HsmError,
)
from hsm_sim.core.keys.header import Entropy

_HEX: Final = "0123456789abcdef"
_ACCOUNT_DIGITS: Final = 12
_VALIDATION_DIGITS: Final = 16
_VALIDATION_ACCOUNT_DIGITS: Final = 5
_TABLE_DISTINCT_MIN: Final = 8
_TABLE_REPEATS_MAX: Final = 4
_LETTERS_TO_DIGITS: Final = bytes.maketrans(b"abcdef", b"012345")
_KEPT_BYTES: Final = 250  # the largest multiple of ten in a byte: above it a draw would favour 0 to 5
_TO_DIGITS: Final = bytes(b"0123456789"[byte % 10] for byte in range(256))
_DROPPED_BYTES: Final = bytes(range(_KEPT_BYTES, 256))
_DRAWS_MAX: Final = 1000


def check_account(account: str) -> str:
    """Return an account field (str[12] decimal), or raise `HsmError` 22."""
    if len(account) != _ACCOUNT_DIGITS or not (account.isascii() and account.isdigit()):
        raise HsmError(BAD_ACCOUNT)
    return account


def visa_pvv(key: Tdes, pin: str, account: str, pvki: str) -> str:
    """Return the Visa PIN Verification Value.

    Parameters
    ----------
    key
        The PVK pair's cipher, double length.
    pin
        4 to 12 digits; the leftmost four are used.
    account
        str[12], the account field; its rightmost eleven digits are used.
    pvki
        str[1], PIN verification key index, "0" to "6".

    Returns
    -------
    str
        str[4] decimal: the digits of the result first, then its letters with A-F turned into 0-5.

    Raises
    ------
    HsmError
        "24" or "20" for the PIN, "22" account, "21" index.

    Source
    ------
    Shared facts, hsm 2.2 (capture-confirmed); vectors `visa_pvv_generate`.
    """
    check_pin(pin)
    check_account(account)
    if len(pvki) != 1 or pvki not in "0123456":
        raise HsmError(BAD_INDEX)
    result = key.encrypt(bytes.fromhex(account[1:] + pvki + pin[:4])).hex().encode("ascii")
    digits = result.translate(None, b"abcdef")
    if len(digits) < 4:
        digits += result.translate(_LETTERS_TO_DIGITS, b"0123456789")
    return digits[:4].decode("ascii")


def verify_pvv(key: Tdes, pin: str, account: str, pvki: str, pvv: str) -> bool:
    """Check a PIN against a Visa PVV (str[4]), in constant time; parameters and errors as `visa_pvv`."""
    return same(visa_pvv(key, pin, account, pvki), pvv)


def check_decimalisation_table(table: str, strict: bool = False) -> str:
    """Return a decimalisation table if it may be used.

    Parameters
    ----------
    table
        str[16] decimal: what each hex digit becomes.
    strict
        Refuse weak tables too: fewer than eight different digits, or one digit more than four times. A table of one
        digit makes every natural PIN the same and gives PINs away.

    Raises
    ------
    HsmError
        "25".

    Source
    ------
    The weakness is public (Bond and Zielinski, 2003); the limits 8 and 4 are general knowledge of HSM practice.
    """
    if len(table) != len(_HEX) or not (table.isascii() and table.isdigit()):
        raise HsmError(BAD_TABLE_DECIMALISATION)
    if strict and (len(set(table)) < _TABLE_DISTINCT_MIN or max(map(table.count, set(table))) > _TABLE_REPEATS_MAX):
        raise HsmError(BAD_TABLE_DECIMALISATION)
    return table


@lru_cache(maxsize=64)
def _decimaliser(table: str) -> dict[int, int]:
    return str.maketrans(_HEX, check_decimalisation_table(table))


def validation_block(validation: str, account: str) -> bytes:
    """Return the block that the IBM method encrypts: bytes[8].

    Parameters
    ----------
    validation
        12 characters of which one is `N`: the last five digits of the account stand in its place. Or all 16 hex
        digits, without `N`.
    account
        str[12]; used only with `N`.

    Raises
    ------
    HsmError
        "15" if that does not make 16 hex digits, "22" account.
    """
    head, mark, tail = validation.partition("N")
    if mark:
        validation = head + check_account(account)[-_VALIDATION_ACCOUNT_DIGITS:] + tail
    if len(validation) != _VALIDATION_DIGITS or not set(validation.lower()) <= set(_HEX):
        raise HsmError(BAD_DATA)
    return bytes.fromhex(validation)


def natural_pin(key: Tdes, table: str, block: bytes, length: int = _VALIDATION_DIGITS) -> str:
    """Return the IBM 3624 natural PIN.

    Parameters
    ----------
    key
        The PVK's cipher; a single-length key is plain DES.
    table
        str[16] decimalisation table.
    block
        bytes[8], `validation_block`.
    length
        How many of its leftmost digits, at most 16.

    Returns
    -------
    str
        `length` digits.

    Raises
    ------
    HsmError
        "25" if the table is not 16 digits.
    """
    return key.encrypt(block).hex()[:length].translate(_decimaliser(table))


def _add(left: str, right: str, sign: int) -> str:
    return "".join([str((int(a) + sign * int(b)) % 10) for a, b in zip(left, right, strict=True)])


def _check_length(check_length: int) -> int:
    if not PIN_MIN <= check_length <= PIN_MAX:
        raise HsmError(BAD_PIN_LENGTH)
    return check_length


def ibm_offset(key: Tdes, table: str, block: bytes, pin: str, check_length: int) -> str:
    """Return the IBM 3624 offset that leads from the natural PIN to this PIN.

    Parameters
    ----------
    key, table, block
        As in `natural_pin`.
    pin
        4 to 12 digits, at least `check_length`.
    check_length
        4 to 12. Of a longer PIN the rightmost digits count.

    Returns
    -------
    str
        `check_length` digits; a host command fills it with F to 12.

    Raises
    ------
    HsmError
        "24" lengths, "20" PIN not decimal, "25" table.
    """
    if len(check_pin(pin)) < _check_length(check_length):
        raise HsmError(BAD_PIN_LENGTH)
    natural = natural_pin(key, table, block, len(pin))
    return _add(pin[-check_length:], natural[-check_length:], -1)


def ibm_pin(key: Tdes, table: str, block: bytes, offset: str, check_length: int | None = None) -> str:
    """Return the PIN that an offset describes.

    Parameters
    ----------
    key, table, block
        As in `natural_pin`.
    offset
        Digits, filled on the right with F or not; all zeros give the natural PIN.
    check_length
        How many digits the PIN has; by default as many as the offset.

    Returns
    -------
    str
        4 to 12 digits.

    Raises
    ------
    HsmError
        "24" length, "15" offset not decimal or not `check_length` long, "25" table.
    """
    offset = read_offset(offset)
    if check_length is not None and _check_length(check_length) != len(offset):
        raise HsmError(BAD_DATA)
    return _add(natural_pin(key, table, block, _check_length(len(offset))), offset, 1)


def read_offset(field: str) -> str:
    """Return the digits of an offset field (left, filled with F); `HsmError` 15 if it is not of that form."""
    digits = field.rstrip("Ff")
    if not (digits.isascii() and digits.isdigit()):
        raise HsmError(BAD_DATA)
    return digits


def verify_ibm_offset(key: Tdes, table: str, block: bytes, pin: str, offset: str, check_length: int) -> bool:
    """Check a PIN against an offset, in constant time; a PIN shorter than the check length is wrong, not an error.

    Raises
    ------
    HsmError
        "24" check length or PIN length, "15" offset, "20" PIN not decimal, "25" table.
    """
    expected = read_offset(offset)
    if len(check_pin(pin)) < _check_length(check_length):
        return False
    return same(ibm_offset(key, table, block, pin, check_length), expected[:check_length])


def weak(pin: str) -> bool:
    """Say whether a PIN is one that anybody tries first: one digit repeated, or digits counting up or down."""
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    return len(steps) == 1 and steps <= {0, 1, 9}


def excluded(pin: str, table: Collection[str]) -> bool:
    """Say whether a table of excluded PINs names this one. Only PINs of the same length can be meant."""
    return pin in table


def random_pin(length: int, entropy: Entropy, table: Collection[str] = ()) -> str:
    """Draw a PIN, each digit equally likely, that an excluded table does not name.

    Parameters
    ----------
    length
        4 to 12.
    entropy
        The source of chance.
    table
        PINs that may not be drawn.

    Returns
    -------
    str
        `length` digits.

    Raises
    ------
    HsmError
        "24" length; "15" if a thousand draws in a row were excluded: the table leaves nothing.
    """
    _check_length(length)
    for _ in range(_DRAWS_MAX):
        digits = b""
        while len(digits) < length:
            digits += entropy(length).translate(_TO_DIGITS, _DROPPED_BYTES)
        pin = digits[:length].decode("ascii")
        if not excluded(pin, table):
            return pin
    raise HsmError(BAD_DATA)
