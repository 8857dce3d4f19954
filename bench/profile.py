"""Where the processor time of one payment goes: a house under `bench.sampler`, loaded over ISO 8583 or over REST.

    python -m bench.profile iso --window 64      as `bench.iso_path` does; --window 1 is a lone authorisation
    python -m bench.profile gateway --window 16  as `bench.gateway` does; the gateway's process alone
    python -m bench.profile house --window 16    the same load; the process of the HSM and the banks alone
    python -m bench.profile switch               as `bench.switch` does, with MACs: the switch's process alone
    python -m bench.profile issuer               as `bench.banks` does: one issuer with its HSM in its process

Prints the functions that work most by themselves, and those under which most work is done, as shares of all samples.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from bench import banks, gateway, iso_path, switch
from bench.lanes import open_lanes
from bench.purchases import Till
from bench.shoppers import open_shoppers

REQUESTS = 2000
WARM_UP = 300
LINES = 45


Measured = iso_path.Measured | gateway.Measured | switch.Measured


async def drive_iso(house: iso_path.House, requests: int, window: int) -> iso_path.Measured:
    """Warm up, start counting, send one load of authorisations."""
    async with anyio.create_task_group() as tasks:
        till = Till(house.hsm)
        await till.open(tasks)
        lanes = await open_lanes(house.acquirer, min(iso_path.CONNECTIONS, window), iso_path.SPEAKS)
        await anyio.to_thread.run_sync(house.process.line)
        await iso_path.measure(house.process, lanes, await till.mint(WARM_UP), window)
        messages = await till.mint(requests)
        os.kill(house.process.pid, signal.SIGUSR1)
        measured = await iso_path.measure(house.process, lanes, messages, window)
        tasks.cancel_scope.cancel()
    return measured


async def drive_gateway(shop: gateway.Shop, requests: int, window: int, sampled: int) -> gateway.Measured:
    """Warm up, start counting in the process `sampled`, send one load of checkouts."""
    shoppers, counter = await open_shoppers(shop.address, window), gateway.Counter(shop.ready["secret_key"])
    await gateway.buy(shop, shoppers, counter.checkouts(shop.address, WARM_UP))
    os.kill(sampled, signal.SIGUSR1)
    measured = await gateway.buy(shop, shoppers, counter.checkouts(shop.address, requests))
    shoppers.close()
    return measured


def run(kind: str, requests: int, window: int, folder: Path) -> Measured:
    """Start a sampled house, load it, stop it; the samples are then in the folder."""
    launcher = (sys.executable, "-m", "bench.sampler", str(folder / "samples.json"))
    if kind == "switch":
        with switch.surroundings() as place:
            samples = folder / "samples.json"
            return anyio.run(switch.profiled, place, samples, requests, window, backend_options={"use_uvloop": True})
    if kind == "issuer":
        return anyio.run(
            banks.profiled, folder / "samples.json", requests, window, backend_options={"use_uvloop": True}
        )
    if kind == "iso":
        with iso_path.iso_house(launcher) as house:
            return anyio.run(drive_iso, house, requests, window, backend_options={"use_uvloop": True})
    if kind == "house":
        with gateway.shop(house_launcher=launcher) as shop:
            return anyio.run(
                drive_gateway, shop, requests, window, shop.house.pid, backend_options={"use_uvloop": True}
            )
    with gateway.shop(launcher) as shop:
        return anyio.run(drive_gateway, shop, requests, window, shop.gateway.pid, backend_options={"use_uvloop": True})


def report(seen: dict[str, Any], measured: Measured, length: int) -> str:
    """Return the three tables."""
    lines = [f"{measured.rate:.0f}/s, {measured.cpu_us:.0f} us of processor time each, {seen['samples']} samples"]
    tables = (("by file", "parts"), ("by themselves", "top"), ("with what they call", "anywhere"))
    for title, counts in ((title, seen[name]) for title, name in tables):
        lines.append(f"\n{title}")
        ordered = sorted(counts.items(), key=lambda item: -item[1])[:length]
        lines += [f"{100 * count / seen['samples']:6.1f} %  {name}" for name, count in ordered]
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("kind", choices=("iso", "gateway", "house", "switch", "issuer"))
    arguments.add_argument("--requests", type=int, default=REQUESTS)
    arguments.add_argument("--window", type=int, default=iso_path.WINDOW)
    arguments.add_argument("--lines", type=int, default=LINES, help="of each table")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="cardrails-profile-") as name:
        folder = Path(name)
        measured = run(chosen.kind, chosen.requests, chosen.window, folder)
        print(report(json.loads((folder / "samples.json").read_text("utf-8")), measured, chosen.lines))


if __name__ == "__main__":
    main()
