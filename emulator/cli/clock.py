"""`cardrails clock`: the business time of every node of a running house, and all of them moved forward together.

Only business time moves: holds expire, days are cut over. What waits for an answer goes on waiting as long as before.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from emulator.running import add_house, control_of
from iso.business_days import Calendar
from iso.errors import ConfigError
from node.calendar_settings import read_calendar
from node.control_client import ControlClient, ControlError

SHOW, ADVANCE = "show", "advance"
_AMOUNT = re.compile(r"(\d{1,6})(bd|[smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_BUSINESS_DAYS = "bd"
_BUSINESS_DAYS_MAX = 2_600
_DAY_S = 86_400


class Clocks(NamedTuple):
    """What the nodes of a house say: the clock of each that answers, and the names of the others."""

    shown: dict[str, dict[str, Any]]
    silent: list[str]


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
        clocks = _look(client)
        if by is not None and clocks.shown:
            clocks = _advance(client, clocks, by, calendar)
    if arguments.json:
        print(json.dumps({"nodes": clocks.shown, "silent": clocks.silent}))
    else:
        print("\n".join(_lines(clocks.shown)))
    for node in clocks.silent:
        print(f"{node} did not answer: its clock stays as it is until the next advance", file=sys.stderr)
    return 1 if clocks.silent else 0


def moved(now: datetime, by: tuple[int, str], calendar: Calendar) -> timedelta:
    """Return how far business time goes: business days keep the time of day.

    Parameters
    ----------
    now
        Business time, UTC.
    by
        A number, and one of the units s, m, h, d, w, bd.
    """
    count, unit = by
    if unit != _BUSINESS_DAYS:
        return timedelta(**{_UNITS[unit]: count})
    day = now.astimezone(UTC).date()
    return calendar.after(day, count) - day if count else timedelta(0)


def _amount(text: str) -> tuple[int, str]:
    found = _AMOUNT.fullmatch(text)
    if found is None or (found[2] == _BUSINESS_DAYS and int(found[1]) > _BUSINESS_DAYS_MAX):
        raise ConfigError("command line", "AMOUNT", text, "must be a time such as 90s, 30m, 36h, 1d, 2w or 2bd")
    return int(found[1]), found[2]


def _look(client: ControlClient) -> Clocks:
    clocks = Clocks({}, [])
    for node in client.nodes:
        try:
            clocks.shown[node] = client.clock(node)
        except ControlError:
            clocks.silent.append(node)
    return clocks


def _advance(client: ControlClient, clocks: Clocks, by: tuple[int, str], calendar: Calendar) -> Clocks:
    """Give every node the same offset and version, so that one that stayed behind comes along."""
    furthest = max(clocks.shown.values(), key=lambda clock: float(clock["offset_s"]))
    version = max(int(clock["version"]) for clock in clocks.shown.values()) + 1
    distance = moved(datetime.fromisoformat(furthest["now"]), by, calendar)
    offset_s = float(furthest["offset_s"]) + distance.total_seconds()
    after = Clocks({}, list(clocks.silent))
    for node in clocks.shown:
        try:
            after.shown[node] = client.agree(node, offset_s, version)
        except ControlError as error:
            print(error, file=sys.stderr)
            after.silent.append(node)
    return after


def _lines(shown: Mapping[str, Mapping[str, Any]]) -> list[str]:
    width = max((len(node) for node in shown), default=0)
    return [
        f"{node:<{width}}  {clock['now'][:19]}Z  {_ahead(float(clock['offset_s'])):>18}  version {clock['version']}"
        for node, clock in shown.items()
    ] or ["no node answers"]


def _ahead(offset_s: float) -> str:
    days, seconds = divmod(round(offset_s), _DAY_S)
    return f"+{days}d {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
