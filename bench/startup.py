"""Start to ready, and resident memory idle, of the whole house in one process; bare Python is the limit."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

from bench.figures import Figure, progress, ratio_of, table
from bench.processes import CARDRAILS, BenchError, contender

ROUNDS = 5
BARE = (sys.executable, "-c", "print('ready', flush=True); input()")
PATH = (
    "`cardrails up --ephemeral`, all six nodes in one process: import, migrate six databases, key ceremony, cards, "
    "every link signed on, ready file written; memory is that of the process once ready, before the first payment"
)


class Started(NamedTuple):
    """One start."""

    took_s: float
    resident_mb: float


def start_house(ready_file: Path) -> Started:
    """Start the house, wait until it is ready, look at its memory, stop it."""
    command = [*CARDRAILS, "up", "--ephemeral", "--json", "--ready-file", str(ready_file)]
    begun = perf_counter()
    with contender(command) as process:
        # The line comes right after the ready file.
        process.line()
        took_s = perf_counter() - begun
        if "gateway_url" not in json.loads(ready_file.read_text("utf-8")):
            raise BenchError("the ready file names no gateway")
        return Started(took_s, process.resident_mb())


def start_bare() -> Started:
    """Start Python with nothing to do."""
    begun = perf_counter()
    with contender(BARE) as process:
        process.line()
        return Started(perf_counter() - begun, process.resident_mb())


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    houses, bares = [], []
    with tempfile.TemporaryDirectory(prefix="cardrails-bench-") as folder:
        for number in range(ROUNDS + 1):
            progress(f"startup: round {number} of {ROUNDS}" if number else "startup: a start that does not count")
            houses.append(start_house(Path(folder) / "ready.json"))
            bares.append(start_bare())
    # The first start reads files that nobody had read before.
    houses, bares = houses[1:], bares[1:]
    return [
        Figure(
            "start to ready",
            f"{median(house.took_s for house in houses):.2f} s",
            PATH,
            peer=f"bare Python {1000 * median(bare.took_s for bare in bares):.0f} ms",
            ratio=ratio_of([house.took_s / bare.took_s for house, bare in zip(houses, bares, strict=True)]),
            aim="under 3 s",
        ),
        Figure(
            "resident memory, idle",
            f"{median(house.resident_mb for house in houses):.0f} MB",
            PATH,
            peer=f"bare Python {median(bare.resident_mb for bare in bares):.0f} MB",
            ratio=ratio_of([house.resident_mb / bare.resident_mb for house, bare in zip(houses, bares, strict=True)]),
            aim="under 200 MB",
        ),
    ]


if __name__ == "__main__":
    print(table(figures()))
