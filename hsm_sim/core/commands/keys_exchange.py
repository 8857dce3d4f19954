"""Keys cross between parties: A6 and A8 any kind, FA and GC zone PIN keys. Only under a zone or terminal master key."""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply, Warned
from hsm_sim.core.commands.fields import Value, Values
from hsm_sim.core.commands.keyfields import TMK, ZMK, ZPK, KeyField, KeyUse
from hsm_sim.core.commands.keys_layout import (
    EXPORTABILITY,
    KCV,
    KCV_BY_TYPE,
    LMK_SCHEME,
    SCHEMES_LMK,
    SCHEMES_ZMK,
    TR31_VERSION,
    TYPE,
    ZMK_SCHEME,
    MasterKeyFlag,
    Optional,
    attributes,
    kcv_digits,
    letter,
    scheme_of,
)
from hsm_sim.core.commands.keys_opening import (
    check_type,
    check_value,
    header_of,
    is_variant,
    opened,
    optional_blocks,
    variant_header,
    written,
)
from hsm_sim.core.commands.row import CAPTURED, Command
from hsm_sim.core.errors import BAD_DATA, DESTINATION_PARITY, VERIFICATION_FAILED, HsmError
from hsm_sim.core.keys.exchange import Imported, export, import_key
from hsm_sim.core.keys.header import AES, TDES, Header
from hsm_sim.core.roles import NETWORK

_DEFAULT_EXPORTABILITY: Final = "N"
"""What the receiver may do with an exported block if nothing else is asked for: a captured export shows it."""

_PIN_KEY: Final = Header("P0", TDES, "B", exportability="E")
_BLOCKS: Final = ("S", "R")


def _master_key(values: Values) -> KeyUse:
    return TMK if values["zmk_flag"] == "1" else ZMK


def _atalla(call: Call) -> int:
    return int(call.text("atalla") or "0")


def _import(call: Call) -> Reply:
    key_type, field = call.text("key_type"), call.text("zmk_key")
    check_type(call.lmk, key_type)
    imported = import_key(
        field,
        call.key("zmk"),
        _wanted(call, key_type, field),
        atalla=_atalla(call),
        single_length=call.policy.single_length,
    )
    if call.has("usage") and not imported.key.blocks:
        imported.key.blocks = optional_blocks(call)
    reply: dict[str, Value] = {
        "key": written(call, imported.key, call.text("scheme")),
        "kcv": check_value(call, imported.key),
    }
    return reply if imported.odd_parity else Warned(VERIFICATION_FAILED, reply)


def _wanted(call: Call, key_type: str, field: str) -> Header | None:
    """Return the header that an imported key is to get; None keeps the one that it brings."""
    if is_variant(call.lmk):
        return variant_header(key_type, 16)
    if call.has("usage"):
        brings_aes = field[0] in _BLOCKS and field[8:9] == AES
        return header_of(call, AES if brings_aes else TDES)
    if field[0] in _BLOCKS:
        return None
    raise HsmError(BAD_DATA)


def _export(call: Call) -> Reply:
    key = opened(call, "key", call.text("key_type"), DESTINATION_PARITY)
    exported = export(
        key,
        call.key("zmk"),
        letter(call.text("zmk_scheme")),
        call.entropy,
        version=call.text("tr31_version"),
        exportability=call.text("export", _DEFAULT_EXPORTABILITY),
        attributes=header_of(call, key.header.algorithm) if is_variant(call.lmk) and call.has("usage") else None,
        atalla=_atalla(call),
    )
    return {"zmk_key": exported, "kcv": check_value(call, key)}


def _import_pin_key(call: Call) -> Reply:
    field = call.text("zmk_key")
    if is_variant(call.lmk):
        header: Header | None = variant_header("001", 16)
    else:
        header = None if field[0] in _BLOCKS else _PIN_KEY
    imported = import_key(field, call.key("zmk"), header, single_length=call.policy.single_length)
    imported.key.permit(ZPK.usages, "")
    return _answered(call, imported, call.text("scheme", scheme_of(field if is_variant(call.lmk) else "K")))


def _answered(call: Call, imported: Imported, scheme: str) -> Reply:
    kcv_type = call.text("kcv_type", "0")
    reply: dict[str, Value] = {
        "key": written(call, imported.key, scheme),
        "kcv": check_value(call, imported.key, kcv_digits({"kcv_type": kcv_type})),
        "kcv_type": kcv_type,
    }
    return reply if imported.odd_parity else Warned(VERIFICATION_FAILED, reply)


def _export_pin_key(call: Call) -> Reply:
    key, kcv_type = call.key(), call.text("kcv_type", "0")
    scheme = call.text("zmk_scheme", scheme_of(call.text("key")))
    return {
        "zmk_key": export(key, call.key("zmk"), letter(scheme), call.entropy, exportability=_DEFAULT_EXPORTABILITY),
        "kcv": check_value(call, key, kcv_digits({"kcv_type": kcv_type})),
        "kcv_type": kcv_type,
    }


_KEY: Final = KeyField("key", None)
_ZMK_KEY: Final = KeyField("zmk_key", None)
_IMPORTING: Final = KeyField("zmk", ZMK.to("D"))
_EXPORTING: Final = KeyField("zmk", ZMK)
_ATALLA: Final = Optional("atalla", 2)

ROWS: Final = (
    Command(
        "A6",
        "import a key from under a ZMK; 01 = it had no odd parity, which was put right",
        _import,
        (TYPE, _IMPORTING, _ZMK_KEY, LMK_SCHEME, _ATALLA),
        (_KEY, KCV),
        NETWORK,
        options=(attributes(with_algorithm=False),),
        warnings=(VERIFICATION_FAILED,),
        is_audited=True,
        source=f"{CAPTURED}; the Atalla variant from a public forum, the attributes of a cryptogram by analogy with A0",
    ),
    Command(
        "A8",
        "export a key under a ZMK or TMK; the receiver may not export a block further unless `&` says so",
        _export,
        (TYPE, MasterKeyFlag("zmk_flag", always=False), KeyField("zmk", _master_key), _KEY, ZMK_SCHEME, _ATALLA),
        (_ZMK_KEY, KCV),
        NETWORK,
        options=(EXPORTABILITY, TR31_VERSION, attributes(with_algorithm=False)),
        is_audited=True,
        source=f"{CAPTURED}; the Atalla variant from a public forum",
    ),
    Command(
        "FA",
        "take in a ZPK from under a ZMK; 01 = it had no odd parity, which was put right",
        _import_pin_key,
        (_IMPORTING, _ZMK_KEY, SCHEMES_LMK),
        (_KEY, KCV_BY_TYPE),
        NETWORK,
        warnings=(VERIFICATION_FAILED,),
        is_audited=True,
    ),
    Command(
        "GC",
        "give out a ZPK under a ZMK",
        _export_pin_key,
        (_EXPORTING, KeyField("key", ZPK.to(""), parity=DESTINATION_PARITY), SCHEMES_ZMK),
        (_ZMK_KEY, KCV_BY_TYPE),
        NETWORK,
        is_audited=True,
    ),
)
