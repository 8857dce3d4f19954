"""Link MACs in batches: ZQ and ZS do for all frames of one read or write what M6 and M8 do for one message.

A link seals and checks whatever waits at once, under one key. As commands of their own, sixty-four frames cost more to
announce, to look their key up and to answer than their MACs cost to make. What a MAC is stays what M6 says it is.
"""

import hmac
from typing import Final

from hsm_sim.core.commands.call import Call, Reply, Warned
from hsm_sim.core.commands.fields import Block, Rest, Value
from hsm_sim.core.commands.macs import CODES, make_mac, method_fields
from hsm_sim.core.commands.row import OWN, Command
from hsm_sim.core.errors import BAD_LENGTH, BAD_MESSAGE_LENGTH, OK, VERIFICATION_FAILED, HsmError
from hsm_sim.core.keys.key import Key
from hsm_sim.core.roles import ACQUIRER, ISSUER, SWITCH

COUNT_LENGTH: Final = 2
FITS, DIFFERS = b"1", b"0"
MACS_BYTES_MAX: Final = 65_000
"""An empty message costs two bytes and its MAC eight. The rest of a frame is for the longest header and a trailer."""

_LINKED: Final = frozenset((ACQUIRER, SWITCH, ISSUER))
_SIZES: Final = {"0": 4, "1": 8}
_PACKED: Final = "each message behind its length, two bytes big-endian"


def packed(messages: list[bytes]) -> bytes:
    """Return messages of at most 65,535 bytes as both commands take them.

    Raises
    ------
    OverflowError
        A message is longer.
    """
    return b"".join([len(message).to_bytes(COUNT_LENGTH, "big") + message for message in messages])


def _messages(call: Call) -> list[bytes]:
    """Return the messages; `HsmError` "80" if one is cut off."""
    data, at, found = call.data("messages"), 0, []
    size = len(data)
    while at < size:
        start = at + COUNT_LENGTH
        at = start + int.from_bytes(data[at:start], "big")
        if at > size:
            raise HsmError(BAD_LENGTH)
        found.append(data[start:at])
    return found


def _method(call: Call) -> tuple[Key, int, str, str]:
    text = call.text
    return call.keys["key"], _SIZES[text("size")], text("algorithm"), text("padding")


def _make(call: Call) -> Reply:
    key, size, algorithm, padding = _method(call)
    messages = _messages(call)
    if size * len(messages) > MACS_BYTES_MAX:
        raise HsmError(BAD_LENGTH)
    return {"macs": b"".join([make_mac(key, algorithm, padding, message)[:size] for message in messages])}


def _verify(call: Call) -> Reply:
    key, size, algorithm, padding = _method(call)
    verdicts = []
    for message in _messages(call):
        if len(message) < size:
            raise HsmError(BAD_MESSAGE_LENGTH)
        mac = make_mac(key, algorithm, padding, message[:-size])[:size]
        verdicts.append(FITS if hmac.compare_digest(mac, message[-size:]) else DIFFERS)
    answer: dict[str, Value] = {"verdicts": b"".join(verdicts)}
    wrong = verdicts.count(DIFFERS)
    if not wrong:
        return answer
    call.subject = f"{wrong} of {len(verdicts)}"
    return Warned(VERIFICATION_FAILED, answer)


ROWS: Final = (
    Command(
        "ZQ",
        f"make the MACs of several whole messages, as M6; {_PACKED}",
        _make,
        (*method_fields("G"), Block("messages")),
        (Rest("macs"),),
        _LINKED,
        source=OWN,
        codes={code: CODES[code] for code in ("04", "05", "06", "09")}
        | {BAD_LENGTH: f"a message is cut off, or all MACs together have more than {MACS_BYTES_MAX} bytes"},
    ),
    Command(
        "ZS",
        f"verify several messages that end in their MACs, as M8; {_PACKED}; 01 = one or more do not match",
        _verify,
        (*method_fields("V"), Block("messages")),
        (Rest("verdicts"),),
        _LINKED,
        warnings=(VERIFICATION_FAILED,),
        source=OWN,
        codes={code: CODES[code] for code in ("04", "05", "06", "09")}
        | {OK: "every MAC matches; the answer has `1` for each message that does, `0` for each that does not"},
    ),
)
