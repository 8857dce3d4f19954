"""The ISO path: acquirer port in, durable answer out, against `iso8583sim serve` under the same client.

The house runs without its gateway, which this process replaces: it signs on to the acquirer and asks the HSM for the
cryptograms. The peer is one hop that stores nothing and checks no key; it gets the same messages in its default format.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import anyio
import anyio.to_thread

from bench.figures import Figure, percentile, progress, ratio_of, table
from bench.lanes import Lanes, Run, check_approved, load_of, open_lanes
from bench.processes import (
    CARDRAILS,
    BenchError,
    Contender,
    address_of,
    contender,
    free_ports,
    topology_on_free_ports,
)
from bench.purchases import Till
from iso import Dialect, Message, dialect

ISO_NODES = ("hsm", "issuer-a", "issuer-b", "switch", "acquirer")
SPEAKS = dialect("pos-bcd87")
PEER_SPEAKS = replace(dialect("net-bin87"), name="peer", mac=False)
"""The peer's default format: characters and a binary bitmap."""
CONNECTIONS = 4
WINDOW = 64
ROUNDS = 5
ROUND_S = 1.2
OPEN_LOOP_S = 2.5
WARM_UP = 1000
ALONE = 300
SHARES = (0.25, 0.5, 0.75)
PATH = (
    "acquirer, switch, issuer A or B and back: one process, uvloop, loopback TCP at every hop; pos-bcd87, net-bin87 "
    "with AES-CMAC, ascii87 / ebcdic93; HSM in the same process over TCP (MAC, cryptogram, detokenise, fingerprint); "
    "raw-frame trace; SQLite, synchronous=NORMAL; client in its own process"
)


class House(NamedTuple):
    """A running house without a gateway."""

    process: Contender
    acquirer: tuple[str, int]
    hsm: str
    data_dir: Path

    def approved(self) -> int:
        """Return how many approvals the acquirer's database holds."""
        database = sqlite3.connect(f"file:{self.data_dir / 'acquirer.db'}?mode=ro", uri=True)
        try:
            (count,) = database.execute("SELECT count(*) FROM intents WHERE state = 'approved'").fetchone()
        finally:
            database.close()
        return int(count)


@contextmanager
def iso_house(
    launcher: tuple[str, ...] = CARDRAILS, *, nodes: tuple[str, ...] = ISO_NODES, hsm_in_process: bool = False
) -> Iterator[House]:
    """Run the five ISO nodes in a temporary folder: in one process, and those that `nodes` leaves out in another."""
    with tempfile.TemporaryDirectory(prefix="cardrails-bench-") as folder, ExitStack() as running:
        file = topology_on_free_ports(Path(folder))
        if hsm_in_process:
            text = file.read_text("utf-8")
            file.write_text(text.replace("[nodes.hsm]\n", "[nodes.hsm]\nin_process = true\n"), "utf-8")
        sections = tomllib.loads(file.read_text("utf-8"))["nodes"]
        data_dir = Path(folder) / "data"

        def start(names: Sequence[str]) -> Contender:
            options = [argument for name in names for argument in ("--node", name)]
            command = [*launcher, "up", "--json", "--topology", str(file), "--data-dir", str(data_dir), *options]
            return running.enter_context(contender(command))

        others = [name for name in ISO_NODES if name not in nodes]
        beside = [start(others)] if others else []
        for process in beside:
            process.line()
        yield House(start(nodes), address_of(sections["acquirer"]["iso"]), sections["hsm"]["gateway"], data_dir)


@contextmanager
def iso8583sim() -> Iterator[tuple[Contender, tuple[str, int]]]:
    """Run the peer with its defaults: it approves everything."""
    (port,) = free_ports(1)
    script = str(Path(sys.executable).with_name("iso8583sim"))
    command = [script, "serve", "--port", str(port)]
    with contender(command) as process:
        yield process, ("127.0.0.1", port)


class Measured(NamedTuple):
    """One round of one contender."""

    rate: float
    cpu_us: float


async def measure(
    process: Contender,
    lanes: Lanes,
    messages: list[Message],
    window: int = WINDOW,
    speaks: Dialect = SPEAKS,
) -> Measured:
    """Send a load through one contender and check its answers."""
    load = load_of(messages, speaks)
    before = process.cpu_s()
    run = await lanes.closed_loop(load.frames, window)
    used = process.cpu_s() - before
    check_approved(run, load)
    return Measured(len(messages) / run.took_s, 1e6 * used / len(messages))


class Outcome(NamedTuple):
    """All rounds, one authorisation at a time, and the open loops with their rates."""

    house: list[Measured]
    peer: list[Measured]
    alone: Measured
    open_loop: list[tuple[float, Run]]


async def run_rounds(house: House, peer: Contender, peer_address: tuple[str, int]) -> Outcome:
    """Alternate the contenders, then load the house in an open loop."""
    async with anyio.create_task_group() as tasks:
        till = Till(house.hsm)
        await till.open(tasks)
        lanes = await open_lanes(house.acquirer, CONNECTIONS, SPEAKS)
        await anyio.to_thread.run_sync(house.process.line)
        peer_lanes = await open_lanes(peer_address, CONNECTIONS, PEER_SPEAKS)
        warm = await measure(house.process, lanes, await till.mint(WARM_UP))
        await measure(peer, peer_lanes, await till.mint(WARM_UP), speaks=PEER_SPEAKS)
        size, ours, theirs = max(WINDOW, int(warm.rate * ROUND_S)), [], []
        for number in range(ROUNDS):
            progress(f"iso_path: round {number + 1} of {ROUNDS}, {size} requests each")
            messages = await till.mint(size)
            ours.append(await measure(house.process, lanes, messages))
            theirs.append(await measure(peer, peer_lanes, messages, speaks=PEER_SPEAKS))
        lanes.close()
        peer_lanes.close()
        alone = await _alone(house, till)
        loops = await _open_loops(house, till, median(item.rate for item in ours))
        _check_durable(house, WARM_UP + ROUNDS * size + ALONE + sum(len(run.answers) for _, run in loops))
        tasks.cancel_scope.cancel()
    return Outcome(ours, theirs, alone, loops)


async def _alone(house: House, till: Till) -> Measured:
    lanes = await open_lanes(house.acquirer, 1, SPEAKS)
    measured = await measure(house.process, lanes, await till.mint(ALONE), 1)
    lanes.close()
    return measured


def _check_durable(house: House, approved: int) -> None:
    durable = house.approved()
    if durable != approved:
        raise BenchError(f"{approved} requests were answered 00, {durable} approvals are durable at the acquirer")


async def _open_loops(house: House, till: Till, capacity: float) -> list[tuple[float, Run]]:
    loops = []
    for share in SHARES:
        rate = capacity * share
        progress(f"iso_path: open loop at {rate:.0f} a second")
        load = load_of(await till.mint(int(rate * OPEN_LOOP_S)), SPEAKS)
        lanes = await open_lanes(house.acquirer, CONNECTIONS, SPEAKS, paced=True)
        run = await lanes.open_loop(load, rate)
        lanes.close()
        check_approved(run, load)
        loops.append((rate, run))
    return loops


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    with iso_house() as house, iso8583sim() as (peer, peer_address):
        outcome = anyio.run(run_rounds, house, peer, peer_address, backend_options={"use_uvloop": True})
    ours, theirs = outcome.house, outcome.peer
    rates = [mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True)]
    costs = [mine.cpu_us / other.cpu_us for mine, other in zip(ours, theirs, strict=True)]
    found = [
        Figure(
            f"ISO path, {CONNECTIONS} connections, window {WINDOW}",
            f"{median(item.rate for item in ours):.0f}/s",
            PATH,
            peer=f"iso8583sim serve {median(item.rate for item in theirs):.0f}/s",
            ratio=ratio_of(rates),
            aim="1.0, then 1.5",
        ),
        Figure(
            "processor time of one authorisation",
            f"{median(item.cpu_us for item in ours):.0f} us",
            PATH,
            peer=f"iso8583sim serve {median(item.cpu_us for item in theirs):.0f} us",
            ratio=ratio_of(costs),
        ),
        Figure("ISO path, one at a time", f"{1000 / outcome.alone.rate:.1f} ms each", PATH),
    ]
    for share, (rate, run) in zip(SHARES, outcome.open_loop, strict=True):
        p50, p99 = (1000 * percentile(run.latencies_s, at) for at in (0.5, 0.99))
        name = f"ISO path, open loop at {share:.0%} of that rate ({rate:.0f}/s)"
        found.append(Figure(name, f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", PATH))
    return found


if __name__ == "__main__":
    print(table(figures()))
