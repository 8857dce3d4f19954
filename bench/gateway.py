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

from banks.issuer.config import shipped_cards
from bench.figures import Figure, percentile, progress, ratio_of, table
from bench.processes import CARDRAILS, BenchError, Contender, address_of, contender, topology_on_free_ports
from bench.shoppers import Answers, Shoppers, open_shoppers, post
from gateway.virtual import names_of

CONNECTIONS = (16, 64)
ROUNDS = 5
ROUND_S = 1.5
HALF_LOAD_S = 5.0
WARM_UP = 300
ALONE = 100
REST_S, RESTING_S, REST_WITHIN_S = 0.2, 0.02, 20.0
"""A process rests once it has used less than `RESTING_S` of `REST_S` seconds."""
EMPTY = (sys.executable, "-m", "bench.empty_post")
HOUSE_NODES = ("hsm", "issuer-a", "issuer-b", "switch", "acquirer")
_WAY = (
    "gateway (uvicorn, uvloop, httptools) in its own process; HSM, acquirer, switch, issuer A or B in one process, "
    "loopback TCP; AES-CMAC, kept messages, SQLite synchronous=NORMAL; client in its own process"
)
PATHS = {
    "automatic": "POST /v1/payment_intents, confirm=true, every shipped card that approves and has a name, own "
    f"Idempotency-Key each, and its capture as an advice, from the gateway to the issuer; {_WAY}",
    "manual": f"the same with capture_method=manual: authorised, held and answered, and no capture; {_WAY}",
}
_STATUSES = {"automatic": "succeeded", "manual": "requires_capture"}
METHODS = tuple(names_of(card.pan)[0] for card in shipped_cards() if card.about == "approved" and names_of(card.pan))
"""Every shipped card that simply approves and has a name, on both issuers; advices of one card keep their order."""


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
def shop(
    launcher: Sequence[str] = CARDRAILS, folder: Path | None = None, house_launcher: Sequence[str] = CARDRAILS
) -> Iterator[Shop]:
    """Run a house and a gateway on a folder, temporary unless it is given; each is started by its launcher."""
    with ExitStack() as running:
        if folder is None:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="cardrails-bench-")))
        common = ["up", "--json", "--topology", str(topology_on_free_ports(folder)), "--data-dir", str(folder / "data")]
        (folder / "data").mkdir(exist_ok=True)
        house_nodes = [argument for node in HOUSE_NODES for argument in ("--node", node)]
        house = running.enter_context(contender([*house_launcher, *common, *house_nodes]))
        gateway = running.enter_context(contender([*launcher, *common, "--node", "gateway"]))
        # Only now: the acquirer is ready once the gateway has signed on.
        house.line()
        yield Shop(gateway, house, json.loads(gateway.line()))


class Counter:
    """Makes checkout requests, none twice; `capture` is their capture method, `series` what their keys begin with."""

    def __init__(self, secret_key: str, capture: str = "automatic", series: str = "bench") -> None:
        self.capture = capture
        self._series = series
        self._secret_key = secret_key
        self._numbers = count()

    def checkouts(self, address: tuple[str, int], size: int) -> list[bytes]:
        """Return `size` requests."""
        return [self._checkout(address, next(self._numbers)) for _ in range(size)]

    def _checkout(self, address: tuple[str, int], number: int) -> bytes:
        headers = {
            "authorization": f"Bearer {self._secret_key}",
            "content-type": "application/x-www-form-urlencoded",
            "idempotency-key": f"{self._series}-{number}",
        }
        method = METHODS[number % len(METHODS)]
        body = f"amount=1999&currency=usd&payment_method={method}&confirm=true&capture_method={self.capture}"
        return post("/v1/payment_intents", address, headers, body.encode("ascii"))


class Measured(NamedTuple):
    """One load of one server: requests a second, latencies, and processor time a request, of it and of the house."""

    rate: float
    latencies_s: list[float]
    cpu_us: float
    house_cpu_us: float = 0.0


def check_paid(answers: Answers) -> None:
    """Make sure that every checkout was paid, or held where it is captured by hand.

    Raises
    ------
    BenchError
        One was not.
    """
    for status, body in zip(answers.statuses, answers.bodies, strict=True):
        paid = json.loads(body) if status == 200 else {}
        if paid.get("status") != _STATUSES.get(paid.get("capture_method", "")):
            raise BenchError(f"a checkout was answered HTTP {status}")


async def rest(shop: Shop) -> None:
    """Wait until nothing is under way: captures follow their answers, and are part of a checkout's price.

    Raises
    ------
    BenchError
        They go on working.
    """
    with anyio.move_on_after(REST_WITHIN_S):
        used, before = 1.0, shop.gateway.cpu_s() + shop.house.cpu_s()
        while used >= RESTING_S:
            await anyio.sleep(REST_S)
            now = shop.gateway.cpu_s() + shop.house.cpu_s()
            used, before = now - before, now
        return
    raise BenchError("the house does not come to rest")


async def buy(shop: Shop, shoppers: Shoppers, requests: list[bytes], rate: float | None = None) -> Measured:
    """Send checkouts, at a rate or as fast as they are answered, wait for their captures, and check the answers."""
    before = shop.gateway.cpu_s(), shop.house.cpu_s()
    answers = await (shoppers.shop(requests) if rate is None else shoppers.arrive(requests, rate))
    await rest(shop)
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


class Rounds(NamedTuple):
    """All rounds of one kind of checkout, and of the empty POST between them, with as many connections."""

    capture: str
    connections: int
    ours: list[Measured]
    theirs: list[Measured]

    def figures(self) -> list[Figure]:
        """Return its lines of the table."""
        kind = f"{'checkouts' if self.capture == 'automatic' else 'checkouts that only hold'}, {self.connections} conn."
        path, pairs = PATHS[self.capture], list(zip(self.ours, self.theirs, strict=True))
        latencies = [latency for item in self.ours for latency in item.latencies_s]
        return [
            Figure(
                f"{kind} over REST",
                f"{median(item.rate for item in self.ours):.0f}/s",
                path,
                peer=f"empty POST {median(item.rate for item in self.theirs):.0f}/s",
                ratio=ratio_of([mine.rate / other.rate for mine, other in pairs]),
                aim="0.06, then 0.10",
            ),
            Figure(
                f"{kind}: processor time of the gateway",
                f"{median(item.cpu_us for item in self.ours):.0f} us",
                path,
                peer=f"empty POST {median(item.cpu_us for item in self.theirs):.0f} us",
                ratio=ratio_of([mine.cpu_us / other.cpu_us for mine, other in pairs]),
            ),
            Figure(
                f"{kind}: processor time of HSM, acquirer, switch, issuers",
                f"{median(item.house_cpu_us for item in self.ours):.0f} us",
                path,
            ),
            Figure(f"{kind}: latency", _latency(latencies), path),
        ]


async def run_rounds(shop: Shop, empty: Contender, url: str, capture: str, connections: int) -> Rounds:
    """Alternate the two servers; both get the same kind of request."""
    counter = Counter(shop.ready["secret_key"], capture, f"{capture}-{connections}")
    shoppers, idlers = await open_shoppers(shop.address, connections), await open_shoppers(address_of(url), connections)
    await buy(shop, shoppers, counter.checkouts(shop.address, WARM_UP))
    warm = await buy(shop, shoppers, counter.checkouts(shop.address, WARM_UP))
    idle = await do_nothing(empty, idlers, counter.checkouts(address_of(url), 2_000))
    sizes = max(100, int(warm.rate * ROUND_S)), int(idle.rate * ROUND_S)
    rounds = Rounds(capture, connections, [], [])
    for number in range(ROUNDS):
        progress(f"gateway, {capture}, {connections}: round {number + 1} of {ROUNDS}, {sizes[0]} checkouts")
        rounds.ours.append(await buy(shop, shoppers, counter.checkouts(shop.address, sizes[0])))
        rounds.theirs.append(await do_nothing(empty, idlers, counter.checkouts(address_of(url), sizes[1])))
    for group in (shoppers, idlers):
        group.close()
    return rounds


async def run_steady(shop: Shop, rate: float) -> list[Figure]:
    """Let checkouts arrive at `rate` a second, then one customer alone."""
    progress(f"gateway: open loop at {rate:.0f} a second")
    counter, path = Counter(shop.ready["secret_key"], series="steady"), PATHS["automatic"]
    shoppers, single = await open_shoppers(shop.address, CONNECTIONS[0]), await open_shoppers(shop.address, 1)
    half = await buy(shop, shoppers, counter.checkouts(shop.address, int(rate * HALF_LOAD_S)), rate)
    alone = await buy(shop, single, counter.checkouts(shop.address, ALONE))
    for group in (shoppers, single):
        group.close()
    return [
        Figure(
            f"latency of a checkout, open loop at half of the rate with {CONNECTIONS[0]} ({half.rate:.0f}/s)",
            _latency(half.latencies_s),
            path,
        ),
        Figure("latency of a checkout, one connection", _latency(alone.latencies_s), path),
    ]


async def run(shop: Shop, empty: Contender) -> list[Figure]:
    """Measure everything."""
    url = empty.line().strip()
    kinds = [(capture, connections) for capture in PATHS for connections in CONNECTIONS]
    rounds = [await run_rounds(shop, empty, url, *kind) for kind in kinds]
    steady = await run_steady(shop, median(item.rate for item in rounds[0].ours) / 2)
    return [*(line for found in rounds for line in found.figures()), *steady]


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    with shop() as running, contender(EMPTY) as empty:
        return anyio.run(run, running, empty, backend_options={"use_uvloop": True})


def _latency(latencies_s: Sequence[float]) -> str:
    p50, p99 = (1000 * percentile(latencies_s, share) for share in (0.5, 0.99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


if __name__ == "__main__":
    print(table(figures()))
