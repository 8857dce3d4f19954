"""A worker that is handed what is due: a capture leaves without anybody looking for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import pytest
import trio
from trio.testing import MockClock

from gateway.core.records import Obligation
from gateway.handlers import payments
from gateway.handlers.context import Ports
from gateway.worker import DutyWorker
from node.core.steps import UNKNOWN
from tests.support.gateway import Gateway, accepted, call, check_events
from tests.support.hsm import EPOCH
from tests.support.time import let_pass

pytestmark = pytest.mark.trio
FORM = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@asynccontextmanager
async def working() -> AsyncIterator[tuple[Gateway, Ports, DutyWorker]]:
    """Run a worker that is handed captures; the gateway counts how often it would have been woken to look."""
    gateway = Gateway()
    ports = gateway.ports._replace(wall=lambda: EPOCH + timedelta(seconds=trio.current_time()))
    worker = DutyWorker(ports)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run)
        await let_pass(0.1)
        yield gateway, ports._replace(courier=worker), worker
        tasks.cancel_scope.cancel()
    check_events(gateway.store)


class TestCapture:
    """The capture of an automatic payment is taken in the commit of its approval and leaves at once."""

    async def test_nobody_has_to_look_for_it(self, mock_clock: MockClock) -> None:
        async with working() as (gateway, ports, worker):
            await payments.create(ports, call(FORM))
            taken = await ports.store.read(lambda books: books.find(Obligation, {}))
            await let_pass(0.1)
            done = await ports.store.read(lambda books: books.find(Obligation, {}))

            assert [(duty.state, duty.attempts, duty.holder) for duty in taken] == [("open", 1, ports.holder)]
            assert [(duty.state, duty.attempts) for duty in done] == [("done", 1)]
            assert [message.mti for message in gateway.acquirer.seen] == ["0100", "0220"]
            assert (gateway.owed, worker.open_count) == (0, 0)

    async def test_one_that_is_not_answered_is_repeated(self, mock_clock: MockClock) -> None:
        async with working() as (gateway, ports, worker):
            gateway.acquirer.capture_script = lambda message: UNKNOWN
            await payments.create(ports, call(FORM))
            await let_pass(0.1)
            open_before = worker.open_count
            gateway.acquirer.capture_script = accepted
            await let_pass(5.0)

            assert [message.mti for message in gateway.acquirer.seen] == ["0100", "0220", "0221"]
            assert (open_before, worker.open_count) == (1, 0)

    async def test_a_payment_that_is_captured_later_hands_nothing_over(self, mock_clock: MockClock) -> None:
        async with working() as (gateway, ports, worker):
            await payments.create(ports, call({**FORM, "capture_method": "manual"}))
            await let_pass(0.1)

            assert [message.mti for message in gateway.acquirer.seen] == ["0100"]
            assert worker.open_count == 0
