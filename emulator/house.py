"""A house, or those of its nodes that run in this process: start, readiness, control port, stop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
from anyio.abc import TaskStatus

from emulator.emptying import empty_wanted, want_empty
from emulator.keys import merchant_keys, operator_key
from emulator.neighbours import find_controls
from emulator.topology import NODE_NAMES, PARTIES, Topology, at_addresses
from emulator.wiring import Place, Started, start_node
from iso.errors import CardrailsError, ConfigError
from node.clock import Entropy, Wall, system_entropy, wall_clock
from node.control import control_app, service_secret
from node.http import HttpServer
from node.journal import DatabaseUrl
from node.message_store import LIMIT_MAX, Query
from node.pipes import split_url
from node.private_file import write_private
from node.runtime import DRAIN_S

DEFAULT_DATA_DIR = Path(".cardrails")
READY_FILE = "ready.json"
BANKS = ("acquirer", "issuer-a", "issuer-b")
_POLL_S = 0.01
_NEWEST = Query(limit=LIMIT_MAX, newest=True)


class NotReadyError(CardrailsError):
    """The house did not become ready in time; says which nodes are missing."""


class House:
    """Some or all nodes of a topology in this process.

    Parameters
    ----------
    topology
        What to run.
    data_dir
        Existing folder with the nodes' databases, one file each.
    names
        Which nodes; all by default.
    restarts
        Whether whoever runs it starts it again once a reset is wanted; see `wait_reset`.
    """

    def __init__(
        self,
        topology: Topology,
        data_dir: Path,
        names: Sequence[str] = NODE_NAMES,
        *,
        restarts: bool = False,
        wall: Wall = wall_clock,
        entropy: Entropy = system_entropy,
    ) -> None:
        self.topology = topology
        self.data_dir = data_dir
        self.names = [name for name in NODE_NAMES if name in names]
        self.nodes: dict[str, Started] = {}
        self.place = Place(topology, data_dir, wall, entropy)
        self.secret = service_secret(data_dir, entropy)
        self._entropy = entropy
        self._control: HttpServer | None = None
        self._restarts = restarts
        self._reset = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Start every node, then serve until cancelled. Started once all listen; see `wait_ready` for signed on.

        Raises
        ------
        CardrailsError
            A port or a database is in use, a file is wrong, or a node stopped because a commit failed.
        """
        empty_wanted(self.data_dir, self.names)
        async with anyio.create_task_group() as tasks:
            for name in self.names:
                self.nodes[name] = await start_node(name, self.place, tasks)
                if self._restarts:
                    self.nodes[name].controlled.empty = self._empty
            controlled = {name: started.controlled for name, started in self.nodes.items()}
            self._control = HttpServer(control_app(controlled, self.secret), self._control_address())
            self._control.bind()
            await tasks.start(self._control.run, name="control")
            self.place.control_urls.update(self.control_urls())
            tasks.start_soon(find_controls, self.place.control_urls, self._elsewhere(), name="neighbours")
            task_status.started()

    @property
    def is_ready(self) -> bool:
        """Whether all links of all nodes in this process are signed on."""
        return len(self.nodes) == len(self.names) and not self._missing()

    async def wait_ready(self, within_s: float) -> None:
        """Wait until the house is ready.

        Raises
        ------
        NotReadyError
            It is not after `within_s` seconds.
        """
        with anyio.move_on_after(within_s):
            while not self.is_ready:  # noqa: ASYNC110 - readiness is the sum of many links, each in its own node
                await anyio.sleep(_POLL_S)
            return
        raise NotReadyError(f"not ready after {within_s:g} s; no sign-on at: {', '.join(self._missing())}")

    async def wait_reset(self) -> None:
        """Wait until somebody wants it empty: stop it then, and run one `at_home` in the same folder."""
        await self._reset.wait()

    def at_home(self) -> Topology:
        """Return its topology with the ports that it has: who is started again is found where it was."""
        assert self._control is not None, "the house has not started"
        if len(self.names) < len(NODE_NAMES):
            # A part of a house cannot choose its ports, or the others would not find it.
            return self.topology
        return at_addresses(self.topology, self.place.addresses, self._control.url)

    def _empty(self) -> list[str]:
        """Have every node here begin again, empty.

        Raises
        ------
        ConfigError
            A bank's books are on a database server.
        """
        for name in self.names:
            if isinstance(self.place.books(name) if name in BANKS else None, DatabaseUrl):
                rule = "a reset empties folders, and these books are on a database server"
                raise ConfigError("topology", f"nodes.{name}.database", "(a server)", rule)
        want_empty(self.data_dir, self.names)
        for started in self.nodes.values():
            # From here on it is the next house that is waited for.
            started.controlled.is_ready = lambda: False
        self._reset.set()
        return self.names

    async def drain(self, within_s: float = DRAIN_S) -> bool:
        """Stop in good order, from the shops' end inwards: sign off, take nothing new, wait for what is under way.

        Everything goes on running; cancel `run` afterwards.

        Returns
        -------
        bool
            False if something was still under way after `within_s` seconds.
        """
        with anyio.move_on_after(within_s):
            drained = [
                await started.drain(within_s)
                for _, started in sorted(self.nodes.items(), key=lambda node: -NODE_NAMES.index(node[0]))
                if started.drain is not None
            ]
            return all(drained)
        return False

    def control_urls(self) -> dict[str, str]:
        """Return the control URL for each node of this process."""
        assert self._control is not None, "the house has not started"
        return dict.fromkeys(self.nodes, self._control.url)

    def crossings(self) -> list[dict[str, Any]]:
        """Return what crossed the links of all nodes of this process, masked; the newest of each node."""
        return [crossing for started in self.nodes.values() for crossing in started.controlled.trace.views(_NEWEST)]

    def ready_info(self) -> dict[str, Any]:
        """Return what the ready file says."""
        assert self._control is not None, "the house has not started"
        info: dict[str, Any] = {"control_url": self._control.url, "nodes": self._node_info()}
        info["data_dir"] = str(self.data_dir.resolve())
        if "gateway" in self.nodes:
            first = self.topology.merchants[0].id
            keys = merchant_keys(self.data_dir, [first], self._entropy)[first]
            info["gateway_url"] = self.place.addresses["gateway"]
            info["secret_key"], info["publishable_key"] = keys.secret, keys.publishable
            info["operator_key"] = operator_key(self.data_dir, self._entropy)
        return info

    def write_ready(self, path: Path) -> None:
        """Write the ready file; it appears whole or not at all."""
        write_private(path, json.dumps(self.ready_info(), indent=2) + "\n")

    def _missing(self) -> list[str]:
        waiting = [name for name, started in self.nodes.items() if not started.controlled.is_ready()]
        return waiting + [name for name in self.names if name not in self.nodes]

    def _elsewhere(self) -> dict[str, str]:
        """Return the nodes of other processes that somebody here asks, each with the port that it may share."""
        if "gateway" not in self.names:
            return {}
        shared = f"http://{self.topology.control.address}"
        return {name: shared for name in NODE_NAMES if name not in self.names}

    def _control_address(self) -> str:
        if len(self.names) == 1:
            section = getattr(self.topology.nodes, self.names[0].replace("-", "_"))
            return str(section.control)
        return self.topology.control.address

    def _node_info(self) -> dict[str, dict[str, Any]]:
        nodes = self.topology.nodes
        info: dict[str, dict[str, Any]] = {}
        for name in self.nodes:
            if name == "hsm":
                ports = {party: _host_port(self.place.addresses[f"hsm/{party}"]) for party in PARTIES}
                info[name] = {**ports["gateway"], "parties": ports}
                for more in ("open", "shared"):
                    if f"hsm/{more}" in self.place.addresses:
                        info[name][more] = _host_port(self.place.addresses[f"hsm/{more}"])
            else:
                info[name] = _host_port(self.place.addresses[name])
                section = getattr(nodes, name.replace("-", "_"))
                if hasattr(section, "dialect"):
                    info[name]["dialect"] = section.dialect
        return info


def read_ready(path: Path | None) -> dict[str, Any] | None:
    """Read the ready file of a running house; None if there is none at the default place.

    Raises
    ------
    ConfigError
        The file that was named is missing or is not a ready file.
    """
    wanted = path or DEFAULT_DATA_DIR / READY_FILE
    if path is None and not wanted.exists():
        return None
    try:
        ready = json.loads(wanted.read_text("utf-8"))
        if isinstance(ready, dict) and "nodes" in ready:
            return ready
    except (OSError, ValueError):
        pass
    raise ConfigError(wanted, "--ready-file", str(wanted), "must be the ready file of a running house")


def _host_port(address: str) -> dict[str, Any]:
    if address.startswith("http"):
        parts = urlsplit(address)
        return {"host": parts.hostname, "port": parts.port}
    _, host, port = split_url(address)
    return {"host": host, "port": port}
