"""The nodes of the house as `/emu/v1` reaches them: through their control ports, by the typed client, and nothing else.

The client blocks, so its calls run in worker threads, a bounded number at a time: a node that does not answer makes
operators wait and no shop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from gateway.emu.problems import Problem
from node.clock import Wall, wall_clock
from node.control_client import ControlClient, ControlError

CALLS_MAX = 8
"""Calls of operators that are under way at once; more wait."""
WATCHERS_MAX = 16
"""Nodes that are watched at once; watching waits, so it has threads of its own."""
SUBJECT = "gateway"
"""Who the nodes are told is calling."""

_STOPPING = "the gateway is stopping"

T = TypeVar("T")
Urls = Callable[[], Mapping[str, str]]
"""Returns the control URL of each node, as known now."""


class House:
    """The control ports of a house.

    Parameters
    ----------
    urls
        Asked at every call: other processes may start later, or elsewhere.
    secret
        Signs service tokens.
    wall
        Their time.
    """

    def __init__(self, urls: Urls, secret: str, wall: Wall = wall_clock) -> None:
        self._urls = urls
        self._secret = secret
        self._wall = wall
        self._known: dict[str, str] = {}
        self._line: _Line | None = None
        self._former: list[_Line] = []
        self._is_closed = False
        self._calls = anyio.CapacityLimiter(CALLS_MAX)
        self._watchers = anyio.CapacityLimiter(WATCHERS_MAX)

    @property
    def nodes(self) -> list[str]:
        """The nodes that are known, by name."""
        return list(self._urls())

    @property
    def processes(self) -> list[list[str]]:
        """The nodes of each process, by control port; those of the gateway's own process come last."""
        ports: dict[str, list[str]] = {}
        for node, url in self._urls().items():
            ports.setdefault(url, []).append(node)
        return sorted(ports.values(), key=lambda nodes: SUBJECT in nodes)

    def named(self, node: str) -> str:
        """Return a node's name if it is one; Problem 404 otherwise."""
        if node not in self._urls():
            raise Problem(404, f"no such node: {node[:40]}; there are {', '.join(self.nodes)}")
        return node

    async def ask(self, work: Callable[[ControlClient], T]) -> T:
        """Do something with the client.

        Raises
        ------
        ControlError
            A node does not answer, or refuses.
        """
        line = self._connected()

        def act() -> T:
            with line.use() as client:
                return work(client)

        return await anyio.to_thread.run_sync(act, limiter=self._calls)

    async def watch(self, node: str, after: int, wait_s: int) -> int:
        """Wait for something beyond a sequence at a node's links; return the newest sequence.

        Raises
        ------
        ControlError
            The node does not answer.
        """
        line = self._connected()

        def wait() -> int:
            with line.use() as client:
                return client.wait_messages(node, after, limit=1, wait_s=wait_s)[1]

        # Whoever stops watching does not wait for the thread, which ends by itself.
        return await anyio.to_thread.run_sync(wait, abandon_on_cancel=True, limiter=self._watchers)

    async def each(
        self, work: Callable[[ControlClient, str], T], nodes: Sequence[str] | None = None
    ) -> tuple[dict[str, T], dict[str, str]]:
        """Do something at each node; return what came of it, and why not at the others."""
        done: dict[str, T] = {}
        failed: dict[str, str] = {}

        async def one(node: str) -> None:
            try:
                done[node] = await self.ask(lambda client: work(client, node))
            except ControlError as error:
                failed[node] = str(error)

        wanted = self.nodes if nodes is None else nodes
        async with anyio.create_task_group() as tasks:
            for node in wanted:
                tasks.start_soon(one, node)
        return {node: done[node] for node in wanted if node in done}, {
            node: failed[node] for node in wanted if node in failed
        }

    def close(self) -> None:
        """Close the connections; whoever asks from here on hears that the gateway is stopping."""
        self._is_closed = True
        for line in [*self._former, *([self._line] if self._line is not None else [])]:
            line.close()
        self._line = None
        self._former.clear()

    def _connected(self) -> _Line:
        if self._is_closed:
            raise ControlError(_STOPPING)
        known = dict(self._urls())
        if self._line is None or known != self._known:
            if self._line is not None:
                # A call may be on its way over it, so it is closed with the others.
                self._former.append(self._line)
            self._line, self._known = _Line(ControlClient(known, self._secret, self._wall, SUBJECT)), known
        return self._line


class _Line:
    """A client that threads use, and that is closed when the last of them has done with it.

    What a thread is just opening when its client is closed would belong to nobody, and stay open.
    """

    def __init__(self, client: ControlClient) -> None:
        self._client = client
        self._users = 0
        self._is_over = False
        self._lock = threading.Lock()

    @contextmanager
    def use(self) -> Iterator[ControlClient]:
        """Lend the client; ControlError if the gateway is stopping."""
        with self._lock:
            if self._is_over:
                raise ControlError(_STOPPING)
            self._users += 1
        try:
            yield self._client
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            is_last = self._is_over and not self._users
        if is_last:
            self._client.close()

    def close(self) -> None:
        """Lend it no more; close it now, or as soon as nobody uses it."""
        with self._lock:
            self._is_over, is_unused = True, not self._users
        if is_unused:
            self._client.close()


def silent_of(failed: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the nodes that did not answer, as every answer lists them."""
    return [{"node": node, "reason": reason} for node, reason in failed.items()]
