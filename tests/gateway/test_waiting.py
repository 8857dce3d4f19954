"""A request that rests on messages before it waits for the worker to bring them, and not for ever; in virtual time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import pytest
import trio
from trio.testing import MockClock

from gateway.handlers import balance, payments, refunds
from gateway.handlers.context import Ports
from gateway.worker import DutyWorker
from iso import Message
from tests.support.gateway import CARD, Gateway, call, check_events
from tests.support.hsm import EPOCH
from tests.support.time import let_pass

FORM = {"amount": 2000, "currency": "usd", "payment_method_data": {"type": "card", "card": CARD}, "confirm": True}
PATIENCE_S = 3.0

pytestmark = pytest.mark.trio


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


class SlowAcquirer:
    """The scripted acquirer, which takes its time over captures."""

    def __init__(self, gateway: Gateway, capture_s: float) -> None:
        self._acquirer = gateway.acquirer
        self._capture_s = capture_s

    async def request(self, message: Message, timeout_s: float) -> Any:
        """Answer one message."""
        if message.mti[1:3] == "22":
            await let_pass(self._capture_s)
        return await self._acquirer.request(message, timeout_s)


@asynccontextmanager
async def working(capture_s: float) -> AsyncIterator[tuple[Gateway, Ports]]:
    """Run a gateway's worker beside its handlers."""
    gateway = Gateway()
    ports = gateway.ports._replace(
        acquirer=SlowAcquirer(gateway, capture_s),
        wall=lambda: EPOCH + timedelta(seconds=trio.current_time()),
        owed=lambda: worker.wake(),
        watch=lambda charge: worker.watch(charge),
    )
    worker = DutyWorker(ports)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run)
        yield gateway, ports
        tasks.cancel_scope.cancel()
    check_events(gateway.store)


async def paid(ports: Ports) -> str:
    answer = await payments.create(ports, call(FORM))
    name: str = json.loads(answer.body)["id"]
    return name


class TestRefund:
    """A refund leaves behind the capture of its charge."""

    async def test_it_waits_for_a_capture_that_is_on_its_way(self, mock_clock: MockClock) -> None:
        async with working(capture_s=1.0) as (gateway, ports):
            name, began = await paid(ports), trio.current_time()

            answer = await refunds.create(ports, call({"payment_intent": name}))

            assert json.loads(answer.body)["status"] == "succeeded"
            assert trio.current_time() - began == pytest.approx(1.0)
            assert [message.mti for message in gateway.acquirer.seen] == ["0100", "0220", "0200"]

    async def test_it_is_pending_when_patience_ends_and_succeeds_later(self, mock_clock: MockClock) -> None:
        async with working(capture_s=10.0) as (gateway, ports):
            name, began = await paid(ports), trio.current_time()

            answer = await refunds.create(ports, call({"payment_intent": name}))
            waited = trio.current_time() - began
            await let_pass(10.0)
            again = await refunds.retrieve(ports, call({}, json.loads(answer.body)["id"]))

            assert json.loads(answer.body)["status"] == "pending"
            assert waited == pytest.approx(PATIENCE_S)
            assert json.loads(again.body)["status"] == "succeeded"
            assert len(gateway.acquirer.sent("0200")) == 1

    async def test_two_at_once_leave_one_after_the_other(self, mock_clock: MockClock) -> None:
        async with working(capture_s=0.5) as (gateway, ports):
            name = await paid(ports)
            statuses: list[str] = []

            async def one(amount: int) -> None:
                answer = await refunds.create(ports, call({"payment_intent": name, "amount": amount}))
                statuses.append(json.loads(answer.body)["status"])

            async with anyio.create_task_group() as tasks:
                for amount in (1500, 500):
                    tasks.start_soon(one, amount)

            assert statuses == ["succeeded", "succeeded"]
            assert sorted(message.amount_minor for message in gateway.acquirer.sent("0200")) == [500, 1500]


class TestBalance:
    """The balance is read after what is on its way."""

    async def test_it_has_the_payment_that_was_just_made(self, mock_clock: MockClock) -> None:
        async with working(capture_s=1.0) as (_, ports):
            await paid(ports)

            answer = await balance.retrieve(ports, call({}))

            assert json.loads(answer.body)["pending"][0]["amount"] > 0

    async def test_it_does_not_wait_for_ever(self, mock_clock: MockClock) -> None:
        async with working(capture_s=60.0) as (_, ports):
            await paid(ports)
            began = trio.current_time()

            answer = await balance.retrieve(ports, call({}))

            assert json.loads(answer.body)["pending"][0]["amount"] == 0
            assert trio.current_time() - began == pytest.approx(PATIENCE_S)


class TestWatch:
    """A watch leaves nothing behind."""

    async def test_whoever_has_waited_is_forgotten(self, mock_clock: MockClock) -> None:
        worker = DutyWorker(Gateway().ports)
        watches = [worker.watch("ch_1"), worker.watch("ch_1"), worker.watch("ch_2")]

        await watches[0].wait(1.0)
        for watch in watches:
            watch.close()

        assert worker._watches == {}
