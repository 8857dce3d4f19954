"""What the control port may show of the switch: plain values, and no card number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iso.pan import mask_pan
from node.core.link import LinkMachine
from node.core.saf import SafEntry, SafMachine
from switch.core.legs import LegBook
from switch.core.routing import is_token


def summary(
    links: Mapping[str, LinkMachine], legs: LegBook, saf: SafMachine, *, searches: int, tombstones: int
) -> dict[str, Any]:
    """Return links, legs by state, running searches, tombstones and waiting SAF entries, JSON-able."""
    return {
        "links": {
            name: {"up": link.is_up, "in_flight": link.in_flight, **link.counters} for name, link in links.items()
        },
        "legs": {**legs.counts(), "in flight": legs.in_flight},
        "searches": searches,
        "tombstones": tombstones,
        "saf": [_entry(entry) for entry in saf.entries.values()],
    }


def _entry(entry: SafEntry) -> dict[str, Any]:
    return {
        "identifier": entry.identifier,
        "link": entry.link,
        "card": mask_pan(entry.card) if is_token(entry.card) else "sealed",
        "state": entry.state,
        "attempts": entry.attempts,
        "stored_at": entry.stored_at,
    }
