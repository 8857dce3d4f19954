"""Host commands a second: over TCP to an HSM that is a process of its own, and without a socket in this process."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final, NamedTuple

import anyio

from bench.figures import Figure, progress, ratio_of
from bench.lanes import Lanes, open_plain_lanes
from bench.processes import CARDRAILS, BenchError, Contender, address_of, contender, topology_on_free_ports
from hsm_sim.client import TcpClient
from hsm_sim.config import HsmConfig, PartyConfig
from hsm_sim.core import indexes
from hsm_sim.core.roles import ACQUIRER, SWITCH
from hsm_sim.node import HsmNode
from hsm_sim.ports import framed
from hsm_sim.requests import MakeMac, VerifyMac
from hsm_sim.store import metadata
from node.clock import BusinessClock, system_entropy, wall_clock
from node.journal import MemoryJournal
from node.pipes import Pipes

ROUNDS: Final = 5
ROUND_S: Final = 0.4
WARM_UP: Final = 1000
_WITHIN_S: Final = 20.0
_ZAK: Final = indexes.zak(SWITCH)
_MESSAGE: Final = bytes(range(150))
_PATH: Final = (
    "M8, AES-CMAC over 150 bytes verified, at the acquirer's port; HSM in a process of its own (uvloop, loopback TCP), "
    "client in another: prepared frames out, answers counted and checked. Without a socket: the HSM's node in the "
    "client's process, frames handed over, same turns"
)


class Shape(NamedTuple):
    """How commands are sent."""

    connections: int
    in_flight: int
    """On each connection."""

    def __str__(self) -> str:
        """Name it as the table does."""
        lines = "1 connection" if self.connections == 1 else f"{self.connections} connections"
        return f"{lines}, {self.in_flight} in flight{'' if self.connections == 1 else ' on each'}"


SHAPES: Final = (Shape(1, 1), Shape(1, 8), Shape(1, 64), Shape(4, 16), Shape(8, 64))


class Found(NamedTuple):
    """Commands a second, round by round, and the server's processor time of a command in microseconds."""

    over_tcp: list[float]
    here: list[float]
    cpu_us: list[float]


async def _command(client: TcpClient | None, node: HsmNode | None) -> bytes:
    """Return a frame with a MAC that is right for this HSM."""
    request = MakeMac(_ZAK, _MESSAGE)
    if client is not None:
        made = await client.call(request, _WITHIN_S)
    else:
        assert node is not None
        made = request.parse((await node.submit(ACQUIRER, [b"0000" + request.encode()]))[0][4:])
    if made is None or made.code != "00":
        raise BenchError("the HSM made no MAC")
    return b"0000" + VerifyMac(_ZAK, _MESSAGE, made.mac).encode()


def _check(answers: list[bytes], count: int) -> None:
    if len(answers) != count or any(answer[4:] != b"M900" for answer in answers):
        raise BenchError("an M8 was not answered 00")


async def _over_tcp(lanes: Lanes, frame: bytes, shape: Shape, count: int) -> float:
    run = await lanes.closed_loop([framed(frame)] * count, shape.connections * shape.in_flight)
    _check(run.answers, count)
    return count / run.took_s


async def _here(node: HsmNode, frame: bytes, shape: Shape, count: int) -> float:
    """Hand frames over in pieces as long as the window, one piece after the other on each connection."""
    answers: list[bytes] = []

    async def one_connection() -> None:
        for _ in range(count // (shape.connections * shape.in_flight)):
            answers.extend(await node.submit(ACQUIRER, [frame] * shape.in_flight))

    begun = perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(shape.connections):
            tasks.start_soon(one_connection)
    took_s = perf_counter() - begun
    _check(answers, len(answers))
    return len(answers) / took_s


async def _measure(process: Contender, url: str, node: HsmNode) -> dict[Shape, Found]:
    found = {shape: Found([], [], []) for shape in SHAPES}
    async with anyio.create_task_group() as tasks:
        await tasks.start(node.run)
        client = TcpClient(Pipes(), url)
        await tasks.start(client.run)
        frame, own_frame = await _command(client, None), await _command(None, node)
        for shape in SHAPES:
            progress(f"hsm: {shape}")
            lanes = await open_plain_lanes(address_of(url), shape.connections)
            unit = shape.connections * shape.in_flight
            rate = await _over_tcp(lanes, frame, shape, -(-WARM_UP // unit) * unit)
            size = max(1, int(rate * ROUND_S) // unit) * unit
            for _ in range(ROUNDS):
                before = process.cpu_s()
                found[shape].over_tcp.append(await _over_tcp(lanes, frame, shape, size))
                found[shape].cpu_us.append(1e6 * (process.cpu_s() - before) / size)
                found[shape].here.append(await _here(node, own_frame, shape, size))
            lanes.close()
        tasks.cancel_scope.cancel()
    return found


def _node_here(folder: Path) -> HsmNode:
    parties = tuple(PartyConfig(name=name, role=name, address="tcp://127.0.0.1:0") for name in (ACQUIRER, SWITCH))
    clock = BusinessClock(wall_clock, folder / "clock")
    return HsmNode(HsmConfig(parties=parties), MemoryJournal(metadata), system_entropy(32), clock, Pipes())


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    with tempfile.TemporaryDirectory(prefix="cardrails-bench-") as name:
        folder = Path(name)
        file = topology_on_free_ports(folder)
        url = tomllib.loads(file.read_text("utf-8"))["nodes"]["hsm"]["acquirer"]
        options = ("--json", "--topology", str(file), "--data-dir", str(folder / "data"), "--node", "hsm")
        with contender([*CARDRAILS, "up", *options]) as process:
            process.line()
            found = anyio.run(_measure, process, url, _node_here(folder), backend_options={"use_uvloop": True})
    return [
        Figure(
            f"HSM over TCP, {shape}",
            f"{median(item.over_tcp):.0f}/s, {median(item.cpu_us):.0f} us each",
            _PATH,
            peer=f"without a socket {median(item.here):.0f}/s",
            ratio=ratio_of([tcp / here for tcp, here in zip(item.over_tcp, item.here, strict=True)]),
        )
        for shape, item in found.items()
    ]
