"""One switch process: request and response pairs per second, against `iso8583sim serve` under the same client.

Client, HSM and issuer are processes of their own, so that the processor time of the switch's process is the switch's
alone. Three ways: bare (no MAC, card numbers, each sealed by the HSM before its request goes on), with a MAC on the
acquirer's link, and with MAC, network tokens, each opened by its one-time cryptogram, and a trace that is kept in a
file, masked. The first two leave the latest frames in memory, to be masked when somebody looks.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import anyio
import anyio.to_thread

from bench.figures import Figure, percentile, progress, ratio_of, table
from bench.iso_path import PEER_SPEAKS, iso8583sim
from bench.lanes import Lanes, Load, Run, check_approved, load_of, open_lanes, sealed_load
from bench.one_switch import BARE, Settings
from bench.processes import CARDRAILS, Contender, address_of, contender, topology_on_free_ports
from bench.purchases import Till, for_the_network
from bench.switch_core import core_us
from hsm_sim.client import TcpClient
from hsm_sim.core.indexes import zak
from hsm_sim.protect import HsmProtector
from iso import Dialect, dialect
from node.pipes import Pipes

CONNECTIONS = 4
WINDOW = 64
ROUNDS = 5
ROUND = 4000
WARM_UP = 1000
IN_FLIGHT = (10, 100, 1000, 10_000)
LINKS = (1, 50, 500)
OPEN_LOOP_S = 3.0
ISSUER = (sys.executable, "-m", "bench.issuer_host", "ascii87")
PATH = (
    "0100 of 19 elements to 0110, net-bin87 in, ascii87 out; HSM over TCP, issuer and client each in a process of its "
    f"own; uvloop, loopback TCP, SQLite synchronous=NORMAL, {CONNECTIONS} connections, window {WINDOW}"
)


class Way(NamedTuple):
    """One way to run the switch."""

    name: str
    speaks: Dialect
    has_tokens: bool = False
    has_journal: bool = True
    has_messages: bool = False
    issuers: int = 1


BARE_WAY = Way("bare", BARE)
MAC_WAY = Way("with MAC", dialect("net-bin87"))
WHOLE_WAY = Way("with MAC, detokenisation, trace", dialect("net-bin87"), has_tokens=True, has_messages=True)
UNKEPT_WAY = Way("with MAC, no journal", dialect("net-bin87"), has_journal=False)
PEER_WAY = Way("iso8583sim serve", PEER_SPEAKS)


class Measured(NamedTuple):
    """One round of one contender; `cpu_us` is the processor time of its process per pair."""

    rate: float
    cpu_us: float


class Running(NamedTuple):
    """A contender and the lanes to it."""

    way: Way
    process: Contender
    address: tuple[str, int]
    lanes: Lanes

    async def measure(self, load: Load, window: int = WINDOW) -> Measured:
        """Send a load in a closed loop and check its answers."""
        before = self.process.cpu_s()
        run = await self.lanes.closed_loop(load.frames, window)
        used, pairs = self.process.cpu_s() - before, len(load.frames)
        check_approved(run, load)
        return Measured(pairs / run.took_s, 1e6 * used / pairs)


class Place:
    """What surrounds the switches: an HSM, an issuer, and this process as the acquirer."""

    def __init__(self, folder: Path, hsm: dict[str, str], issuer: str) -> None:
        self._folder = folder
        self._hsm = hsm
        self._issuer = issuer
        self._count = 0
        self._till = Till(hsm["gateway"])
        self._acquirer = TcpClient(Pipes(), hsm["acquirer"])
        self._protector = HsmProtector(self._acquirer, zak("switch"), timeout_s=30.0)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Stay connected to the HSM, as gateway and as acquirer."""
        async with anyio.create_task_group() as tasks:
            await self._till.open(tasks)
            await tasks.start(self._acquirer.run)
            yield
            tasks.cancel_scope.cancel()

    async def start(self, stack: ExitStack, way: Way, connections: int = CONNECTIONS, samples: str = "") -> Running:
        """Start a switch and sign on to it."""
        self._count += 1
        database = str(self._folder / f"switch-{self._count}.db") if way.has_journal else ""
        messages = str(self._folder / f"messages-{self._count}.db") if way.has_messages else ""
        settings = Settings(
            self._hsm["switch"], self._issuer, way.speaks.name, way.issuers, database, messages, samples
        )
        command = [sys.executable, "-m", "bench.one_switch", json.dumps(settings._asdict())]
        process = stack.enter_context(contender(command))
        address = address_of((await anyio.to_thread.run_sync(process.line)).strip())
        return Running(way, process, address, await self.sign_on(way, address, connections))

    async def sign_on(self, way: Way, address: tuple[str, int], connections: int, *, paced: bool = False) -> Lanes:
        """Open lanes to a contender."""
        seal = self._protector.seal if way.speaks.mac else None
        return await open_lanes(address, connections, way.speaks, paced=paced, seal=seal)

    async def load(self, way: Way, count: int) -> Load:
        """Prepare requests that were never sent before."""
        made = await self._till.mint(count) if way.has_tokens else self._till.card_present(count)
        messages = [for_the_network(message) for message in made]
        if way.speaks.mac:
            return await sealed_load(messages, way.speaks, self._protector.seal)
        return load_of(messages, way.speaks)


@contextmanager
def surroundings() -> Iterator[Place]:
    """Run an HSM and an issuer until the block ends."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cardrails-bench-")))
        file = topology_on_free_ports(folder)
        hsm = tomllib.loads(file.read_text("utf-8"))["nodes"]["hsm"]
        command = [*CARDRAILS, "up", "--json", "--topology", str(file), "--data-dir", str(folder), "--node", "hsm"]
        stack.enter_context(contender(command)).line()
        issuer = stack.enter_context(contender(ISSUER)).line().strip()
        yield Place(folder, hsm, f"tcp://127.0.0.1:{issuer}")


async def rounds(place: Place, runners: list[Running]) -> list[list[Measured]]:
    """Let the contenders take turns; one list per contender."""
    found: list[list[Measured]] = [[] for _ in runners]
    for runner in runners:
        await runner.measure(await place.load(runner.way, WARM_UP))
    for number in range(ROUNDS):
        progress(f"switch: round {number + 1} of {ROUNDS}, {ROUND} requests each")
        for runner, measured in zip(runners, found, strict=True):
            measured.append(await runner.measure(await place.load(runner.way, ROUND)))
    return found


async def at_half_load(place: Place, runner: Running, rate: float) -> Run:
    """Send by the clock, at half of the rate of the closed loop."""
    load = await place.load(runner.way, int(rate / 2 * OPEN_LOOP_S))
    lanes = await place.sign_on(runner.way, runner.address, CONNECTIONS, paced=True)
    run = await lanes.open_loop(load, rate / 2)
    lanes.close()
    check_approved(run, load)
    return run


async def by_window(place: Place, runner: Running) -> list[tuple[int, Measured]]:
    """Measure with ever more requests in flight."""
    found = []
    for window in IN_FLIGHT:
        progress(f"switch: {window} in flight")
        lanes = await place.sign_on(runner.way, runner.address, CONNECTIONS if window > CONNECTIONS else 1)
        count = max(2000, min(2 * window, 12_000))
        found.append((window, await runner._replace(lanes=lanes).measure(await place.load(runner.way, count), window)))
        lanes.close()
    return found


async def by_links(place: Place) -> list[tuple[int, Measured]]:
    """Measure with ever more links to issuers, which are all up and echo, and of which one has the cards."""
    found = []
    for links in LINKS:
        progress(f"switch: {links} links")
        with ExitStack() as stack:
            runner = await place.start(stack, BARE_WAY._replace(issuers=links))
            await runner.measure(await place.load(runner.way, WARM_UP))
            found.append((links, await runner.measure(await place.load(runner.way, 2000))))
    return found


async def profiled(place: Place, samples: Path, requests: int, window: int) -> Measured:
    """Send one load to a switch with MACs that writes a profile to a file as it stops."""
    async with place.open():
        with ExitStack() as stack:
            runner = await place.start(stack, MAC_WAY, samples=str(samples))
            await runner.measure(await place.load(MAC_WAY, WARM_UP))
            load = await place.load(MAC_WAY, requests)
            os.kill(runner.process.pid, signal.SIGUSR1)
            return await runner.measure(load, window)


class Outcome(NamedTuple):
    """Everything that was measured, and what the core alone costs, in microseconds of processor time per pair."""

    rounds: dict[str, list[Measured]]
    half_load: tuple[float, Run]
    windows: list[tuple[int, Measured]]
    links: list[tuple[int, Measured]]
    core: list[float]


async def measure_all(place: Place) -> Outcome:
    """Measure everything, one thing after the other."""
    async with place.open():
        with ExitStack() as stack:
            runners = [await place.start(stack, way) for way in (BARE_WAY, MAC_WAY, WHOLE_WAY, UNKEPT_WAY)]
            peer, address = stack.enter_context(iso8583sim())
            runners.append(Running(PEER_WAY, peer, address, await place.sign_on(PEER_WAY, address, CONNECTIONS)))
            found = await rounds(place, runners)
            rate = median(item.rate for item in found[1])
            half_load = rate / 2, await at_half_load(place, runners[1], rate)
            windows = await by_window(place, runners[0])
        links = await by_links(place)
    return Outcome(
        {runner.way.name: measured for runner, measured in zip(runners, found, strict=True)},
        half_load,
        windows,
        links,
        [core_us() for _ in range(ROUNDS)],
    )


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    with surroundings() as place:
        outcome = anyio.run(measure_all, place, backend_options={"use_uvloop": True})
    theirs = outcome.rounds[PEER_WAY.name]
    found = []
    for way, aim in ((BARE_WAY, ""), (MAC_WAY, "at least 2.5"), (WHOLE_WAY, "")):
        found += _against_the_peer(way, outcome.rounds[way.name], theirs, aim)
    return found + _against_itself(outcome)


def _against_the_peer(way: Way, ours: list[Measured], theirs: list[Measured], aim: str) -> list[Figure]:
    rates = [mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True)]
    costs = [other.cpu_us / mine.cpu_us for mine, other in zip(ours, theirs, strict=True)]
    return [
        Figure(
            f"switch, {way.name}: pairs",
            f"{median(item.rate for item in ours):.0f}/s",
            PATH,
            peer=f"{PEER_WAY.name} {median(item.rate for item in theirs):.0f}/s",
            ratio=ratio_of(rates),
            aim=aim,
        ),
        Figure(
            f"switch, {way.name}: pairs per processor second of the process",
            f"{median(item.cpu_us for item in ours):.0f} us a pair",
            PATH,
            peer=f"{PEER_WAY.name} {median(item.cpu_us for item in theirs):.0f} us",
            ratio=ratio_of(costs),
            aim=aim,
        ),
    ]


def _against_itself(outcome: Outcome) -> list[Figure]:
    bare, kept, unkept = (outcome.rounds[way.name] for way in (BARE_WAY, MAC_WAY, UNKEPT_WAY))
    hops = [hop.cpu_us / core for hop, core in zip(bare, outcome.core, strict=True)]
    journal = [mine.rate / other.rate for mine, other in zip(kept, unkept, strict=True)]
    rate, run = outcome.half_load
    p50, p99 = (1000 * percentile(run.latencies_s, share) for share in (0.5, 0.99))
    return [
        Figure(
            "switch: processor time of the hop over that of its core alone",
            f"{median(item.cpu_us for item in bare):.0f} us",
            f"bare; {PATH}; core: the same machine, dialects and messages in memory, {WINDOW} a turn, journal off",
            peer=f"core {median(outcome.core):.0f} us",
            ratio=ratio_of(hops),
            aim="at most 2, aim 1.5",
        ),
        Figure(
            "switch: rate with the journal over without",
            f"{median(item.rate for item in kept):.0f}/s",
            PATH,
            peer=f"{median(item.rate for item in unkept):.0f}/s",
            ratio=ratio_of(journal),
            aim="at least 0.65",
        ),
        Figure(f"switch, open loop at half load ({rate:.0f}/s)", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", PATH),
        *_flat("in flight", outcome.windows),
        *_flat("issuer links", outcome.links),
    ]


def _flat(what: str, measured: list[tuple[int, Measured]]) -> list[Figure]:
    base = measured[0][1].cpu_us
    return [
        Figure(
            f"switch, {count} {what}: processor time of a pair",
            f"{item.cpu_us:.0f} us",
            f"bare; {PATH}",
            peer=f"{measured[0][0]} {what} {base:.0f} us",
            ratio=f"{item.cpu_us / base:.2f}",
            aim="flat",
        )
        for count, item in measured
    ]


if __name__ == "__main__":
    print(table(figures()))
