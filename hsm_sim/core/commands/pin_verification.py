"""Verifying PINs: DA, EA with an IBM 3624 offset; DC, EC with a Visa PVV."""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import HEX, Fixed
from hsm_sim.core.commands.groups import Part
from hsm_sim.core.commands.keyfields import PVK_IBM, PVK_VISA, TPK, ZPK, KeyField, KeyUse
from hsm_sim.core.commands.pin_fields import Account, PinBlock
from hsm_sim.core.commands.pin_forms import VALIDATION, Table
from hsm_sim.core.commands.pin_work import OFFSET_DIGITS, block_pin, maximum, table_of, validation_of, visa_key
from hsm_sim.core.commands.row import Command
from hsm_sim.core.crypto.pins import verify_ibm_offset, verify_pvv
from hsm_sim.core.errors import BAD_PIN_LENGTH, HsmError
from hsm_sim.core.roles import ISSUERS

_ZPK: Final = ZPK.to("D")


def _by_offset(call: Call) -> Reply:
    table, longest = table_of(call), maximum(call)
    pin = block_pin(call)
    if len(pin) > longest:
        raise HsmError(BAD_PIN_LENGTH)
    matches = verify_ibm_offset(
        call.key("pvk").tdes, table, validation_of(call), pin, call.text("offset"), call.number("check")
    )
    return {} if matches else None


def _by_pvv(call: Call) -> Reply:
    pvk, pin, text = visa_key(call), block_pin(call), call.text
    return {} if verify_pvv(pvk, pin, text("account"), text("pvki"), text("pvv")) else None


def _offset_fields(key: KeyUse) -> tuple[Part, ...]:
    return (
        KeyField("key", key),
        KeyField("pvk", PVK_IBM),
        Fixed("maximum", 2),
        PinBlock(),
        Fixed("format", 2),
        Fixed("check", 2),
        Account("format"),
        Table(lambda _: 24),
        Fixed("validation", 12, VALIDATION),
        Fixed("offset", OFFSET_DIGITS, HEX),
    )


def _pvv_fields(key: KeyUse, token: bool) -> tuple[Part, ...]:
    return (
        KeyField("key", key),
        KeyField("pvk", PVK_VISA, bare=32),
        PinBlock(),
        Fixed("format", 2),
        Account("format", token=token),
        Fixed("pvki", 1),
        Fixed("pvv", 4),
    )


ROWS: Final = (
    Command(
        "DA",
        "verify a terminal's PIN by its IBM 3624 offset; 01 = it does not match",
        _by_offset,
        _offset_fields(TPK),
        (),
        ISSUERS,
        counts_pin=True,
    ),
    Command(
        "EA",
        "verify a zone's PIN by its IBM 3624 offset; 01 = it does not match",
        _by_offset,
        _offset_fields(_ZPK),
        (),
        ISSUERS,
        counts_pin=True,
    ),
    Command(
        "DC",
        "verify a terminal's PIN by its Visa PVV; 01 = it does not match",
        _by_pvv,
        _pvv_fields(TPK, token=False),
        (),
        ISSUERS,
        counts_pin=True,
    ),
    Command(
        "EC",
        "verify a zone's PIN by its Visa PVV; 01 = it does not match",
        _by_pvv,
        _pvv_fields(_ZPK, token=True),
        (),
        ISSUERS,
        counts_pin=True,
        source="layout from captures of several open implementations; the token of format 04 is read as the account "
        "number without check digit, zero-filled on the left",
    ),
)
