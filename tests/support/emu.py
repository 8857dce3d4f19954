"""`/emu/v1` of a gateway over a small house: two nodes that only have links, on a real control port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from gateway.core.listed_cards import ListedCard
from gateway.emu.app import PREFIX, Faces, build_emu
from gateway.emu.desk import Desk, digest_of
from gateway.emu.house import House
from gateway.emu.streaming import Watch
from gateway.tracing import requests_of
from iso import Message, dialect, encode
from iso.private import TRACE_ID, build_private
from node.clock import BusinessClock
from node.control import Controlled, control_app
from node.core.faults import Faults
from node.http import HttpServer
from node.trace import TraceRing
from tests.support.gateway import Gateway
from tests.support.hsm import EPOCH
from tests.support.http import SECRET
from tests.support.messages import authorisation_request

OPERATOR = "emu_test_" + "e" * 48
SPEAKS = dialect("ascii87")
ABSENT = "issuer-b"
"""A node of the house that is not running."""
CARDS = (ListedCard("424242******4242", "12/34", "any", "issuer-a", "approved", ("pm_card_visa",)),)
TRACE = "4f" * 16


class SmallHouse:
    """A gateway's `/emu/v1`, and the nodes that it asks: `gateway`, `switch`, `issuer-a`; `issuer-b` never answers."""

    def __init__(self, portal: BlockingPortal) -> None:
        self.portal = portal
        self.ended = threading.Event()
        self.gateway = Gateway()
        self.clock = BusinessClock(wall=lambda: EPOCH)
        self.rings = {
            "gateway": TraceRing("gateway", {"acquirer": SPEAKS}),
            "switch": TraceRing("switch", {"acquirer": SPEAKS, "issuer-a": SPEAKS}),
            "issuer-a": TraceRing("issuer-a", {"network": SPEAKS}),
        }
        self.nodes = {name: self._controlled(name, ring) for name, ring in self.rings.items()}
        self.nodes["gateway"].requests_of = partial(requests_of, self.gateway.store, self.gateway.requests)
        self.urls: dict[str, str] = {}
        self.house = House(lambda: self.urls, SECRET)
        self.watch = Watch(self.house)
        desk = Desk(self.gateway.ports, self.house, self.gateway.requests, self.watch, CARDS, digest_of(OPERATOR))
        self.app = build_emu(desk)
        self._control = HttpServer(control_app(self.nodes, SECRET), "127.0.0.1:0")
        self._http = HttpServer(Faces(self.gateway.app, self.app), "127.0.0.1:0")

    def _controlled(self, name: str, ring: TraceRing) -> Controlled:
        links = {link: {"up": True, "in": 1} for link in ring.links}
        faults = Faults(dict.fromkeys(ring.links, SPEAKS))
        view = {"name": name, "links": links, "tombstones": 2}
        return Controlled(
            name, BusinessClock(wall=lambda: EPOCH), is_ready=lambda: True, view=lambda: view, trace=ring, faults=faults
        )

    @property
    def url(self) -> str:
        """Where `/emu/v1` is."""
        return f"{self._http.url}{PREFIX}"

    async def run(self, *, task_status: Any) -> None:
        """Serve the control port and the gateway's."""
        try:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self._control.run)
                self.urls |= dict.fromkeys([*self.nodes, ABSENT], self._control.url)
                tasks.start_soon(self.watch.run)
                await tasks.start(self._http.run)
                task_status.started()
        finally:
            self.house.close()
            self.ended.set()

    def cross(self, node: str, link: str, message: Message, direction: Any = "in", second: int = 0) -> None:
        """Let a message cross a node's link, at a second of business time."""
        at = datetime.fromtimestamp(EPOCH.timestamp() + second, UTC)
        self.portal.call(self.rings[node].frame, at, link, direction, 1, encode(message, SPEAKS), message)

    def remark(self, node: str, link: str, detail: str) -> None:
        """Let a node note something."""
        self.portal.call(self.rings[node].note, EPOCH, link, "late", detail)

    def client(self, key: str | None = OPERATOR) -> httpx.Client:
        """Return a blocking client of `/emu/v1`."""
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False)

    def until(self, holds: Any, within_s: float = 10.0) -> bool:
        """Wait until something holds; False if it never did."""

        async def poll() -> bool:
            with anyio.move_on_after(within_s):
                while not holds():
                    with anyio.move_on_after(0.01):
                        await anyio.sleep_forever()
                return True
            return False

        return self.portal.call(poll)


@contextmanager
def small_house() -> Iterator[SmallHouse]:
    """Start a small house, stop it afterwards."""
    with start_blocking_portal() as portal:
        house = portal.call(SmallHouse, portal)
        task, _ = portal.start_task(house.run)
        try:
            yield house
        finally:
            task.cancel()
            assert house.ended.wait(10)


def request(stan: str = "000001", trace: str = TRACE, **changes: str) -> Message:
    """Return a 0100 with a trace id."""
    return authorisation_request(de11=stan, de48=build_private({TRACE_ID: trace}), **changes)
