"""The ISO path by where its HSM is: without a socket in the same process, over TCP in it, over TCP in another."""

from __future__ import annotations

from statistics import median
from typing import Final

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from bench.figures import Figure, progress, ratio_of
from bench.iso_path import CONNECTIONS, ISO_NODES, SPEAKS, WARM_UP, WINDOW, House, Measured, iso_house, measure
from bench.lanes import Lanes, open_lanes
from bench.purchases import Till

ROUNDS: Final = 5
ROUND_S: Final = 1.0
ALONE: Final = 200
_LOCAL: Final = "without a socket"
_TCP: Final = "over TCP, same process"
_APART: Final = "over TCP, own process"
_PATH: Final = (
    "as the ISO path (acquirer, switch, issuer and back), three houses taking turns; a socket between nodes and HSM, "
    "or the client that hands frames to the HSM's node (`in_process = true` in the topology); rates are of the whole "
    "path, and an HSM of its own can use the second core"
)


class Seat:
    """One house, its till and its connections."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.rounds: list[Measured] = []
        self.alone: list[Measured] = []
        self._till = Till(house.hsm)
        self._lanes: Lanes
        self._lane: Lanes

    async def open(self, tasks: TaskGroup) -> None:
        """Sign on and warm up."""
        await self._till.open(tasks)
        self._lanes = await open_lanes(self.house.acquirer, CONNECTIONS, SPEAKS)
        await anyio.to_thread.run_sync(self.house.process.line)
        self._lane = await open_lanes(self.house.acquirer, 1, SPEAKS)
        await measure(self.house.process, self._lanes, await self._till.mint(WARM_UP))

    async def round(self, size: int) -> None:
        """Measure once with a full window, and once with one request at a time."""
        self.rounds.append(await measure(self.house.process, self._lanes, await self._till.mint(size)))
        self.alone.append(await measure(self.house.process, self._lane, await self._till.mint(ALONE), 1))


async def _run(houses: dict[str, House]) -> dict[str, Seat]:
    seats = {name: Seat(house) for name, house in houses.items()}
    async with anyio.create_task_group() as tasks:
        for seat in seats.values():
            await seat.open(tasks)
        size = WINDOW
        for number in range(ROUNDS):
            progress(f"hsm: ISO path, round {number + 1} of {ROUNDS}")
            for seat in seats.values():
                await seat.round(size if number else WARM_UP)
            slowest = min(seat.rounds[-1].rate for seat in seats.values())
            size = max(WINDOW, int(slowest * ROUND_S))
        tasks.cancel_scope.cancel()
    return seats


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    rest = tuple(name for name in ISO_NODES if name != "hsm")
    with iso_house(hsm_in_process=True) as local, iso_house() as tcp, iso_house(nodes=rest) as apart:
        seats = anyio.run(_run, {_LOCAL: local, _TCP: tcp, _APART: apart}, backend_options={"use_uvloop": True})
    found = []
    for name in (_TCP, _APART):
        mine, base = seats[name], seats[_LOCAL]
        for label, ours, theirs in (
            (f"window {WINDOW}", mine.rounds, base.rounds),
            ("one at a time", mine.alone, base.alone),
        ):
            costs = [other.cpu_us / one.cpu_us for one, other in zip(ours, theirs, strict=True)]
            shares = [one.rate / other.rate for one, other in zip(ours, theirs, strict=True)]
            is_asked = name == _TCP and ours is mine.rounds
            found.append(
                Figure(
                    f"ISO path, HSM {name}, {label}",
                    f"{median(item.rate for item in ours):.0f}/s",
                    _PATH,
                    peer=f"{_LOCAL} {median(item.rate for item in theirs):.0f}/s",
                    ratio=ratio_of(shares),
                    aim="at least 0.6, aim 0.75" if is_asked else "",
                )
            )
            if name == _TCP:
                found.append(
                    Figure(
                        f"processor time of one authorisation, HSM {name}, {label}",
                        f"{median(item.cpu_us for item in ours):.0f} us",
                        _PATH,
                        peer=f"{_LOCAL} {median(item.cpu_us for item in theirs):.0f} us",
                        ratio=ratio_of(costs),
                    )
                )
    return found
