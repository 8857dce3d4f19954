"""`cardrails faults`: provoke faults on the links of a running house, see what is armed and what struck."""

from __future__ import annotations

import argparse
import json
from typing import Any

from emulator.running import add_house, answering, control_of
from iso.errors import ConfigError
from iso.masks import mask_text
from node.core.faults import ACTIONS, Fault

_DEFAULTS = {**Fault._field_defaults, "link": "", "mti": ""}
_ADD = """\
KEY=VALUE: direction=in|out and action, and then whatever says more: mti, match, nth, probability, seed, times, delay_s,
delay_max_s, sigma, in_order, keep, behind, copies, value. The keys are those of [[faults]] in a topology, and those of
[[nodes.hsm.faults]] for the HSM. A value that begins with [ is a JSON list."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    adding = verbs.add_parser("add", help="arm a fault", description=_ADD, epilog=f"actions: {', '.join(ACTIONS)}")
    adding.add_argument("place", metavar="NODE[/LINK]", help="such as switch/issuer-a; without a link: on every link")
    adding.add_argument("keys", nargs="+", metavar="KEY=VALUE")
    listing = verbs.add_parser("list", help="what is armed, and what struck")
    clearing = verbs.add_parser("clear", help="disarm every fault")
    for verb in (listing, clearing):
        verb.add_argument("node", nargs="?", help="only of this node")
    for verb in (adding, listing, clearing):
        verb.add_argument("--json", action="store_true")
        add_house(verb)


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    wanted = _wanted(arguments.place, arguments.keys) if arguments.verb == "add" else None
    with control_of(arguments.ready_file) as client:
        if wanted is not None:
            node, fault = wanted
            armed = client.provoke(node, fault)
            print(json.dumps(armed) if arguments.json else f"{node}: {_said(armed)}")
            return 0
        nodes = [arguments.node] if arguments.node else answering(client)
        if arguments.verb == "clear":
            for node in nodes:
                client.calm(node)
        faults = {node: {"armed": client.armed(node), "fired": client.struck(node)} for node in nodes}
        print(json.dumps(faults) if arguments.json else _listing(faults))
    return 0


def _wanted(place: str, keys: list[str]) -> tuple[str, dict[str, Any]]:
    node, _, link = place.partition("/")
    fault: dict[str, Any] = {"link": link} if link else {}
    for pair in keys:
        key, sign, value = pair.partition("=")
        if not (key and sign):
            raise ConfigError("command line", "KEY=VALUE", mask_text(pair[:60]), "such as action=drop")
        fault[key] = value
        if value.startswith("["):
            try:
                fault[key] = json.loads(value)
            except ValueError:
                fault[key] = None
            if fault[key] is None:
                raise ConfigError("command line", key, mask_text(value[:60]), "a JSON list")
    return node, fault


def _listing(faults: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    lines = []
    for node, found in faults.items():
        lines += [f"{node}: armed: {_said(fault)}" for fault in found["armed"]]
        struck: dict[str, int] = {}
        for fired in found["fired"]:
            said = _said({key: value for key, value in fired.items() if key != "stan"})
            struck[said] = struck.get(said, 0) + 1
        lines += [f"{node}: struck {count} times: {said}" for said, count in struck.items()]
    return "\n".join(lines) or f"nothing is armed, and nothing struck, at {', '.join(faults)}"


def _said(fault: dict[str, Any]) -> str:
    """Say a fault as it would be added, without what says nothing."""
    said = {key: value for key, value in fault.items() if key not in _DEFAULTS or value != _DEFAULTS[key]}
    return " ".join(f"{key}={json.dumps(value) if isinstance(value, list) else value}" for key, value in said.items())
