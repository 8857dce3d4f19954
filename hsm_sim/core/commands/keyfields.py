"""Key fields: how a command names a key, and what the key must be for.

A key travels as an index of the party's own table (`K` + 3H, our own form), as a cryptogram under a variant LMK
(bare hex, or `U`, `T`, `X`, `Y` + hex), or as a key block under a key block LMK (`S` Thales, `R` TR-31).
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from hsm_sim.core.commands.fields import DIGITS, HEX, TEXT, Value, Values, take, text_of
from hsm_sim.core.errors import BAD_DATA, BAD_INDEX, BAD_KEY_BLOCK, BAD_KEY_SCHEME, BAD_LENGTH, HsmError
from iso.errors import LocalProtocolError

KEY_BLOCK_LENGTH_MAX: Final = 9999
PLACES: Final[dict[bytes, str]] = {}
"""Places of key tables that were read, as text: at most 4,096, for nothing else is remembered."""
places_written: Final[dict[Value, bytes]] = {}
"""The same the other way round."""

_HEX_AFTER: Final = {0x55: 32, 0x54: 48, 0x58: 32, 0x59: 48}
"""Hex digits after `U`, `T`, `X`, `Y`."""


class KeyUse(NamedTuple):
    """What a key must be for.

    Attributes
    ----------
    usages
        Accepted usages: key types `VLL` of variant LMKs (3 characters; the first one is the type under which a
        cryptogram is opened) and usages of key blocks (2 characters).
    mode
        The TR-31 mode of use that the operation needs: G, V, E, D, X; "" if any will do.
    """

    usages: tuple[str, ...]
    mode: str

    def to(self, mode: str) -> "KeyUse":
        """Return the same kind of key for another direction."""
        return self._replace(mode=mode)


ZMK: Final = KeyUse(("000", "K0", "K1", "52"), "E")
ZPK: Final = KeyUse(("001", "P0", "72"), "E")
TPK: Final = KeyUse(("002", "70D", "P0", "71"), "D")
TMK: Final = KeyUse(("002", "80D", "K0", "51"), "E")
PVK_IBM: Final = KeyUse(("002", "V0", "V1"), "V")
PVK_VISA: Final = KeyUse(("002", "V0", "V2"), "V")
CVK: Final = KeyUse(("402", "C0", "12", "13"), "G")
CSCK: Final = KeyUse(("402", "C0", "11"), "G")
TAK: Final = KeyUse(("003", "M0", "M1", "M3", "M6"), "G")
ZAK: Final = KeyUse(("008", "M0", "M1", "M3", "M6"), "G")
BDK_1: Final = KeyUse(("009", "B0"), "X")
BDK_2: Final = KeyUse(("609", "B0", "41"), "X")
BDK_3: Final = KeyUse(("809", "B0", "42"), "X")
BDK_4: Final = KeyUse(("909", "B0", "43"), "X")
MK_AC: Final = KeyUse(("109", "E0"), "X")
MK_SMI: Final = KeyUse(("209", "E2"), "X")
MK_SMC: Final = KeyUse(("309", "E1"), "X")
MK_CVC3: Final = KeyUse(("709", "E6", "32"), "X")
MK_DCVV: Final = KeyUse(("709", "E6", "31"), "X")
ZEK: Final = KeyUse(("00A", "D0", "22"), "E")
DEK: Final = KeyUse(("00B", "D0", "21"), "E")
TEK: Final = KeyUse(("30B", "D0", "23"), "E")


class KeyField:
    """A key under the LMK, by index, or (without a use) as it came from a peer.

    Parameters
    ----------
    name
        Key of the value, which is the field's text.
    use
        What the key must be for; a function of the values before it where they say so; None for a key under
        another key than the LMK, which the command's own function opens.
    bare
        Hex digits of a cryptogram without a scheme letter: 16 (single length), or 32 for pairs (PVK, CVK, BDK); a
        function of the values before it where they say so.
    parity
        Error code if the key under a variant LMK does not have odd parity: "10" source, "11" destination.
    """

    __slots__ = ("_choose", "_fixed", "bare", "name", "parity", "use")

    def __init__(
        self,
        name: str,
        use: KeyUse | Callable[[Values], KeyUse] | None,
        bare: int | Callable[[Values], int] = 16,
        parity: str = "10",
    ) -> None:
        self.name = name
        self.use = use
        self._fixed = use if isinstance(use, KeyUse) else None
        self._choose = None if use is None or isinstance(use, KeyUse) else use
        self.bare = bare
        self.parity = parity

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return "K"

    def use_for(self, values: Values) -> KeyUse | None:
        """Return what the key must be for in this command."""
        return self._choose(values) if self._choose is not None else self._fixed

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read the scheme letter and what it announces."""
        known = PLACES.get(data[at : at + 4])
        if known is not None:
            return known, at + 4
        if at >= len(data):
            raise HsmError(BAD_LENGTH)
        scheme = data[at]
        if scheme == 0x4B:  # K
            end = at + 4
        elif scheme in _HEX_AFTER:
            end = at + 1 + _HEX_AFTER[scheme]
        elif scheme in b"SR":
            count = take(data, at + 2, 4)
            if not DIGITS.issuperset(count) or not 16 <= int(count) <= KEY_BLOCK_LENGTH_MAX:
                raise HsmError(BAD_KEY_BLOCK)
            end = at + 1 + int(count)
        elif scheme in HEX:
            end = at + (self.bare if isinstance(self.bare, int) else self.bare(values))
        else:
            raise HsmError(BAD_KEY_SCHEME)
        if end > len(data):
            raise HsmError(BAD_LENGTH)
        raw = data[at:end]
        if not (TEXT if scheme in b"SR" else HEX).issuperset(raw[1:]):
            raise HsmError(BAD_INDEX if scheme == 0x4B else BAD_DATA)
        text = raw.decode("ascii")
        if scheme == 0x4B:
            PLACES[raw] = text
        return text, end

    def write(self, value: Value, values: Values) -> bytes:
        """Write the field as it is; it must read back whole."""
        raw = text_of(value).encode("utf-8")
        try:
            fits = self.read(raw, 0, values)[1] == len(raw)
        except HsmError:
            fits = False
        if not fits:
            raise LocalProtocolError(f"HSM field {self.name} takes a key: index, scheme + hex, or key block")
        if raw in PLACES:
            places_written[value] = raw
        return raw


def block_usage(values: Values, name: str) -> str:
    """Return the usage that a key block announces in clear; "" for a cryptogram or an index.

    It only helps to find the fields that follow; the authenticated header decides what the key may do.
    """
    text = values.get(name, "")
    return text[6:8] if isinstance(text, str) and text[:1] in ("S", "R") else ""


def block_algorithm(values: Values, name: str) -> str:
    """Return the algorithm that a key block announces in clear, A or T; "" for a cryptogram or an index.

    As with `block_usage`, it only helps to find the fields that follow.
    """
    text = values.get(name, "")
    return text[8:9] if isinstance(text, str) and text[:1] in ("S", "R") else ""
