"""A whole house in this process: real nodes, real sockets, free ports, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import stripe
from anyio.from_thread import BlockingPortal, start_blocking_portal

from emulator.house import House
from emulator.topology import Deadlines, Topology, on_free_ports, read_topology
from node.control import ControlClient
from node.core.faults import Fault
from tests.support.oracle import Oracle
from tests.support.sdk import Watched

READY_WITHIN_S = 20.0
POLL_S = 0.02


class HouseHandle:
    """What a test does with a running house."""

    def __init__(self, house: House, portal: BlockingPortal) -> None:
        self.house = house
        self._portal = portal
        self.ready = house.ready_info()
        self.oracle = Oracle()
        self.control = ControlClient(house.control_urls(), house.secret)

    def stripe(self, **options: Any) -> stripe.StripeClient:
        """Return the official client, pointed at the gateway; every answer it gets goes past the type oracle."""
        options.setdefault("http_client", Watched(self.oracle))
        return stripe.StripeClient(
            self.ready["secret_key"], base_addresses={"api": self.ready["gateway_url"]}, **options
        )

    def run(self, start: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine function in the house's event loop."""
        return self._portal.call(start)

    def add_fault(self, node: str, link: str, direction: str, mti: str, action: str = "close", times: int = 1) -> None:
        """Arm a fault on one of a node's links."""
        self.control.add_fault(node, Fault(link, direction, mti, action, times))  # type: ignore[arg-type]

    def state(self, node: str) -> dict[str, Any]:
        """Return a node's summary."""
        return self.control.state(node)

    def eventually(self, holds: Callable[[], bool], within_s: float = 20.0) -> bool:
        """Wait until something holds; the house goes on meanwhile. False if it never did."""
        return bool(self._portal.call(_until, holds, within_s))


async def _until(holds: Callable[[], bool], within_s: float) -> bool:
    with anyio.move_on_after(within_s):
        while not await anyio.to_thread.run_sync(holds):
            with anyio.move_on_after(POLL_S):
                await anyio.sleep_forever()
        return True
    return False


def hasty() -> Topology:
    """Return the default house with short deadlines, for tests in which somebody stays silent."""
    deadlines = Deadlines(hsm_s=0.5, issuer_s=1.0, switch_leg_s=1.5, acquirer_s=2.5, gateway_s=4.0)
    return read_topology(None).model_copy(update={"deadlines": deadlines})


@contextmanager
def running_house(data_dir: Path, topology: Topology | None = None, backend: str = "asyncio") -> Iterator[HouseHandle]:
    """Start a house on free ports, hand it out once every link is signed on, stop it afterwards."""
    house = House(on_free_ports(topology or read_topology(None)), data_dir)
    with start_blocking_portal(backend) as portal:
        task, _ = portal.start_task(house.run)
        try:
            portal.call(house.wait_ready, READY_WITHIN_S)
            handle = HouseHandle(house, portal)
            yield handle
            handle.control.close()
        finally:
            task.cancel()
    # Reached only if the test did not fail: what it was told, and what was written down, has the types of the SDK.
    handle.oracle.see_database(data_dir / "gateway.db")
    handle.oracle.verdict()
