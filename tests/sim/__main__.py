"""`python -m tests.sim --seeds N [--first S] [--jobs J]`: run seeds, print what failed and how to see it again."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from tests.sim.house import House

CHUNK = 100
"""Seeds that one process takes at a time."""


class Outcome(NamedTuple):
    """What came of a chunk: what happened in it, and the first failure in words; "" if there was none."""

    counts: Counter[str]
    failure: str


def main() -> int:
    """Run the seeds; 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Simulate the house under faults.")
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first one")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share them")
    arguments = parser.parse_args()
    chunks = list(_chunks(arguments.first, arguments.seeds))
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for outcome in pool.map(run, chunks):
            if outcome.failure:
                print(outcome.failure)
                pool.shutdown(wait=False, cancel_futures=True)
                return 1
            counts += outcome.counts
    print(f"{arguments.seeds} seeds passed: " + ", ".join(f"{key} {number}" for key, number in sorted(counts.items())))
    return 0


def run(seeds: range) -> Outcome:
    """Run some seeds up to the first that fails."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        house = House(seed)
        try:
            house.run()
        except Exception:
            again = f"python -m tests.sim --first {seed} --seeds 1"
            return Outcome(
                counts, f"{traceback.format_exc()}\nseed {seed} failed at {house.world.now:.3f} s; again: {again}"
            )
        counts += house.auditor.counts
    return Outcome(counts, "")


def _chunks(first: int, seeds: int) -> Iterator[range]:
    for start in range(first, first + seeds, CHUNK):
        yield range(start, min(start + CHUNK, first + seeds))


if __name__ == "__main__":
    sys.exit(main())
