"""`cardrails clock`: the business time of every node of a running house, and all of them moved forward together.

Only business time moves: holds expire, days are cut over. What waits for an answer goes on waiting as long as before.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.running import add_house, control_of
from iso.errors import ConfigError
from node.calendar_settings import read_calendar
from node.house_clock import advance, amount_of, look

SHOW, ADVANCE = "show", "advance"
_DAY_S = 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=(SHOW, ADVANCE), nargs="?", default=SHOW)
    parser.add_argument(
        "by", nargs="?", metavar="AMOUNT", help="for advance: 90s, 30m, 36h, 1d, 2w, 2bd (business days)"
    )
    parser.add_argument("--holidays", type=Path, metavar="FILE", help="days without business (default: TARGET's)")
    parser.add_argument("--json", action="store_true")
    add_house(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show or advance; 1 if a node did not answer: it keeps its old time until the next `advance`."""
    if (arguments.action == ADVANCE) is not (arguments.by is not None):
        raise ConfigError("command line", "AMOUNT", arguments.by, "advance takes one, such as 36h or 2bd")
    by = None if arguments.by is None else _amount(arguments.by)
    calendar = read_calendar(arguments.holidays)
    with control_of(arguments.ready_file) as client:
        clocks = look(client)
        if by is not None and clocks.shown:
            clocks = advance(client, clocks, by, calendar)
    if arguments.json:
        print(json.dumps({"nodes": clocks.shown, "silent": list(clocks.silent)}))
    else:
        print("\n".join(_lines(clocks.shown)))
    for node, reason in clocks.silent.items():
        print(f"{reason}\n{node} did not answer: its clock stays as it is until the next advance", file=sys.stderr)
    return 1 if clocks.silent else 0


def _amount(text: str) -> tuple[int, str]:
    by = amount_of(text)
    if by is None:
        raise ConfigError("command line", "AMOUNT", text, "must be a time such as 90s, 30m, 36h, 1d, 2w or 2bd")
    return by


def _lines(shown: Mapping[str, Mapping[str, Any]]) -> list[str]:
    width = max((len(node) for node in shown), default=0)
    return [
        f"{node:<{width}}  {clock['now'][:19]}Z  {_ahead(float(clock['offset_s'])):>18}  version {clock['version']}"
        for node, clock in shown.items()
    ] or ["no node answers"]


def _ahead(offset_s: float) -> str:
    days, seconds = divmod(round(offset_s), _DAY_S)
    return f"+{days}d {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
