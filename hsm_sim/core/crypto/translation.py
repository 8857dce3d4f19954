"""PIN blocks under keys: writing, reading, translating, and which translations the rules allow.

A translation checks the whole block before it writes another, so that a wrong key or account is refused (20) and does
not become a wrong PIN. Nothing here knows keys by name: a caller brings ciphers.
"""

from functools import lru_cache
from typing import Final, TypeAlias

from hsm_sim.core.crypto.ciphers import BLOCK, Aes, Tdes
from hsm_sim.core.crypto.pinblocks import (
    CODES,
    FORMS,
    ISO_0,
    ISO_1,
    ISO_3,
    ISO_4,
    LEGACY,
    PAY_LATER,
    PLUS,
    VISA_NEW_AND_OLD_PIN,
    VISA_NEW_PIN,
    decipher_iso4,
    encipher_iso4,
    format_pin,
    read_pin,
    renew_iso4,
)
from hsm_sim.core.errors import BAD_PIN_BLOCK, BAD_PIN_BLOCK_FORMAT, PIN_BLOCK_DISABLED, HsmError
from hsm_sim.core.keys.header import Entropy

PinCipher: TypeAlias = Tdes | Aes

_ACCOUNT_BOUND: Final = frozenset((ISO_0, PLUS, PAY_LATER, ISO_3, ISO_4))
_TO_THE_CHIP: Final = frozenset((VISA_NEW_PIN, VISA_NEW_AND_OLD_PIN))


def encipher_pin(cipher: PinCipher, code: str, pin: str, account: str, entropy: Entropy) -> bytes:
    """Write a PIN into a block under a key: bytes[8] under TDES, bytes[16] for 48 under AES (`account` = the PAN).

    Raises
    ------
    HsmError
        As `format_pin`; "23" too where the format and the cipher do not go together.
    """
    if isinstance(cipher, Aes):
        if code != ISO_4:
            raise HsmError(BAD_PIN_BLOCK_FORMAT)
        return encipher_iso4(cipher, pin, account, entropy)
    return cipher.encrypt(format_pin(code, pin, account, entropy))


def decipher_pin(cipher: PinCipher, code: str, block: bytes, account: str) -> str:
    """Read the PIN of a block under a key; the inverse of `encipher_pin`, with the errors of `read_pin`."""
    if isinstance(cipher, Aes):
        if code != ISO_4:
            raise HsmError(BAD_PIN_BLOCK_FORMAT)
        return decipher_iso4(cipher, block, account)
    if len(block) != BLOCK:
        raise HsmError(BAD_PIN_BLOCK)
    return read_pin(code, cipher.decrypt(block), account)


def translate_pin(
    source: PinCipher,
    destination: PinCipher,
    block: bytes,
    source_code: str,
    destination_code: str,
    source_account: str,
    destination_account: str,
    entropy: Entropy,
) -> tuple[int, bytes]:
    """Bring a PIN from one key and format to another. Whether that is allowed, `translation_allowed` says.

    Parameters
    ----------
    source, destination
        The keys' ciphers.
    block
        bytes[8], or bytes[16] for format 48.
    source_code, destination_code
        str[2] formats.
    source_account, destination_account
        What each format takes: see `format_pin`; the whole PAN for 48.
    entropy
        Draws random fill.

    Returns
    -------
    tuple
        The PIN's length and the new block.

    Raises
    ------
    HsmError
        As `decipher_pin` and `encipher_pin`.
    """
    form = FORMS.get(source_code)
    unchanged = source_code == destination_code and source_account == destination_account
    if isinstance(source, Aes) and isinstance(destination, Aes) and unchanged and source_code == ISO_4:
        return renew_iso4(source, destination, block, source_account, entropy)
    if form is None or isinstance(source, Aes) or len(block) != BLOCK:
        pin = decipher_pin(source, source_code, block, source_account)
    else:
        clear = source.decrypt(block)
        pin = form.read(clear, source_account)
        if unchanged and form.same_again and not isinstance(destination, Aes):
            return len(pin), destination.encrypt(clear)
    return len(pin), encipher_pin(destination, destination_code, pin, destination_account, entropy)


def translation_allowed(
    source: str,
    destination: str,
    *,
    same_account: bool = True,
    pci: bool = True,
    legacy: frozenset[str] = frozenset(),
) -> bool:
    """Say whether a PIN may be translated from one format to another.

    Parameters
    ----------
    source, destination
        str[2] formats.
    same_account
        The account number stays what it was. It must for a source that binds it; format 1 binds none.
    pci
        Keep the PCI PIN rules. Without them every known format may be translated to every other.
    legacy
        Codes of `LEGACY` that a setting enables although `pci` is on.

    Returns
    -------
    bool
        False means "69, PIN block format has been disabled".

    Source
    ------
    Shared facts, hsm 4: a rule table from memory, no stored copy of the PCI document was found. 41 and 42 go to a
    chip and are never translated.
    """
    formats = {source, destination}
    if not formats <= CODES or formats & _TO_THE_CHIP:
        return False
    if not pci:
        return True
    if formats & LEGACY - legacy:
        return False
    if source in _ACCOUNT_BOUND:
        return destination != ISO_1 and same_account
    return source == ISO_1 or same_account


def check_translation(
    source: str,
    destination: str,
    *,
    same_account: bool = True,
    pci: bool = True,
    legacy: frozenset[str] = frozenset(),
) -> None:
    """Raise `HsmError` 23 for a format that does not exist and 69 for a translation that is not allowed."""
    refusal = _refusal(source, destination, same_account, pci, legacy)
    if refusal:
        raise HsmError(refusal)


@lru_cache(maxsize=1024)
def _refusal(source: str, destination: str, same_account: bool, pci: bool, legacy: frozenset[str]) -> str:
    """Return the code of a refusal, or ""; what the rules say of two formats is asked with every command."""
    if not CODES.issuperset((source, destination)):
        return BAD_PIN_BLOCK_FORMAT
    if not translation_allowed(source, destination, same_account=same_account, pci=pci, legacy=legacy):
        return PIN_BLOCK_DISABLED
    return ""
