"""`cardrails keys enter`: a clear test key put into a party's key table, as officers enter a key of a new neighbour.

The key is wrapped under the party's LMK by the custodian's engine, in this process; only the key block travels to the
running HSM. It needs the house's folder: whoever holds that holds the officers' smart cards.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from emulator.chip.parties import HOUSE_PARTIES
from emulator.house import DEFAULT_DATA_DIR
from emulator.hsm.hosts import add_host, chosen_host
from hsm_sim.core.errors import OK, HsmError
from hsm_sim.core.keys.header import Header
from hsm_sim.offline import custodian_hsm
from hsm_sim.requests.keys import PlaceKey
from iso import ConfigError
from node.clock import system_entropy, wall_clock

_PURPOSES = {
    "zmk": (Header("K1", "A", "B"), 32),
    "mac": (Header("M6", "A", "C", exportability="E"), 16),
    "mac-retail": (Header("M3", "T", "C", exportability="E"), 16),
    "pin": (Header("P0", "T", "B", exportability="E"), 16),
    "pin-aes": (Header("P0", "A", "B", exportability="E"), 16),
}


def add_deeds(deeds: Any) -> None:
    """Declare the deed `enter` of a command."""
    enter = deeds.add_parser("enter", help="put a clear test key into a party's table, in the place of another one")
    enter.add_argument("--kind", required=True, choices=tuple(_PURPOSES), help="of the key")
    enter.add_argument("--place", required=True, metavar="PLACE", help="K and three hexadecimal digits")
    enter.add_argument(
        "--clear", required=True, type=Path, metavar="FILE", help="the key in hexadecimal; test keys only"
    )
    enter.add_argument(
        "--data-dir", type=Path, default=DEFAULT_DATA_DIR, help=f"of the running house (default: {DEFAULT_DATA_DIR})"
    )
    add_host(enter)
    enter.add_argument("--json", action="store_true")
    enter.set_defaults(act=_enter)


def _enter(arguments: argparse.Namespace) -> int:
    names = [party.name for party in HOUSE_PARTIES]
    if arguments.party not in names:
        raise ConfigError("command line", "--party", arguments.party, f"must be one of {', '.join(names)}")
    header, length = _PURPOSES[arguments.kind]
    material = _read(arguments.clear, length)
    custodian = custodian_hsm(arguments.data_dir, HOUSE_PARTIES, wall_clock(), system_entropy)
    request = PlaceKey(arguments.place.upper(), custodian.enter(arguments.party, header, material), replace=True)
    host = chosen_host(arguments)
    answer = request.parse(host.exchange(request.encode()))
    if answer.code != OK:
        raise HsmError(answer.code)
    if arguments.json:
        print(json.dumps({"answered_by": host.label, "place": request.place, "kcv": answer.kcv}))
    else:
        print(f"{request.place}  check value {answer.kcv}\nanswered by {host.label}")
    return 0


def _read(file: Path, length: int) -> bytes:
    try:
        material = bytes.fromhex(file.read_text("ascii"))
    except (OSError, ValueError):
        material = b""
    if len(material) == length:
        return material
    raise ConfigError("command line", "--clear", str(file), f"a file with {2 * length} hexadecimal digits")
