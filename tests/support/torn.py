"""A house in which one bank is a process that dies at commits that a test names, and everybody else lives on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from anyio.from_thread import start_blocking_portal

from banks.ledger import AccountRow, EntryRow, HoldRow, verify
from emulator.house import House
from emulator.presenting import present_all
from emulator.topology import NODE_NAMES, Topology, read_topology
from iso import CardrailsError, Message
from node.bank_client import BankClient
from node.control import ControlClient
from node.database_url import DatabaseUrl
from tests.support.killed import DoomedNode
from tests.support.pos import Pos, about, purchase
from tests.support.postgres import session_of
from tests.support.processes import topology_on_free_ports
from tests.support.waiting import eventually

HASTY = """
[saf]
backoff_first_s = 0.1
backoff_max_s = 0.5
answer_timeout_s = 2.0
"""
_NOTICED_S = 2.0


class Sale(NamedTuple):
    """A payment that the shop was promised."""

    request: Message
    answer: Message


class Shop(NamedTuple):
    """What the shop believes: amounts in minor units, and net what presentments have taken from cards."""

    approved: dict[str, int]
    captured: list[int]
    refunded: list[int]
    posted: list[int]


class TornHouse:
    """What a shop does with the house, what it was told, and whether the books of both banks say the same."""

    def __init__(self, topology: Topology, data_dir: Path, control: ControlClient, bank: DoomedNode) -> None:
        self.topology = topology
        self.data_dir = data_dir
        self.control = control
        self.bank = bank
        self.pos = Pos(topology.nodes.acquirer.iso)
        self.shop = Shop({}, [], [], [])
        self._opening_minor = self._on_cards("posted_minor")

    # What the shop does. Whatever nobody answers is asked again, or undone, as a gateway does.

    def authorise(self, amount_minor: int) -> Sale | None:
        """Ask for an approval; reverse it if nobody answers."""
        request = purchase(amount_minor)
        answer = self._ask(request)
        if answer is None:
            self.pos.insist(about(request, "0420"))
            return None
        if answer.response_code != "00":
            return None
        self.shop.approved[request.stan] = amount_minor
        return Sale(request, answer)

    def reverse(self, sale: Sale) -> None:
        """Undo an approval."""
        assert self._asked_for(about(sale.request, "0420")) == "00"
        del self.shop.approved[sale.request.stan]

    def capture(self, sale: Sale) -> None:
        """Take the money, all of it."""
        assert (
            self._asked_for(
                about(sale.request, "0220", de37=sale.answer.rrn, de38=sale.answer.authorisation_code, de39="00")
            )
            == "00"
        )
        self.shop.captured.append(self.shop.approved.pop(sale.request.stan))

    def refund(self, sale: Sale, amount_minor: int) -> None:
        """Give some of it back; nothing is given if the bank says so."""
        amount = f"{amount_minor:012d}"
        request = about(sale.request, "0200", de3="200000", de4=amount, de37=sale.answer.rrn)
        if self._asked_for(request) == "00":
            self.shop.refunded.append(amount_minor)

    def present(self) -> None:
        """Present everything that was captured and refunded, beginning again until it is done."""

        def is_done() -> bool:
            with suppress(CardrailsError):
                done = list(present_all(BankClient(self.control), "acquirer", ["issuer-a", "issuer-b"]))
                if all(one.is_done for one in done):
                    return True
            self._mourn()
            return False

        assert eventually(is_done)
        self.shop.posted.append(sum(self.shop.captured) - sum(self.shop.refunded))
        self.shop.captured.clear()
        self.shop.refunded.clear()

    def _ask(self, message: Message) -> Message | None:
        with suppress(CardrailsError):
            answer = self.pos.ask(message)
            if answer is not None:
                return answer
        self._mourn()
        return None

    def _asked_for(self, message: Message) -> str:
        answer = self._ask(message) or self.pos.insist(message)
        return answer.response_code

    # Life and death

    def revive(self) -> None:
        """Start the bank again if it is dead."""
        if self.bank.is_dead:
            self.bank.bury()
            self.bank.start()
            self.settle()

    def _mourn(self) -> None:
        """Start the bank again if its silence was death."""
        eventually(lambda: self.bank.is_dead, within_s=_NOTICED_S)
        self.revive()

    def settle(self) -> None:
        """Wait until the bank is dead, or every link is up and nothing is owed to anybody."""
        assert eventually(lambda: self.bank.is_dead or self._is_settled())

    def _is_settled(self) -> bool:
        try:
            acquirer, switch = self.control.state("acquirer"), self.control.state("switch")
            up = [acquirer["links"]["network"]["up"], *(link["up"] for link in switch["links"].values())]
        except CardrailsError:
            return False
        return all(up) and not acquirer["saf"] and not switch["saf"]

    # What the books say

    def problems(self) -> list[str]:
        """Compare what the shop was told with what both banks have written down; empty if all agree."""
        shop, taken = self.shop, sum(self.shop.posted)
        due = {
            "held on cards": sum(shop.approved.values()) + sum(shop.captured),
            "held for refunds": sum(shop.refunded),
            "taken from cards": taken,
            "to be presented": sorted(shop.captured + [-amount for amount in shop.refunded]),
        }
        written = {
            "held on cards": self._on_cards("held_minor"),
            "held for refunds": sum(row["held_minor"] for row in self._accounts() if _is_settlement(row)),
            "taken from cards": self._opening_minor - self._on_cards("posted_minor"),
            "to be presented": sorted(
                row["amount_minor"] * (1 if row["kind"] == "capture" else -1)
                for row in self.rows("acquirer", "clearings")
                if row["state"] == "open"
            ),
        }
        found = [f"{what}: {written[what]}, not {due[what]}" for what in due if written[what] != due[what]]
        return found + [
            f"{bank}: {problem}" for bank in ("acquirer", "issuer-a") for problem in self._ledger_problems(bank)
        ]

    def _accounts(self) -> list[dict[str, Any]]:
        return self.rows("issuer-a", "accounts")

    def _on_cards(self, column: str) -> int:
        return sum(row[column] for row in self._accounts() if not row["may_overdraw"])

    def _ledger_problems(self, bank: str) -> list[str]:
        entries = self.rows(bank, "entries")
        return verify(
            [EntryRow(**row) for row in sorted(entries, key=lambda row: row["sequence"])],
            [AccountRow(**row) for row in self.rows(bank, "accounts")],
            [HoldRow(**row) for row in self.rows(bank, "holds") if row["state"] == "open"],
        )

    def rows(self, bank: str, table: str) -> list[dict[str, Any]]:
        """Read a table from the disk."""
        server: DatabaseUrl | None = getattr(self.topology.nodes, bank.replace("-", "_")).server
        if server is not None:
            return anyio.run(_rows_on_server, server, table)
        with closing(sqlite3.connect(f"file:{self.data_dir / bank}.db?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(f"SELECT * FROM {table}")]


def _is_settlement(account: Mapping[str, Any]) -> bool:
    return str(account["name"]).startswith("settlement/")


async def _rows_on_server(server: DatabaseUrl, table: str) -> list[dict[str, Any]]:
    session = await session_of(server)
    try:
        records = await session.fetch(f"SELECT * FROM {table}")
    finally:
        await session.close()
    return [{name: value for name, value in record.items() if name != "rowid"} for record in records]


@contextmanager
def torn_house(folder: Path, bank: str, databases: Mapping[str, str]) -> Iterator[TornHouse]:
    """Start a house without a gateway, one bank of it in a process of its own."""
    data_dir = folder / "data"
    data_dir.mkdir()
    file = topology_on_free_ports(folder, HASTY, databases)
    topology = read_topology(file)
    house = House(topology, data_dir, [name for name in NODE_NAMES if name not in (bank, "gateway")])
    doomed = DoomedNode(file, data_dir, bank)
    own = f"http://{getattr(topology.nodes, bank.replace('-', '_')).control}"
    with start_blocking_portal() as portal:
        task, _ = portal.start_task(house.run)
        control = ControlClient({**house.control_urls(), bank: own}, house.secret)
        try:
            doomed.start()
            assert eventually(lambda: all(control.ready(node) for node in ("issuer-a", "issuer-b")))
            torn = TornHouse(topology, data_dir, control, doomed)
            torn.settle()
            yield torn
        finally:
            control.close()
            doomed.bury()
            task.cancel()
