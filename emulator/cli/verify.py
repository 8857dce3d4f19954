"""`cardrails verify`: whether the right messages crossed the links of a running house. Exit 0 if they did."""

from __future__ import annotations

import argparse
import json
from typing import Any

from emulator.cli.trace import trail_lines
from emulator.running import add_house, control_of
from gateway.core.trail import Trail
from iso.errors import ConfigError
from node.core.verify import VerifyError, parse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("assertion", help='such as: exactly 1 on switch/issuer-a out where mti == "0420" within 5s')
    since = parser.add_mutually_exclusive_group()
    since.add_argument("--after", type=int, default=0, metavar="SEQUENCE", help="only messages after this one count")
    since.add_argument("--new", action="store_true", help="only messages from now on count")
    parser.add_argument("--json", action="store_true")
    add_house(parser)


def run(arguments: argparse.Namespace) -> int:
    """Judge; 0 if it holds, 1 if not."""
    try:
        assertion = parse(arguments.assertion)
    except VerifyError as error:
        problem = str(error)
    else:
        with control_of(arguments.ready_file) as client:
            after = arguments.after
            if arguments.new:
                after = client.wait_messages(assertion.node, 0, limit=0)[1]
            verdict = client.verify(assertion.node, assertion.source, after=after, wait_s=assertion.within_s)
        print(json.dumps(verdict) if arguments.json else "\n".join(_lines(verdict)))
        return 0 if verdict["holds"] else 1
    raise ConfigError("command line", "assertion", arguments.assertion[:60], problem)


def _lines(verdict: dict[str, Any]) -> list[str]:
    word = "holds" if verdict["holds"] else "does not hold"
    lines = [f"{word}: {verdict['count']} seen, {verdict['expected']} expected; after {verdict['waited_s']:.2f} s"]
    return lines + trail_lines(Trail(verdict["messages"], []), with_bytes=False)
