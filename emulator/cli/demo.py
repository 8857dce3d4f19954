"""`cardrails demo`: one checkout through an ephemeral house, every hop decoded. Exit 0 only if it was approved."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import anyio

from emulator.cli.shop import DEMO_CARD, Purchase, buy, hop_lines
from emulator.cli.up import READY_WITHIN_S, run_async
from emulator.house import House
from emulator.topology import on_free_ports, read_topology
from node.telemetry import configure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--method", default=DEMO_CARD, help=f"payment method to pay with (default: {DEMO_CARD})")
    parser.add_argument("--topology", type=Path, help="topology file; its ports are not used")
    parser.add_argument("--long", action="store_true", help="a line for every element, with its name")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 if the payment was approved."""
    configure(as_json=True, level="WARNING")
    topology = on_free_ports(read_topology(arguments.topology))
    bought: list[Purchase] = []
    with tempfile.TemporaryDirectory(prefix="cardrails-") as folder:
        house = House(topology, Path(folder))

        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                await tasks.start(house.run)
                await house.wait_ready(READY_WITHIN_S)
                ready = house.ready_info()
                bought.append(await buy(ready["gateway_url"], ready["secret_key"], house.crossings, arguments.method))
                tasks.cancel_scope.cancel()

        run_async(main)
    purchase = bought[0]
    if arguments.json:
        print(json.dumps({"payment_intent": purchase.intent, "http_status": purchase.status, "hops": purchase.hops}))
    else:
        print("\n".join(hop_lines(purchase, as_tables=arguments.long)))
    return 0 if purchase.is_approved else 1
