"""Keys are made: A0 any kind, A4 from components, AS card verification keys, HC terminal keys, IA zone PIN keys."""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import HEX, TEXT, Digits, Fixed, Value, Values, take, text_of
from hsm_sim.core.commands.groups import Marked, When
from hsm_sim.core.commands.keyfields import BDK_1, BDK_2, BDK_3, BDK_4, TMK, ZMK, KeyField, KeyUse
from hsm_sim.core.commands.keys_layout import (
    KCV,
    KCV_BY_TYPE,
    LMK_SCHEME,
    SCHEMES_BOTH,
    SCHEMES_LMK,
    TR31_VERSION,
    TYPE,
    ZMK_SCHEME,
    Components,
    MasterKeyFlag,
    OptionalBlocks,
    attributes,
    kcv_digits,
    letter,
    scheme_of,
)
from hsm_sim.core.commands.keys_opening import (
    LENGTH_OF_SCHEME,
    check_type,
    check_value,
    header_of,
    is_variant,
    new_key,
    optional_blocks,
    variant_header,
    version_of,
    written,
)
from hsm_sim.core.commands.row import CAPTURED, Command
from hsm_sim.core.crypto.checks import tdes_check_value
from hsm_sim.core.crypto.dukpt_aes import AesDukpt
from hsm_sim.core.crypto.dukpt_tdes import TdesDukpt
from hsm_sim.core.errors import BAD_COMPONENTS, BAD_DATA, DESTINATION_PARITY, WRONG_ALGORITHM, WRONG_USAGE, HsmError
from hsm_sim.core.keys.exchange import combine, export
from hsm_sim.core.keys.header import AES, TDES, Header
from hsm_sim.core.keys.key import Key, generate
from hsm_sim.core.roles import ISSUERS, NETWORK
from iso.errors import LocalProtocolError

_DERIVING: Final = frozenset("AB")
_UNDER_ZMK: Final = frozenset("1B")
_INITIAL_KEYS: Final = frozenset(("302", "B1"))
_BDK: Final = {"1": BDK_1, "2": BDK_2, "3": BDK_3, "4": BDK_4}
_PIN_KEY: Final = Header("P0", TDES, "B", exportability="E")
_CARD_KEY: Final = Header("C0", TDES, "C", exportability="E")
_DOUBLE: Final = 16


class InitialKeyId:
    """The part of a key serial number that names a device: 15H for a TDES, 16H for an AES base key.

    A base key named by its place does not say which: then 16 digits are read if so many are there.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "15H, AES 16H"

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read the digits that the base key needs."""
        key = text_of(values["bdk"])
        is_aes = key[8:9] == AES if key[0] in "SR" else key[0] == "K" and HEX.issuperset(data[at : at + 16].ljust(16))
        raw = take(data, at, 16 if is_aes else 15)
        if not HEX.issuperset(raw):
            raise HsmError(BAD_DATA)
        return raw.decode("ascii"), at + len(raw)

    def write(self, value: Value, values: Values) -> bytes:
        """Write 15 or 16 hex digits."""
        raw = text_of(value).encode("utf-8")
        if len(raw) not in (15, 16) or not HEX.issuperset(raw):
            raise LocalProtocolError(f"HSM field {self.name} takes 15 or 16 hex digits")
        return raw


def _base_key(values: Values) -> KeyUse:
    use = _BDK.get(text_of(values["bdk_type"]))
    if use is None:
        raise HsmError(BAD_DATA)
    return use


def _master_key(values: Values) -> KeyUse:
    return TMK if values["zmk_flag"] == "1" else ZMK


def _generate(call: Call) -> Reply:
    mode = call.text("mode")
    if mode not in "01AB":
        raise HsmError(BAD_DATA)
    header, length = new_key(call, call.text("key_type"))
    if mode in _DERIVING:
        key = _derived(call, header, length)
    else:
        key = generate(header, length, call.entropy, single_length=call.policy.single_length)
    key.blocks = optional_blocks(call)
    reply: dict[str, Value] = {"mode": mode}
    if mode in _UNDER_ZMK:
        reply["zmk_key"] = export(
            key,
            call.key("zmk"),
            letter(call.text("zmk_scheme")),
            call.entropy,
            attributes=header_of(call, header.algorithm) if is_variant(call.lmk) and call.has("usage") else None,
            version=call.text("tr31_version"),
        )
    reply["key"] = written(call, key, call.text("scheme"))
    reply["kcv"] = check_value(call, key)
    return reply


def _derived(call: Call, header: Header, length: int) -> Key:
    """Return a device's initial DUKPT key.

    It keeps the parity that the derivation gives it, for all its bits count. Under a variant LMK, which checks parity,
    it can therefore not be used again: mode B hands it out at once.
    """
    if call.text("derive_mode") != "0":
        raise HsmError(BAD_DATA)
    if header.usage not in _INITIAL_KEYS:
        raise HsmError(WRONG_USAGE)
    bdk, device = call.key("bdk"), call.text("device")
    if bdk.header.algorithm != header.algorithm or bdk.length != length:
        raise HsmError(WRONG_ALGORITHM)
    if header.algorithm == AES:
        if len(device) != 16:
            raise HsmError(BAD_DATA)
        serial = bytes.fromhex(device) + bytes(4)
        material = bdk.derive(lambda base: AesDukpt(base).initial_key(serial))
    else:
        if len(device) != 15:
            raise HsmError(BAD_DATA)
        serial = bytes.fromhex(device + "00000")
        material = bdk.derive(lambda base: TdesDukpt(base).initial_key(serial))
    return Key(header, material)


def _form(call: Call) -> Reply:
    key_type = call.text("key_type")
    check_type(call.lmk, key_type)
    fields = _COMPONENTS.split(call.text("components"))
    parts = [call.slot.key(field) if field[0] == "K" else call.lmk.read(field, (key_type,)) for field in fields]
    first = parts[0].header
    if any(part.header._replace(version=first.version) != first for part in parts):
        raise HsmError(BAD_COMPONENTS)
    header = first._replace(version=version_of(call) if call.has("key_version") else "00")
    key = combine(parts, header, single_length=call.policy.single_length)
    if key.derive(_is_zero):
        raise HsmError(DESTINATION_PARITY)
    key.blocks = optional_blocks(call)
    return {"key": written(call, key, call.text("scheme")), "kcv": check_value(call, key)}


def _is_zero(material: bytes) -> bool:
    """Return whether nothing but parity bits is set: components that cancel each other out."""
    return not any(byte & 0xFE for byte in material)


def _card_keys(call: Call) -> Reply:
    header = variant_header("402", _DOUBLE) if is_variant(call.lmk) else _CARD_KEY
    key = generate(header, _DOUBLE, call.entropy)
    scheme = call.text("scheme", "0" if is_variant(call.lmk) else "S")
    kcv_type, kcv = call.text("kcv_type", "0"), check_value(call, key)
    if kcv_type != "1":
        kcv = key.derive(lambda pair: tdes_check_value(pair[:8]) + tdes_check_value(pair[8:]))
    return {"key": call.lmk.write(key, scheme, call.entropy), "kcv": kcv, "kcv_type": kcv_type}


def _card_kcv_digits(values: Values) -> int:
    return 6 if values.get("kcv_type", "0") == "1" else 12


def _pin_key(call: Call, name: str, key_type: str) -> Reply:
    """Make a PIN key and answer it under a master key and under the LMK, in the master key's schemes by default."""
    default = scheme_of(call.text(name))
    scheme, zmk_scheme = letter(call.text("scheme", default)), letter(call.text("zmk_scheme", default))
    if is_variant(call.lmk):
        length = LENGTH_OF_SCHEME.get(scheme, _DOUBLE)
        header = variant_header(key_type, length)
    else:
        header, length = _PIN_KEY, _DOUBLE
    key = generate(header, length, call.entropy, single_length=call.policy.single_length)
    kcv_type = call.text("kcv_type", "0")
    return {
        "zmk_key": export(key, call.key(name), zmk_scheme, call.entropy),
        "key": written(call, key, scheme),
        "kcv": check_value(call, key, kcv_digits({"kcv_type": kcv_type})),
        "kcv_type": kcv_type,
    }


def _terminal_key(call: Call) -> Reply:
    return _pin_key(call, "tmk", "002")


def _zone_pin_key(call: Call) -> Reply:
    return _pin_key(call, "zmk", "001")


_COMPONENTS: Final = Components("components")
_MODE: Final = Fixed("mode", 1, HEX)
_KEY: Final = KeyField("key", None)
_ZMK_KEY: Final = KeyField("zmk_key", None)

ROWS: Final = (
    Command(
        "A0",
        "generate a key: mode 0 under the LMK, 1 also under a ZMK or TMK; A and B the same with a device's initial "
        "DUKPT key",
        _generate,
        (
            _MODE,
            TYPE,
            LMK_SCHEME,
            When(
                lambda values: values["mode"] in _DERIVING,
                "mode A or B",
                Fixed("derive_mode", 1),
                Fixed("bdk_type", 1),
                KeyField("bdk", _base_key, bare=32),
                InitialKeyId("device"),
            ),
            When(
                lambda values: values["mode"] in _UNDER_ZMK,
                "mode 1 or B",
                MasterKeyFlag("zmk_flag", always=True),
                KeyField("zmk", _master_key),
                ZMK_SCHEME,
            ),
        ),
        (_KEY, When(lambda values: values["mode"] in _UNDER_ZMK, "mode 1 or B", _ZMK_KEY), KCV),
        NETWORK,
        options=(attributes(with_algorithm=True), TR31_VERSION),
        is_audited=True,
        source=f"{CAPTURED}; modes A and B from general knowledge",
    ),
    Command(
        "A4",
        "form a key from 2 to 9 encrypted components",
        _form,
        (Fixed("count", 1), TYPE, LMK_SCHEME, _COMPONENTS),
        (_KEY, KCV),
        NETWORK,
        options=(Marked(b"#", Fixed("key_version", 2, TEXT), OptionalBlocks("optional_blocks")),),
        is_audited=True,
    ),
    Command(
        "AS",
        "generate a pair of card verification keys",
        _card_keys,
        (SCHEMES_LMK,),
        (KeyField("key", None, bare=32), Digits("kcv", _card_kcv_digits, HEX)),
        ISSUERS,
        is_audited=True,
        source="layout from one open simulator; 12H are the check values of the two halves",
    ),
    Command(
        "HC",
        "generate a TMK, TPK or PVK under a TMK and the LMK; a key block says PIN key (P0)",
        _terminal_key,
        (KeyField("tmk", TMK), SCHEMES_BOTH),
        (_ZMK_KEY, _KEY),
        NETWORK,
        is_audited=True,
    ),
    Command(
        "IA",
        "generate a ZPK under a ZMK and the LMK",
        _zone_pin_key,
        (KeyField("zmk", ZMK), SCHEMES_BOTH),
        (_ZMK_KEY, _KEY, KCV_BY_TYPE),
        NETWORK,
        is_audited=True,
    ),
)
