"""How a fault spoils a message: pure functions from the right bytes to the wrong ones.

What a peer's host would have got wrong (STAN, MTI, bitmap) is changed inside the MAC, so that the MAC fits the wrong
message; what a line gets wrong is changed outside of it.
"""

from __future__ import annotations

from iso import Dialect, RemoteProtocolError, decode
from iso.codec import spans
from iso.framing import Framing
from node.core.faults.chance import Chance
from node.core.faults.engine import Strike
from node.core.faults.fault import Fault

INSIDE = frozenset({"wrong-stan", "wrong-mti", "wrong-bitmap"})
OUTSIDE = frozenset({"wrong-mac", "truncate"})

_ELEMENTS = 63
_MAC_BYTES = 8
_LATIN_ZONE, _EBCDIC_ZONE = 0x30, 0xF0
_OTHER_CLASS = {"1": "2", "2": "1", "4": "2"}


def altered(frame: bytes, dialect: Dialect, strike: Strike) -> bytes:
    """Return the message with what is wrong inside its MAC; the same one if the fault is none of `INSIDE`.

    The length never changes.
    """
    fault, chance = strike.fault, strike.chance
    if fault is None or chance is None or fault.action not in INSIDE:
        return frame
    try:
        places = {element: (start, end) for element, start, end in spans(frame, dialect)}
    except RemoteProtocolError:
        return frame
    if fault.action == "wrong-bitmap":
        return _with_wrong_bitmap(frame, places[1][0], dialect, fault, chance)
    place = places.get(11 if fault.action == "wrong-stan" else 0)
    if place is None:
        return frame
    start, end = place
    right = _digits_of(frame[start:end])
    wrong = fault.value or (_other_mti(right) if fault.action == "wrong-mti" else _other_stan(right, chance))
    return frame[:start] + _like(frame[start:end], wrong) + frame[end:]


def spoiled(frame: bytes, strike: Strike) -> bytes:
    """Return the message with what is wrong outside its MAC; the same one if the fault is none of `OUTSIDE`."""
    fault, chance = strike.fault, strike.chance
    if fault is None or chance is None:
        return frame
    if fault.action == "wrong-mac":
        mask = bytearray(chance.noise(_MAC_BYTES))
        mask[0] |= 1
        mac = bytes(byte ^ turned for byte, turned in zip(frame[-_MAC_BYTES:], mask, strict=True))
        return frame[:-_MAC_BYTES] + mac
    if fault.action == "truncate":
        return frame[: min(fault.keep or len(frame) // 2, len(frame) - 1)]
    return frame


def on_the_line(frame: bytes, framing: Framing, strike: Strike) -> tuple[bytes, ...]:
    """Return the bytes that cross for a message, each part in a write of its own; () for what the framing makes."""
    fault, chance = strike.fault, strike.chance
    if fault is None or chance is None:
        return ()
    if fault.action == "dribble":
        return tuple(bytes((byte,)) for byte in framing.encode(frame))
    if fault.action == "garbage":
        return (bytes.fromhex(fault.value) if fault.value else chance.noise(len(framing.encode(frame))),)
    if fault.action == "wrong-length":
        return (_with_wrong_length(frame, framing, int(fault.value or "+1")),)
    if fault.action == "close":
        return (framing.encode(frame)[: fault.keep],)
    return ()


def _with_wrong_length(frame: bytes, framing: Framing, by: int) -> bytes:
    right = framing.encode(frame)
    start = right.index(frame)
    # A shorter message than one byte has no frame.
    other = frame + bytes(by) if by > 0 else frame[: max(1, len(frame) + by)]
    wrong = framing.encode(other)[:start] + right[start:]
    # Without a length there is only the mark of the end to leave out.
    return wrong if wrong != right else right[: start + len(frame)]


def _with_wrong_bitmap(frame: bytes, start: int, dialect: Dialect, fault: Fault, chance: Chance) -> bytes:
    """Turn one bit over, so that the message cannot be read: one that could be would hide its secrets no more."""
    # Not the first bit: it says that there is a second bitmap.
    first = int(fault.value or 2 + chance.below(_ELEMENTS))
    for step in range(_ELEMENTS):
        element = 2 + (first - 2 + step) % _ELEMENTS
        wrong = _with_bit_turned(frame, start, dialect.bitmap_encoding, element - 1)
        try:
            decode(wrong, dialect)
        except RemoteProtocolError:
            return wrong
    return frame


def _with_bit_turned(frame: bytes, start: int, encoding: str, bit: int) -> bytes:
    if encoding == "b":
        at = start + bit // 8
        turned = bytes((frame[at] ^ (0x80 >> bit % 8),))
    else:
        at = start + bit // 4
        digit = int(frame[at : at + 1].decode(encoding), 16) ^ (8 >> bit % 4)
        turned = f"{digit:X}".encode(encoding)
    return frame[:at] + turned + frame[at + 1 :]


def _digits_of(raw: bytes) -> str:
    if all(byte & 0xF0 in (_LATIN_ZONE, _EBCDIC_ZONE) for byte in raw) and len(raw) > 3:
        return "".join(str(byte & 0x0F) for byte in raw)
    return raw.hex()


def _like(raw: bytes, digits: str) -> bytes:
    """Write digits as `raw` has them: packed, or one to a byte in its alphabet."""
    if 2 * len(raw) == len(digits):
        return bytes.fromhex(digits)
    zone = raw[0] & 0xF0
    return bytes(zone | int(digit) for digit in digits)


def _other_mti(mti: str) -> str:
    return f"{mti[0]}{_OTHER_CLASS.get(mti[1], '1')}{mti[2:]}"


def _other_stan(right: str, chance: Chance) -> str:
    # 1 to 999998 further on, over 999999 and never 000000: always another one.
    return f"{(int(right) - 1 + 1 + chance.below(999_998)) % 999_999 + 1:06}"
