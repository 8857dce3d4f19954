"""Requests about keys: make, import, export, check, place, list. For key block LMKs, as the house's parties have."""

from typing import Final, NamedTuple

from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.keys_layout import KEY_BLOCK
from hsm_sim.core.commands.wire import decode_answer, encode_command
from hsm_sim.requests.base import data_of, text_of
from iso.errors import RemoteProtocolError

_LISTED_PARTS: Final = 9


class KeyMade(NamedTuple):
    """Answer to `MakeKey`: the key under the LMK, the same key under the ZMK if one was named, and its check value."""

    code: str
    key: str = ""
    zmk_key: str = ""
    kcv: str = ""

    def __repr__(self) -> str:
        return f"KeyMade(code={self.code!r}, kcv={self.kcv!r})"


class MakeKey(NamedTuple):
    """A0: a random key.

    Attributes
    ----------
    usage, mode
        As in a key block's header, for example P0 and B.
    algorithm
        T2, T3, A1 (128 bits), A2, A3 (256 bits).
    exportability
        E under a trusted key, N never, S in any form.
    scheme
        Form under the LMK: R (TR-31) or S (Thales).
    zmk
        Under which master key it is also wanted; "" for none.
    zmk_scheme
        Form under that key.
    """

    usage: str
    algorithm: str
    mode: str
    exportability: str = "E"
    scheme: str = "R"
    zmk: str = ""
    zmk_scheme: str = "R"
    version: str = "00"

    def encode(self) -> bytes:
        """Return the host command."""
        values: dict[str, Value] = {
            "mode": "1" if self.zmk else "0",
            "key_type": KEY_BLOCK,
            "scheme": self.scheme,
            "zmk_flag": "0",
            "zmk": self.zmk,
            "zmk_scheme": self.zmk_scheme,
            "usage": self.usage,
            "algorithm": self.algorithm,
            "key_mode": self.mode,
            "key_version": self.version,
            "exportability": self.exportability,
            "optional_blocks": "00",
        }
        return encode_command("A0", values)

    def parse(self, answer: bytes) -> KeyMade:
        """Return the typed answer."""
        code, got = decode_answer("A0", answer, {"mode": "1" if self.zmk else "0"})
        return KeyMade(code, text_of(got, "key"), text_of(got, "zmk_key"), text_of(got, "kcv"))

    def __repr__(self) -> str:
        return f"MakeKey(usage={self.usage!r}, algorithm={self.algorithm!r}, mode={self.mode!r})"


class KeyImported(NamedTuple):
    """Answer to `ImportKey`: "01" is a warning (parity was put right), the key is there all the same."""

    code: str
    key: str = ""
    kcv: str = ""

    def __repr__(self) -> str:
        return f"KeyImported(code={self.code!r}, kcv={self.kcv!r})"


class ImportKey(NamedTuple):
    """A6: a key block from under a ZMK.

    Attributes
    ----------
    zmk_key
        `R` or `S` and the key block as it came.
    scheme
        Form under the LMK.
    """

    zmk: str
    zmk_key: str
    scheme: str = "R"

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("A6", {"key_type": KEY_BLOCK, "atalla": "", **self._asdict()})

    def parse(self, answer: bytes) -> KeyImported:
        """Return the typed answer."""
        code, got = decode_answer("A6", answer, {})
        return KeyImported(code, text_of(got, "key"), text_of(got, "kcv"))

    def __repr__(self) -> str:
        return f"ImportKey(zmk={self.zmk[:4]!r})"


class KeyExported(NamedTuple):
    """Answer to `ExportKey`: the key under the ZMK."""

    code: str
    zmk_key: str = ""
    kcv: str = ""

    def __repr__(self) -> str:
        return f"KeyExported(code={self.code!r}, kcv={self.kcv!r})"


class ExportKey(NamedTuple):
    """A8: a key under a ZMK.

    Attributes
    ----------
    zmk_scheme
        R (TR-31) or S (Thales).
    exportability
        What the receiver may do with it.
    version
        Of the TR-31 block; "" for the best one that the ZMK can do.
    """

    zmk: str
    key: str
    zmk_scheme: str = "R"
    exportability: str = "N"
    version: str = ""

    def encode(self) -> bytes:
        """Return the host command."""
        values: dict[str, Value] = {
            "key_type": KEY_BLOCK,
            "zmk_flag": "0",
            "zmk": self.zmk,
            "key": self.key,
            "zmk_scheme": self.zmk_scheme,
            "atalla": "",
            "export": self.exportability,
        }
        return encode_command("A8", {**values, "tr31_version": self.version} if self.version else values)

    def parse(self, answer: bytes) -> KeyExported:
        """Return the typed answer."""
        code, got = decode_answer("A8", answer, {})
        return KeyExported(code, text_of(got, "zmk_key"), text_of(got, "kcv"))

    def __repr__(self) -> str:
        return f"ExportKey(zmk={self.zmk[:4]!r}, key={self.key[:4]!r}, zmk_scheme={self.zmk_scheme!r})"


class KeyChecked(NamedTuple):
    """Answer to `CheckKey`: str[6] or str[16] hex."""

    code: str
    kcv: str = ""


class CheckKey(NamedTuple):
    """BU: a key's check value, six digits or (`whole`) sixteen."""

    key: str
    whole: bool = False

    def encode(self) -> bytes:
        """Return the host command."""
        values: dict[str, Value] = {
            "type_code": "FF",
            "length_flag": "F",
            "key": self.key,
            "key_type": KEY_BLOCK,
            "reserved": "00",
            "kcv_type": self._kcv_type(),
        }
        return encode_command("BU", values)

    def parse(self, answer: bytes) -> KeyChecked:
        """Return the typed answer."""
        code, got = decode_answer("BU", answer, {"kcv_type": self._kcv_type()})
        return KeyChecked(code, text_of(got, "kcv"))

    def _kcv_type(self) -> str:
        return "0" if self.whole else "1"

    def __repr__(self) -> str:
        return f"CheckKey(key={self.key[:4]!r})"


class KeyPlaced(NamedTuple):
    """Answer to `PlaceKey`: the check value of the key that is there now."""

    code: str
    kcv: str = ""


class PlaceKey(NamedTuple):
    """ZM: put a key into the party's own table, durable.

    Attributes
    ----------
    place
        `K` + 3H; free places are of the families 0 to E.
    key
        `R` or `S` and a key block under the LMK, or another place.
    replace
        Whether a key for the same purpose may be there already.
    """

    place: str
    key: str
    replace: bool = False

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("ZM", {"place": self.place, "replace": "01"[self.replace], "key": self.key})

    def parse(self, answer: bytes) -> KeyPlaced:
        """Return the typed answer."""
        code, got = decode_answer("ZM", answer, {})
        return KeyPlaced(code, text_of(got, "kcv"))

    def __repr__(self) -> str:
        return f"PlaceKey(place={self.place!r}, key={self.key[:4]!r}, replace={self.replace!r})"


class ListedKey(NamedTuple):
    """One key of a table, as `ListKeys` shows it; `neighbour` is the party that shares it, "" for nobody."""

    place: str
    usage: str
    algorithm: str
    mode: str
    version: str
    exportability: str
    length_bytes: int
    kcv: str
    neighbour: str


class KeysListed(NamedTuple):
    """Answer to `ListKeys`, ordered by place."""

    code: str
    keys: tuple[ListedKey, ...] = ()


class ListKeys(NamedTuple):
    """ZO: the party's own table, from a place on; ask again behind the last place until nothing comes."""

    start: str = "K000"

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("ZO", {"start": self.start})

    def parse(self, answer: bytes) -> KeysListed:
        """Return the typed answer."""
        code, got = decode_answer("ZO", answer, {})
        lines = data_of(got, "keys").decode("utf-8", "replace").splitlines()
        return KeysListed(code, tuple(map(_listed, lines)))


def _listed(line: str) -> ListedKey:
    parts = line.split(" ", _LISTED_PARTS - 1)
    if len(parts) != _LISTED_PARTS or not (parts[6].isascii() and parts[6].isdigit()):
        raise RemoteProtocolError("the HSM's list of keys has a line that is not a key")
    place, usage, algorithm, mode, version, exportability, length, kcv, neighbour = parts
    return ListedKey(place, usage, algorithm, mode, version, exportability, int(length), kcv, neighbour)
