"""`cardrails saf`: what the nodes of a running house have stored and not yet forwarded; dead letters sent again."""

from __future__ import annotations

import argparse
import json
from typing import Any

from emulator.running import add_house, answering, control_of
from iso.errors import ConfigError
from node.control_client import ControlClient

LIST, RESEND = "list", "resend"
_WITHOUT = frozenset({"hsm"})
"""Nodes that store and forward nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=(LIST, RESEND), nargs="?", default=LIST)
    parser.add_argument("identifier", nargs="?", metavar="ID", help="for resend: of a dead entry")
    parser.add_argument("--all", action="store_true", help="for resend: every dead entry")
    parser.add_argument("--node", help="only of this node; for resend the default is switch")
    parser.add_argument("--state", choices=("waiting", "dead", "all"), default="all", help="for list")
    parser.add_argument("--link", help="for list: only to this link of the node")
    parser.add_argument("--limit", type=int, default=1000, metavar="N", help="for list: of each node (default: 1000)")
    parser.add_argument("--json", action="store_true")
    add_house(parser)


def run(arguments: argparse.Namespace) -> int:
    """List or resend; 1 if there was nothing to resend."""
    if arguments.action == LIST and (arguments.identifier is not None or arguments.all):
        raise ConfigError("command line", "ID", arguments.identifier or "--all", "belongs to resend")
    if arguments.action == RESEND and arguments.all is (arguments.identifier is not None):
        raise ConfigError(
            "command line", "ID", arguments.identifier or "(absent)", "resend takes either an ID or --all"
        )
    with control_of(arguments.ready_file) as client:
        return _list(client, arguments) if arguments.action == LIST else _resend(client, arguments)


def _list(client: ControlClient, arguments: argparse.Namespace) -> int:
    nodes = [arguments.node] if arguments.node else [node for node in answering(client) if node not in _WITHOUT]
    entries = [
        {"node": node, **entry}
        for node in nodes
        for entry in client.saf(node, arguments.state, arguments.link, arguments.limit)
    ]
    print(json.dumps({"entries": entries}) if arguments.json else "\n".join(_lines(entries)))
    return 0


def _lines(entries: list[dict[str, Any]]) -> list[str]:
    if not entries:
        return ["nothing is stored"]
    return [
        f"{entry['state']:<7}  {entry['node']} -> {entry['link']}  {entry['mti']}  STAN {entry['stan']}"
        f"  {entry['attempts']} sent  since {entry['stored_at'][:19]}Z  {entry['identifier']}"
        for entry in entries
    ]


def _resend(client: ControlClient, arguments: argparse.Namespace) -> int:
    resent = client.resend(arguments.node or "switch", arguments.identifier)
    if arguments.json:
        print(json.dumps({"resent": resent}))
    else:
        print("\n".join(f"sent again: {identifier}" for identifier in resent) or "nothing is dead")
    return 0 if resent else 1
