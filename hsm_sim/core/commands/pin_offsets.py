"""Making the values that PINs are verified by, and PINs from them: DE, BK, EE (IBM 3624), DG, FW (Visa PVV), CU, DU."""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply, Warned
from hsm_sim.core.commands.fields import HEX, Fixed, Value
from hsm_sim.core.commands.groups import Part
from hsm_sim.core.commands.keyfields import PVK_IBM, PVK_VISA, KeyField
from hsm_sim.core.commands.pin_fields import Account, KnownBlock, PinBlock
from hsm_sim.core.commands.pin_forms import VALIDATION, LmkPin, Table
from hsm_sim.core.commands.pin_work import (
    OFFSET_DIGITS,
    block_pin,
    is_single,
    key_use,
    offset_field,
    open_pin,
    seal_pin,
    table_of,
    validation_of,
    visa_key,
)
from hsm_sim.core.commands.row import Command
from hsm_sim.core.crypto.pinblocks import ISO_4
from hsm_sim.core.crypto.pins import ibm_offset, ibm_pin, verify_ibm_offset, verify_pvv, visa_pvv
from hsm_sim.core.errors import WARNING_LENGTH
from hsm_sim.core.roles import ISSUERS

_PVK_IBM: Final = PVK_IBM.to("G")
_PVK_VISA: Final = PVK_VISA.to("G")


def _made_offset(call: Call, pin: str) -> Reply:
    offset = ibm_offset(call.key("pvk").tdes, table_of(call), validation_of(call), pin, call.number("check"))
    values: dict[str, Value] = {"offset": offset_field(offset)}
    return Warned(WARNING_LENGTH, values) if is_single(call) else values


def _offset_of_lmk(call: Call) -> Reply:
    return _made_offset(call, open_pin(call))


def _offset_of_block(call: Call) -> Reply:
    return _made_offset(call, block_pin(call))


def _derive(call: Call) -> Reply:
    pin = ibm_pin(call.key("pvk").tdes, table_of(call), validation_of(call), call.text("offset"), call.number("check"))
    return {"pin": seal_pin(call, pin)}


def _pvv_of_lmk(call: Call) -> Reply:
    return {"pvv": visa_pvv(visa_key(call), open_pin(call), call.text("account"), call.text("pvki"))}


def _pvv_of_block(call: Call) -> Reply:
    return {"pvv": visa_pvv(visa_key(call), block_pin(call), call.text("account"), call.text("pvki"))}


def _change_pvv(call: Call) -> Reply:
    pvk, account, pvki = visa_key(call), call.text("account"), call.text("pvki")
    if not verify_pvv(pvk, block_pin(call), account, pvki, call.text("pvv")):
        return None
    return {"pvv": visa_pvv(pvk, block_pin(call, block="new_block"), account, pvki)}


def _change_offset(call: Call) -> Reply:
    pvk, table, validation, check = call.key("pvk").tdes, table_of(call), validation_of(call), call.number("check")
    if not verify_ibm_offset(pvk, table, validation, block_pin(call), call.text("offset"), check):
        return None
    return {"offset": offset_field(ibm_offset(pvk, table, validation, block_pin(call, block="new_block"), check))}


_KEY: Final[tuple[Part, ...]] = (Fixed("key_type", 3, HEX), KeyField("key", key_use))
_BLOCK: Final[tuple[Part, ...]] = (PinBlock(), Fixed("format", 2))
_VALIDATION: Final[tuple[Part, ...]] = (Table(lambda _: 12), Fixed("validation", 12, VALIDATION))
_OFFSET: Final = Fixed("offset", OFFSET_DIGITS, HEX)
_PVKI: Final = Fixed("pvki", 1)
_PVV: Final = Fixed("pvv", 4)
_ACCOUNT: Final = Fixed("account", 12)
_CHECK: Final = Fixed("check", 2)
_NEW_BLOCK: Final = KnownBlock("new_block", "format")

ROWS: Final = (
    Command(
        "DE",
        "IBM 3624 offset of a PIN under the LMK; 02 = a warning: the key has single length",
        _offset_of_lmk,
        (KeyField("pvk", _PVK_IBM), LmkPin(behind=42), _CHECK, _ACCOUNT, *_VALIDATION),
        (_OFFSET,),
        ISSUERS,
        warnings=(WARNING_LENGTH,),
    ),
    Command(
        "BK",
        "IBM 3624 offset of a PIN in a block (key type 001 zone, 002 and 70D terminal, FFF key block); 02 = a warning: "
        "the key has single length",
        _offset_of_block,
        (*_KEY, KeyField("pvk", _PVK_IBM), *_BLOCK, _CHECK, Account("format"), *_VALIDATION),
        (_OFFSET,),
        ISSUERS,
        warnings=(WARNING_LENGTH,),
    ),
    Command(
        "EE",
        "the PIN that an IBM 3624 offset describes, under the LMK; offset 0 is the natural PIN",
        _derive,
        (KeyField("pvk", _PVK_IBM), _OFFSET, _CHECK, _ACCOUNT, *_VALIDATION),
        (LmkPin(),),
        ISSUERS,
        is_audited=True,
    ),
    Command(
        "DG",
        "Visa PVV of a PIN under the LMK",
        _pvv_of_lmk,
        (KeyField("pvk", _PVK_VISA, bare=32), LmkPin(behind=13), _ACCOUNT, _PVKI),
        (_PVV,),
        ISSUERS,
    ),
    Command(
        "FW",
        "Visa PVV of a PIN in a block (key types as BK)",
        _pvv_of_block,
        (*_KEY, KeyField("pvk", _PVK_VISA, bare=32), *_BLOCK, Account("format"), _PVKI),
        (_PVV,),
        ISSUERS,
    ),
    Command(
        "CU",
        "verify a PIN by its Visa PVV and make the PVV of a new one (key types as BK); 01 = it does not match",
        _change_pvv,
        (*_KEY, KeyField("pvk", _PVK_VISA, bare=32), *_BLOCK, Account("format"), _PVKI, _PVV, _NEW_BLOCK),
        (_PVV,),
        ISSUERS,
        counts_pin=True,
    ),
    Command(
        "DU",
        "verify a PIN by its IBM 3624 offset and make a new one's offset (key types as BK); 01 = it does not match",
        _change_offset,
        (
            *_KEY,
            KeyField("pvk", _PVK_IBM),
            *_BLOCK,
            _CHECK,
            Account("format"),
            Table(lambda values: 24 + (32 if values["format"] == ISO_4 else 16)),
            Fixed("validation", 12, VALIDATION),
            _OFFSET,
            _NEW_BLOCK,
        ),
        (_OFFSET,),
        ISSUERS,
        counts_pin=True,
    ),
)
