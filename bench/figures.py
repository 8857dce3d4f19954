"""What a benchmark found, and how it is printed."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Figure(NamedTuple):
    """One line of the table.

    Attributes
    ----------
    name
        What was measured.
    value
        With its unit; the median over the rounds where there were several.
    path
        What one unit of it went through.
    peer
        What it is compared with, measured in the same run; "" if nothing.
    ratio
        Value over peer; "" if there is no peer.
    aim
        What is wanted; "" if nothing is promised.
    """

    name: str
    value: str
    path: str
    peer: str = ""
    ratio: str = ""
    aim: str = ""


def ratio_of(values: Sequence[float]) -> str:
    """Return the median of per-round ratios with its range."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0..1) of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table, followed by the path of each."""
    rows = [("figure", "cardrails", "peer", "ratio (range)", "aim"), ("---",) * 5]
    rows += [(figure.name, figure.value, figure.peer, figure.ratio, figure.aim) for figure in figures]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    paths = {figure.path: figure.name for figure in reversed(figures)}
    return "\n".join([*lines, "", *(f"- {name}: {path}" for path, name in reversed(paths.items()))])


def machine() -> str:
    """Return one line about where this ran."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    python = platform.python_version()
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {python}, load at start {load}"


def progress(text: str) -> None:
    """Say what is going on, beside the figures."""
    print(text, file=sys.stderr, flush=True)
