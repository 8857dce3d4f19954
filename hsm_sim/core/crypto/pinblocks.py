"""PIN blocks: the clear 8-byte forms by their host-command code, and ISO format 4, which exists only enciphered.

A PIN leaves these functions only as a block or as the digits that the caller asked for; an error says which rule was
broken and never what was in the block.

Formats 01, 05, 34, 47 and 48 are ISO 9564-1 formats 0 to 4. 04 is format 0 over the 12 leftmost digits of the PAN.
02, 03 and 35 are older forms; 41 and 42 carry a new PIN to a chip and need the card's key: see `pin_change`.

Source
------
Codes: shared facts, hsm 2.2. ISO forms: common practice, as psec and IBM's public CCA pages have them; the standard
itself was not seen. 03: one open simulator's tests. 02 and 35: general knowledge, no known answer was found.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from hsm_sim.core.crypto.ciphers import AES_BLOCK, BLOCK, Aes
from hsm_sim.core.errors import BAD_ACCOUNT, BAD_PIN_BLOCK, BAD_PIN_BLOCK_FORMAT, BAD_PIN_LENGTH, HsmError
from hsm_sim.core.keys.header import Entropy

ISO_0: Final = "01"
DOCUTEL: Final = "02"
DIEBOLD: Final = "03"
PLUS: Final = "04"
ISO_1: Final = "05"
ISO_2: Final = "34"
PAY_LATER: Final = "35"
VISA_NEW_PIN: Final = "41"
VISA_NEW_AND_OLD_PIN: Final = "42"
ISO_3: Final = "47"
ISO_4: Final = "48"
CODES: Final = frozenset(
    (ISO_0, DOCUTEL, DIEBOLD, PLUS, ISO_1, ISO_2, PAY_LATER, VISA_NEW_PIN, VISA_NEW_AND_OLD_PIN, ISO_3, ISO_4)
)
LEGACY: Final = frozenset((DOCUTEL, DIEBOLD, PLUS, ISO_2, PAY_LATER))

PIN_MIN: Final = 4
PIN_MAX: Final = 12
_ACCOUNT_DIGITS: Final = 12
_PAN_MAX: Final = 19
_DOCUTEL_PIN_MAX: Final = 6
_DOCUTEL_PAD_DIGITS: Final = 9
_LENGTHS: Final = {f"{length:x}": length for length in range(PIN_MIN, PIN_MAX + 1)}
_PIN_NIBBLES: Final = 14
_PAN_SHIFTS: Final = [4 * (31 - _ACCOUNT_DIGITS - beyond) for beyond in range(_PAN_MAX - _ACCOUNT_DIGITS + 1)]
_F_FILL: Final = ["f" * (_PIN_NIBBLES - length) for length in range(PIN_MAX + 1)]
_A_FILL: Final = ["a" * (_PIN_NIBBLES - length) for length in range(PIN_MAX + 1)]
_KEPT_BYTES: Final = 252  # the largest multiple of six in a byte: above it a draw would favour A to D
_A_TO_F: Final = bytes(b"ABCDEF"[byte % 6] for byte in range(256))
_DROPPED_BYTES: Final = bytes(range(_KEPT_BYTES, 256))


def account_field(pan: str) -> str:
    """Return the account field of a PAN: str[12], its rightmost digits without the check digit, zero-filled."""
    return pan[:-1][-_ACCOUNT_DIGITS:].rjust(_ACCOUNT_DIGITS, "0")


def leftmost_account_field(pan: str) -> str:
    """Return the account field of format 04: str[12], the leftmost digits of the PAN, never its check digit."""
    return pan[:-1][:_ACCOUNT_DIGITS]


def check_pin(pin: str) -> str:
    """Return the PIN, or raise `HsmError` 24 (not 4 to 12 long) or 20 (not decimal)."""
    if not PIN_MIN <= len(pin) <= PIN_MAX:
        raise HsmError(BAD_PIN_LENGTH)
    if not (pin.isascii() and pin.isdigit()):
        raise HsmError(BAD_PIN_BLOCK)
    return pin


def _account_value(account: str) -> int:
    if len(account) < _ACCOUNT_DIGITS or not (account.isascii() and account.isdigit()):
        raise HsmError(BAD_ACCOUNT)
    return int(account[-_ACCOUNT_DIGITS:], 16)


def _leftmost_account_value(account: str) -> int:
    return _account_value(account[:_ACCOUNT_DIGITS])


def _read_filled(field: str, control: str, fill: list[str] = _F_FILL) -> str:
    """Return the PIN of `control, length, PIN, F...`: str[16] hex in lower case; `fill` for each length."""
    if field[0] != control:
        raise HsmError(BAD_PIN_BLOCK)
    length = _LENGTHS.get(field[1])
    if length is None:
        raise HsmError(BAD_PIN_LENGTH)
    end = length + 2
    pin = field[2:end]
    if not pin.isdigit() or field[end:] != fill[length]:
        raise HsmError(BAD_PIN_BLOCK)
    return pin


def _filled(control: str, pin: str) -> int:
    return int(f"{control}{len(pin):x}{pin}{_F_FILL[len(pin)]}", 16)


def _read_iso_0(block: bytes, account: str) -> str:
    return _read_filled(f"{int.from_bytes(block, 'big') ^ _account_value(account):016x}", "0")


def _write_iso_0(pin: str, account: str, entropy: Entropy) -> bytes:
    return (_filled("0", pin) ^ _account_value(account)).to_bytes(BLOCK, "big")


def _read_plus(block: bytes, account: str) -> str:
    return _read_filled(f"{int.from_bytes(block, 'big') ^ _leftmost_account_value(account):016x}", "0")


def _write_plus(pin: str, account: str, entropy: Entropy) -> bytes:
    return (_filled("0", pin) ^ _leftmost_account_value(account)).to_bytes(BLOCK, "big")


def _read_docutel(block: bytes, account: str) -> str:
    field = block.hex()
    if not field.isdigit():
        raise HsmError(BAD_PIN_BLOCK)
    length = int(field[0])
    if not PIN_MIN <= length <= _DOCUTEL_PIN_MAX:
        raise HsmError(BAD_PIN_LENGTH)
    if field[1 + length : 1 + _DOCUTEL_PIN_MAX].strip("0"):
        raise HsmError(BAD_PIN_BLOCK)
    return field[1 : 1 + length]


def _write_docutel(pin: str, account: str, entropy: Entropy) -> bytes:
    if len(pin) > _DOCUTEL_PIN_MAX:
        raise HsmError(BAD_PIN_LENGTH)
    _account_value(account)
    return bytes.fromhex(f"{len(pin)}{pin.ljust(_DOCUTEL_PIN_MAX, '0')}{account[:_DOCUTEL_PAD_DIGITS]}")


def _read_diebold(block: bytes, account: str) -> str:
    pin = block.hex().rstrip("f")
    if not pin.isdigit():
        raise HsmError(BAD_PIN_BLOCK)
    return check_pin(pin)


def _write_diebold(pin: str, account: str, entropy: Entropy) -> bytes:
    return bytes.fromhex(pin.ljust(2 * BLOCK, "f"))


def _read_iso_1(block: bytes, account: str) -> str:
    field = block.hex()
    if field[0] != "1":
        raise HsmError(BAD_PIN_BLOCK)
    length = _LENGTHS.get(field[1])
    if length is None:
        raise HsmError(BAD_PIN_LENGTH)
    pin = field[2 : length + 2]
    if not pin.isdigit():
        raise HsmError(BAD_PIN_BLOCK)
    return pin


def _write_iso_1(pin: str, account: str, entropy: Entropy) -> bytes:
    return bytes.fromhex(f"1{len(pin):x}{pin}{entropy(BLOCK).hex()}"[: 2 * BLOCK])


def _read_iso_2(block: bytes, account: str) -> str:
    return _read_filled(block.hex(), "2")


def _write_iso_2(pin: str, account: str, entropy: Entropy) -> bytes:
    return _filled("2", pin).to_bytes(BLOCK, "big")


def _read_pay_later(block: bytes, account: str) -> str:
    return _read_filled(f"{int.from_bytes(block, 'big') ^ _account_value(account):016x}", "2")


def _write_pay_later(pin: str, account: str, entropy: Entropy) -> bytes:
    return (_filled("2", pin) ^ _account_value(account)).to_bytes(BLOCK, "big")


def _read_iso_3(block: bytes, account: str) -> str:
    field = f"{int.from_bytes(block, 'big') ^ _account_value(account):016x}"
    if field[0] != "3":
        raise HsmError(BAD_PIN_BLOCK)
    length = _LENGTHS.get(field[1])
    if length is None:
        raise HsmError(BAD_PIN_LENGTH)
    end = length + 2
    pin = field[2:end]
    if not pin.isdigit() or field[end:].strip("abcdef"):
        raise HsmError(BAD_PIN_BLOCK)
    return pin


def _write_iso_3(pin: str, account: str, entropy: Entropy) -> bytes:
    filled = f"3{len(pin):x}{pin}{_letters(entropy)}"[: 2 * BLOCK]
    return (int(filled, 16) ^ _account_value(account)).to_bytes(BLOCK, "big")


def _letters(entropy: Entropy) -> str:
    """Draw fill digits A to F, each equally likely: at least ten."""
    drawn = b""
    while len(drawn) < _PIN_NIBBLES - PIN_MIN:
        drawn += entropy(AES_BLOCK).translate(_A_TO_F, _DROPPED_BYTES)
    return drawn.decode("ascii")


class Form(NamedTuple):
    """How one format is written and read."""

    write: Callable[[str, str, Entropy], bytes]
    read: Callable[[bytes, str], str]
    same_again: bool = True
    """Writing the PIN that was read gives the same block, for the same account."""


FORMS: Final = {
    ISO_0: Form(_write_iso_0, _read_iso_0),
    DOCUTEL: Form(_write_docutel, _read_docutel, same_again=False),
    DIEBOLD: Form(_write_diebold, _read_diebold),
    PLUS: Form(_write_plus, _read_plus),
    ISO_1: Form(_write_iso_1, _read_iso_1, same_again=False),
    ISO_2: Form(_write_iso_2, _read_iso_2),
    PAY_LATER: Form(_write_pay_later, _read_pay_later),
    ISO_3: Form(_write_iso_3, _read_iso_3, same_again=False),
}


def format_pin(code: str, pin: str, account: str, entropy: Entropy) -> bytes:
    """Write a PIN into a clear block.

    Parameters
    ----------
    code
        str[2], the format's code; not 41, 42 or 48, which are no clear 8-byte form of the PIN alone.
    pin
        4 to 12 digits; 02 takes at most 6.
    account
        str[12] decimal (`account_field`); of a longer text the rightmost 12 are used. 04: `leftmost_account_field`, or
        a longer text of which the leftmost 12 are used. 03, 05 and 34 ignore it. 02 pads with its first nine digits.
    entropy
        Draws the fill of 05 and 47.

    Returns
    -------
    bytes
        bytes[8].

    Raises
    ------
    HsmError
        "23" unknown code, "24" PIN length, "20" PIN not decimal, "22" account. The caller's request is wrong.
    """
    form = FORMS.get(code)
    if form is None:
        raise HsmError(BAD_PIN_BLOCK_FORMAT)
    return form.write(check_pin(pin), account, entropy)


def read_pin(code: str, block: bytes, account: str) -> str:
    """Read the PIN of a clear block.

    Parameters
    ----------
    code, account
        As in `format_pin`.
    block
        bytes[8].

    Returns
    -------
    str
        4 to 12 digits.

    Raises
    ------
    HsmError
        "20" control nibble, fill or a digit is wrong (as after a wrong key), "24" length outside 4 to 12, "23" unknown
        code, "22" account.
    """
    form = FORMS.get(code)
    if form is None:
        raise HsmError(BAD_PIN_BLOCK_FORMAT)
    if len(block) != BLOCK:
        raise HsmError(BAD_PIN_BLOCK)
    return form.read(block, account)


def _pan_value(pan: str) -> int:
    """Return the PAN field of format 4 as a number: how many digits beyond twelve, the digits, zeros."""
    length = len(pan)
    if not (1 <= length <= _PAN_MAX and pan.isascii() and pan.isdigit()):
        raise HsmError(BAD_ACCOUNT)
    beyond = max(length - _ACCOUNT_DIGITS, 0)
    return int(f"{beyond}{pan}", 16) << _PAN_SHIFTS[beyond]


def encipher_iso4(cipher: Aes, pin: str, pan: str, entropy: Entropy) -> bytes:
    """Write a PIN into an enciphered ISO format 4 block: encipher, bind the PAN, encipher again.

    Parameters
    ----------
    cipher
        AES, 16, 24 or 32 bytes.
    pin
        4 to 12 digits.
    pan
        The whole PAN with its check digit, 1 to 19 digits; fewer than 12 are zero-filled on the left.
    entropy
        Draws the 8 random bytes of the PIN field.

    Returns
    -------
    bytes
        bytes[16].

    Raises
    ------
    HsmError
        "24", "20" for the PIN; "22" for the PAN.

    Source
    ------
    ISO 9564-1 format 4 as psec has it; vector `pinblock_iso4_decipher`. The standard was not seen.
    """
    check_pin(pin)
    length = len(pin)
    return _bind(cipher, bytes.fromhex(f"4{length:x}{pin}{_A_FILL[length]}"), _pan_value(pan), entropy)


def decipher_iso4(cipher: Aes, block: bytes, pan: str) -> str:
    """Read the PIN of an enciphered ISO format 4 block: bytes[16]; the inverse of `encipher_iso4`.

    Raises
    ------
    HsmError
        "20" content (also after a wrong key or PAN), "24" length, "22" PAN.
    """
    return _read_filled(_unbind(cipher, block, _pan_value(pan)).hex(), "4", _A_FILL)


def renew_iso4(source: Aes, destination: Aes, block: bytes, pan: str, entropy: Entropy) -> tuple[int, bytes]:
    """Bring a format 4 block of one account under another key, with new random bytes; return the PIN's length, too.

    Raises
    ------
    HsmError
        As `decipher_iso4`.
    """
    value = _pan_value(pan)
    field = _unbind(source, block, value)
    return len(_read_filled(field.hex(), "4", _A_FILL)), _bind(destination, field, value, entropy)


def _bind(cipher: Aes, field: bytes, pan_value: int, entropy: Entropy) -> bytes:
    bound = int.from_bytes(cipher.encrypt(field + entropy(BLOCK)), "big") ^ pan_value
    return cipher.encrypt(bound.to_bytes(AES_BLOCK, "big"))


def _unbind(cipher: Aes, block: bytes, pan_value: int) -> bytes:
    """Return the PIN's half of the field: bytes[8], not looked at yet."""
    if len(block) != AES_BLOCK:
        raise HsmError(BAD_PIN_BLOCK)
    unbound = int.from_bytes(cipher.decrypt(block), "big") ^ pan_value
    return cipher.decrypt(unbound.to_bytes(AES_BLOCK, "big"))[:BLOCK]
