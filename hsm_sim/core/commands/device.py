"""Commands about the device itself: diagnostics, status, echo, random bytes, delay."""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import HEX, TEXT, Block, Fixed, Rest
from hsm_sim.core.commands.groups import When
from hsm_sim.core.commands.row import Command
from hsm_sim.core.errors import BAD_DATA, BAD_LENGTH, HsmError
from hsm_sim.core.roles import EVERYBODY

FIRMWARE: Final = "0007-E000"
_BUFFER_32K: Final = "3"
_TCP: Final = "1"
_SOCKETS: Final = "64"
_STATUS: Final = "00"
_PCI: Final = "01"
RANDOM_MAX_BYTES: Final = 256


def _diagnostics(call: Call) -> Reply:
    return {"lmk_check": call.policy.check_value or call.lmk.check, "firmware": FIRMWARE}


def _status(call: Call) -> Reply:
    if call.text("mode") == _STATUS:
        return {
            "mode": _STATUS,
            "buffer": _BUFFER_32K,
            "network": _TCP,
            "sockets": _SOCKETS,
            "firmware": FIRMWARE,
            "reserved": "0",
            "more": "0000",
        }
    if call.text("mode") != _PCI:
        raise HsmError(BAD_DATA)
    return {"mode": _PCI, "pci": "1" if call.policy.pci_pin else "0"}


def _echo(call: Call) -> Reply:
    return {"data": call.data()}


def _random(call: Call) -> Reply:
    length = call.number("length")
    if not 1 <= length <= RANDOM_MAX_BYTES:
        raise HsmError(BAD_LENGTH)
    return {"data": call.entropy(length)}


def _delay(call: Call) -> Reply:
    call.delay_s = call.number("milliseconds") / 1000
    return {}


ROWS: Final = (
    Command(
        "NC",
        "diagnostics: check value of the LMK and the firmware number",
        _diagnostics,
        (),
        (Fixed("lmk_check", 16, HEX), Fixed("firmware", 9, TEXT)),
        EVERYBODY,
    ),
    Command(
        "NO",
        "status: mode 00 buffers and sockets, mode 01 whether the PCI settings are on",
        _status,
        (Fixed("mode", 2),),
        (
            When(
                lambda values: values["mode"] == _STATUS,
                "mode 00",
                Fixed("buffer", 1),
                Fixed("network", 1),
                Fixed("sockets", 2),
                Fixed("firmware", 9, TEXT),
                Fixed("reserved", 1),
                Fixed("more", 4, TEXT),
            ),
            When(lambda values: values["mode"] == _PCI, "mode 01", Fixed("pci", 1)),
        ),
        EVERYBODY,
    ),
    Command("B2", "echo", _echo, (Block("data"),), (Rest("data"),), EVERYBODY),
    Command(
        "N0",
        f"random bytes, 1 to {RANDOM_MAX_BYTES}",
        _random,
        (Fixed("length", 3),),
        (Rest("data"),),
        EVERYBODY,
    ),
    Command(
        "LG",
        "delay: the answer leaves so many milliseconds later; later answers of the connection wait behind it",
        _delay,
        (Fixed("milliseconds", 3),),
        (),
        EVERYBODY,
    ),
)
