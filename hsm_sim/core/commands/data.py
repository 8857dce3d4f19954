"""Data encryption: M0, M2, M4 with static or DUKPT keys; GM, plain hashes.

The switch may not encrypt data: its data key seals PANs with AES-GCM, and plain blocks under the same key would give
that cipher's keystream away.
"""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import HEX, TEXT, Block, Choice, Digits, Fixed, Rest, Value, Values
from hsm_sim.core.commands.groups import Part, When
from hsm_sim.core.commands.keyfields import (
    BDK_1,
    BDK_2,
    DEK,
    TEK,
    ZEK,
    KeyField,
    KeyUse,
    block_algorithm,
    block_usage,
)
from hsm_sim.core.commands.ksn import KsnField, aes_key, tdes_key
from hsm_sim.core.commands.row import Command
from hsm_sim.core.crypto import digests, dukpt_aes, dukpt_tdes
from hsm_sim.core.crypto.ciphers import AES_BLOCK, BLOCK, Aes, Tdes
from hsm_sim.core.errors import BAD_DATA, BAD_MESSAGE_FORMAT, BAD_MESSAGE_LENGTH, HsmError
from hsm_sim.core.keys.header import AES
from hsm_sim.core.roles import BANKS, NETWORK

ECB: Final = "00"
CBC: Final = "01"
_MODES: Final = (ECB, CBC)
_BASE_KEYS: Final = {"009": BDK_1, "609": BDK_2}
_TYPES: Final = {"00A": ZEK, "00B": DEK, "30B": TEK, **_BASE_KEYS}
_ANY_TYPE: Final = "FFF"
_DATA_KEY: Final = KeyUse(("D0", "21", "22", "23"), "E")
_BASE_KEY: Final = KeyUse(("B0", "41"), "X")
_CODES: Final = {
    "02": "invalid mode flag",
    "03": "invalid input format flag",
    "04": "invalid output format flag",
    "05": "invalid key type",
    "06": "invalid message length: empty, or not whole blocks",
    "35": "illegal message format: text that is not printable",
}
_SOURCE: Final = "layout from captures of an open codec (ECB); CBC and DUKPT are the best reading"


def _is_base_key(values: Values, key: str, key_type: str) -> bool:
    kind = str(values[key_type])
    return kind in _BASE_KEYS or (kind == _ANY_TYPE and block_usage(values, key) in _BASE_KEY.usages)


def _use(values: Values, mode: str, key: str, key_type: str) -> KeyUse:
    use = _TYPES.get(str(values[key_type]))
    if use is None:
        return _BASE_KEY if _is_base_key(values, key, key_type) else _DATA_KEY.to(mode)
    return use if use.mode == "X" else use.to(mode)


def _key_parts(mode: str, prefix: str = "", wrong_type: str = "05", parity: str = "10") -> tuple[Part, ...]:
    """Layout of a data key, or of a base key with its serial number."""
    key, key_type = prefix + "key", prefix + "key_type"
    descriptor = prefix + "ksn_descriptor"
    return (
        Choice(key_type, (*_TYPES, _ANY_TYPE), wrong_type),
        KeyField(key, lambda values: _use(values, mode, key, key_type), parity=parity),
        When(
            lambda values: _is_base_key(values, key, key_type),
            "DUKPT",
            Fixed(descriptor, 3, HEX),
            KsnField(prefix + "ksn", descriptor, key),
        ),
    )


def _vector(prefix: str = "") -> When:
    """Layout of an initialisation vector: 16H, 32H with an AES key block."""
    key, mode = prefix + "key", prefix + "mode"

    def digits(values: Values) -> int:
        return 2 * (AES_BLOCK if block_algorithm(values, key) == AES else BLOCK)

    return When(lambda values: values[mode] == CBC, "CBC", Digits(prefix + "vector", digits, HEX))


def _message(flag: str) -> Block:
    return Block("data", in_hex=lambda values: values[flag] == "1")


def _cipher(call: Call, direction: str, prefix: str = "") -> Tdes | Aes:
    """Return the cipher of a data key, or of a transaction's data key.

    With a type 1 base key one key serves both directions; with type 2 what goes to the terminal has its own.
    """
    key = call.key(prefix + "key")
    if not call.has(prefix + "ksn"):
        return key.aes if key.header.algorithm == AES else key.tdes
    serial = call.text(prefix + "ksn")
    is_answer = direction == "E" and (call.text(prefix + "key_type") == "609" or key.header.usage == "41")
    if key.header.algorithm == AES:
        return Aes(aes_key(key, serial, dukpt_aes.DATA_DECRYPTION if is_answer else dukpt_aes.DATA_ENCRYPTION))
    return Tdes(tdes_key(key, serial, dukpt_tdes.DATA_RESPONSE if is_answer else dukpt_tdes.DATA_REQUEST))


def _crypt(call: Call, data: bytes, direction: str, prefix: str = "") -> tuple[bytes, dict[str, Value]]:
    """Return the data in the other form, and the vector that a next part would start from."""
    cipher = _cipher(call, direction, prefix)
    if not data or len(data) % cipher.block:
        raise HsmError(BAD_MESSAGE_LENGTH)
    if call.text(prefix + "mode") == ECB:
        return (cipher.encrypt(data) if direction == "E" else cipher.decrypt(data)), {}
    vector = bytes.fromhex(call.text(prefix + "vector"))
    if len(vector) != cipher.block:
        raise HsmError(BAD_DATA)
    if direction == "E":
        result = cipher.encrypt_cbc(data, vector)
        after = result
    else:
        result = cipher.decrypt_cbc(data, vector)
        after = data
    return result, {prefix + "vector": after[-cipher.block :].hex().upper()}


def _answer(call: Call, data: bytes, vectors: dict[str, Value], *names: str) -> Reply:
    """Return the answer's values, with those that its layout depends on."""
    if call.text("output") == "2" and not TEXT.issuperset(data):
        raise HsmError(BAD_MESSAGE_FORMAT)
    return {**{name: call.text(name) for name in ("output", *names)}, **vectors, "data": data}


def _encrypt(call: Call) -> Reply:
    return _answer(call, *_crypt(call, call.data(), "E"), "mode", "key")


def _decrypt(call: Call) -> Reply:
    return _answer(call, *_crypt(call, call.data(), "D"), "mode", "key")


def _translate(call: Call) -> Reply:
    clear, before = _crypt(call, call.data(), "D", "in_")
    sealed, after = _crypt(call, clear, "E", "out_")
    return _answer(call, sealed, {**before, **after}, "in_mode", "in_key", "out_mode", "out_key")


def _hash(call: Call) -> Reply:
    return {"hash": digests.digest(call.text("hash_id"), call.data())}


def _one_key(mode: str, output: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Layouts of M0 and M2: request and answer."""
    request = (
        Choice("mode", _MODES, "02"),
        Choice("input", "012" if mode == "E" else "01", "03"),
        Choice("output", output, "04"),
        *_key_parts(mode),
        _vector(),
        _message("input"),
    )
    return request, (_vector(), _message("output"))


ROWS: Final = (
    Command(
        "M0",
        "encrypt data: mode 00 ECB, 01 CBC; formats 0 binary, 1 hex, 2 text",
        _encrypt,
        *_one_key("E", "01"),
        BANKS,
        source=_SOURCE,
        codes=_CODES,
    ),
    Command(
        "M2",
        "decrypt data, as M0",
        _decrypt,
        *_one_key("D", "012"),
        BANKS,
        source=_SOURCE,
        codes=_CODES,
    ),
    Command(
        "M4",
        "decrypt data and encrypt them under another key, as M0",
        _translate,
        (
            Choice("in_mode", _MODES, "02"),
            Choice("out_mode", _MODES, "07"),
            Choice("input", "01", "03"),
            Choice("output", "01", "04"),
            *_key_parts("D", "in_"),
            *_key_parts("E", "out_", wrong_type="08", parity="11"),
            _vector("in_"),
            _vector("out_"),
            _message("input"),
        ),
        (_vector("in_"), _vector("out_"), _message("output")),
        BANKS,
        source=_SOURCE,
        codes={**_CODES, "07": "invalid destination mode flag", "08": "invalid destination key type"},
    ),
    Command(
        "GM",
        "hash data: 01 SHA-1, 02 MD5, 05 SHA-224, 06 SHA-256, 07 SHA-384, 08 SHA-512",
        _hash,
        (Choice("hash_id", ("01", "02", "05", "06", "07", "08"), "05"), Block("data", digits=5, base=10)),
        (Rest("hash"),),
        NETWORK,
        codes={"05": "invalid hash identifier"},
    ),
)
