"""Where a terminal of the command line comes from: its acquirer, its keys, and its place in the acquirer's directory.

At a running house a new terminal is enrolled at first use: the acquirer gets its row over the control port, and its
keys come from the acquirer's HSM as a key custodian would bring them. At a foreign host the terminal has the published
test keys, and whoever runs the host has to know it.
"""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from emulator.chip.line import Where
from emulator.chip.loading import load_terminal
from emulator.chip.parties import HOUSE_ISSUERS, house_network, published_network
from emulator.chip.terminal import PinKey
from emulator.chip.till import Till
from emulator.chip.till_file import Kept, read_till
from emulator.house import DEFAULT_DATA_DIR, READY_FILE, read_ready
from emulator.running import control_of
from iso import ConfigError, dialect
from node.bank_client import BankClient
from node.clock import system_entropy

ACQUIRER: Final = "acquirer"
FOLDER: Final = "terminals"
DEFAULT_DIALECT: Final = "pos-bcd87"
TERMINALS: Final = {PinKey.TPK: "CARDTPK1", PinKey.DUKPT: "CARDDKT1", PinKey.DUKPT_AES: "CARDAES1"}
"""DE 41 of a terminal that is given none: one for each kind of PIN key, since a terminal has one kind."""
ROW_KINDS: Final = {PinKey.TPK: "tpk", PinKey.DUKPT: "dukpt-tdes", PinKey.DUKPT_AES: "dukpt-aes"}
"""What the acquirer's directory calls them."""
_SERIAL: Final = "CARDRAIL"
_COUNTRY: Final = "840"
_DEVICE_BYTES: Final = 8


def where_of(arguments: Namespace) -> Where:
    """Return the acquirer that the command line names, or that of the running house.

    Raises
    ------
    ConfigError
        Neither is there.
    """
    if arguments.host is not None:
        if arguments.port is None:
            raise ConfigError("command line", "--port", None, "must be the acquirer's port, with --host")
        spoken = dialect(arguments.dialect or DEFAULT_DIALECT)
        return Where(f"tcp://{arguments.host}:{arguments.port}", spoken, arguments.sign_on, arguments.timeout)
    ready = _house(arguments)
    node = ready["nodes"].get(ACQUIRER)
    if node is None:
        raise ConfigError("command line", "--ready-file", None, "must be of a house that runs an acquirer")
    spoken = dialect(arguments.dialect or node["dialect"])
    return Where(f"tcp://{node['host']}:{node['port']}", spoken, arguments.sign_on, arguments.timeout)


def till_of(arguments: Namespace, at: datetime) -> Kept:
    """Return the terminal of the command line; a new one is enrolled.

    Raises
    ------
    ConfigError
        Its file is wrong or of another terminal, or it has to be told apart and is not.
    """
    pin_key = PinKey(arguments.pin_key)
    identifier = arguments.terminal or TERMINALS[pin_key]
    path = arguments.file or _folder(arguments) / f"{identifier}.json"
    kept = read_till(path)
    if kept is None:
        kept = _enrolled(arguments, path, identifier, pin_key, at)
        kept.write()
    elif arguments.terminal not in (None, kept.till.identifier):
        raise ConfigError(path, "--terminal", identifier, f"must be {kept.till.identifier}, whose file it is")
    elif kept.pin_key is not pin_key and arguments.pin is not None:
        known = kept.pin_key.value if kept.pin_key is not None else "none"
        raise ConfigError(path, "--pin-key", pin_key.value, f"must be {known}: a terminal has one kind of PIN key")
    return kept


def _enrolled(arguments: Namespace, path: Path, identifier: str, pin_key: PinKey, at: datetime) -> Kept:
    if arguments.host is not None:
        if arguments.merchant is None:
            raise ConfigError("command line", "--merchant", None, "must be DE 42, as the acquirer at --host knows it")
        acquirer, folder, merchant = published_network(at, system_entropy).acquirer, "", arguments.merchant
    else:
        folder = str(_data_dir(arguments).resolve())
        acquirer = house_network(Path(folder), HOUSE_ISSUERS[0], at, system_entropy).acquirer
        merchant = _registered(arguments, identifier, ROW_KINDS[pin_key])
    device = load_terminal(acquirer, _SERIAL, _COUNTRY, system_entropy(_DEVICE_BYTES).hex().upper(), system_entropy)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = error.strerror
    else:
        return Kept(path, Till(identifier, merchant), device, pin_key, folder)
    raise ConfigError("command line", "--file", str(path), f"must be in a folder that can be made: {problem}")


def _registered(arguments: Namespace, identifier: str, kind: str) -> str:
    """Give the acquirer's directory the terminal, if it has none of this name; return the merchant it belongs to."""
    with control_of(arguments.ready_file) as control:
        bank = BankClient(control)
        merchant = arguments.merchant or next(_name_of(row) for row in bank.merchants(ACQUIRER, limit=1))
        known = {str(row["terminal"]): row for row in bank.merchant(ACQUIRER, merchant)["terminals"]}
        if identifier not in known:
            bank.add_terminal(ACQUIRER, merchant, identifier, pin_key=kind)
        elif known[identifier].get("pin_key", kind) != kind:
            rule = f"must fit the acquirer's row of {identifier}, which says {known[identifier]['pin_key']}"
            raise ConfigError("command line", "--pin-key", arguments.pin_key, rule)
    return str(merchant)


def _name_of(row: dict[str, Any]) -> str:
    return str(row["merchant"])


def _folder(arguments: Namespace) -> Path:
    return Path() if arguments.host is not None else _data_dir(arguments) / FOLDER


def _data_dir(arguments: Namespace) -> Path:
    ready = _house(arguments)
    return Path(ready.get("data_dir", DEFAULT_DATA_DIR))


def _house(arguments: Namespace) -> dict[str, Any]:
    ready = read_ready(arguments.ready_file)
    if ready is None:
        rule = "must be of a running house (none is running here: `cardrails up`), or name an acquirer with --host"
        raise ConfigError("command line", "--ready-file", str(DEFAULT_DATA_DIR / READY_FILE), rule)
    return ready
