"""How a key travels: DE 53 says which key is meant, DE 125 brings its check value and its key block under the ZMK.

DE 125 has the layout of DE 48 (tag, three digits, value): 01 check value, six hexadecimal digits; 02 TR-31 key block.
It is hidden wherever messages are shown.

Source
------
Common practice (shared facts, iso8583 3.2 and 3.8): 0800 with DE 70 = 101, DE 53 for security control, DE 125 for key
data. What stands inside them differs from network to network; this is our own layout.
"""

from __future__ import annotations

from typing import NamedTuple

from hsm_sim.zones.kinds import KIND_OF_CODE, KIND_OF_HEADER, KeyKind
from iso import Message, RemoteProtocolError
from iso.private import build_private, parse_private

SECURITY_CONTROL, KEY_DATA = 53, 125
_TR31, _REST = "01", "0" * 12
_KCV, _BLOCK = "01", "02"
_KCV_LENGTH = 6
_BLOCK_LENGTH_MIN = 48
_HEX = frozenset("0123456789ABCDEF")
_USAGE, _ALGORITHM = slice(5, 7), 7


class OfferedKey(NamedTuple):
    """A key that a peer sent. `block` is ciphertext under the ZMK."""

    kind: KeyKind
    kcv: str
    block: str

    def __repr__(self) -> str:
        return f"OfferedKey({self.kind.value}, kcv={self.kcv})"


def control_of(kind: KeyKind) -> dict[int, str]:
    """Return DE 53 that names a kind of key: its code, 01 for a TR-31 block, and zeros; n16."""
    return {SECURITY_CONTROL: kind.purpose.code + _TR31 + _REST}


def key_fields(offered: OfferedKey) -> dict[int, str]:
    """Return the elements that bring a key."""
    return {**control_of(offered.kind), KEY_DATA: build_private({_KCV: offered.kcv, _BLOCK: offered.block})}


def read_control(message: Message) -> KeyKind | None:
    """Return the kind of key that DE 53 names; None without DE 53.

    Raises
    ------
    RemoteProtocolError
        It names no kind that is known here.
    """
    control = message.get(SECURITY_CONTROL)
    if control is None:
        return None
    kind = KIND_OF_CODE.get(control[:2])
    if kind is None or control[2:4] != _TR31:
        raise RemoteProtocolError("DE 53: not a key that is known here", element=SECURITY_CONTROL)
    return kind


def read_key(message: Message) -> OfferedKey:
    """Return the key that an 0800/101 brings; the header of its block says what it is for.

    Raises
    ------
    RemoteProtocolError
        DE 125 is missing or not in this layout, or DE 53 names another kind of key.
    """
    tags = parse_private(message.get(KEY_DATA) or "")
    kcv, block = tags.get(_KCV, "").upper(), tags.get(_BLOCK, "")
    if len(kcv) != _KCV_LENGTH or not _HEX.issuperset(kcv) or len(block) < _BLOCK_LENGTH_MIN or not block.isascii():
        raise RemoteProtocolError("DE 125: a check value and a key block expected", element=KEY_DATA)
    kind = KIND_OF_HEADER.get((block[_USAGE], block[_ALGORITHM]))
    if kind is None or read_control(message) not in (None, kind):
        raise RemoteProtocolError("DE 125: not the kind of key that DE 53 names", element=KEY_DATA)
    return OfferedKey(kind, kcv, block)
