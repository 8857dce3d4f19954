"""Token numbers: random, shaped like a card number, in a reserved range."""

from typing import Final

from hsm_sim.core.keys.header import Entropy
from iso.pan import luhn_valid

TOKEN_BIN: Final = "9999"
_DIGITS: Final = "0123456789"


def draw_token(pan: str, entropy: Entropy, *, is_luhn_valid: bool = True) -> str:
    """Draw a token for a card number; it may be taken.

    Parameters
    ----------
    pan
        13 to 19 digits. The token has its length and its last four digits.
    entropy
        Source of randomness.
    is_luhn_valid
        False makes a token that fails the Luhn check, so that it can never pass as a card number.

    Returns
    -------
    str
        `TOKEN_BIN`, a random middle, the last four digits.
    """
    free = len(pan) - len(TOKEN_BIN) - 5
    drawn = int.from_bytes(entropy(9), "big")
    middle = str(drawn // 9).zfill(free)[-free:]
    valid = next(digit for digit in _DIGITS if luhn_valid(f"{TOKEN_BIN}{middle}{digit}{pan[-4:]}"))
    digit = valid if is_luhn_valid else _DIGITS[(int(valid) + 1 + drawn % 9) % 10]
    return f"{TOKEN_BIN}{middle}{digit}{pan[-4:]}"
