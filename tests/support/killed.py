"""One node of a house as a process of its own, which kills itself at a commit that a test names.

`python -m tests.support.killed --topology FILE --data-dir FOLDER --node NAME` runs the node as `cardrails up` does,
over a journal that reads its orders from FOLDER/doom.json. Counting begins with the first commit that finds orders.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.lowlevel

from emulator.cli.up import run_async
from emulator.house import House
from emulator.topology import read_topology
from node.core.find import Find
from node.core.turn import Row
from node.journal import Journal, Rows, Stores
from node.telemetry import configure

ORDERS = "doom.json"
When = Literal["before", "during", "after"]
"""Of a commit. During: the database has been asked and has not answered yet; with a file there is no such moment."""


class DoomedJournal:
    """A journal whose process dies at the commit that the orders name."""

    def __init__(self, journal: Journal, orders: Path) -> None:
        self._journal = journal
        self._orders = orders
        self._seen = 0

    async def load(self) -> Rows:
        """Load."""
        return await self._journal.load()

    async def find(self, find: Find) -> list[Row]:
        """Find."""
        return await self._journal.find(find)

    async def aclose(self) -> None:
        """Close."""
        await self._journal.aclose()

    async def commit(self, stores: Stores) -> None:
        """Commit, or die."""
        orders = self._due()
        if orders.get("when") == "before":
            _die()
        if orders.get("when") == "during":
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._journal.commit, stores)
                for _ in range(orders["turns"]):
                    await anyio.lowlevel.checkpoint()
                _die()
        await self._journal.commit(stores)
        if orders:
            _die()

    def _due(self) -> dict[str, Any]:
        try:
            orders: dict[str, Any] = json.loads(self._orders.read_text())
        except FileNotFoundError:
            self._seen = 0
            return {}
        self._seen += 1
        return orders if self._seen == orders["at"] else {}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DoomedNode:
    """A node that runs in a process of its own, and can be told at which commit to die."""

    def __init__(self, topology: Path, data_dir: Path, name: str) -> None:
        self.name = name
        self._orders = data_dir / ORDERS
        self._command = [sys.executable, "-m", "tests.support.killed", "--topology", str(topology)]
        self._command += ["--data-dir", str(data_dir), "--node", name]
        self._process: subprocess.Popen[str] | None = None
        self.deaths = 0

    def start(self) -> None:
        """Start it; return once it listens."""
        self._orders.unlink(missing_ok=True)
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "listening\n"

    def doom(self, when: When, at: int) -> None:
        """Let it die at the `at`-th commit from now on."""
        draft = self._orders.with_suffix(".new")
        # Another moment of the exchange with the server each time: a turn of the loop takes some microseconds.
        turns = 2 + 37 * self.deaths % 199
        draft.write_text(json.dumps({"when": when, "at": at, "turns": turns}))
        draft.replace(self._orders)

    def spare(self) -> None:
        """Take the orders back."""
        self._orders.unlink(missing_ok=True)

    @property
    def is_dead(self) -> bool:
        """Whether it has killed itself."""
        assert self._process is not None
        return self._process.poll() is not None

    def bury(self) -> None:
        """Kill it if it lives, and let go of it."""
        if self._process is not None:
            self.deaths += self.is_dead
            self._process.kill()
            self._process.wait(timeout=10)
            assert self._process.stdout is not None
            self._process.stdout.close()


def main(arguments: list[str]) -> None:
    """Run the node until it dies."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--topology", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--node", required=True)
    wanted = parser.parse_args(arguments)
    configure(as_json=True, level="WARNING")
    house = House(read_topology(wanted.topology), wanted.data_dir, [wanted.node])
    house.place.watched = lambda _name, journal: DoomedJournal(journal, wanted.data_dir / ORDERS)

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            await tasks.start(house.run)
            print("listening", flush=True)

    run_async(run)


if __name__ == "__main__":
    main(sys.argv[1:])
