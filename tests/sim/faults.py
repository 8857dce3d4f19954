"""The storm of a seed: lines that break, block and crawl, nodes that die, an HSM that falls silent."""

from __future__ import annotations

from functools import partial

from tests.sim.hsm import SimHsm
from tests.sim.network import Line
from tests.sim.node import SimNode
from tests.sim.world import World

BEGINS, ENDS = 5.0, 125.0
KINDS = ("cut", "hang up", "hang up", "block", "slow", "slow", "crash", "silence")


def plan_faults(world: World, lines: list[Line], nodes: list[SimNode], hsm: SimHsm) -> None:
    """Plan the faults of a seed."""
    random = world.random
    for _ in range(random.choice([random.randint(1, 4), random.randint(4, 14)])):
        at = world.between(BEGINS, ENDS)
        lasts_s = random.choice([0.5, 5.0, 15.0, 40.0])
        line, node = random.choice(lines), random.choice(nodes)
        fault = random.choice(KINDS)
        if fault == "cut":
            world.plan(at, line.cut)
        elif fault == "hang up":
            for _ in range(4):
                world.plan(at + world.between(0.0, 10.0), line.hang_up)
        elif fault == "block":
            world.plan(at, partial(_block, line))
            world.plan(at + lasts_s, partial(setattr, line, "is_blocked", False))
        elif fault == "slow":
            world.plan(at, partial(setattr, line, "is_slow", True))
            world.plan(at + lasts_s, partial(setattr, line, "is_slow", False))
        elif fault == "crash":
            world.plan(at, node.crash)
        else:
            world.plan(at, partial(setattr, hsm, "is_silent", True))
            world.plan(at + min(lasts_s, 15.0), partial(setattr, hsm, "is_silent", False))


def _block(line: Line) -> None:
    line.is_blocked = True
    line.cut()
