"""`cardrails route`: where a card number goes and why, the routes in force, and others in their place."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from emulator.house import read_ready
from emulator.running import add_house, control_of
from emulator.switching import switch_config
from emulator.topology import read_topology
from iso.errors import CardrailsError, ConfigError
from switch.config import SwitchConfig
from switch.core.route_explain import explain
from switch.route_settings import question_of

SHOW, RELOAD = "show", "reload"
_ASKED = ("mti", "processing_code", "mcc", "currency", "amount", "member")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "what", metavar="PAN|show|reload", help="a card number or its first digits; or: show the table, or load another"
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="for reload: the topology with the routes")
    parser.add_argument("--mti", help="of the request (default: 0100)")
    parser.add_argument("--processing-code", metavar="DE3", help="default: 000000")
    parser.add_argument("--mcc", metavar="DE18")
    parser.add_argument("--currency", metavar="DE49", help="either code")
    parser.add_argument("--amount", type=int, metavar="MINOR", help="in minor units")
    parser.add_argument("--member", metavar="LINK", help="link of the acquirer (default: acquirer)")
    parser.add_argument("--topology", type=Path, metavar="FILE", help="of a house that need not run")
    parser.add_argument("--offline", action="store_true", help="of the default house, even if a house is running")
    parser.add_argument(
        "--down",
        action="append",
        default=[],
        metavar="LINK",
        help="offline: as if this link were down; may be repeated",
    )
    parser.add_argument("--json", action="store_true")
    add_house(parser)


def run(arguments: argparse.Namespace) -> int:
    """Explain, show or reload; 1 if the card goes nowhere."""
    if arguments.what == RELOAD:
        return _reload(arguments)
    if arguments.file is not None:
        raise ConfigError("command line", "FILE", str(arguments.file), "belongs to reload")
    if arguments.what == SHOW:
        shown = _shown(arguments)
        print(json.dumps(shown) if arguments.json else "\n".join(_table_lines(shown)))
        return 0
    told = _explained(arguments)
    print(json.dumps(told) if arguments.json else "\n".join(_lines(told)))
    return 0 if told["link"] else 1


def _is_offline(arguments: argparse.Namespace) -> bool:
    if arguments.topology is not None or arguments.offline:
        return True
    if arguments.ready_file is not None or read_ready(None) is not None:
        if arguments.down:
            raise ConfigError("command line", "--down", arguments.down[0], "only offline: a running switch knows it")
        return False
    return True


def _config(file: Path | None) -> SwitchConfig:
    return switch_config(read_topology(file), file=str(file or "topology.toml (default)"))


def _explained(arguments: argparse.Namespace) -> dict[str, Any]:
    asked = {name: value for name in _ASKED if (value := getattr(arguments, name)) is not None}
    asked["pan"] = arguments.what
    question = question_of(asked, "command line")
    if not _is_offline(arguments):
        with control_of(arguments.ready_file) as client:
            return {**client.explain_route(asked), "offline": False}
    config = _config(arguments.topology)
    _check("--member", question.member, [member.name for member in config.acquirers])
    for link in arguments.down:
        _check("--down", link, [issuer.name for issuer in config.issuers])
    down = frozenset(arguments.down)
    told = explain(
        config.route_table(), question.pan, question.message(), question.member, lambda link: link not in down
    )
    return {**told.view(), "offline": True}


def _check(option: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise ConfigError("command line", option, name, f"must be one of {', '.join(known)}")


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [f"{told['pan']}" + (" (offline: links count as up)" if told["offline"] else "")]
    lines += [f"  {step['text']}" for step in told["steps"]]
    if told["link"]:
        return [*lines, f"to {told['link']}"]
    why = "nobody's card" if told["route"] is None else "none of its links is up, and unless stand-in decides"
    return [*lines, f"to nobody: {why}: DE 39 = {told['code']}"]


def _shown(arguments: argparse.Namespace) -> dict[str, Any]:
    if not _is_offline(arguments):
        with control_of(arguments.ready_file) as client:
            return client.routes()
    config = _config(arguments.topology)
    return config.route_table().view()


def _table_lines(shown: dict[str, Any]) -> list[str]:
    lines = [f"version {shown['version']}"] if "version" in shown else []
    for route in shown["routes"]:
        conditions = [", ".join(route["prefixes"])] if route["prefixes"] else []
        conditions += [f"from {', '.join(route['members'])}"] if route["members"] else []
        conditions += [] if route["on_us"] is None else ["on-us" if route["on_us"] else "not on-us"]
        conditions += [route["when"]] if route["when"] else []
        state = "" if route["enabled"] else "  (disabled)"
        lines.append(f"{route['name']}: {'; '.join(conditions)} -> {route['to']}{state}")
    lines += [f"group {group['name']}: {group['choose']} of {', '.join(group['links'])}" for group in shown["groups"]]
    return lines + [f"link {link}: {'up' if up else 'down'}" for link, up in shown.get("links", {}).items()]


def _reload(arguments: argparse.Namespace) -> int:
    if arguments.file is None:
        raise ConfigError("command line", "FILE", "(absent)", "reload takes the topology with the new routes")
    routing = _config(arguments.file).routing()
    with control_of(arguments.ready_file) as client:
        if "switch" not in client.nodes:
            raise CardrailsError("no switch is running here")
        loaded = client.reload_routes(routing.model_dump(mode="json"))
    print(json.dumps(loaded) if arguments.json else f"{loaded['routes']} routes in force, version {loaded['version']}")
    return 0
