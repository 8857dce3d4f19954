"""The nodes of the house as `/emu/v1` reaches them: through their control ports, by the typed client, and nothing else.

The client blocks, so its calls run in worker threads, a bounded number at a time: a node that does not answer makes
operators wait and no shop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
        self._client: ControlClient | None = None
        self._former: list[ControlClient] = []
        self._is_closed = False
        self._calls = anyio.CapacityLimiter(CALLS_MAX)
        self._watchers = anyio.CapacityLimiter(WATCHERS_MAX)

    @property
    def nodes(self) -> list[str]:
        """The nodes that are known, by name."""
        return list(self._urls())

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
        client = self._connected()

        def act() -> T:
            try:
                return work(client)
            except RuntimeError:
                if not self._is_closed:
                    raise
            # The connections were closed under it: the gateway is stopping.
            raise ControlError(_STOPPING)

        return await anyio.to_thread.run_sync(act, limiter=self._calls)

    async def watch(self, node: str, after: int, wait_s: int) -> int:
        """Wait for something beyond a sequence at a node's links; return the newest sequence.

        Raises
        ------
        ControlError
            The node does not answer.
        """
        client = self._connected()

        def wait() -> int:
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
        if self._client is not None:
            self._client.close()
            self._client = None
        for client in self._former:
            client.close()
        self._former.clear()

    def _connected(self) -> ControlClient:
        if self._is_closed:
            raise ControlError(_STOPPING)
        known = dict(self._urls())
        if self._client is None or known != self._known:
            if self._client is not None:
                # A call may be on its way over it, so it is closed with the others.
                self._former.append(self._client)
            self._client, self._known = ControlClient(known, self._secret, self._wall, SUBJECT), known
        return self._client


def silent_of(failed: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the nodes that did not answer, as every answer lists them."""
    return [{"node": node, "reason": reason} for node, reason in failed.items()]
