"""PINs under the LMK, where the host keeps them: BA, NG, JA in and out; JC, JE, JG to and from blocks; BC, BE compare.

How a device encrypts a PIN under its LMK is not public. The shapes are the known ones, the algorithm is our own:
fields of real hardware do not open here (`hsm_sim.core.crypto.pins`).
"""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import Digits, Fixed, Values
from hsm_sim.core.commands.groups import Marked, Part
from hsm_sim.core.commands.keyfields import TPK, ZPK, KeyField, KeyUse
from hsm_sim.core.commands.pin_fields import Account, KnownBlock, PinBlock
from hsm_sim.core.commands.pin_forms import ClearPin, LmkPin, PinLength
from hsm_sim.core.commands.pin_work import block_pin, check_length, open_pin, pin_block, seal_pin
from hsm_sim.core.commands.row import ONE_SOURCE, Command
from hsm_sim.core.crypto.ciphers import same
from hsm_sim.core.crypto.pins import random_pin
from hsm_sim.core.errors import BAD_DATA, BAD_PIN_LENGTH, HsmError
from hsm_sim.core.roles import ISSUERS

_ZPK: Final = ZPK.to("D")
_FILL: Final = "F"


def _seal_clear(call: Call) -> Reply:
    pin = call.text("clear").rstrip(_FILL)
    if not pin.isdecimal() or len(pin) == len(call.text("clear")):
        raise HsmError(BAD_DATA)
    return {"pin": seal_pin(call, pin)}


def _show_clear(call: Call) -> Reply:
    pin = open_pin(call)
    return {"clear": pin + _FILL}


def _draw(call: Call) -> Reply:
    length = int(call.text("length", str(call.policy.pin_length_min)))
    check_length(call, length)
    return {"pin": seal_pin(call, random_pin(length, call.entropy, _excluded(call)))}


def _excluded(call: Call) -> frozenset[str]:
    """Return the excluded PINs of a command, if it has any."""
    if not call.has("excluded"):
        return frozenset()
    length, digits = call.number("excluded_length"), call.text("excluded")
    if not length:
        raise HsmError(BAD_PIN_LENGTH)
    return frozenset(digits[at : at + length] for at in range(0, len(digits), length))


def _excluded_digits(values: Values) -> int:
    return int(str(values["excluded_count"])) * int(str(values["excluded_length"]))


def _block_to_lmk(call: Call) -> Reply:
    return {"pin": seal_pin(call, block_pin(call))}


def _lmk_to_block(call: Call) -> Reply:
    return {"block": pin_block(call, open_pin(call))}


def _compare(call: Call) -> Reply:
    return {} if same(block_pin(call), open_pin(call)) else None


_ACCOUNT: Final = Fixed("account", 12)


def _block_fields(key: KeyUse) -> tuple[Part, ...]:
    return (KeyField("key", key), PinBlock(), Fixed("format", 2), Account("format"))


ROWS: Final = (
    Command(
        "BA",
        "encrypt a clear PIN under the LMK",
        _seal_clear,
        (ClearPin(behind=12), _ACCOUNT),
        (LmkPin(),),
        ISSUERS,
        is_authorised=True,
        is_audited=True,
        source="layout from two open sources; that it needs the authorised state is our rule: who may encrypt PINs and "
        "make PVVs of them can try all of them against a stored one",
    ),
    Command(
        "NG",
        "decrypt a PIN under the LMK; the answer is filled with an F",
        _show_clear,
        (_ACCOUNT, LmkPin()),
        (ClearPin(),),
        ISSUERS,
        is_authorised=True,
        is_audited=True,
        source="layout from two open sources; the reference number that some firmware adds is left out",
    ),
    Command(
        "JA",
        "draw a random PIN, under the LMK; the shortest allowed one if no length is given; `*` brings excluded PINs",
        _draw,
        (_ACCOUNT, PinLength()),
        (LmkPin(),),
        ISSUERS,
        options=(
            Marked(b"*", Fixed("excluded_count", 2), Fixed("excluded_length", 2), Digits("excluded", _excluded_digits)),
        ),
        source="layout from captures, with and without the delimiter; the excluded PINs are general knowledge",
    ),
    Command(
        "JC", "a terminal's PIN block to a PIN under the LMK", _block_to_lmk, _block_fields(TPK), (LmkPin(),), ISSUERS
    ),
    Command(
        "JE", "a zone's PIN block to a PIN under the LMK", _block_to_lmk, _block_fields(_ZPK), (LmkPin(),), ISSUERS
    ),
    Command(
        "JG",
        "a PIN under the LMK to a zone's PIN block",
        _lmk_to_block,
        (KeyField("key", ZPK), Fixed("format", 2), Account("format"), LmkPin()),
        (KnownBlock(),),
        ISSUERS,
    ),
    Command(
        "BC",
        "compare a terminal's PIN with a PIN under the LMK; 01 = it does not match",
        _compare,
        (*_block_fields(TPK), LmkPin()),
        (),
        ISSUERS,
        counts_pin=True,
        source=ONE_SOURCE,
    ),
    Command(
        "BE",
        "compare a zone's PIN with a PIN under the LMK; 01 = it does not match",
        _compare,
        (*_block_fields(_ZPK), LmkPin()),
        (),
        ISSUERS,
        counts_pin=True,
        source=ONE_SOURCE,
    ),
)
