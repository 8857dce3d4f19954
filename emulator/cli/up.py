"""`cardrails up`: run the house, or some of its nodes, until Ctrl-C."""

from __future__ import annotations

import argparse
import gc
import json
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import anyio

from emulator.cli.shop import buy, hop_lines
from emulator.house import DEFAULT_DATA_DIR, READY_FILE, House
from emulator.topology import NODE_NAMES, Topology, check_node_names, on_free_ports, read_topology
from iso.errors import CardrailsError, ConfigError
from node.telemetry import configure

READY_WITHIN_S = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--topology", type=Path, help="topology file (default: the house that ships with cardrails)")
    parser.add_argument(
        "--node", action="append", default=[], metavar="NAME", help="run only this node; may be repeated"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data-dir", type=Path, help=f"where the databases are (default: {DEFAULT_DATA_DIR})")
    where.add_argument("--ephemeral", action="store_true", help="keep nothing: a temporary folder and free ports")
    parser.add_argument("--ready-file", type=Path, help="written, whole, when every link is signed on")
    parser.add_argument("--demo", action="store_true", help="make one payment at the start and show its hops")
    parser.add_argument("--json", action="store_true", help="print the ready information as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run until interrupted."""
    topology = read_topology(arguments.topology)
    names = check_node_names(arguments.node, "command line")
    configure(as_json=True, level="WARNING")
    if arguments.ephemeral:
        _keeps_nothing(topology)
        with tempfile.TemporaryDirectory(prefix="cardrails-") as folder:
            return _run(arguments, on_free_ports(topology), names, Path(folder))
    data_dir = arguments.data_dir or DEFAULT_DATA_DIR
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = ConfigError("command line", "--data-dir", str(data_dir), f"must be a folder: {error.strerror}")
    else:
        return _run(arguments, topology, names, data_dir)
    raise problem


def _keeps_nothing(topology: Topology) -> None:
    """Refuse an ephemeral house whose books a server would keep."""
    nodes = topology.nodes
    for name, bank in (("acquirer", nodes.acquirer), ("issuer-a", nodes.issuer_a), ("issuer-b", nodes.issuer_b)):
        if bank.server is not None:
            key, shown = f"nodes.{name}.database", bank.server.shown
            raise ConfigError("topology", key, shown, "cannot be part of an ephemeral house: a server keeps it")


def run_async(start: Callable[[], object]) -> None:
    """Run a coroutine function on asyncio with uvloop where it is installed; unwrap the error of a single task."""
    # Threads serve only reads beside the loop; a short interval keeps them from starving behind it.
    sys.setswitchinterval(0.0002)
    # Nearly everything of a message is freed as its last name goes; what stays in memory (ended legs, the trace) need
    # not be walked again every few messages. A tenth of a switch's processor time, measured.
    gc.set_threshold(20_000, 20, 50)
    try:
        anyio.run(start, backend_options={"use_uvloop": sys.platform != "win32"})  # type: ignore[arg-type]
    except* CardrailsError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        problem = error
    else:
        return
    raise problem


def _run(arguments: argparse.Namespace, topology: Topology, names: list[str], data_dir: Path) -> int:
    ready_files = [data_dir / (READY_FILE if len(names) > 1 else f"ready-{names[0]}.json")]
    if arguments.ready_file is not None:
        ready_files.append(arguments.ready_file)
    next_topology: Topology | None = topology
    announce: Callable[[House], Awaitable[None]] = partial(_announce, arguments)
    while next_topology is not None:
        next_topology = _live(House(next_topology, data_dir, names, restarts=True), ready_files, announce)
        announce = _say_nothing
    if not arguments.json:
        print("stopped", flush=True)
    return 0


def _live(house: House, ready_files: list[Path], announce: Callable[[House], Awaitable[None]]) -> Topology | None:
    """Run a house until it is stopped, or until a reset is wanted: then return where the next one is to be."""
    written: list[Path] = []
    next_topology: list[Topology] = []

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_stop_on_signal, house, tasks.cancel_scope)
            await tasks.start(house.run)
            tasks.start_soon(_begin_again, house, next_topology, tasks.cancel_scope)
            if house.names == list(NODE_NAMES):
                await house.wait_ready(READY_WITHIN_S)
            else:
                # The peers of a part of the house may come whenever they like, and may be the user's own.
                print(f"{', '.join(house.names)}: listening; waiting for sign-on", file=sys.stderr, flush=True)
                await house.wait_ready(inf)
            for file in ready_files:
                house.write_ready(file)
                written.append(file)
            await announce(house)
            await anyio.sleep_forever()

    try:
        run_async(main)
    finally:
        # Only what this process wrote: a second house that never started must not hide the first.
        for file in written:
            file.unlink(missing_ok=True)
    return next_topology[0] if next_topology else None


async def _begin_again(house: House, next_topology: list[Topology], scope: anyio.CancelScope) -> None:
    """Stop in good order once a reset is wanted, and say where the next house is to be."""
    await house.wait_reset()
    await house.drain()
    next_topology[:] = [house.at_home()]
    scope.cancel()


async def _stop_on_signal(house: House, scope: anyio.CancelScope) -> None:
    """Stop in good order at the first signal, at once at the second."""

    async def drain() -> None:
        await house.drain()
        scope.cancel()

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:
            is_draining = False
            async for _ in signals:
                if is_draining:
                    scope.cancel()
                    return
                is_draining = True
                tasks.start_soon(drain)


async def _say_nothing(_house: House) -> None:
    """Announce nothing: a house that begins again has its addresses and keys of before."""


async def _announce(arguments: argparse.Namespace, house: House) -> None:
    ready = house.ready_info()
    if arguments.json:
        print(json.dumps(ready), flush=True)
        return
    if arguments.demo:
        purchase = await buy(ready["gateway_url"], ready["secret_key"], house.crossings)
        print("\n".join(hop_lines(purchase)), flush=True)
    print("\n".join(_where(ready)), flush=True)


def _where(ready: dict[str, Any]) -> list[str]:
    """Return where everything is, a line each."""
    nodes = {name: node for name, node in ready["nodes"].items() if name != "gateway"}
    lines = [
        f"{name:<11} tcp://{node['host']}:{node['port']}  {node.get('dialect', '')}" for name, node in nodes.items()
    ]
    if "open" in nodes.get("hsm", {}):
        place = nodes["hsm"]["open"]
        lines.append(
            f"{'hsm, open':<11} tcp://{place['host']}:{place['port']}  (test LMKs: for anybody on this machine)"
        )
    lines.append(f"{'control':<11} {ready['control_url']}")
    if "gateway_url" in ready:
        lines.append(f"{'gateway':<11} {ready['gateway_url']}/v1")
        lines.append(f"{'secret key':<11} {ready['secret_key']}")
        lines.append(f"{'public key':<11} {ready['publishable_key']}")
        lines.append(f"{'operator':<11} {ready['gateway_url']}/emu/v1  {ready['operator_key']}")
        lines.append("up; `cardrails cards` lists the test cards; Ctrl-C stops")
    return [line.rstrip() for line in lines]
