"""`python -m tests.sim --seeds N [--first S]`: run seeds, print what failed and how to see it again."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections import Counter

from tests.sim.house import House


def main() -> int:
    """Run the seeds; 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Simulate the house under faults.")
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first one")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        house = House(seed)
        try:
            house.run()
        except Exception:
            traceback.print_exc()
            print(
                f"\nseed {seed} failed at {house.world.now:.3f} s; again: python -m tests.sim --first {seed} --seeds 1"
            )
            return 1
        counts += house.auditor.counts
    print(f"{arguments.seeds} seeds passed: " + ", ".join(f"{key} {number}" for key, number in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
