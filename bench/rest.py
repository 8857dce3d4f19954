"""Checkouts over REST, as a share of an empty FastAPI POST that is served in the same way."""

from __future__ import annotations

import json
import sys
import tempfile
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

import anyio

from bench.figures import Figure, percentile, progress, ratio_of, table
from bench.processes import CARDRAILS, BenchError, Contender, address_of, contender
from bench.shoppers import Answers, Shoppers, open_shoppers, post

CONNECTIONS = 16
ROUNDS = 5
ROUND_S = 1.2
ALONE = 100
EMPTY = (sys.executable, "-m", "bench.empty_post")
PATH = (
    "POST /v1/payment_intents, confirm=true, pm_card_visa or pm_card_mastercard, own Idempotency-Key each; gateway "
    "(uvicorn, uvloop, httptools), HSM, acquirer, switch, issuer A or B in one process over loopback TCP; AES-CMAC, "
    "trace, SQLite synchronous=NORMAL; client in its own process"
)
_METHODS = ("pm_card_visa", "pm_card_mastercard")


class Server(NamedTuple):
    """A server under test and its connections."""

    process: Contender
    address: tuple[str, int]
    shoppers: Shoppers


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
    """One round of one server."""

    rate: float
    cpu_us: float
    latencies_s: list[float]


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


async def measure(server: Server, requests: list[bytes], *, is_paid: bool = True) -> Measured:
    """Send one load and check its answers."""
    before = server.process.cpu_s()
    answers = await server.shoppers.shop(requests)
    used = server.process.cpu_s() - before
    if is_paid:
        check_paid(answers)
    elif set(answers.statuses) != {200}:
        raise BenchError("the empty POST was refused")
    return Measured(len(requests) / answers.took_s, 1e6 * used / len(requests), answers.latencies_s)


async def run_rounds(house: Server, empty: Server, counter: Counter) -> tuple[list[Measured], list[Measured], Measured]:
    """Alternate the two servers; both get the same kind of request. Then one customer alone."""
    sizes = []
    for server, is_paid in ((house, True), (empty, False)):
        warm = await measure(server, counter.checkouts(server.address, 200), is_paid=is_paid)
        sizes.append(max(100, int(warm.rate * ROUND_S)))
    ours, theirs = [], []
    for number in range(ROUNDS):
        progress(f"rest: round {number + 1} of {ROUNDS}, {sizes[0]} checkouts, {sizes[1]} empty posts")
        ours.append(await measure(house, counter.checkouts(house.address, sizes[0])))
        theirs.append(await measure(empty, counter.checkouts(empty.address, sizes[1]), is_paid=False))
    single = await open_shoppers(house.address, 1)
    alone = await measure(house._replace(shoppers=single), counter.checkouts(house.address, ALONE))
    single.close()
    return ours, theirs, alone


async def shop(
    house: Contender, ready: dict[str, str], empty: Contender, url: str
) -> tuple[list[Measured], list[Measured], Measured]:
    """Connect to both and measure."""
    address, empty_address = address_of(ready["gateway_url"]), address_of(url)
    shoppers = await open_shoppers(address, CONNECTIONS)
    empty_shoppers = await open_shoppers(empty_address, CONNECTIONS)
    outcome = await run_rounds(
        Server(house, address, shoppers), Server(empty, empty_address, empty_shoppers), Counter(ready["secret_key"])
    )
    shoppers.close()
    empty_shoppers.close()
    return outcome


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    with tempfile.TemporaryDirectory(prefix="cardrails-bench-") as folder:
        file = Path(folder) / "ready.json"
        command = [*CARDRAILS, "up", "--ephemeral", "--json", "--ready-file", str(file)]
        with contender(command) as house, contender(EMPTY) as empty:
            url, ready = empty.line().strip(), json.loads(house.line())
            ours, theirs, alone = anyio.run(shop, house, ready, empty, url, backend_options={"use_uvloop": True})
    latencies = [latency for item in ours for latency in item.latencies_s]
    return [
        Figure(
            f"checkouts over REST, {CONNECTIONS} connections",
            f"{median(item.rate for item in ours):.0f}/s",
            PATH,
            peer=f"empty POST {median(item.rate for item in theirs):.0f}/s",
            ratio=ratio_of([mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True)]),
            aim="0.06, then 0.10",
        ),
        Figure(
            "processor time of one checkout",
            f"{median(item.cpu_us for item in ours):.0f} us",
            PATH,
            peer=f"empty POST {median(item.cpu_us for item in theirs):.0f} us",
            ratio=ratio_of([mine.cpu_us / other.cpu_us for mine, other in zip(ours, theirs, strict=True)]),
        ),
        Figure(
            f"latency of a checkout, {CONNECTIONS} connections",
            f"p50 {1000 * percentile(latencies, 0.5):.1f} ms, p99 {1000 * percentile(latencies, 0.99):.1f} ms",
            PATH,
        ),
        Figure(
            "latency of a checkout, one connection",
            f"p50 {1000 * percentile(alone.latencies_s, 0.5):.1f} ms",
            PATH,
        ),
    ]


if __name__ == "__main__":
    print(table(figures()))
