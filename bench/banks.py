"""The banks: one issuer alone and the whole ISO path, against `iso8583sim serve` under the same client.

An issuer gets frames as the network's link brings them, verifies CVV2 and PIN, holds the money and answers when that is
durable; its HSM runs in its process, or in one of its own. The path begins at the acquirer's port and ends there; all
nodes run in one process, or each in its own. Every answer must be 00, and durable.
"""

from __future__ import annotations

import os
import signal
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple, Protocol

import anyio
import anyio.to_thread

from bench.figures import Figure, percentile, progress, ratio_of, table
from bench.iso_path import ISO_NODES, PEER_SPEAKS, SPEAKS, House, Measured, iso8583sim, iso_house, measure
from bench.issuers import IssuerPlace, Network, Running, issuer, issuer_place
from bench.lanes import Lanes, check_approved, load_of, open_lanes
from bench.one_issuer import read_purses
from bench.processes import (
    CARDRAILS,
    BenchError,
    Contender,
    Processes,
    address_of,
    contender,
    topology_on_free_ports,
)
from bench.purchases import Till
from iso import Dialect, Message, dialect

CONNECTIONS = 4
WINDOW = 64
ROUNDS = 5
ROUND_S = 0.6
WARM_UP = 600
RATES = (500, 1500, 3000)
OPEN_LOOP_S = 1.5
SUSTAINED = 0.9
"""Beyond this share of what the closed loop reached, a queue only grows and a latency says nothing."""
CARDS = (1_000, 10_000, 100_000, 1_000_000)
ISSUER_SPEAKS = dialect("ascii87")
PEER = "iso8583sim serve"
ISSUER_PATH = (
    "0100 of 23 elements with CVV2 and PIN block, ascii87 over loopback TCP, to 0110: card known by its fingerprint, "
    "CVV and PVV verified by the HSM, hold, hash-chained entry, stored answer; SQLite synchronous=NORMAL; messages "
    f"kept in a file, masked; uvloop, {CONNECTIONS} connections, window {WINDOW}; 1,000 cards in turn"
)
RESTART = "from the start of the process to its first connection: import, HSM, all card and account rows into memory"
HOUSE_PATH = (
    "acquirer, switch, issuer A or B and back: pos-bcd87, net-bin87 with AES-CMAC, ascii87 / ebcdic93, loopback TCP at "
    "every hop; network tokens opened by their cryptograms, MACs and fingerprints by the HSM; four journals, SQLite "
    f"synchronous=NORMAL; messages kept in files, masked; uvloop, {CONNECTIONS} connections, window {WINDOW}"
)


class Source(Protocol):
    """Makes requests."""

    @property
    def minted(self) -> int:
        """How many requests it has made."""

    async def mint(self, count: int) -> list[Message]:
        """Return so many that were never sent before."""


class Counted:
    """Takes requests from a till that others may take from as well."""

    def __init__(self, till: Till) -> None:
        self._till = till
        self.minted = 0

    async def mint(self, count: int) -> list[Message]:
        """Return so many that were never sent before."""
        self.minted += count
        return await self._till.mint(count)


class Runner(NamedTuple):
    """A contender: what it runs in, the lanes to it, and what it is asked."""

    name: str
    process: Contender
    address: tuple[str, int]
    lanes: Lanes
    source: Source
    speaks: Dialect

    async def measure(self, count: int, window: int = WINDOW) -> Measured:
        """Send so many new requests in a closed loop and check their answers."""
        return await measure(self.process, self.lanes, await self.source.mint(count), window, self.speaks)


async def runner(name: str, running: Running, source: Source, speaks: Dialect, *, waits: bool = False) -> Runner:
    """Sign on to a contender and warm it up; `waits`: it says that it is ready when somebody has signed on."""
    process, address = running
    lanes = await open_lanes(address, CONNECTIONS, speaks)
    if waits:
        await anyio.to_thread.run_sync(process.line)
    made = Runner(name, process, address, lanes, source, speaks)
    await made.measure(WARM_UP)
    return made


async def rounds(runners: Sequence[Runner]) -> dict[str, list[Measured]]:
    """Let contenders take turns, each with as many requests as it answers in `ROUND_S`."""
    sizes = {each.name: max(WINDOW, int((await each.measure(WARM_UP)).rate * ROUND_S)) for each in runners}
    found: dict[str, list[Measured]] = {each.name: [] for each in runners}
    for number in range(ROUNDS):
        progress(f"banks: round {number + 1} of {ROUNDS}: {', '.join(sizes)}")
        for each in runners:
            found[each.name].append(await each.measure(sizes[each.name]))
    return found


class Latency(NamedTuple):
    """What an open loop gave, in milliseconds; None where the contender does not sustain the rate."""

    rate: int
    p50_ms: float | None
    p99_ms: float | None

    def __str__(self) -> str:
        return "not sustained" if self.p50_ms is None else f"p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"


async def latencies(each: Runner, capacity: float) -> list[Latency]:
    """Load a contender by the clock, at the rates that it sustains."""
    found = []
    for rate in RATES:
        if rate > SUSTAINED * capacity:
            found.append(Latency(rate, None, None))
            continue
        progress(f"banks: {each.name} at {rate} a second")
        load = load_of(await each.source.mint(int(rate * OPEN_LOOP_S)), each.speaks)
        lanes = await open_lanes(each.address, CONNECTIONS, each.speaks, paced=True)
        run = await lanes.open_loop(load, rate)
        lanes.close()
        check_approved(run, load)
        p50, p99 = (1000 * percentile(run.latencies_s, share) for share in (0.5, 0.99))
        found.append(Latency(rate, p50, p99))
    return found


# One issuer.

_HERE, _APART = "HSM in process", "HSM over TCP, own process"


class Found(NamedTuple):
    """The rounds by contender, and the latencies of the first one."""

    rounds: dict[str, list[Measured]]
    latencies: list[Latency]


async def _issuers(places: dict[str, tuple[IssuerPlace, Running]], peer: Running) -> Found:
    runners = [
        await runner(name, running, Network(read_purses(place.folder)), ISSUER_SPEAKS)
        for name, (place, running) in places.items()
    ]
    purses = read_purses(places[_HERE][0].folder)
    runners.append(await runner(PEER, peer, Network(purses), PEER_SPEAKS))
    found = await rounds(runners)
    for each in runners[:-1]:
        check_durable(each, places[each.name][0].approved())
    return Found(found, await latencies(runners[0], median(item.rate for item in found[_HERE])))


def issuer_figures() -> list[Figure]:
    """Measure one issuer against the peer."""
    with ExitStack() as stack:
        places = {}
        for name, has_hsm in ((_HERE, True), (_APART, False)):
            place = stack.enter_context(issuer_place(CARDS[0]))
            places[name] = place, stack.enter_context(issuer(place, has_hsm=has_hsm))
        peer = stack.enter_context(iso8583sim())
        found = anyio.run(_issuers, places, peer, backend_options={"use_uvloop": True})
    figures = []
    for name in places:
        figures += against_the_peer(f"one issuer, {name}", found.rounds[name], found.rounds[PEER], ISSUER_PATH, "2.0")
    return [*figures, *latency_figures(f"one issuer, {_HERE}", found.latencies, ISSUER_PATH)]


async def profiled(samples: Path, requests: int, window: int) -> Measured:
    """Send one load to an issuer that writes a profile to a file as it stops."""
    with issuer_place(CARDS[0]) as place, issuer(place, samples=str(samples)) as running:
        each = await runner(_HERE, running, Network(read_purses(place.folder)), ISSUER_SPEAKS)
        await each.measure(WARM_UP)
        os.kill(each.process.pid, signal.SIGUSR1)
        return await each.measure(requests, window)


async def _cards(places: dict[str, tuple[IssuerPlace, Running]]) -> dict[str, list[Measured]]:
    runners = [
        await runner(name, running, Network(read_purses(place.folder)), ISSUER_SPEAKS)
        for name, (place, running) in places.items()
    ]
    return await rounds(runners)


def card_figures() -> list[Figure]:
    """Measure issuers with ever more cards: an authorisation, a restart, memory."""
    with ExitStack() as stack:
        places, starts = {}, {}
        for cards in CARDS:
            progress(f"banks: an issuer with {cards:,} cards")
            place, name = stack.enter_context(issuer_place(cards)), f"{cards:,} cards"
            begun = perf_counter()
            running = stack.enter_context(issuer(place))
            starts[name] = perf_counter() - begun
            places[name] = place, running
        memory = {name: running[0].resident_mb() for name, (_, running) in places.items()}
        found = anyio.run(_cards, places, backend_options={"use_uvloop": True})
    first, *others = found
    few = found[first]
    figures = [
        Figure(
            f"processor time of one authorisation at one issuer, {name}",
            f"{median(item.cpu_us for item in found[name]):.0f} us",
            ISSUER_PATH,
            peer=f"{first} {median(item.cpu_us for item in few):.0f} us",
            ratio=ratio_of([mine.cpu_us / other.cpu_us for mine, other in zip(found[name], few, strict=True)]),
            aim="flat",
        )
        for name in others
    ]
    last = others[-1]
    return [
        *figures,
        Figure(
            f"restart of an issuer with {last}", f"{starts[last]:.1f} s", RESTART, peer=f"{first} {starts[first]:.1f} s"
        ),
        Figure(
            f"memory of an issuer with {last}",
            f"{memory[last]:.0f} MB",
            RESTART,
            peer=f"{first} {memory[first]:.0f} MB",
        ),
    ]


# The whole path.

_ONE, _FIVE = "one process", "a process for each node"


@contextmanager
def spread_house() -> Iterator[House]:
    """Run the five ISO nodes, each in a process of its own; the house's process stands for all."""
    with tempfile.TemporaryDirectory(prefix="cardrails-bench-") as folder, ExitStack() as running:
        file, data_dir = topology_on_free_ports(Path(folder)), Path(folder) / "data"
        command = [*CARDRAILS, "up", "--json", "--topology", str(file), "--data-dir", str(data_dir), "--node"]
        first, *others = ISO_NODES
        hsm = running.enter_context(contender([*command, first]))
        hsm.line()
        members = [running.enter_context(contender([*command, name])) for name in others]
        nodes = tomllib.loads(file.read_text("utf-8"))["nodes"]
        yield House(Processes(members, [hsm]), address_of(nodes["acquirer"]["iso"]), nodes["hsm"]["gateway"], data_dir)


async def _houses(houses: dict[str, House], peer: Running) -> Found:
    async with anyio.create_task_group() as tasks:
        runners, tills = [], {name: Till(house.hsm) for name, house in houses.items()}
        for name, house in houses.items():
            await tills[name].open(tasks)
            running = house.process, house.acquirer
            runners.append(await runner(name, running, Counted(tills[name]), SPEAKS, waits=True))
        runners.append(await runner(PEER, peer, Counted(tills[_ONE]), PEER_SPEAKS))
        found = await rounds(runners)
        for each in runners[:-1]:
            check_durable(each, houses[each.name].approved())
        loops = await latencies(runners[0], median(item.rate for item in found[_ONE]))
        tasks.cancel_scope.cancel()
    return Found(found, loops)


def house_figures() -> list[Figure]:
    """Measure the path from the acquirer's port and back, against the peer."""
    with iso_house(hsm_in_process=True) as one, spread_house() as five, iso8583sim() as peer:
        found = anyio.run(_houses, {_ONE: one, _FIVE: five}, peer, backend_options={"use_uvloop": True})
    figures = []
    for name, aim in ((_ONE, "1.0, then 1.5"), (_FIVE, "1.0")):
        figures += against_the_peer(f"ISO path, {name}", found.rounds[name], found.rounds[PEER], HOUSE_PATH, aim)
    pairs = zip(found.rounds[_FIVE], found.rounds[_ONE], strict=True)
    figures.append(
        Figure(
            f"ISO path, {_FIVE} over {_ONE}",
            f"{median(item.rate for item in found.rounds[_FIVE]):.0f}/s",
            HOUSE_PATH,
            peer=f"{median(item.rate for item in found.rounds[_ONE]):.0f}/s",
            ratio=ratio_of([five.rate / one.rate for five, one in pairs]),
            aim="at least 1.0, aim 1.2",
        )
    )
    return [*figures, *latency_figures(f"ISO path, {_ONE}", found.latencies, HOUSE_PATH)]


def against_the_peer(
    name: str, ours: Sequence[Measured], theirs: Sequence[Measured], path: str, aim: str
) -> list[Figure]:
    """Return a contender's rate and processor time beside the peer's."""
    pairs = list(zip(ours, theirs, strict=True))
    return [
        Figure(
            f"{name}: authorisations",
            f"{median(item.rate for item in ours):.0f}/s",
            path,
            peer=f"{PEER} {median(item.rate for item in theirs):.0f}/s",
            ratio=ratio_of([mine.rate / other.rate for mine, other in pairs]),
            aim=aim,
        ),
        Figure(
            f"{name}: authorisations per processor second",
            f"{median(item.cpu_us for item in ours):.0f} us each",
            path,
            peer=f"{PEER} {median(item.cpu_us for item in theirs):.0f} us",
            ratio=ratio_of([other.cpu_us / mine.cpu_us for mine, other in pairs]),
            aim=aim,
        ),
    ]


def latency_figures(name: str, found: Sequence[Latency], path: str) -> list[Figure]:
    """Return one line per rate."""
    return [Figure(f"{name}, open loop at {item.rate:,}/s", str(item), path) for item in found]


def check_durable(each: Runner, approved: int) -> None:
    """Make sure that what was answered is on disk, no more and no less.

    Raises
    ------
    BenchError
        It is not.
    """
    if approved != each.source.minted:
        raise BenchError(f"{each.name}: {each.source.minted} requests were answered 00, {approved} are durable")


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    return [*issuer_figures(), *house_figures(), *card_figures()]


if __name__ == "__main__":
    print(table(figures()))
