"""Issuers for `bench.banks`: folders with cards, processes in them, and the requests that a network would send."""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from bench.one_issuer import CURRENCY, EXPIRY, NAME, Purse, Settings
from bench.processes import CARDRAILS, Contender, Processes, address_of, contender, topology_on_free_ports
from bench.purchases import AMOUNT_MINOR, MERCHANT, TERMINAL, for_the_network, trace_of
from iso import Message
from iso.private import CVV2, ECI, TRACE_ID, build_private
from node.clock import wall_clock

Running = tuple[Contender, tuple[str, int]]
"""A contender and where it listens."""


class Network:
    """Makes the requests that a switch would send to an issuer: card number, CVV2 and PIN block in each."""

    def __init__(self, purses: Sequence[Purse]) -> None:
        self._purses = cycle(purses)
        self._stan = 0

    @property
    def minted(self) -> int:
        """How many requests it has made."""
        return self._stan

    async def mint(self, count: int) -> list[Message]:
        """Return requests with numbers of their own, the cards in turn."""
        return [self._request(purse) for purse in islice(self._purses, count)]

    def _request(self, purse: Purse) -> Message:
        self._stan += 1
        at = wall_clock()
        fields = {
            2: purse.pan,
            3: "000000",
            4: f"{AMOUNT_MINOR:012d}",
            7: at.strftime("%m%d%H%M%S"),
            11: f"{self._stan:06d}",
            12: at.strftime("%H%M%S"),
            13: at.strftime("%m%d"),
            14: EXPIRY,
            15: at.strftime("%m%d"),
            22: "011",
            25: "00",
            26: "12",
            41: TERMINAL,
            42: MERCHANT,
            43: "Rails Coffee".ljust(25) + "Springfield".ljust(13) + "US",
            48: build_private({CVV2: purse.cvv2, ECI: "07", TRACE_ID: trace_of(self._stan)}),
            49: CURRENCY,
            52: purse.block,
        }
        return for_the_network(Message("0100", fields))


class IssuerPlace(NamedTuple):
    """A folder with cards, and the topology beside it."""

    folder: Path
    topology: Path

    def settings(self, *, cards: int = 0, has_hsm: bool = True, samples: str = "") -> list[str]:
        """Return the command of an issuer in this folder."""
        settings = Settings(str(self.topology), str(self.folder), cards, has_hsm, samples=samples)
        return [sys.executable, "-m", "bench.one_issuer", json.dumps(settings._asdict())]

    def approved(self) -> int:
        """Return how many approvals are durable."""
        return count(self.folder / f"{NAME}.db", "SELECT count(*) FROM requests WHERE state = 'approved'")


@contextmanager
def issuer_place(cards: int) -> Iterator[IssuerPlace]:
    """Prepare a folder with so many cards."""
    with tempfile.TemporaryDirectory(prefix="cardrails-bench-") as name:
        place = IssuerPlace(Path(name), topology_on_free_ports(Path(name)))
        with contender(place.settings(cards=cards)) as process:
            process.line()
        yield place


@contextmanager
def issuer(place: IssuerPlace, *, has_hsm: bool = True, samples: str = "") -> Iterator[Running]:
    """Run an issuer, and its HSM if that is to have a process of its own."""
    with ExitStack() as running:
        beside = []
        if not has_hsm:
            files = ["--topology", str(place.topology), "--data-dir", str(place.folder)]
            hsm = running.enter_context(contender([*CARDRAILS, "up", "--json", *files, "--node", "hsm"]))
            hsm.line()
            beside.append(hsm)
        process = running.enter_context(contender(place.settings(has_hsm=has_hsm, samples=samples)))
        address = address_of(process.line().strip())
        yield (Processes([process, *beside]) if beside else process), address


def count(database: Path, sql: str) -> int:
    """Return the number that a query of a running node's database gives."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        (number,) = connection.execute(sql).fetchone()
    finally:
        connection.close()
    return int(number)
