"""`cardrails keys links|exchange`: keys that nodes of a running house share, and changing them over the links."""

from __future__ import annotations

import argparse
import json
from typing import Any

from emulator.running import add_house, answering, control_of
from iso import ConfigError
from node.control_client import ControlClient

KINDS = ("mac", "mac-retail", "pin", "pin-aes")
_DONE = frozenset({"changed", "asked"})
_NETWORK = "network"


def add_exchange(deeds: Any) -> None:
    """Declare the deeds `links` and `exchange` of a command."""
    links = deeds.add_parser("links", help="the keys that nodes of a running house share on their links")
    links.add_argument("--node", help="only of this node")
    links.add_argument("--json", action="store_true")
    add_house(links)
    links.set_defaults(act=_list)
    change = deeds.add_parser("exchange", help="change a key of a link, over the link")
    change.add_argument("--member", required=True, metavar="LINK", help="the switch's link: acquirer, issuer-a, ...")
    change.add_argument("--kind", choices=KINDS, help="of the key (default: every one that is shared)")
    change.add_argument("--ask", action="store_true", help="let the member ask for it, instead of the switch making it")
    change.add_argument("--json", action="store_true")
    add_house(change)
    change.set_defaults(act=_exchange)


def _list(arguments: argparse.Namespace) -> int:
    with control_of(arguments.ready_file) as client:
        nodes = (
            [arguments.node] if arguments.node else [one for one in answering(client) if one not in ("hsm", "gateway")]
        )
        keys = [{"node": node, **key} for node in nodes for key in client.link_keys(node)]
    print(json.dumps({"keys": keys}) if arguments.json else "\n".join(map(_line, keys)))
    return 0


def _line(key: dict[str, Any]) -> str:
    states = [name for name, holds in ((key["coming"], key["coming"]), ("old accepted", key["old_accepted"])) if holds]
    return (
        f"{key['node']}/{key['link']}  {key['kind']}  generation {key['generation']}  {key['kcv'] or '------'}"
        f"  {key['changed_at'][:19] or 'never changed'}  {', '.join(states)}"
    ).rstrip()


def _exchange(arguments: argparse.Namespace) -> int:
    with control_of(arguments.ready_file) as client:
        node, link = (arguments.member, _NETWORK) if arguments.ask else ("switch", arguments.member)
        results = [client.exchange_key(node, link, kind) for kind in _kinds(client, node, link, arguments)]
    if arguments.json:
        print(json.dumps({"exchanged": results}))
    else:
        print("\n".join(_said(result) for result in results))
    return 0 if all(result["outcome"] in _DONE for result in results) else 1


def _kinds(client: ControlClient, node: str, link: str, arguments: argparse.Namespace) -> list[str]:
    if arguments.kind is not None:
        return [arguments.kind]
    kinds = [key["kind"] for key in client.link_keys(node) if key["link"] == link]
    if not kinds:
        raise ConfigError("command line", "--member", arguments.member, "must be a link on which keys are shared")
    return kinds


def _said(result: dict[str, Any]) -> str:
    answered = f", answered {result['code']}" if result["code"] else ""
    key = f"  generation {result['generation']}  {result['kcv']}" if result["kcv"] else ""
    return f"{result['link']}  {result['kind']}: {result['outcome']}{answered}{key}"
