"""The business time of a whole house: read at every node, and moved forward at all of them together.

Every node is given the same offset and version, so that one that stayed behind comes along at the next move.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from iso.business_days import Calendar
from node.control_client import ControlClient, ControlError

AMOUNT = r"^([0-9]{1,6})(bd|[smhdw])$"
"""90s, 30m, 36h, 1d, 2w, 2bd (business days)."""
BUSINESS_DAYS = "bd"
BUSINESS_DAYS_MAX = 2_600
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Clocks(NamedTuple):
    """What the nodes of a house say: the clock of each that answers, and of the others why not."""

    shown: dict[str, dict[str, Any]]
    silent: dict[str, str]


def look(client: ControlClient) -> Clocks:
    """Read every node's clock."""
    clocks = Clocks({}, {})
    for node in client.nodes:
        try:
            clocks.shown[node] = client.clock(node)
        except ControlError as error:
            clocks.silent[node] = str(error)
    return clocks


def advance(client: ControlClient, clocks: Clocks, by: tuple[int, str], calendar: Calendar) -> Clocks:
    """Move every node that answered on, from the clock that is furthest.

    Parameters
    ----------
    clocks
        As `look` found them; at least one node answered.
    by
        As `amount_of` gives it.
    """
    furthest = max(clocks.shown.values(), key=lambda clock: float(clock["offset_s"]))
    version = max(int(clock["version"]) for clock in clocks.shown.values()) + 1
    distance = moved(datetime.fromisoformat(furthest["now"]), by, calendar)
    offset_s = float(furthest["offset_s"]) + distance.total_seconds()
    after = Clocks({}, dict(clocks.silent))
    for node in clocks.shown:
        try:
            after.shown[node] = client.agree(node, offset_s, version)
        except ControlError as error:
            after.silent[node] = str(error)
    return after


def amount_of(text: str) -> tuple[int, str] | None:
    """Read how far to go on: a number and a unit; None if it is neither or too far.

    Examples
    --------
    >>> amount_of("36h"), amount_of("2bd"), amount_of("tomorrow")
    ((36, 'h'), (2, 'bd'), None)
    """
    found = re.fullmatch(AMOUNT, text, re.ASCII)
    if found is None or (found[2] == BUSINESS_DAYS and int(found[1]) > BUSINESS_DAYS_MAX):
        return None
    return int(found[1]), found[2]


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
    if unit != BUSINESS_DAYS:
        return timedelta(**{_UNITS[unit]: count})
    day = now.astimezone(UTC).date()
    return calendar.after(day, count) - day if count else timedelta(0)
