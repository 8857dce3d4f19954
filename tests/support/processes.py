"""Houses as operating-system processes: started by the command that users type, killed without mercy."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import stripe

from emulator.topology import NODE_NAMES, default_text, read_topology
from node.control import ControlClient
from tests.support.oracle import Oracle
from tests.support.sdk import Watched

READY_WITHIN_S = 30.0


def topology_on_free_ports(folder: Path, more: str = "", databases: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Write the default topology, and more of it, with ports that were free a moment ago.

    `databases` says which banks keep their books on which database server.
    """
    text = default_text() + more
    ports = sorted(set(re.findall(r"127\.0\.0\.1:(\d+)", text)))
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in ports]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        chosen = {port: one.getsockname()[1] for port, one in zip(ports, taken, strict=True)}
    file = folder / "topology.toml"
    text = re.sub(r"127\.0\.0\.1:(\d+)", lambda match: f"127.0.0.1:{chosen[match[1]]}", text)
    file.write_text(with_databases(text, databases))
    return file


def with_databases(text: str, databases: Mapping[str, str]) -> str:
    """Return a topology whose banks keep their books where `databases` says."""
    for bank, url in databases.items():
        section = f"[nodes.{bank}]\n"
        assert section in text
        text = text.replace(section, f'{section}database = "{url}"\n')
    return text


COMMAND = ("emulator.cli",)


class NodeProcess:
    """One `cardrails up` process; `module` and its arguments run in the place of the command that users type."""

    def __init__(
        self, topology: Path, data_dir: Path, nodes: Sequence[str] = (), module: Sequence[str] = COMMAND
    ) -> None:
        self.ready_file = data_dir / f"ready-of-{'-'.join(nodes) or 'house'}.json"
        command = [sys.executable, "-m", *module, "up", "--json", "--topology", str(topology)]
        command += ["--data-dir", str(data_dir), "--ready-file", str(self.ready_file)]
        for node in nodes:
            command += ["--node", node]
        self.ready_file.unlink(missing_ok=True)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.ready: dict[str, Any] = {}

    def wait_ready(self) -> None:
        """Wait for the line that the command prints once it is ready."""
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], READY_WITHIN_S)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            self.kill()
            assert self._process.stderr is not None
            raise AssertionError(f"not ready: {self._process.stderr.read()}")
        self.ready = json.loads(line)

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)

    def stop(self) -> int:
        """End it as Ctrl-C does; return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        code = self._process.wait(timeout=20)
        self.close()
        return code

    def close(self) -> None:
        """Close its pipes."""
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


class ProcessHouse:
    """A house in one process, or in one process per node; `more` is added to the default topology."""

    def __init__(
        self, folder: Path, *, one_process: bool, more: str = "", databases: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.data_dir = folder / "data"
        self.data_dir.mkdir(exist_ok=True)
        self.topology = topology_on_free_ports(folder, more, databases)
        self._groups: list[tuple[str, ...]] = [()] if one_process else [(name,) for name in NODE_NAMES]
        self.processes: dict[str, NodeProcess] = {}
        self.oracle = Oracle()

    def start(self, *names: str, until_ready: bool = True) -> None:
        """Start every process, or those of the named nodes; return when all their links are signed on."""
        started = []
        for group in self._groups:
            name = group[0] if group else "house"
            if not names or name in names:
                self.processes[name] = NodeProcess(self.topology, self.data_dir, group)
                started.append(self.processes[name])
        for process in started if until_ready else []:
            process.wait_ready()

    def kill(self, *names: str) -> None:
        """Kill every process, or those of the named nodes."""
        for name, process in self.processes.items():
            if not names or name in names:
                process.kill()
                process.close()

    def control(self) -> ControlClient:
        """Return a control client for all nodes."""
        sections = read_topology(self.topology)
        whole = f"http://{sections.control.address}"
        alone = {node: f"http://{getattr(sections.nodes, node.replace('-', '_')).control}" for node in NODE_NAMES}
        urls = dict.fromkeys(NODE_NAMES, whole) if "house" in self.processes else alone
        return ControlClient(urls, (self.data_dir / "control.key").read_text())

    def stripe(self, **options: Any) -> stripe.StripeClient:
        """Return the official client, pointed at the gateway; every answer it gets goes past the type oracle."""
        ready = (self.processes.get("gateway") or self.processes["house"]).ready
        options.setdefault("http_client", Watched(self.oracle))
        return stripe.StripeClient(ready["secret_key"], base_addresses={"api": ready["gateway_url"]}, **options)


@contextmanager
def process_house(
    folder: Path,
    *,
    one_process: bool = True,
    more: str = "",
    databases: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[ProcessHouse]:
    """Start a house, hand it out, kill what is left of it."""
    house = ProcessHouse(folder, one_process=one_process, more=more, databases=databases)
    try:
        house.start()
        yield house
    finally:
        house.kill()
    house.oracle.see_database(house.data_dir / "gateway.db")
    house.oracle.verdict()
