"""Builders for running HSM nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import ByteStream

from hsm_sim.config import HsmConfig, PartyConfig
from hsm_sim.node import HsmNode
from hsm_sim.store import metadata, open_store
from node.journal import MemoryJournal
from node.pipes import Pipes
from tests.support.hsm import MASTER, PARTIES, seeded
from tests.support.nodes import fixed_clock


def config(scheme: str = "memory", **settings: Any) -> HsmConfig:
    """Return a configuration with a port for each party: in memory, or on free TCP ports."""
    parties = [
        PartyConfig.model_validate(
            {
                "name": party.name,
                "role": party.role,
                "address": f"memory://hsm-{party.name}" if scheme == "memory" else "tcp://127.0.0.1:0",
            }
        )
        for party in PARTIES
    ]
    return HsmConfig.model_validate({"parties": parties, **settings})


def hsm_node(pipes: Pipes, journal: Callable[..., MemoryJournal] = MemoryJournal, **settings: Any) -> HsmNode:
    """Build an ephemeral HSM on memory pipes."""
    return HsmNode(config(**settings), journal(metadata), MASTER, fixed_clock(), pipes, seeded())


def stored_node(data_dir: Path, seed: str = "seed", **settings: Any) -> HsmNode:
    """Build an HSM on real sockets and a database in `data_dir`."""
    entropy = seeded(seed)
    journal, master = open_store(data_dir, entropy)
    return HsmNode(config("tcp", **settings), journal, master, fixed_clock(), Pipes(), entropy)


@asynccontextmanager
async def serving(node: HsmNode) -> AsyncIterator[None]:
    """Run a node for as long as the block."""
    async with anyio.create_task_group() as tasks:
        await tasks.start(node.run)
        await anyio.wait_all_tasks_blocked()
        yield
        tasks.cancel_scope.cancel()


async def everything_from(stream: ByteStream, within_s: float = 5.0) -> bytes:
    """Return what a peer sends until it closes, which it must."""
    received = b""
    with anyio.move_on_after(within_s):
        try:
            while True:
                received += await stream.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            return received
    raise AssertionError("the connection stayed open")
