"""A gateway that is killed at any commit of a payment: the same key then finishes or reports it, and makes no other.

The banks live on in a process of their own; the gateway kills itself before or after the n-th commit of a request.
Afterwards another gateway starts on the same data, and the shop asks again under the same idempotency key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from emulator.topology import NODE_NAMES, read_topology
from node.bank_client import BankClient
from node.control import ControlClient
from tests.support.books import held_minor, totals
from tests.support.mortal import AFTER, BEFORE
from tests.support.processes import NodeProcess, topology_on_free_ports
from tests.support.waiting import eventually

pytestmark = pytest.mark.process

BANKS = tuple(name for name in NODE_NAMES if name != "gateway")
CONFIRM_POINTS = [(BEFORE, 1), (AFTER, 1), (BEFORE, 2), (AFTER, 2), (BEFORE, 3), (AFTER, 3)]
REFUND_POINTS = [(BEFORE, 1), (AFTER, 1), (BEFORE, 2), (AFTER, 2)]
CAPTURE_POINTS = [(BEFORE, 1), (AFTER, 1), (BEFORE, 2), (AFTER, 2)]


class Town:
    """The banks of a house in one process, and a mortal gateway in another."""

    def __init__(self, folder: Path) -> None:
        self.data_dir, self.fate = folder / "data", folder / "fate"
        self.data_dir.mkdir()
        self.topology = topology_on_free_ports(folder)
        self.banks = NodeProcess(self.topology, self.data_dir, BANKS)
        self.client = self.open()
        self.banks.wait_ready()
        sections = read_topology(self.topology)
        urls = dict.fromkeys(BANKS, f"http://{sections.control.address}")
        self.control = ControlClient(urls, (self.data_dir / "control.key").read_text())
        self.books = BankClient(self.control)

    def open(self) -> stripe.StripeClient:
        """Start a gateway that nothing threatens yet; return a client of it."""
        self.fate.unlink(missing_ok=True)
        module = ("tests.support.mortal", str(self.fate))
        self.gateway = NodeProcess(self.topology, self.data_dir, ("gateway",), module)
        self.gateway.wait_ready()
        ready = self.gateway.ready
        return stripe.StripeClient(
            ready["secret_key"], base_addresses={"api": ready["gateway_url"]}, max_network_retries=0
        )

    def killed_by(self, moment: str, number: int, ask: Callable[[], object]) -> stripe.StripeClient:
        """Ask something of which the gateway dies; return a client of the next one."""
        self.fate.write_text(f"{moment} {number}")
        with suppress(stripe.APIConnectionError):
            ask()
        assert eventually(lambda: not self.gateway.is_alive), "it lived on: there is no such commit"
        self.gateway.kill()
        self.gateway.close()
        self.client = self.open()
        return self.client

    def owed(self) -> int:
        """Return how many messages the gateway still owes the acquirer."""
        ready = self.gateway.ready
        bearer = {"authorization": f"Bearer {ready['operator_key']}"}
        url = f"{ready['gateway_url']}/emu/v1/duties?state=open"
        return len(httpx.get(url, headers=bearer, trust_env=False).json()["data"])

    def captured(self) -> list[tuple[str, int]]:
        """Return what the acquirer would present to the issuers: kind and amount of each record."""
        return [(row["kind"], row["amount_minor"]) for row in self.books.unpresented("acquirer")]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    patch = pytest.MonkeyPatch()
    patch.setenv("HOME", str(folder))
    found = Town(folder)
    yield found
    found.control.close()
    for process in (found.gateway, found.banks):
        process.kill()
        process.close()
    patch.undo()


def settled(client: stripe.StripeClient, name: str) -> stripe.PaymentIntent:
    """Wait until nothing about a payment is open."""

    def status() -> str:
        return client.v1.payment_intents.retrieve(name).status

    assert eventually(lambda: status() != "processing")
    return client.v1.payment_intents.retrieve(name)


class TestKilledAtACommit:
    """What was committed is found again; what was not has not happened; the issuer holds what the shop is told."""

    @pytest.mark.parametrize(("moment", "number"), CONFIRM_POINTS)
    def test_a_payment(self, town: Town, moment: str, number: int) -> None:
        amount = 1000 + 10 * number + (moment == AFTER)
        params: Any = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        key: stripe.RequestOptions = {"idempotency_key": f"payment {moment} {number}"}
        held, taken = held_minor(town.control), len(town.captured())

        mortal = town.client
        healthy = town.killed_by(moment, number, lambda: mortal.v1.payment_intents.create(params, key))
        first = healthy.v1.payment_intents.create(params, key)
        again = healthy.v1.payment_intents.create(params, key)
        end = settled(healthy, first.id)

        is_paid = end.status == "succeeded"
        assert first.id == again.id
        assert end.status in ("succeeded", "requires_payment_method")
        assert eventually(lambda: held_minor(town.control) - held == (amount if is_paid else 0))
        assert eventually(lambda: town.captured()[taken:] == ([("capture", amount)] if is_paid else []))
        made = [one for one in healthy.v1.payment_intents.list({"limit": 100}).data if one.amount == amount]
        assert [one.id for one in made] == [first.id]
        assert set(totals(town.control).values()) == {0}

    @pytest.mark.parametrize(("moment", "number"), CAPTURE_POINTS)
    def test_a_capture(self, town: Town, moment: str, number: int) -> None:
        amount = 3000 + 10 * number + (moment == AFTER)
        key: stripe.RequestOptions = {"idempotency_key": f"capture {moment} {number}"}
        mortal, part = town.client, amount - 500
        params: Any = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        name = mortal.v1.payment_intents.create({**params, "capture_method": "manual"}).id
        taken = len(town.captured())

        def capture(client: stripe.StripeClient) -> stripe.PaymentIntent:
            return client.v1.payment_intents.capture(name, {"amount_to_capture": part}, key)

        healthy = town.killed_by(moment, number, lambda: capture(mortal))
        first, again = capture(healthy), capture(healthy)
        end = settled(healthy, name)

        assert (first.id, again.id) == (name, name)
        assert (end.status, end.amount_received) == ("succeeded", part)
        assert eventually(lambda: town.captured()[taken:] == [("capture", part)])
        assert set(totals(town.control).values()) == {0}

    @pytest.mark.parametrize(("moment", "number"), REFUND_POINTS)
    def test_a_refund(self, town: Town, moment: str, number: int) -> None:
        amount = 5000 + 10 * number + (moment == AFTER)
        key: stripe.RequestOptions = {"idempotency_key": f"refund {moment} {number}"}
        mortal, part = town.client, amount - 700
        taken = len(town.captured())
        params: Any = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        name = mortal.v1.payment_intents.create(params).id
        # The capture is over before the counting begins: every commit from then on is one of the refund's.
        assert eventually(lambda: town.captured()[taken:] == [("capture", amount)])
        assert eventually(lambda: town.owed() == 0)

        def refund(client: stripe.StripeClient) -> stripe.Refund:
            return client.v1.refunds.create({"payment_intent": name, "amount": part}, key)

        healthy = town.killed_by(moment, number, lambda: refund(mortal))
        first, again = refund(healthy), refund(healthy)

        def status() -> str | None:
            return healthy.v1.refunds.retrieve(first.id).status

        assert (again.id, again.status) == (first.id, first.status)
        assert first.status in ("pending", "succeeded")
        assert eventually(lambda: status() == "succeeded")
        assert [one.id for one in healthy.v1.refunds.list({"payment_intent": name}).data] == [first.id]
        assert eventually(lambda: town.captured()[taken:] == [("capture", amount), ("refund", part)])
        charge = healthy.v1.payment_intents.retrieve(name, {"expand": ["latest_charge"]}).latest_charge
        assert isinstance(charge, stripe.Charge)
        assert (charge.amount_captured, charge.amount_refunded) == (amount, part)
        assert set(totals(town.control).values()) == {0}
