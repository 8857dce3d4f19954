"""Which frames belong to one checkout, in the order in which they crossed the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from iso import IsoError
from iso.private import parse_private

TRACE_TAG = "13"


def hops_of(crossings: Iterable[dict[str, Any]], trace: str) -> list[dict[str, Any]]:
    """Select the frames of one payment.

    Parameters
    ----------
    crossings
        What the control ports of all nodes returned.
    trace
        The trace id. Requests carry it (DE 48, tag 13); a response is joined by link, DE 11 and DE 7.

    Returns
    -------
    list[dict[str, Any]]
        Each frame once, as its sender wrote it, oldest first.
    """
    frames = [crossing for crossing in crossings if "mti" in crossing]
    exchanges = {_exchange(frame) for frame in frames if _trace_of(frame) == trace}
    hops = [frame for frame in frames if frame["direction"] == "out" and _exchange(frame) in exchanges]
    return sorted(hops, key=lambda frame: (frame["at"], frame["sequence"]))


def _exchange(frame: dict[str, Any]) -> tuple[str, ...]:
    fields = frame["fields"]
    return frame["node"], frame["link"], frame["mti"][1], fields.get("11", ""), fields.get("7", "")


def _trace_of(frame: dict[str, Any]) -> str | None:
    try:
        return parse_private(frame["fields"].get("48", "")).get(TRACE_TAG)
    except IsoError:
        return None
