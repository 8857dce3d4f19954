"""Keys are made, moved and checked by host commands: A0, A4, A6, A8, BU and ZO, with what they need filled in.

A key is named by what it is for: a key type of three characters (402) means a variant LMK, a key block usage of two
(C0) a key block LMK. Only that choice and the scheme differ between the two worlds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from emulator.hsm.hosts import Host
from emulator.hsm.keyring import BLOCK_LMK, VARIANT_LMK
from emulator.hsm.wording import published
from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.table import COMMANDS
from hsm_sim.core.crypto.ciphers import odd_parity
from hsm_sim.core.errors import OK, HsmError
from hsm_sim.core.keys.header import AES, TDES, Entropy, Header
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.public import public_lmks
from hsm_sim.core.keys.types import pair_of
from hsm_sim.requests.generic import HostCommand
from hsm_sim.requests.keys import ListedKey, ListKeys
from iso import ConfigError

BLOCK: Final = "FFF"
_MODES: Final = {"B": "X", "C": "C", "D": "B", "E": "X", "K": "B", "M": "C", "P": "B", "V": "C"}
"""First letter of a usage -> the mode of use that such a key usually has."""

_LENGTHS: Final = {"U": 16, "X": 16, "T": 24, "Y": 24, "Z": 8}
_LENGTH_FLAGS: Final = {"U": "1", "X": "1", "T": "2", "Y": "2", "S": "F", "R": "F", "K": "F"}
_BARE_FLAGS: Final = {16: "0", 32: "1", 48: "2"}
_ALGORITHMS: Final = {"T2": 16, "T3": 24, "A1": 16, "A2": 24, "A3": 32}
_COMPONENTS_MAX: Final = 9
_PARITY: Final = "it had no odd parity, which was put right"


class Purpose(NamedTuple):
    """What a key is for, and where it stands.

    Attributes
    ----------
    key_type
        `VLL`, or `BLOCK`.
    usage
        Of a key block; "" for a key type.
    lmk
        Identifier to send as `%LL`; "" for the party's own.
    """

    key_type: str
    usage: str
    lmk: str

    @property
    def is_block(self) -> bool:
        """Whether the key stands in a key block."""
        return self.key_type == BLOCK


class Attributes(NamedTuple):
    """Attributes of a key block: algorithm and length (T2, T3, A1 to A3), mode of use, exportability."""

    algorithm: str
    mode: str
    exportability: str


class KeyReport(NamedTuple):
    """What came out.

    Attributes
    ----------
    key, zmk_key, kcv
        Under the LMK, under the ZMK, check value; "" for what was not asked for.
    warning
        What the HSM put right, in words.
    components
        Clear value, field under the LMK and check value of each.
    """

    key: str = ""
    zmk_key: str = ""
    kcv: str = ""
    warning: str = ""
    components: tuple[dict[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"KeyReport(kcv={self.kcv!r})"


def purpose_of(text: str, lmk: str, *, is_open: bool) -> Purpose:
    """Read what a key is for.

    Parameters
    ----------
    text
        Key type or key block usage.
    lmk
        Identifier that was asked for, or "".
    is_open
        Whether the public test LMKs are meant: then the kind of purpose chooses the LMK.

    Raises
    ------
    ConfigError
        It is neither.
    """
    name = text.upper()
    if len(name) == 3 and name != BLOCK:
        try:
            pair_of(name)
        except HsmError:
            name = ""
        else:
            return Purpose(name, "", lmk)
    if len(name) == 2 and name.isalnum() and name.isascii():
        return Purpose(BLOCK, name, lmk or (BLOCK_LMK if is_open else ""))
    raise ConfigError("command line", "--type", text, "must be a key type (402) or a key block usage (C0)")


def generate(
    host: Host, purpose: Purpose, scheme: str, attributes: Attributes, zmk: str = "", zmk_scheme: str = ""
) -> KeyReport:
    """Make a random key (A0).

    Parameters
    ----------
    scheme
        Under the LMK: U, T, X, Y, Z or S, R; "" for the usual one.
    zmk
        Master key under which it is also wanted; "" for none.
    zmk_scheme
        Under that key; "" for the same scheme.
    """
    scheme = scheme or ("S" if purpose.is_block else "U")
    values: dict[str, Value] = {"mode": "1" if zmk else "0", "key_type": purpose.key_type, "scheme": scheme}
    if purpose.is_block:
        values |= _attributes(purpose, attributes)
    if zmk:
        values |= {"zmk_flag": "0", "zmk": published(zmk, purpose.lmk), "zmk_scheme": zmk_scheme or scheme}
    return _asked(host, "A0", purpose, values)


def import_key(host: Host, purpose: Purpose, scheme: str, zmk: str, field: str) -> KeyReport:
    """Take a key in from under a ZMK (A6). A key without odd parity is put right, as the answer's warning says."""
    scheme = scheme or ("S" if purpose.is_block else "U")
    values: dict[str, Value] = {
        "key_type": purpose.key_type,
        "zmk": published(zmk, purpose.lmk),
        "zmk_key": field,
        "scheme": scheme,
        "atalla": "",
    }
    if purpose.is_block and field[:1] not in ("S", "R"):
        values |= _attributes(purpose, Attributes("T2", "", "E"))
        del values["algorithm"]
    return _asked(host, "A6", purpose, values)


def export_key(
    host: Host, purpose: Purpose, zmk_scheme: str, zmk: str, field: str, exportability: str, version: str
) -> KeyReport:
    """Give a key out under a ZMK (A8)."""
    values: dict[str, Value] = {
        "key_type": purpose.key_type,
        "zmk_flag": "0",
        "zmk": published(zmk, purpose.lmk),
        "key": published(field, purpose.lmk),
        "zmk_scheme": zmk_scheme or ("R" if purpose.is_block else "U"),
        "atalla": "",
    }
    if exportability:
        values["export"] = exportability
    if version:
        values["tr31_version"] = version
    return _asked(host, "A8", purpose, values)


def check_value(host: Host, purpose: Purpose, field: str, *, is_whole: bool) -> KeyReport:
    """Return a key's check value (BU): six digits, or sixteen."""
    key = published(field, purpose.lmk)
    flag = _LENGTH_FLAGS.get(key[:1]) or _BARE_FLAGS.get(len(key), "1")
    values: dict[str, Value] = {
        "type_code": "FF",
        "length_flag": flag,
        "key": key,
        "key_type": purpose.key_type,
        "reserved": "00",
        "kcv_type": "0" if is_whole else "1",
    }
    return _asked(host, "BU", purpose, values)


def form(host: Host, purpose: Purpose, scheme: str, attributes: Attributes, count: int, entropy: Entropy) -> KeyReport:
    """Draw clear components, enter them under a public test LMK, and form the key of them (A4).

    It plays the officers: each would draw a component of his own, enter it at the console and keep the slip.

    Raises
    ------
    ConfigError
        The count is not 2 to 9, or the components would not stand under a public LMK.
    """
    if not 2 <= count <= _COMPONENTS_MAX:
        raise ConfigError("command line", "--components", count, f"must be 2 to {_COMPONENTS_MAX}")
    scheme = scheme or ("S" if purpose.is_block else "U")
    header, length = _component_header(purpose, scheme, attributes)
    lmk = public_lmks().get(purpose.lmk or VARIANT_LMK)
    if lmk is None:
        raise ConfigError("command line", "--lmk", purpose.lmk, f"must be one of {', '.join(public_lmks())}")
    parts: list[dict[str, str]] = []
    for _ in range(count):
        drawn = entropy(length)
        clear = drawn if header.algorithm == AES else odd_parity(drawn)
        key = Key(header, clear, single_length=True)
        parts.append({"clear": clear.hex().upper(), "key": lmk.write(key, scheme, entropy), "kcv": key.kcv})
    values: dict[str, Value] = {
        "count": str(count),
        "key_type": purpose.key_type,
        "scheme": scheme,
        "components": "".join(part["key"] for part in parts),
    }
    return _asked(host, "A4", purpose, values)._replace(components=tuple(parts))


def list_keys(host: Host) -> list[ListedKey]:
    """Return a party's key table (ZO): places, usages and check values, never a key."""
    found: list[ListedKey] = []
    request = ListKeys()
    while True:
        answer = request.parse(host.exchange(request.encode()))
        if answer.code != OK:
            raise HsmError(answer.code)
        fresh = [key for key in answer.keys if not found or key.place > found[-1].place]
        if not fresh:
            return found
        found += fresh
        request = ListKeys(found[-1].place)


def _asked(host: Host, command: str, purpose: Purpose, values: dict[str, Value]) -> KeyReport:
    request = HostCommand(command, {**values, "lmk": purpose.lmk} if purpose.lmk else values)
    answer = request.parse(host.exchange(request.encode()))
    if not answer.values:
        raise HsmError(answer.code)
    key, zmk_key, kcv = (str(answer.values.get(name, "")) for name in ("key", "zmk_key", "kcv"))
    warning = "" if answer.code == OK else COMMANDS[command].codes.get(answer.code, _PARITY)
    return KeyReport(key, zmk_key, kcv, warning)


def _attributes(purpose: Purpose, attributes: Attributes) -> dict[str, Value]:
    return {
        "usage": purpose.usage,
        "algorithm": attributes.algorithm,
        "key_mode": _mode(purpose, attributes),
        "key_version": "00",
        "exportability": attributes.exportability,
        "optional_blocks": "00",
    }


def _mode(purpose: Purpose, attributes: Attributes) -> str:
    return attributes.mode or _MODES.get(purpose.usage[:1], "N")


def _component_header(purpose: Purpose, scheme: str, attributes: Attributes) -> tuple[Header, int]:
    if purpose.is_block:
        algorithm = attributes.algorithm[:1]
        header = Header(purpose.usage, algorithm, _mode(purpose, attributes), "00", attributes.exportability)
        return header, _ALGORITHMS[attributes.algorithm]
    length = _LENGTHS.get(scheme)
    if length is None:
        raise ConfigError("command line", "--scheme", scheme, f"must be one of {', '.join(_LENGTHS)} for a key type")
    return Header(purpose.key_type, TDES if length > 8 else "D", "N", exportability="S"), length
