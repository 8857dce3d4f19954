"""Checkouts over REST, as a share of an empty FastAPI POST that is served in the same way.

The house (HSM, acquirer, switch, issuers) is one process and the gateway another, as a shop's bank and its payment
provider are; so the processor time of either is known apart.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import anyio

from bench.figures import Figure, percentile, progress, ratio_of, table
from bench.processes import CARDRAILS, BenchError, Contender, address_of, contender, topology_on_free_ports
from bench.shoppers import Answers, Shoppers, open_shoppers, post
from node.clock import system_entropy
from node.control_access import service_secret

CONNECTIONS = 16
ROUNDS = 5
ROUND_S = 1.5
HALF_LOAD_S = 5.0
WARM_UP = 300
ALONE = 100
EMPTY = (sys.executable, "-m", "bench.empty_post")
HOUSE_NODES = ("hsm", "issuer-a", "issuer-b", "switch", "acquirer")
PATH = (
    "POST /v1/payment_intents, confirm=true, pm_card_visa or pm_card_mastercard, own Idempotency-Key each, and its "
    "capture as an advice; gateway (uvicorn, uvloop, httptools) in its own process; HSM, acquirer, switch, issuer A or "
    "B in one process, loopback TCP; AES-CMAC, kept messages, SQLite synchronous=NORMAL; client in its own process"
)
_METHODS = ("pm_card_visa", "pm_card_mastercard")


class Shop(NamedTuple):
    """A running gateway with its house behind it."""

    gateway: Contender
    house: Contender
    ready: dict[str, Any]

    @property
    def address(self) -> tuple[str, int]:
        """Where the gateway listens."""
        return address_of(self.ready["gateway_url"])


@contextmanager
def shop(launcher: Sequence[str] = CARDRAILS, folder: Path | None = None) -> Iterator[Shop]:
    """Run a house and a gateway on a folder, temporary unless it is given; `launcher` starts the gateway."""
    with ExitStack() as running:
        if folder is None:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="cardrails-bench-")))
        common = ["up", "--json", "--topology", str(topology_on_free_ports(folder)), "--data-dir", str(folder / "data")]
        (folder / "data").mkdir(exist_ok=True)
        # Before either of them begins: both would make it.
        service_secret(folder / "data", system_entropy)
        house_nodes = [argument for node in HOUSE_NODES for argument in ("--node", node)]
        house = running.enter_context(contender([*CARDRAILS, *common, *house_nodes]))
        gateway = running.enter_context(contender([*launcher, *common, "--node", "gateway"]))
        # Only now: the acquirer is ready once the gateway has signed on.
        house.line()
        yield Shop(gateway, house, json.loads(gateway.line()))


class Counter:
    """Makes checkout requests, none twice."""

    def __init__(self, secret_key: str) -> None:
        self._secret_key = secret_key
        self._numbers = count()

    def checkouts(self, address: tuple[str, int], size: int) -> list[bytes]:
        """Return `size` requests."""
        return [self._checkout(address, next(self._numbers)) for _ in range(size)]

    def _checkout(self, address: tuple[str, int], number: int) -> bytes:
        headers = {
            "authorization": f"Bearer {self._secret_key}",
            "content-type": "application/x-www-form-urlencoded",
            "idempotency-key": f"bench-{number}",
        }
        method = _METHODS[number % len(_METHODS)]
        body = f"amount=1999&currency=usd&payment_method={method}&confirm=true"
        return post("/v1/payment_intents", address, headers, body.encode("ascii"))


class Measured(NamedTuple):
    """One load of one server: requests a second, latencies, and processor time a request, of it and of the house."""

    rate: float
    latencies_s: list[float]
    cpu_us: float
    house_cpu_us: float = 0.0


def check_paid(answers: Answers) -> None:
    """Make sure that every checkout was paid.

    Raises
    ------
    BenchError
        One was not.
    """
    for status, body in zip(answers.statuses, answers.bodies, strict=True):
        if status != 200 or json.loads(body).get("status") != "succeeded":
            raise BenchError(f"a checkout was answered HTTP {status}")


async def buy(shop: Shop, shoppers: Shoppers, requests: list[bytes], rate: float | None = None) -> Measured:
    """Send checkouts, at a rate or as fast as they are answered, and check the answers."""
    before = shop.gateway.cpu_s(), shop.house.cpu_s()
    answers = await (shoppers.shop(requests) if rate is None else shoppers.arrive(requests, rate))
    used = shop.gateway.cpu_s() - before[0], shop.house.cpu_s() - before[1]
    check_paid(answers)
    size = len(requests)
    return Measured(size / answers.took_s, answers.latencies_s, 1e6 * used[0] / size, 1e6 * used[1] / size)


async def do_nothing(empty: Contender, shoppers: Shoppers, requests: list[bytes]) -> Measured:
    """Send the same requests to whom they mean nothing."""
    before = empty.cpu_s()
    answers = await shoppers.shop(requests)
    used = empty.cpu_s() - before
    if set(answers.statuses) != {200}:
        raise BenchError("the empty POST was refused")
    return Measured(len(requests) / answers.took_s, answers.latencies_s, 1e6 * used / len(requests))


class Outcome(NamedTuple):
    """All rounds, the open loop at half of their rate, and one customer alone."""

    ours: list[Measured]
    theirs: list[Measured]
    half: Measured
    alone: Measured


async def run_rounds(shop: Shop, empty: Contender, url: str) -> Outcome:
    """Alternate the two servers; both get the same kind of request. Then half of the load, then one customer."""
    counter = Counter(shop.ready["secret_key"])
    shoppers, idlers = await open_shoppers(shop.address, CONNECTIONS), await open_shoppers(address_of(url), CONNECTIONS)
    await buy(shop, shoppers, counter.checkouts(shop.address, WARM_UP))
    warm = await buy(shop, shoppers, counter.checkouts(shop.address, WARM_UP))
    idle = await do_nothing(empty, idlers, counter.checkouts(address_of(url), 2_000))
    sizes = max(100, int(warm.rate * ROUND_S)), int(idle.rate * ROUND_S)
    ours, theirs = [], []
    for number in range(ROUNDS):
        progress(f"gateway: round {number + 1} of {ROUNDS}, {sizes[0]} checkouts, {sizes[1]} empty posts")
        ours.append(await buy(shop, shoppers, counter.checkouts(shop.address, sizes[0])))
        theirs.append(await do_nothing(empty, idlers, counter.checkouts(address_of(url), sizes[1])))
    rate = median(item.rate for item in ours) / 2
    progress(f"gateway: open loop at {rate:.0f} a second")
    half = await buy(shop, shoppers, counter.checkouts(shop.address, int(rate * HALF_LOAD_S)), rate)
    single = await open_shoppers(shop.address, 1)
    alone = await buy(shop, single, counter.checkouts(shop.address, ALONE))
    for group in (shoppers, idlers, single):
        group.close()
    return Outcome(ours, theirs, half, alone)


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    with shop() as running, contender(EMPTY) as empty:
        url = empty.line().strip()
        outcome = anyio.run(run_rounds, running, empty, url, backend_options={"use_uvloop": True})
    ours, theirs, half, alone = outcome
    latencies = [latency for item in ours for latency in item.latencies_s]
    empty_rate = f"empty POST {median(item.rate for item in theirs):.0f}/s"
    empty_cost = f"empty POST {median(item.cpu_us for item in theirs):.0f} us"
    return [
        Figure(
            f"checkouts over REST, {CONNECTIONS} connections",
            f"{median(item.rate for item in ours):.0f}/s",
            PATH,
            peer=empty_rate,
            ratio=ratio_of([mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True)]),
            aim="0.06, then 0.10",
        ),
        Figure(
            "processor time of one checkout: gateway",
            f"{median(item.cpu_us for item in ours):.0f} us",
            PATH,
            peer=empty_cost,
            ratio=ratio_of([mine.cpu_us / other.cpu_us for mine, other in zip(ours, theirs, strict=True)]),
        ),
        Figure(
            "processor time of one checkout: HSM, acquirer, switch, issuer",
            f"{median(item.house_cpu_us for item in ours):.0f} us",
            PATH,
        ),
        Figure(f"latency of a checkout, {CONNECTIONS} connections", _latency(latencies), PATH),
        Figure(
            f"latency of a checkout, open loop at half of that rate ({half.rate:.0f}/s)",
            _latency(half.latencies_s),
            PATH,
        ),
        Figure("latency of a checkout, one connection", _latency(alone.latencies_s), PATH),
    ]


def _latency(latencies_s: Sequence[float]) -> str:
    p50, p99 = (1000 * percentile(latencies_s, share) for share in (0.5, 0.99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


if __name__ == "__main__":
    print(table(figures()))
