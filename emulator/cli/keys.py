"""`cardrails keys`: make, import, export, check and list keys, by the host commands that do it at a real HSM.

Without a word about where, the public test LMKs are meant: the open port of a running house, else an engine in this
process. `--party` asks at a party's own port, under its own LMK.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from emulator.chip.parties import HOUSE_PARTIES
from emulator.cli import key_entry
from emulator.cli.key_exchange import add_exchange
from emulator.hsm import keywork
from emulator.hsm.hosts import EngineHost, Host, add_host, chosen_host
from emulator.hsm.keyring import listing
from emulator.hsm.keywork import Attributes, KeyReport, Purpose, purpose_of
from emulator.running import add_house, control_of
from hsm_sim.core.slots import OPEN_PARTY
from hsm_sim.offline import custodian_hsm
from iso import ConfigError
from node.clock import system_entropy, wall_clock

_ALGORITHMS = ("T2", "T3", "A1", "A2", "A3")
_KEY_HELP = "a key field: U..., S..., R..., a place K..., or @NAME of a published test key (`keys list`)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    make = _deed(deeds, "generate", "make a random key", _generate)
    make.add_argument("--zmk", default="", metavar="KEY", help=f"also under this master key; {_KEY_HELP}")
    make.add_argument("--zmk-scheme", default="", metavar="X", help="its form there (default: as under the LMK)")
    make.add_argument("--algorithm", choices=_ALGORITHMS, default="T2", help="of a key block (default: T2)")
    make.add_argument("--mode", default="", metavar="X", help="of use, of a key block (default: by the usage)")
    make.add_argument("--exportability", choices=("E", "N", "S"), default="E", help="of a key block (default: E)")
    make.add_argument("--components", type=int, metavar="N", help="form it of N clear components; test LMKs only")
    take = _deed(deeds, "import", "take a key in from under a master key", _import)
    take.add_argument("--zmk", required=True, metavar="KEY", help=_KEY_HELP)
    take.add_argument("--key", required=True, metavar="KEY", help="as it came")
    give = _deed(deeds, "export", "give a key out under a master key", _export)
    give.add_argument("--zmk", required=True, metavar="KEY", help=_KEY_HELP)
    give.add_argument("--key", required=True, metavar="KEY", help=_KEY_HELP)
    give.add_argument("--exportability", choices=("E", "N", "S"), default="", help="what the receiver may do with it")
    give.add_argument("--tr31-version", default="", metavar="V", help="A to E (default: the best one)")
    check = _deed(deeds, "kcv", "the check value of a key", _kcv)
    check.add_argument("--key", required=True, metavar="KEY", help=_KEY_HELP)
    check.add_argument("--whole", action="store_true", help="all sixteen digits")
    show = deeds.add_parser("list", help="a party's key table; without one, the published test keys")
    show.add_argument("--data-dir", type=Path, help="read the table of a house that does not run (with --party)")
    add_host(show)
    show.add_argument("--json", action="store_true")
    show.set_defaults(act=_list)
    key_entry.add_deeds(deeds)
    add_exchange(deeds)
    _add_rotate(deeds)


def _add_rotate(deeds: Any) -> None:
    turn = deeds.add_parser("rotate", help="change a key of the token vault while the house runs")
    turn.add_argument(
        "kind",
        nargs="?",
        choices=("card", "fingerprint", "retire-fingerprint"),
        help="what seals card numbers, what makes fingerprints, or: let the former fingerprints go (default: show)",
    )
    turn.add_argument("--json", action="store_true")
    add_house(turn)
    turn.set_defaults(act=_rotate)


def _rotate(arguments: argparse.Namespace) -> int:
    with control_of(arguments.ready_file) as client:
        state = client.vault_rotation("hsm") if arguments.kind is None else client.rotate_vault("hsm", arguments.kind)
    if arguments.json:
        print(json.dumps(state))
        return 0
    card = "still coming over" if state["is_resealing"] else "every card uses it"
    prints = "still coming over" if state["is_fingerprinting"] else "every card has one"
    former = "; the former key still counts" if state["has_former_fingerprints"] else ""
    print(f"card key         version {state['card_version']}  {card}")
    print(f"fingerprint key  version {state['fingerprint_version']}  {prints}{former}")
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1 if the HSM refused."""
    return int(arguments.act(arguments))


def _deed(deeds: Any, name: str, about: str, act: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = deeds.add_parser(name, help=about)
    parser.add_argument(
        "--type", required=True, metavar="TYPE", help="key type of a variant LMK (402), or key block usage (C0)"
    )
    parser.add_argument("--scheme", default="", metavar="X", help="form of the result: U X T Y Z, or S R")
    parser.add_argument("--lmk", default="", metavar="ID", help="LMK identifier (default: 00 for types, 02 for usages)")
    add_host(parser)
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(act=act)
    return parser


def _purpose(arguments: argparse.Namespace) -> Purpose:
    is_open = arguments.party in (None, OPEN_PARTY)
    return purpose_of(arguments.type, arguments.lmk, is_open=is_open)


def _generate(arguments: argparse.Namespace) -> int:
    purpose, host = _purpose(arguments), chosen_host(arguments)
    attributes = Attributes(arguments.algorithm, arguments.mode, arguments.exportability)
    if arguments.components is None:
        made = keywork.generate(host, purpose, arguments.scheme, attributes, arguments.zmk, arguments.zmk_scheme)
        return _show(arguments, host, made)
    if arguments.party not in (None, OPEN_PARTY) or arguments.address is not None:
        raise ConfigError("command line", "--components", arguments.components, "works under the test LMKs only")
    if arguments.zmk:
        raise ConfigError("command line", "--zmk", "given", "cannot go with --components: export the key afterwards")
    return _show(
        arguments,
        host,
        keywork.form(host, purpose, arguments.scheme, attributes, arguments.components, system_entropy),
    )


def _import(arguments: argparse.Namespace) -> int:
    host = chosen_host(arguments)
    made = keywork.import_key(host, _purpose(arguments), arguments.scheme, arguments.zmk, arguments.key)
    return _show(arguments, host, made)


def _export(arguments: argparse.Namespace) -> int:
    host = chosen_host(arguments)
    made = keywork.export_key(
        host,
        _purpose(arguments),
        arguments.scheme,
        arguments.zmk,
        arguments.key,
        arguments.exportability,
        arguments.tr31_version,
    )
    return _show(arguments, host, made)


def _kcv(arguments: argparse.Namespace) -> int:
    host = chosen_host(arguments)
    return _show(
        arguments, host, keywork.check_value(host, _purpose(arguments), arguments.key, is_whole=arguments.whole)
    )


def _show(arguments: argparse.Namespace, host: Host, made: KeyReport) -> int:
    shown = {name: value for name, value in made._asdict().items() if value}
    if arguments.json:
        print(json.dumps({"answered_by": host.label, **shown}))
        return 0
    for number, part in enumerate(made.components, 1):
        print(f"component {number}  {part['clear']}  kcv {part['kcv']}")
    for name, about in (
        ("key", "under the LMK"),
        ("zmk_key", "under the ZMK"),
        ("kcv", "check value"),
        ("warning", "warning"),
    ):
        if shown.get(name):
            print(f"{about.ljust(13)}  {shown[name]}")
    print(f"answered by {host.label}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    if arguments.party in (None, OPEN_PARTY) and arguments.address is None:
        rows = listing()
        if arguments.json:
            print(json.dumps({"published": rows}))
        else:
            lines = [
                f"{row['name']:<8}  {row['usage']}  {row['key_type'] or '-':<3}  {row['kcv']}  "
                f"{row['variant'] or '-':<33}  {row['about']}"
                for row in rows
            ]
            print(
                "\n".join(["name      use type kcv     under the LMK 00                   published test keys", *lines])
            )
        return 0
    host = _table_host(arguments)
    keys = keywork.list_keys(host)
    if arguments.json:
        print(json.dumps({"answered_by": host.label, "keys": [key._asdict() for key in keys]}))
    else:
        for key in keys:
            line = f"{key.place}  {key.usage}  {key.algorithm}{key.length_bytes * 8:<4} {key.mode}  {key.exportability}"
            print(f"{line}  {key.kcv}  {key.neighbour}".rstrip())
        print(f"answered by {host.label}")
    return 0


def _table_host(arguments: argparse.Namespace) -> Host:
    if arguments.data_dir is None:
        return chosen_host(arguments)
    names = [party.name for party in HOUSE_PARTIES]
    if arguments.party not in names:
        raise ConfigError("command line", "--party", arguments.party, f"must be one of {', '.join(names)}")
    hsm = custodian_hsm(arguments.data_dir, HOUSE_PARTIES, wall_clock(), system_entropy)
    return EngineHost(hsm, arguments.party, f"the key tables in {arguments.data_dir}")
