"""MACs under the keys of terminals: GW, with TDES or AES DUKPT."""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import HEX, Block, Choice, Digits, Fixed, Values
from hsm_sim.core.commands.groups import When
from hsm_sim.core.commands.keyfields import BDK_1, BDK_2, KeyField, KeyUse
from hsm_sim.core.commands.ksn import KsnField, aes_key, tdes_key
from hsm_sim.core.commands.row import Command
from hsm_sim.core.crypto import dukpt_aes, dukpt_tdes
from hsm_sim.core.crypto.ciphers import BLOCK, CardKey, pad, same
from hsm_sim.core.crypto.macs import cmac, keyed_cmac, mac_algorithm_3
from hsm_sim.core.errors import ZERO_LENGTH, HsmError
from hsm_sim.core.keys.header import AES
from hsm_sim.core.roles import ACQUIRERS

_TYPE_2: Final = "ABCDEF"
_VERIFIES: Final = frozenset("123ABC")
_PARTS: Final = {
    **dict.fromkeys("14AD", "whole"),
    **dict.fromkeys("25BE", "left"),
    **dict.fromkeys("36CF", "right"),
}


def _use(values: Values) -> KeyUse:
    return BDK_2 if str(values["mode"]) in _TYPE_2 else BDK_1


def _verifies(values: Values) -> bool:
    return values["mode"] in _VERIFIES


def _digits(values: Values) -> int:
    return 16 if _PARTS[str(values["mode"])] == "whole" else 8


def _mac(call: Call) -> str:
    """Return the MAC that the mode asks for: 16H, or its left or right 8H."""
    mode, data = call.text("mode"), call.data()
    if not data:
        raise HsmError(ZERO_LENGTH)
    # A type 1 base key has one MAC key for both directions; with type 2 the answers to the terminal have their own.
    is_answer = mode in _TYPE_2 and mode not in _VERIFIES
    bdk, serial = call.key("bdk"), call.text("ksn")
    if bdk.header.algorithm == AES:
        usage = dukpt_aes.MAC_VERIFICATION if is_answer else dukpt_aes.MAC_GENERATION
        mac = cmac(keyed_cmac(aes_key(bdk, serial, usage)), data)[:BLOCK]
    else:
        purpose = dukpt_tdes.MAC_RESPONSE if is_answer else dukpt_tdes.MAC_REQUEST
        mac = mac_algorithm_3(CardKey(tdes_key(bdk, serial, purpose)), pad(data, "1"))
    text, part = mac.hex().upper(), _PARTS[mode]
    return text if part == "whole" else text[:8] if part == "left" else text[8:]


def _perform(call: Call) -> Reply:
    mac = _mac(call)
    if call.text("mode") in _VERIFIES:
        return {} if same(mac, call.text("mac")) else None
    return {"mode": call.text("mode"), "mac": mac}


ROWS: Final = (
    Command(
        "GW",
        "MAC under a terminal's DUKPT key: 1 to 3 verify 8 bytes, the left 4, the right 4; 4 to 6 generate the same; "
        "A to F the same with a type 2 base key. Data are padded with zeros. 01 = it does not match",
        _perform,
        (
            Choice("mode", "123456ABCDEF"),
            Choice("method", "1"),
            KeyField("bdk", _use),
            Fixed("ksn_descriptor", 3, HEX),
            KsnField(),
            When(_verifies, "modes 1 to 3 and A to C", Digits("mac", _digits, HEX)),
            Block("data", digits=4, base=10),
        ),
        (When(lambda values: not _verifies(values), "modes 4 to 6 and D to F", Digits("mac", _digits, HEX)),),
        ACQUIRERS,
        source="layout and modes 1 and 4 from captures of an open codec; type 2 keys, 4 byte MACs and AES (CMAC) are "
        "our reading",
    ),
)
