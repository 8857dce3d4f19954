"""Lists of the gateway with a thousand payments and with a million: a page must cost the same.

The rows are copies of one real payment's, written straight into the gateway's database while it is stopped.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from bench.figures import Figure, percentile, progress, table
from bench.gateway import Counter, Shop, buy, shop
from bench.processes import BenchError
from bench.shoppers import get, open_shoppers

SIZES = (1_000, 1_000_000)
ASKED = 400
"""Pages of each kind at each size, one at a time."""
_PATH = (
    "GET, 10 rows rendered, one keep-alive connection; gateway in its own process, SQLite; client in its own process"
)
_FEW = 50
"""Payments of each customer whose list is asked for."""


class Page(NamedTuple):
    """A kind of page: `{at}` in its path is a place in the middle of the list, `{created}` its time."""

    name: str
    path: str


PAGES = (
    Page("the newest payments", "/v1/payment_intents?limit=10"),
    Page("payments from the middle on", "/v1/payment_intents?limit=10&starting_after=pi_bench_{at}"),
    Page("payments of a time", "/v1/payment_intents?limit=10&created%5Blte%5D={created}"),
    Page("payments of a customer", "/v1/payment_intents?limit=10&customer=cus_bench_{customer}"),
    Page("charges of a payment", "/v1/charges?limit=10&payment_intent=pi_bench_{at}"),
    Page("events of a type", "/v1/events?limit=10&type=payment_intent.succeeded"),
)


def fill(database: Path, already: int, size: int) -> int:
    """Copy one payment until there are `size`; return the time of the one in the middle, Unix seconds.

    Parameters
    ----------
    database
        Of a gateway that is stopped and has made one payment at least.
    already
        How many copies there are.
    """
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN IMMEDIATE")
        for name, prefix in (("payment_intents", "pi"), ("charges", "ch"), ("events", "evt")):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})") if row[1] != "seq"]
            changed = {
                "id": f"'{prefix}_bench_' || i",
                "created": "created + i / 10",
                "customer": f"'cus_bench_' || (i / {_FEW})",
                "intent": "'pi_bench_' || i",
                "expires_at": "NULL",
            }
            values = ", ".join(changed.get(column, column) for column in columns)
            model = "WHERE type = 'payment_intent.succeeded'" if name == "events" else ""
            connection.execute(
                f"WITH RECURSIVE counted(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM counted WHERE i + 1 < ?) "
                f"INSERT INTO {name} ({', '.join(columns)}) SELECT {values} FROM counted, "
                f"(SELECT * FROM {name} {model} ORDER BY seq LIMIT 1)",
                (already, size),
            )
        connection.execute("COMMIT")
        (created,) = connection.execute(
            "SELECT created FROM payment_intents WHERE id = ?", (f"pi_bench_{size // 2}",)
        ).fetchone()
    finally:
        connection.close()
    return int(created)


class Cost(NamedTuple):
    """Of one kind of page: latencies in seconds, and the gateway's processor time of one page in microseconds."""

    latencies_s: list[float]
    cpu_us: float


async def pages(running: Shop, size: int, created: int) -> dict[str, Cost]:
    """Ask for every kind of page."""
    asked = await open_shoppers(running.address, 1)
    headers = {"authorization": f"Bearer {running.ready['secret_key']}"}
    found = {}
    for page in PAGES:
        path = page.path.format(at=size // 2, created=created, customer=size // 2 // _FEW)
        request = get(path, running.address, headers)
        await asked.shop([request] * 20)
        before = running.gateway.cpu_s()
        answers = await asked.shop([request] * ASKED)
        used = running.gateway.cpu_s() - before
        shown: list[dict[str, Any]] = [json.loads(body) for body in answers.bodies]
        if set(answers.statuses) != {200} or not all(answer["data"] for answer in shown):
            raise BenchError(f"{page.name}: not a page with rows")
        found[page.name] = Cost(answers.latencies_s, 1e6 * used / ASKED)
    asked.close()
    return found


async def _pay(running: Shop) -> None:
    shoppers = await open_shoppers(running.address, 1)
    await buy(running, shoppers, Counter(running.ready["secret_key"]).checkouts(running.address, 1))
    shoppers.close()


def measured(folder: Path) -> dict[int, dict[str, Cost]]:
    """Return the cost of each kind of page at each size."""
    with shop(folder=folder) as running:
        anyio.run(_pay, running, backend_options={"use_uvloop": True})
    found, already = {}, 0
    for size in SIZES:
        progress(f"lists: {size} payments")
        created = fill(folder / "data" / "gateway.db", already, size)
        already = size
        with shop(folder=folder) as running:
            found[size] = anyio.run(pages, running, size, created, backend_options={"use_uvloop": True})
    return found


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    with tempfile.TemporaryDirectory(prefix="cardrails-bench-") as name:
        found = measured(Path(name))
    lines = []
    for page in PAGES:
        costs = {size: cost[page.name] for size, cost in found.items()}
        few, many = costs[SIZES[0]], costs[SIZES[-1]]
        lines.append(
            Figure(
                f"{page.name}, {SIZES[-1]:,} payments",
                f"{many.cpu_us:.0f} us, {_latency(many)}",
                _PATH,
                peer=f"{SIZES[0]:,} payments: {few.cpu_us:.0f} us, {_latency(few)}",
                ratio=f"{many.cpu_us / few.cpu_us:.2f}",
                aim="flat",
            )
        )
    return lines


def _latency(cost: Cost) -> str:
    p50, p99 = (1000 * percentile(cost.latencies_s, share) for share in (0.5, 0.99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


if __name__ == "__main__":
    print(table(figures()))
