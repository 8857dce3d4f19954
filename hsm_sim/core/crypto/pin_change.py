"""PIN blocks that carry a new PIN to a Visa chip (formats 41 and 42), and how the chip reads them.

The block is bound to the card: to the right half of the left half of its unique key (UDK-A), and in format 42 also to
the PIN that the card has. It then travels enciphered in an issuer script.

Source
------
pyemv (`sm.format_vis_pin_block`) is the one source and the oracle in the tests. The Visa document was not seen.
"""

from typing import Final

from hsm_sim.core.crypto.ciphers import BLOCK, xor
from hsm_sim.core.crypto.pinblocks import PIN_MAX, PIN_MIN, check_pin
from hsm_sim.core.errors import BAD_PIN_BLOCK, BAD_PIN_LENGTH, HsmError

_HALF: Final = BLOCK // 2


def _binding(card_key: bytes, old_pin: str | None) -> bytes:
    bound = bytes(_HALF) + card_key[_HALF:BLOCK]
    return bound if old_pin is None else xor(bound, bytes.fromhex(check_pin(old_pin).ljust(2 * BLOCK, "0")))


def format_pin_change(pin: str, card_key: bytes, old_pin: str | None = None) -> bytes:
    """Write a new PIN for a chip.

    Parameters
    ----------
    pin
        The new PIN, 4 to 12 digits.
    card_key
        bytes[16], the card's application cryptogram key (UDK).
    old_pin
        The PIN that the card has: format 42. None: format 41.

    Returns
    -------
    bytes
        bytes[8], clear.

    Raises
    ------
    HsmError
        "24" length or "20" content of a PIN.
    """
    field = bytes.fromhex(f"0{len(check_pin(pin)):x}{pin}".ljust(2 * BLOCK, "f"))
    return xor(field, _binding(card_key, old_pin))


def read_pin_change(block: bytes, card_key: bytes, old_pin: str | None = None) -> str:
    """Read the new PIN as the chip does; the inverse of `format_pin_change`.

    Raises
    ------
    HsmError
        "20" if the block is malformed, or meant for another card or another old PIN; "24" length.
    """
    if len(block) != BLOCK:
        raise HsmError(BAD_PIN_BLOCK)
    field = xor(block, _binding(card_key, old_pin)).hex()
    length = int(field[1], 16)
    if field[0] != "0":
        raise HsmError(BAD_PIN_BLOCK)
    if not PIN_MIN <= length <= PIN_MAX:
        raise HsmError(BAD_PIN_LENGTH)
    pin = field[2 : length + 2]
    if not pin.isdigit() or field[length + 2 :].strip("f"):
        raise HsmError(BAD_PIN_BLOCK)
    return pin
