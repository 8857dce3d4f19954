"""The whole gateway on real sockets, with the official client in front of it and a scripted acquirer behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import stripe
from anyio.from_thread import BlockingPortal, start_blocking_portal

from gateway.config import GatewayConfig, GatewayMerchant
from gateway.core.api_keys import digest_of, key_id
from gateway.handlers.api_keys import roll
from gateway.node import GatewayNode
from iso import Message, dialect
from node.clock import BusinessClock
from node.core.link import Arrival, LinkMachine
from node.journal import MemoryJournal
from node.link import LinkConfig
from node.pipes import PipeError, Pipes
from node.runtime import Runtime
from tests.support.gateway import CARD, PUBLISHABLE_KEY, SECRET_KEY, EngineHsm, approved
from tests.support.nodes import METADATA, PlainHost
from tests.support.oracle import Oracle, check

METHOD: Any = {"type": "card", "card": CARD}
PAYMENT: Any = {"amount": 2000, "currency": "usd", "payment_method_data": METHOD, "confirm": True}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK writes its telemetry id below the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


class Acquirer(PlainHost):
    """Answers the gateway by a script; None is silence."""

    def __init__(self) -> None:
        super().__init__([LinkMachine("gateway", dialect("pos-bcd87"))])
        self.script: Callable[[Message], Message | None] = approved
        self.seen: list[Message] = []
        self.handler = self.answer

    async def answer(self, arrival: Arrival) -> Message | None:
        self.seen.append(arrival.message)
        return self.script(arrival.message) if arrival.message.mti_class == "1" else arrival.message.reply("00")


class Running:
    """A gateway and its acquirer, in an event loop in a thread."""

    def __init__(self, portal: BlockingPortal, folder: Path) -> None:
        self.portal = portal
        self.pipes = Pipes()
        self.clock = BusinessClock()
        self.hsm = EngineHsm()
        self.acquirer = Acquirer()
        link = LinkConfig("gateway", "listen", "tcp://127.0.0.1:0", dialect("pos-bcd87"))
        self.acquirer_node = Runtime("acquirer", self.acquirer, MemoryJournal(METADATA), self.clock, self.pipes, [link])
        self.database = folder / "gateway.db"
        self.tasks: dict[str, tuple[Any, threading.Event]] = {}

    def start_acquirer(self) -> None:
        self._start("acquirer", self.acquirer_node.run)

    def _start(self, name: str, run: Callable[..., Any]) -> None:
        ended = threading.Event()

        async def live(*, task_status: Any) -> None:
            try:
                await run(task_status=task_status)
            finally:
                ended.set()

        self.tasks[name] = (self.portal.start_task(live)[0], ended)

    def start(self) -> stripe.StripeClient:
        config = GatewayConfig(
            acquirer_address=self.acquirer_node.links["gateway"].address,
            merchants=(
                GatewayMerchant(
                    account="acct_rails",
                    name="Rails Coffee",
                    merchant="RAILSCOFFEE0001",
                    terminal="RAILS001",
                    country="US",
                    currency="usd",
                    secret_key=SECRET_KEY,
                    publishable_key=PUBLISHABLE_KEY,
                ),
            ),
            acquirer_timeout_s=0.5,
            reversal_timeout_s=0.5,
            duty_backoff_first_s=0.05,
            duty_backoff_max_s=0.1,
        )
        self.gateway = self.portal.call(lambda: GatewayNode(config, self.database, self.clock, self.pipes, self.hsm))
        self._start("gateway", self.gateway.run)
        return stripe.StripeClient(SECRET_KEY, base_addresses={"api": self.gateway.url})

    def stop(self, name: str = "gateway") -> None:
        """Stop a node and wait until it has let go of its files."""
        task, ended = self.tasks.pop(name)
        task.cancel()
        assert ended.wait(10)

    def eventually(self, holds: Callable[[], bool], within_s: float = 10.0) -> bool:
        """Wait until something holds; False if it never did."""

        async def poll() -> bool:
            with anyio.move_on_after(within_s):
                while not await anyio.to_thread.run_sync(holds):
                    with anyio.move_on_after(0.02):
                        await anyio.sleep_forever()
                return True
            return False

        return self.portal.call(poll)


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    with start_blocking_portal() as portal:
        house = Running(portal, folder)
        try:
            yield house
        finally:
            for name in list(house.tasks):
                house.stop(name)
    oracle = Oracle()
    oracle.see_database(house.database)
    oracle.verdict()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as opened:
        opened.start_acquirer()
        yield opened


class TestTheOfficialClient:
    """The official SDK, unmodified, does a shop's whole job."""

    def test_it_creates_pays_and_retrieves(self, house: Running) -> None:
        client = house.start()
        assert house.eventually(lambda: house.gateway.is_ready)

        customer = client.v1.customers.create({"email": "ada@example.com"})
        method = client.v1.payment_methods.create(METHOD)
        client.v1.payment_methods.attach(method.id, {"customer": customer.id})
        intent = client.v1.payment_intents.create(
            {"amount": 2000, "currency": "usd", "customer": customer.id, "automatic_payment_methods": {"enabled": True}}
        )
        confirmed = client.v1.payment_intents.confirm(intent.id, {"payment_method": method.id})
        found = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge", "customer"]})
        listed = client.v1.payment_intents.list({"limit": 1})

        assert (confirmed.status, found.status) == ("succeeded", "succeeded")
        assert [check(answer) for answer in (customer, method, intent, confirmed, found)] == [[]] * 5
        assert [item.id for item in listed.auto_paging_iter()] == [intent.id]
        assert house.eventually(lambda: [message.mti for message in house.acquirer.seen] == ["0100", "0220"])

    def test_a_declining_card_is_a_card_error(self, house: Running) -> None:
        client = house.start()
        assert house.eventually(lambda: house.gateway.is_ready)
        house.acquirer.script = lambda message: message.reply("51")

        with pytest.raises(stripe.CardError) as caught:
            client.v1.payment_intents.create(PAYMENT)

        error = caught.value.error
        assert error is not None
        assert (caught.value.http_status, error.code, error.decline_code) == (
            402,
            "card_declined",
            "insufficient_funds",
        )
        assert error.payment_intent is not None
        assert error.payment_intent.status == "requires_payment_method"

    def test_wrong_requests_are_the_clients_own_exceptions(self, house: Running) -> None:
        client = house.start()
        options: Any = {"amount": 2000, "currency": "usd", "foo": "bar"}

        with pytest.raises(stripe.InvalidRequestError, match="unknown parameter: foo"):
            client.v1.payment_intents.create(options)
        with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
            client.v1.customers.retrieve("cus_0")
        with pytest.raises(stripe.AuthenticationError):
            stripe.StripeClient("sk_test_wrong", base_addresses={"api": house.gateway.url}).v1.customers.list()


class TestSilence:
    """A silent acquirer, a lost link and a restart all end the same way: nothing is paid, and the reversal arrives."""

    def settled(self, house: Running, client: stripe.StripeClient, name: str) -> bool:
        return house.eventually(lambda: client.v1.payment_intents.retrieve(name).status == "requires_payment_method")

    def test_without_a_link_nothing_is_sent(self, house: Running) -> None:
        house.stop("acquirer")
        client = house.start()

        with pytest.raises(stripe.CardError) as caught:
            client.v1.payment_intents.create(PAYMENT)

        assert caught.value.code == "processing_error"
        assert house.acquirer.seen == []

    def test_silence_is_processing_and_then_reversed(self, house: Running) -> None:
        client = house.start()
        assert house.eventually(lambda: house.gateway.is_ready)
        house.acquirer.script = lambda _message: None

        intent = client.v1.payment_intents.create(PAYMENT)

        assert intent.status == "processing"
        assert house.eventually(lambda: house.gateway.view()["duties_open"] == 0)
        assert self.settled(house, client, intent.id)
        assert [message.mti for message in house.acquirer.seen] == ["0100", "0420"]
        last = client.v1.payment_intents.retrieve(intent.id)
        assert last.last_payment_error is not None
        assert last.last_payment_error.code == "processing_error"
        assert check(last) == []

    def test_a_gateway_that_was_stopped_in_the_middle_reverses_after_its_restart(self, house: Running) -> None:
        client = house.start()
        assert house.eventually(lambda: house.gateway.is_ready)
        intent = client.v1.payment_intents.create({**PAYMENT, "confirm": False})
        house.acquirer.script = lambda _message: None
        confirming = house.portal.start_task_soon(
            anyio.to_thread.run_sync, lambda: _quietly(lambda: client.v1.payment_intents.confirm(intent.id))
        )
        assert house.eventually(lambda: len(house.acquirer.seen) == 1)
        house.stop()
        confirming.result()

        client = house.start()

        assert self.settled(house, client, intent.id)
        assert {message.mti for message in house.acquirer.seen[1:]} <= {"0420", "0421"}
        assert client.v1.payment_intents.retrieve(intent.id).amount_received == 0

    def test_what_was_paid_is_still_paid_after_a_restart(self, house: Running) -> None:
        client = house.start()
        assert house.eventually(lambda: house.gateway.is_ready)
        intent = client.v1.payment_intents.create(PAYMENT)
        house.stop()

        found = house.start().v1.payment_intents.retrieve(intent.id)

        assert found.to_dict() == intent.to_dict()


class TestIdentity:
    """Keys and what is remembered of requests outlive the process; what was ended stays ended."""

    def test_a_request_is_repeated_after_a_restart(self, house: Running) -> None:
        client = house.start()
        assert house.eventually(lambda: house.gateway.is_ready)
        first = client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "order-7"})
        house.stop()

        again = house.start().v1.payment_intents.create(PAYMENT, {"idempotency_key": "order-7"})

        assert again.to_dict() == first.to_dict()
        assert len([message for message in house.acquirer.seen if message.mti == "0100"]) == 1

    def test_a_rolled_key_stays_rolled_after_a_restart_with_the_same_topology(self, house: Running) -> None:
        house.start()
        new = house.portal.call(roll, house.gateway.ports, key_id(digest_of(SECRET_KEY)))
        house.stop()

        old = house.start()
        rolled = stripe.StripeClient(new["secret"], base_addresses={"api": house.gateway.url})

        assert rolled.v1.accounts.retrieve_current().id == "acct_rails"
        with pytest.raises(stripe.AuthenticationError, match="Expired API Key"):
            old.v1.customers.list()

    def test_the_files_hold_no_key(self, house: Running) -> None:
        house.start().v1.customers.list()
        house.stop()

        files = [path.read_bytes() for path in house.database.parent.iterdir()]

        assert not any(key.encode() in content for content in files for key in (SECRET_KEY, PUBLISHABLE_KEY))


class TestStart:
    """A gateway that cannot start says why in one line, and lets go of its files."""

    def test_a_port_in_use_is_a_pipe_error(self, house: Running, tmp_path: Path) -> None:
        house.start()
        config = house.gateway.config.model_copy(update={"http": house.gateway.url.removeprefix("http://")})

        async def second() -> None:
            node = GatewayNode(config, tmp_path / "second.db", house.clock, house.pipes, house.hsm)
            await node.run()

        with pytest.raises(PipeError, match="cannot listen"):
            house.portal.call(second)


def _quietly(act: Callable[[], Any]) -> Any:
    """Do something whose connection may be cut."""
    try:
        return act()
    except stripe.StripeError as error:
        return error
