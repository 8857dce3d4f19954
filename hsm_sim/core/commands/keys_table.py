"""A party's own key table: ZM puts a key into it, ZO lists it. Both are our own commands.

Real devices have a user storage that hosts load with keys; this one is durable. A key that a link partner sends
(dynamic key exchange) is imported with A6 and then put into its place with ZM, and every command that names the place
works with the new key from then on.
"""

from typing import Final

from hsm_sim.core import indexes
from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import TEXT, Block, Fixed
from hsm_sim.core.commands.keyfields import KeyField
from hsm_sim.core.commands.keys_layout import KCV
from hsm_sim.core.commands.keys_opening import check_value
from hsm_sim.core.commands.row import OWN, Command
from hsm_sim.core.errors import BAD_DATA, BAD_INDEX, WRONG_ALGORITHM, WRONG_MODE, WRONG_USAGE, HsmError
from hsm_sim.core.keys.key import Key
from hsm_sim.core.roles import NETWORK, OPEN
from hsm_sim.core.slots import KEYS_TABLE

LISTED_MAX: Final = 500
"""Keys in one answer of ZO."""

_OWN_ROLES: Final = NETWORK - {OPEN}
_OWN_FAMILY: Final = "F"
"""The ceremony alone fills it."""
_KEPT: Final = frozenset((indexes.FINGERPRINT, indexes.DATA))
"""Places whose key protects stored rows: with another key there, those rows would be lost."""

_HEX: Final = frozenset("0123456789ABCDEF")


def _is_place(place: str) -> bool:
    return place[0] == "K" and _HEX.issuperset(place[1:])


def _place(call: Call) -> Reply:
    place, replace, field = call.text("place"), call.text("replace"), call.text("key")
    if not _is_place(place):
        raise HsmError(BAD_INDEX)
    if replace not in "01":
        raise HsmError(BAD_DATA)
    key = call.slot.key(field) if field[0] == "K" else call.lmk.read(field, ())
    held = call.slot.keys.get(place)
    if held is None:
        if place[1] == _OWN_FAMILY:
            raise HsmError(BAD_INDEX)
    else:
        if replace == "0" or place in _KEPT:
            raise HsmError(BAD_INDEX)
        _check_same_purpose(held, key)
    row = call.slot.place(place, key, call.slot.neighbours.get(place, ""), call.entropy)
    call.turn.store(KEYS_TABLE, row)
    return {"kcv": check_value(call, key)}


def _check_same_purpose(held: Key, key: Key) -> None:
    """Refuse a key that could not do what users of the place expect."""
    if key.header.usage != held.header.usage:
        raise HsmError(WRONG_USAGE)
    if key.header.algorithm != held.header.algorithm:
        raise HsmError(WRONG_ALGORITHM)
    if key.header.mode != held.header.mode:
        raise HsmError(WRONG_MODE)


def _list(call: Call) -> Reply:
    start = call.text("start")
    if not _is_place(start):
        raise HsmError(BAD_INDEX)
    places = sorted(place for place in call.slot.keys if place >= start)[:LISTED_MAX]
    return {"keys": "\n".join([_line(call, place) for place in places]).encode("utf-8")}


def _line(call: Call, place: str) -> str:
    key = call.slot.keys[place]
    header, kcv = key.header, key.check_value(6, call.policy.aes_check_ecb)
    said = (header.usage, header.algorithm, header.mode, header.version, header.exportability)
    return " ".join((place, *said, str(key.length), kcv, call.slot.neighbours.get(place, "")))


ROWS: Final = (
    Command(
        "ZM",
        "put a key into the party's table: at a free place of the families 0 to E, or with `replace` 1 at a place "
        "whose key is for the same purpose",
        _place,
        (Fixed("place", 4, TEXT), Fixed("replace", 1), KeyField("key", None)),
        (KCV,),
        _OWN_ROLES,
        is_audited=True,
        source=OWN,
    ),
    Command(
        "ZO",
        f"list the party's table from a place on, at most {LISTED_MAX} keys: a line per key with place, usage, "
        "algorithm, mode, version, exportability, bytes, check value and the party that shares it",
        _list,
        (Fixed("start", 4, TEXT),),
        (Block("keys"),),
        _OWN_ROLES,
        source=OWN,
    ),
)
