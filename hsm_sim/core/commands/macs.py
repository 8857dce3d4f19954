"""Message authentication: M6, M8, MY, over whole messages or in parts.

A message in parts: mode 1 sends the first part and gets a chaining value, mode 2 sends a chaining value and a middle
part and gets the next one, mode 3 sends the last part and gets (or verifies) the MAC. Parts before the last are whole
blocks; only the last one is padded.
"""

from operator import itemgetter
from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import HEX, Block, Choice, Digits, MacField, Value, Values
from hsm_sim.core.commands.groups import Part, When
from hsm_sim.core.commands.keyfields import TAK, ZAK, KeyField, KeyUse, block_algorithm
from hsm_sim.core.commands.row import Command
from hsm_sim.core.crypto.ciphers import AES_BLOCK, BLOCK, Aes, CardKey, Tdes, pad, same
from hsm_sim.core.crypto.macs import ChainedCmac, chain_algorithm_3, mac_algorithm_1, mac_algorithm_3
from hsm_sim.core.errors import BAD_DATA, BAD_KEY_LENGTH, BAD_MESSAGE_LENGTH, BAD_PADDING, HsmError
from hsm_sim.core.keys.header import AES
from hsm_sim.core.keys.key import Key
from hsm_sim.core.roles import MAC_USERS

_ALGORITHM_1: Final = "1"
_ALGORITHM_3: Final = "3"
_CMAC: Final = "6"
_USAGES: Final = {_ALGORITHM_1: ("M0", "M1"), _ALGORITHM_3: ("M3",), _CMAC: ("M6",)}
_TYPES: Final = {"003": TAK.usages[:1], "008": ZAK.usages[:1], "FFF": ()}
_USES: Final = {
    (mode, key_type, algorithm): KeyUse((*types, *usages), mode)
    for mode in "GV"
    for key_type, types in _TYPES.items()
    for algorithm, usages in _USAGES.items()
}
CODES: Final = {
    "02": "invalid mode flag",
    "03": "invalid input format flag",
    "04": "invalid MAC algorithm",
    "05": "invalid key type",
    "06": "invalid message length: empty, or not whole blocks where nothing is padded",
    "09": "invalid padding method; CMAC takes 0 only",
}
_LAST: Final = frozenset("03")
_NOT_LAST: Final = frozenset("12")
_NOT_FIRST: Final = frozenset("23")
_SOURCE: Final = (
    "layout and codes from captures of an open codec (mode 0); the chained modes rest on old public command pages"
)


def _makes_mac(values: Values) -> bool:
    return values.get("mode", "0") in _LAST


def _chains_on(values: Values) -> bool:
    return values["mode"] in _NOT_LAST


def _has_vector(values: Values) -> bool:
    return values["mode"] in _NOT_FIRST


def _is_hex(values: Values) -> bool:
    return values["input"] == "1"


def _vector(name: str, algorithm: str, key: str) -> Digits:
    """Return the field of a chaining value: 16H; 32H for the CMAC of an AES key block, or of a key by index."""

    def digits(values: Values) -> int:
        is_long = values[algorithm] == _CMAC and (str(values[key])[:1] == "K" or block_algorithm(values, key) == AES)
        return 2 * (AES_BLOCK if is_long else BLOCK)

    return Digits(name, digits, HEX)


def method_fields(mode: str, prefix: str = "", parity: str = "10") -> tuple[Part, ...]:
    """Return the layout of how a MAC is made: size, algorithm, padding, key; `mode` is G or V."""
    algorithm, key_type = prefix + "algorithm", prefix + "key_type"
    uses = {(which, how): use for (what, which, how), use in _USES.items() if what == mode}
    method = itemgetter(key_type, algorithm)
    return (
        Choice(prefix + "size", "01"),
        Choice(algorithm, tuple(_USAGES), "04"),
        Choice(prefix + "padding", "012", BAD_PADDING),
        Choice(key_type, tuple(_TYPES), "05"),
        KeyField(
            prefix + "key",
            lambda values: uses[method(values)],
            parity=parity,
        ),
    )


def _data(mac_follows: bool, size: str = "size") -> Block:
    def follows(values: Values) -> int:
        if not mac_follows or not _makes_mac(values):
            return 0
        return 16 if values[size] == "1" else 8

    return Block("data", in_hex=_is_hex, follows=follows)


def _start() -> tuple[Part, ...]:
    return Choice("mode", "0123", "02"), Choice("input", "012", "03")


def _cmac_cipher(key: Key) -> Tdes | Aes:
    return key.aes if key.header.algorithm == AES else key.tdes


def _retail_key(key: Key) -> CardKey:
    pair = key.pair
    if key.length <= BLOCK:
        raise HsmError(BAD_KEY_LENGTH)
    return pair


def _vector_of(text: str, size: int) -> bytes:
    if not text:
        return bytes(size)
    if len(text) != 2 * size:
        raise HsmError(BAD_DATA)
    return bytes.fromhex(text)


def make_mac(key: Key, algorithm: str, padding: str, data: bytes, vector: str = "") -> bytes:
    """Return the MAC over a whole message, or over its last part.

    Parameters
    ----------
    key
        Already permitted for the algorithm.
    algorithm
        "1" and "3" ISO 9797-1 with TDES, "6" CMAC.
    padding
        "0", "1" or "2"; CMAC takes "0" only.
    vector
        Chaining value in hex; "" for a whole message.

    Returns
    -------
    bytes
        bytes[8], for an AES-CMAC the left half.

    Raises
    ------
    HsmError
        "06" empty data or data that need padding; "09" padding; "A7" or "27" not a key for it; "15" the chaining
        value has another cipher's length.
    """
    if algorithm == _CMAC:
        if padding != "0":
            raise HsmError(BAD_PADDING)
        if not vector:
            return key.cmac(data)[:BLOCK]
        cipher = _cmac_cipher(key)
        return ChainedCmac(cipher).finish(data, _vector_of(vector, cipher.block))[:BLOCK]
    padded = pad(data, padding)
    if not padded or len(padded) % BLOCK:
        raise HsmError(BAD_MESSAGE_LENGTH)
    if algorithm == _ALGORITHM_1:
        return mac_algorithm_1(key.tdes, padded, _vector_of(vector, BLOCK))
    return mac_algorithm_3(_retail_key(key), padded, _vector_of(vector, BLOCK))


def chain(key: Key, algorithm: str, blocks: bytes, vector: str = "") -> str:
    """Return the chaining value after a first or middle part, in hex: 16H, 32H for AES.

    Raises
    ------
    HsmError
        As `make_mac`; "06" unless the part is one whole block or more.
    """
    cipher = _cmac_cipher(key) if algorithm == _CMAC else key.tdes
    if not blocks or len(blocks) % cipher.block:
        raise HsmError(BAD_MESSAGE_LENGTH)
    before = _vector_of(vector, cipher.block)
    if algorithm == _CMAC:
        after = ChainedCmac(cipher).extend(blocks, before)
    elif algorithm == _ALGORITHM_1:
        after = mac_algorithm_1(key.tdes, blocks, before)
    else:
        after = chain_algorithm_3(_retail_key(key), blocks, before)
    return after.hex().upper()


def _mac(call: Call, prefix: str = "", vector: str = "vector") -> str:
    """Return the MAC that a command asks for in modes 0 and 3: 8H or 16H."""
    values = call.values
    mac = make_mac(
        call.keys[prefix + "key"],
        values[prefix + "algorithm"],  # type: ignore[arg-type]  # character fields of method_fields
        values[prefix + "padding"],  # type: ignore[arg-type]
        values["data"],  # type: ignore[arg-type]  # a binary field
        values.get(vector, ""),  # type: ignore[arg-type]
    )
    return (mac if values[prefix + "size"] == "1" else mac[:4]).hex().upper()


def _chain(call: Call, prefix: str = "", vector: str = "vector") -> dict[str, Value]:
    """Return the next chaining value, with what its layout depends on."""
    key, algorithm = prefix + "key", prefix + "algorithm"
    after = chain(call.key(key), call.text(algorithm), call.data(), call.text(vector))
    return {
        "mode": call.text("mode"),
        key: call.text(key),
        algorithm: call.text(algorithm),
        vector: after,
    }


def _make(call: Call) -> Reply:
    if _chains_on(call.values):
        return _chain(call)
    return {"mode": call.values["mode"], "size": call.values["size"], "mac": _mac(call)}


def _verify(call: Call) -> Reply:
    if _chains_on(call.values):
        return _chain(call)
    return {} if same(_mac(call), call.text("mac")) else None


def _translate(call: Call) -> Reply:
    if _chains_on(call.values):
        return {**_chain(call, "in_", "in_vector"), **_chain(call, "out_", "out_vector")}
    if not same(_mac(call, "in_", "in_vector"), call.text("mac")):
        return None
    return {
        "mode": call.text("mode"),
        "out_size": call.text("out_size"),
        "mac": _mac(call, "out_", "out_vector"),
    }


_VECTOR: Final = _vector("vector", "algorithm", "key")
_IN_VECTOR: Final = _vector("in_vector", "in_algorithm", "in_key")
_OUT_VECTOR: Final = _vector("out_vector", "out_algorithm", "out_key")
_CHAINED: Final = When(_chains_on, "modes 1 and 2", _VECTOR)

ROWS: Final = (
    Command(
        "M6",
        "generate a MAC: of a whole message (mode 0), or of its first, middle, last part (1, 2, 3)",
        _make,
        (*_start(), *method_fields("G"), When(_has_vector, "modes 2 and 3", _VECTOR), _data(mac_follows=False)),
        (When(_makes_mac, "modes 0 and 3", MacField()), _CHAINED),
        MAC_USERS,
        source=_SOURCE,
        codes=CODES,
    ),
    Command(
        "M8",
        "verify a MAC, as M6; 01 = it does not match",
        _verify,
        (
            *_start(),
            *method_fields("V"),
            When(_has_vector, "modes 2 and 3", _VECTOR),
            _data(mac_follows=True),
            When(_makes_mac, "modes 0 and 3", MacField()),
        ),
        (_CHAINED,),
        MAC_USERS,
        source=_SOURCE,
        codes=CODES,
    ),
    Command(
        "MY",
        "verify a MAC and make another one under another key; 01 = it does not match",
        _translate,
        (
            *_start(),
            *method_fields("V", "in_"),
            *method_fields("G", "out_", parity="11"),
            When(_has_vector, "modes 2 and 3", _IN_VECTOR, _OUT_VECTOR),
            _data(mac_follows=True, size="in_size"),
            When(_makes_mac, "modes 0 and 3", MacField("mac", "in_size")),
        ),
        (
            When(_makes_mac, "modes 0 and 3", MacField("mac", "out_size")),
            When(_chains_on, "modes 1 and 2", _IN_VECTOR, _OUT_VECTOR),
        ),
        MAC_USERS,
        source="layout from one open source (live-checked by its author) in mode 0; the chained modes are our reading",
        codes=CODES,
    ),
)
