"""A terminal gets its keys: under a terminal master key, from the acquirer's HSM, as a real one does.

The master key is entered at both ends (in real life by officers, with components). Under it the HSM exports the
terminal PIN key, and for DUKPT the device's initial keys; the base keys never leave the HSM.
"""

from __future__ import annotations

from typing import Final

from emulator.chip.parties import Acquirer
from emulator.chip.terminal import Terminal
from hsm_sim.core.commands.fields import Value
from hsm_sim.core.errors import OK, HsmError
from hsm_sim.core.keys.header import AES, Entropy, Header
from hsm_sim.core.keys.tr31 import Protection
from hsm_sim.requests.generic import HostCommand

_MASTER: Final = Header("K0", AES, "B", exportability="N")
_MASTER_LENGTH: Final = 16
_DEVICE_DIGITS: Final = 15
_AES_DEVICE_DIGITS: Final = 16
_COUNTER_DIGITS: Final = 5
_AES_COUNTER_BYTES: Final = 4


def load_terminal(acquirer: Acquirer, serial: str, country: str, device: str, entropy: Entropy) -> Terminal:
    """Return a terminal with keys of its own.

    Parameters
    ----------
    acquirer
        Whose terminal it is.
    serial
        str[8].
    country
        Numeric ISO 3166, str[3].
    device
        str[16] hex: the initial key id of AES DUKPT. TDES DUKPT has 59 bits for it: the first 15 digits, of which the
        last one is made even.

    Raises
    ------
    HsmError
        The acquirer's HSM refused.
    """
    master = entropy(_MASTER_LENGTH)
    field = acquirer.desk.enter(_MASTER, master)
    tdes_device = device[: _DEVICE_DIGITS - 1] + f"{int(device[_DEVICE_DIGITS - 1], 16) & 0xE:X}"
    export: dict[str, Value] = {"key_type": "FFF", "zmk_flag": "1", "zmk": field, "zmk_scheme": "R"}
    tpk = _asked(acquirer, "A8", {**export, "key": acquirer.tpk, "atalla": "", "export": "N"})
    initial = _asked(acquirer, "A0", {**export, **_initial(acquirer.bdk, tdes_device, "T2")})
    aes_initial = _asked(acquirer, "A0", {**export, **_initial(acquirer.bdk_aes, device, "A1")})
    box = Protection(master)
    return Terminal(
        serial,
        country,
        tpk=box.unwrap(tpk[1:]).material,
        initial_key=box.unwrap(initial[1:]).material,
        ksn=bytes.fromhex(tdes_device + "0" * _COUNTER_DIGITS),
        aes_initial_key=box.unwrap(aes_initial[1:]).material,
        aes_ksn=bytes.fromhex(device) + bytes(_AES_COUNTER_BYTES),
    )


def _initial(bdk: str, device: str, algorithm: str) -> dict[str, Value]:
    return {
        "mode": "B",
        "scheme": "S",
        "derive_mode": "0",
        "bdk_type": "1",
        "bdk": bdk,
        "device": device,
        "usage": "B1",
        "algorithm": algorithm,
        "key_mode": "X",
        "key_version": "00",
        "exportability": "E",
        "optional_blocks": "00",
    }


def _asked(acquirer: Acquirer, command: str, values: dict[str, Value]) -> str:
    answer = acquirer.desk.ask(HostCommand(command, values))
    if answer.code != OK:
        raise HsmError(answer.code)
    return str(answer.values["zmk_key"])
