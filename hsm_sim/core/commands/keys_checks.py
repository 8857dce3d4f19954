"""Keys are looked at and moved between LMKs: BU and KA check values, BW migration."""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import HEX, TEXT, Digits, Fixed, Value, Values
from hsm_sim.core.commands.groups import Literal, Marked, When
from hsm_sim.core.commands.keyfields import KeyField
from hsm_sim.core.commands.keys_layout import KCV_BY_TYPE, KEY_BLOCK, FlaggedKey, attributes, kcv_digits, scheme_of
from hsm_sim.core.commands.keys_opening import check_strength, check_type, check_value, header_of, is_variant, opened
from hsm_sim.core.commands.row import CAPTURED, Command
from hsm_sim.core.errors import (
    BAD_CHECK_VALUE_LENGTH,
    BAD_DATA,
    BAD_KEY_BLOCK,
    BAD_KEY_TYPE,
    BAD_KEY_TYPE_CODE,
    BAD_LENGTH_FLAG,
    KEY_BLOCK_FORGED,
    SCHEMES_INCOMPATIBLE,
    SOURCE_PARITY,
    WRONG_USAGE,
    HsmError,
)
from hsm_sim.core.keys.header import Header
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.lmk import Lmk
from hsm_sim.core.keys.types import PAIR_OF_CODE, block_header, same_purpose
from hsm_sim.core.roles import NETWORK

_BY_KEY_TYPE: Final = "FF"
_LENGTH_OF_FLAG: Final = {"0": 8, "1": 16, "2": 24}
_BLOCK_FLAG: Final = "F"
_CRYPTOGRAM_KEPT: Final = "0"


def _key_type(call: Call) -> str:
    """Return the key type that type code and key type field say together."""
    code = call.text("type_code")
    if code == _BY_KEY_TYPE:
        return call.text("key_type")
    if code not in PAIR_OF_CODE:
        raise HsmError(BAD_KEY_TYPE_CODE)
    return "0" + code


def _check_length(call: Call, key: Key) -> None:
    """Refuse a length flag that says another length, or a key block's flag for a cryptogram and the other way."""
    flag = call.text("length_flag")
    expected = _LENGTH_OF_FLAG.get(flag)
    is_block = len(key.header.usage) == 2
    if (flag != _BLOCK_FLAG) if is_block else (expected != key.length):
        raise HsmError(BAD_LENGTH_FLAG)


def _checked(call: Call, key: Key) -> Reply:
    kcv_type = call.text("kcv_type", "0")
    if kcv_type not in "01":
        raise HsmError(BAD_DATA)
    return {"kcv": check_value(call, key, kcv_digits({"kcv_type": kcv_type})), "kcv_type": kcv_type}


def _check(call: Call) -> Reply:
    if call.text("length_flag") not in (*_LENGTH_OF_FLAG, _BLOCK_FLAG):
        raise HsmError(BAD_LENGTH_FLAG)
    key = opened(call, "key", _key_type(call), SOURCE_PARITY)
    _check_length(call, key)
    return _checked(call, key)


def _check_old(call: Call) -> Reply:
    key_type = KEY_BLOCK if call.text("type_code") == _BY_KEY_TYPE else _key_type(call)
    return _checked(call, opened(call, "key", key_type, SOURCE_PARITY))


def _migrate(call: Call) -> Reply:
    if call.text("length_flag") not in (*_LENGTH_OF_FLAG, _BLOCK_FLAG):
        raise HsmError(BAD_LENGTH_FLAG)
    key_type, field = _key_type(call), call.text("key")
    key = call.slot.key(field) if field[0] == "K" else _opened_by_any(call, field, key_type)
    _check_length(call, key)
    is_block = len(key.header.usage) == 2
    if is_block and is_variant(call.lmk):
        raise HsmError(SCHEMES_INCOMPATIBLE)
    if not is_block and not is_variant(call.lmk):
        key = key.retyped(_described(call, key_type, key.header.algorithm))
    kcv_type = call.text("kcv_type", "0")
    flags: dict[str, Value] = {name: call.text(name) for name in ("length_flag", "return_kcv") if call.has(name)}
    if kcv_type not in "01":
        raise HsmError(BAD_CHECK_VALUE_LENGTH)
    check_strength(call.lmk, key)
    moved = call.lmk.write(key, _scheme(call, field), call.entropy)
    kcv = check_value(call, key, kcv_digits({"kcv_type": kcv_type}))
    return {"key": moved, "kcv": kcv, "kcv_type": kcv_type, **flags}


def _described(call: Call, key_type: str, algorithm: str) -> Header:
    """Return the header that a cryptogram gets in a key block: what was asked for, or what its type means."""
    if not call.has("usage"):
        return block_header(key_type, algorithm)
    header = header_of(call, algorithm)
    if not same_purpose(key_type, header.usage):
        raise HsmError(WRONG_USAGE)
    return header


def _scheme(call: Call, field: str) -> str:
    """Return the scheme of the migrated key: what was asked for, or what it had."""
    scheme = call.text("scheme")
    if scheme and scheme != _CRYPTOGRAM_KEPT:
        return scheme
    if is_variant(call.lmk):
        return field[0] if field[0] in "UTXY" else "0"
    return scheme_of(field if field[0] in "SR" else "K")


def _opened_by_any(call: Call, field: str, key_type: str) -> Key:
    """Open a key under whichever LMK of the slot made it: that is the "old" LMK."""
    is_block = field[0] in "SR"
    refusal = HsmError(BAD_KEY_BLOCK if is_block else BAD_KEY_TYPE)
    for lmk in call.slot.lmks.values():
        if is_variant(lmk) == is_block:
            continue
        try:
            return _read(lmk, field, key_type)
        except HsmError as error:
            if refusal.code != KEY_BLOCK_FORGED:  # the block is of the right family, which says most
                refusal = HsmError(error.code)
    raise refusal


def _read(lmk: Lmk, field: str, key_type: str) -> Key:
    check_type(lmk, key_type)
    return lmk.read(field, (key_type,))


def _returns_kcv(values: Values) -> bool:
    return values.get("return_kcv") == "1"


_TYPE_AND_KEY: Final = (
    Fixed("type_code", 2, HEX),
    Fixed("length_flag", 1, HEX),
    FlaggedKey("key", None),
    When(
        lambda values: values["type_code"] == _BY_KEY_TYPE,
        "type code FF",
        Literal(b";"),
        Fixed("key_type", 3, HEX),
    ),
)
_KCV_TYPE: Final = Marked(b";", Fixed("reserved", 2, TEXT), Fixed("kcv_type", 1))

ROWS: Final = (
    Command(
        "BU",
        "check value of a key: 16H, or 6H if the type of check value is 1",
        _check,
        (*_TYPE_AND_KEY, _KCV_TYPE),
        (KCV_BY_TYPE,),
        NETWORK,
    ),
    Command(
        "KA",
        "check value of a key, the older form; type code FF for a key block",
        _check_old,
        (KeyField("key", None), Fixed("type_code", 2, HEX), _KCV_TYPE),
        (KCV_BY_TYPE,),
        NETWORK,
    ),
    Command(
        "BW",
        "move a key to the LMK of `%LL`, from whichever other LMK of the slot made it",
        _migrate,
        (*_TYPE_AND_KEY, Marked(b";", Fixed("reserved", 1, TEXT), Fixed("scheme", 1, TEXT), Fixed("reserved_2", 1))),
        (
            FlaggedKey("key", None),
            When(_returns_kcv, "check value asked for", Digits("kcv", kcv_digits, HEX)),
        ),
        NETWORK,
        options=(
            Marked(b"!", Fixed("return_kcv", 1), Fixed("kcv_type", 1)),
            attributes(with_algorithm=False),
        ),
        is_audited=True,
        source=f"{CAPTURED}; where the old LMK stands is our reading: real devices have a store for it",
    ),
)
