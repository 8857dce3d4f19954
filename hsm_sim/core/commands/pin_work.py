"""What the PIN commands share: opening blocks and PINs under the LMK, accounts by format, the slot's PIN rules.

A clear PIN exists only inside one call of a handler. It is never a value of the call, and no error shows it.
"""

from typing import Final

from hsm_sim.core.commands.call import Call
from hsm_sim.core.commands.fields import Values
from hsm_sim.core.commands.keyfields import TPK, ZPK, KeyUse
from hsm_sim.core.commands.ksn import aes_key, tdes_key
from hsm_sim.core.crypto import dukpt_aes, dukpt_tdes
from hsm_sim.core.crypto.ciphers import BLOCK, Aes, Tdes
from hsm_sim.core.crypto.lmk_pins import pin_from_aes_lmk, pin_from_lmk, pin_under_aes_lmk, pin_under_lmk
from hsm_sim.core.crypto.pinblocks import CODES, ISO_0, ISO_3, ISO_4, PIN_MAX, PIN_MIN, PLUS, leftmost_account_field
from hsm_sim.core.crypto.pins import check_decimalisation_table, validation_block
from hsm_sim.core.crypto.translation import PinCipher, decipher_pin, encipher_pin
from hsm_sim.core.errors import (
    BAD_DATA,
    BAD_KEY_LENGTH,
    BAD_PIN_LENGTH,
    BAD_TABLE_DECIMALISATION,
    PIN_BLOCK_DISABLED,
    HsmError,
)
from hsm_sim.core.keys.header import AES
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.lmk import AES_BLOCK

OFFSET_DIGITS: Final = 12
_MAXIMA: Final = {f"{length:02d}": length for length in range(PIN_MIN, PIN_MAX + 1)}
_BOUND: Final = frozenset((ISO_0, ISO_3, ISO_4))
_OTHER_ACCOUNTS: Final = frozenset((ISO_4, PLUS))
_TOKEN_FILL: Final = "0"
_ACCOUNT_DIGITS: Final = 12
_SINGLE_LENGTH: Final = BLOCK
_USES: Final = {
    "001": ZPK.to("D"),
    "002": TPK,
    "70D": TPK._replace(usages=("70D", "002", *TPK.usages[2:])),
    "FFF": KeyUse(("P0", "71", "72"), "D"),
}


def key_use(values: Values) -> KeyUse:
    """Return what the key behind a key type field must be for: 001 ZPK, 002 or 70D TPK, FFF a key block."""
    use = _USES.get(str(values["key_type"]))
    if use is None:
        raise HsmError(BAD_DATA)
    return use


def cipher_of(key: Key) -> PinCipher:
    """Return the cipher of a static PIN key."""
    return key.aes if key.header.algorithm == AES else key.pair.both


def dukpt_cipher(bdk: Key, serial: str) -> PinCipher:
    """Return the cipher of a transaction's PIN key: TDES, or AES as long as the base key."""
    if bdk.header.algorithm == AES:
        return Aes(aes_key(bdk, serial, dukpt_aes.PIN_ENCRYPTION))
    return Tdes(tdes_key(bdk, serial, dukpt_tdes.PIN))


def format_code(call: Call) -> str:
    """Return the format code of a block that is opened or made for good, not translated.

    With the PCI settings it is one that binds the PIN to its account, ISO 0, 3 or 4. Without that binding the limit
    on wrong PINs could be passed by: an IBM offset needs only five digits of the account.

    Raises
    ------
    HsmError
        "69" if the slot's settings forbid the format; "23" if there is no such format.
    """
    code, policy = call.text("format"), call.policy
    if code in policy.formats_disabled or (policy.pci_pin and code not in _BOUND and code in CODES):
        raise HsmError(PIN_BLOCK_DISABLED)
    return code


def account_for(call: Call, code: str) -> str:
    """Return the account as a format takes it: the whole PAN, the leftmost twelve digits, or the account field."""
    if code not in _OTHER_ACCOUNTS:
        return call.text("account")
    pan = call.text("pan")
    if code == ISO_4 and pan:
        return pan
    if code == PLUS:
        if pan:
            return leftmost_account_field(pan)
        if token := call.text("token"):
            return token.lstrip(_TOKEN_FILL).rjust(_ACCOUNT_DIGITS, _TOKEN_FILL)[:_ACCOUNT_DIGITS]
    return call.text("account")


def check_length(call: Call, length: int) -> None:
    """Refuse a PIN that the slot's settings call too short or too long ("24")."""
    policy = call.policy
    if not policy.pin_length_min <= length <= policy.pin_length_max:
        raise HsmError(BAD_PIN_LENGTH)


def maximum(call: Call) -> int:
    """Return the maximum PIN length that a command brings; `HsmError` "15" if it is not 4 to 12."""
    length = _MAXIMA.get(call.text("maximum"))
    if length is None:
        raise HsmError(BAD_DATA)
    return length


def block_pin(call: Call, key: str = "key", block: str = "block") -> str:
    """Return the PIN of a block under a static key: the fields `format` and `account` say how to read it.

    Raises
    ------
    HsmError
        "20" content, "23" format, "24" length, "69" forbidden format.
    """
    code = format_code(call)
    data = bytes.fromhex(call.text(block))
    pin = decipher_pin(cipher_of(call.keys[key]), code, data, account_for(call, code))
    check_length(call, len(pin))
    return pin


def pin_block(call: Call, pin: str, key: str = "key") -> str:
    """Return a PIN as a block under a static key, in hex, in the format that the field `format` names."""
    code = format_code(call)
    data = encipher_pin(cipher_of(call.keys[key]), code, pin, account_for(call, code), call.entropy)
    return data.hex().upper()


def seal_pin(call: Call, pin: str) -> str:
    """Return a PIN under the LMK of the call, bound to its account."""
    check_length(call, len(pin))
    key, account = call.lmk.pin_cipher(), call.text("account")
    if call.lmk.kind == AES_BLOCK:
        return pin_under_aes_lmk(Aes(key), pin, account, call.entropy)
    return pin_under_lmk(key, pin, account)


def open_pin(call: Call, name: str = "pin") -> str:
    """Return the PIN of a field under the LMK; `HsmError` "14" if it is another LMK's or another account's."""
    key, account, field = call.lmk.pin_cipher(), call.text("account"), call.text(name)
    aes = call.lmk.kind == AES_BLOCK
    pin = pin_from_aes_lmk(Aes(key), field, account) if aes else pin_from_lmk(key, field, account)
    check_length(call, len(pin))
    return pin


def visa_key(call: Call, name: str = "pvk") -> Tdes:
    """Return the cipher of a PVK pair; `HsmError` "27" if it is a single-length key."""
    key = call.keys[name]
    if key.length == _SINGLE_LENGTH:
        raise HsmError(BAD_KEY_LENGTH)
    return key.pair.both


def is_single(call: Call, name: str = "pvk") -> bool:
    """Return whether a key has single length, of which DE and BK warn."""
    return call.keys[name].length == _SINGLE_LENGTH


def table_of(call: Call) -> str:
    """Return the clear decimalisation table.

    With the setting, tables travel encrypted. Without it one that is not all digits is taken as encrypted too:
    it can be nothing else, and captures of both kinds open under one setting.

    Raises
    ------
    HsmError
        "25" not a table, or a weak one where the settings want strict tables.
    """
    field = call.text("table")
    if call.policy.encrypted_tables or not field.isdecimal() or len(field) != len("0123456789ABCDEF"):
        try:
            field = call.lmk.decrypt_table(field)
        except HsmError:
            field = ""
    if not field:
        raise HsmError(BAD_TABLE_DECIMALISATION)
    return check_decimalisation_table(field, strict=call.policy.strict_tables)


def validation_of(call: Call) -> bytes:
    """Return the block that the IBM method encrypts."""
    return validation_block(call.text("validation"), call.text("account"))


def offset_field(offset: str) -> str:
    """Return an offset as it stands in an answer: 12H, filled with F."""
    return offset.ljust(OFFSET_DIGITS, "F")
