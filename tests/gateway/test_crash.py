"""A gateway may die between any two steps: what was approved is never lost and nothing happens twice.

Every port of the gateway is a step. The process dies before or after one of them, a new one starts on the same rows,
and the shop asks again under the same key. In the end the acquirer's books and the payment must say the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.books import Books
from gateway.core.errors import ApiError
from gateway.core.records import Charge, Intent, Obligation, SendRecord
from gateway.core.records_money import Refund
from gateway.handlers import cancelling, capturing, incrementing, payments, refunds
from gateway.handlers.duties import look, recover
from gateway.handlers.expiring import expire_due
from gateway.handlers.sending import attempt
from tests.support.booked_acquirer import BookedAcquirer
from tests.support.gateway import CARD, Gateway, call, check_events, step

T = TypeVar("T")

OPTIONS = {"card": {"request_multicapture": "if_available", "request_incremental_authorization": "if_available"}}
CREATE = {
    "amount": 1000,
    "currency": "usd",
    "payment_method_data": {"type": "card", "card": CARD},
    "payment_method_options": OPTIONS,
    "confirm": True,
}
DAY_S = 24 * 3600


class Died(BaseException):
    """The process was killed."""


class Mortal:
    """A gateway whose process dies at one step, counted over everything that it does."""

    def __init__(self, dies_at: int, is_after: bool) -> None:
        self.gateway = Gateway()
        self.acquirer = BookedAcquirer()
        self.steps = 0
        self.dies_at = dies_at
        self.is_after = is_after
        store, hsm, mortal = self.gateway.store, self.gateway.hsm, self

        class Store:
            async def write(self, work: Callable[[Books], T]) -> T:
                return await mortal.take_step(store.write(work))

            async def read(self, work: Callable[[Books], T]) -> T:
                return await store.read(work)

            async def aclose(self) -> None:
                await store.aclose()

        class Link:
            async def request(self, message: Any, timeout_s: float) -> Any:
                return await mortal.take_step(mortal.acquirer.request(message, timeout_s))

        class Party:
            async def call(self, request: Any, timeout_s: float) -> Any:
                return await mortal.take_step(hsm.call(request, timeout_s))

        self.gateway.ports = self.gateway.ports._replace(store=Store(), acquirer=Link(), hsm=Party())

    async def take_step(self, act: Coroutine[Any, Any, T]) -> T:
        """Do something, unless the process dies before it, or dies after it."""
        self.steps += 1
        if self.steps == self.dies_at and not self.is_after:
            act.close()
            raise Died
        result = await act
        if self.steps == self.dies_at:
            raise Died
        return result

    def lives(self, act: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        """Do something; if the process dies of it, start another one and do it again."""
        try:
            return step(act())
        except Died:
            self.gateway.ports.under_way.clear()
            step(recover(self.gateway.ports))
            return step(act())

    def asks(self, handler: Any, form: dict[str, Any], *identifiers: str, key: str) -> Any:
        """Ask as a shop that asks again under the same key; None if it is refused."""
        try:
            answer = self.lives(lambda: handler(self.gateway.ports, call(form, *identifiers, key=key)))
        except ApiError:
            return None
        assert answer is not None
        return json.loads(answer.body)

    def works(self) -> bool:
        """Work what is owed as one worker does; True if there was something."""

        async def one() -> bool:
            found = await look(self.gateway.ports, 8)
            for duty, record in found.taken:
                await attempt(self.gateway.ports, duty, record)
            return bool(found.taken)

        return bool(self.lives(one))

    def settles(self) -> None:
        """Let time pass until nothing is owed."""
        self.acquirer.loses = lambda _message: False
        for _ in range(50):
            self.works()
            if not self.rows(Obligation, lambda row: row.state == "open"):
                check_events(self.gateway.store)
                return
            self.gateway.pass_time(61)
        raise AssertionError("something is owed for ever")

    def rows(self, kind: Any, holds: Callable[[Any], bool] = lambda _row: True) -> list[Any]:
        return [row for row in self.gateway.rows() if isinstance(row, kind) and holds(row)]

    def act(self, name: str, what: tuple[str, int], key: str) -> None:
        """Do one thing that a shop, a worker or the clock does."""
        verb, amount = what
        if verb == "increment":
            self.asks(incrementing.increment, {"amount": amount}, name, key=key)
        elif verb == "capture":
            self.asks(capturing.capture, {}, name, key=key)
        elif verb == "capture a part":
            self.asks(capturing.capture, {"amount_to_capture": amount, "final_capture": False}, name, key=key)
        elif verb == "cancel":
            self.asks(cancelling.cancel, {}, name, key=key)
        elif verb == "expire":
            self.gateway.pass_time(7 * DAY_S)
            self.lives(lambda: expire_due(self.gateway.ports))
        elif verb == "refund":
            self.asks(refunds.create, {"payment_intent": name, **({"amount": amount} if amount else {})}, key=key)
        elif verb == "confirm":
            form = {"payment_method_data": CREATE["payment_method_data"]}
            self.asks(payments.confirm, form, name, key=key)
        else:
            self.works()


REFUND = st.tuples(st.just("refund"), st.integers(0, 700))
MIDDLE = st.one_of(
    REFUND,
    st.tuples(st.just("increment"), st.integers(1100, 2000)),
    st.tuples(st.just("capture a part"), st.integers(1, 700)),
    st.tuples(st.sampled_from(["work", "confirm"]), st.just(0)),
)
LAST = st.tuples(st.sampled_from(["capture", "cancel", "expire", "work"]), st.just(0))
ACTS = st.builds(
    lambda *parts: [*parts[0], parts[1], *parts[2]],
    st.lists(MIDDLE, max_size=4),
    LAST,
    st.lists(st.one_of(MIDDLE, REFUND), max_size=3),
)


class TestDeath:
    """Whenever the gateway dies, its rows and the acquirer's books agree in the end."""

    @settings(max_examples=300)
    @given(
        capture_method=st.sampled_from(["automatic", "manual", "manual"]),
        acts=ACTS,
        dies_at=st.integers(1, 30),
        is_after=st.booleans(),
        lost=st.sets(st.integers(0, 8), max_size=3),
    )
    def test_nothing_is_lost_and_nothing_happens_twice(
        self, capture_method: str, acts: list[tuple[str, int]], dies_at: int, is_after: bool, lost: set[int]
    ) -> None:
        house = Mortal(dies_at, is_after)
        house.acquirer.loses = lambda _message: len(house.acquirer.answers) - 1 in lost

        house.asks(payments.create, {**CREATE, "capture_method": capture_method}, key="first")
        (intent,) = house.rows(Intent)
        for number, act in enumerate(acts):
            house.act(intent.id, act, key=f"key-{number}")
        house.settles()

        (intent,), charges = house.rows(Intent), house.rows(Charge)
        assert (house.acquirer.held, house.acquirer.captured) == (intent.amount_capturable, intent.amount_received)
        assert house.acquirer.refused == []
        assert intent.busy is None
        assert intent.status != "processing"
        assert house.rows(SendRecord, lambda row: row.result in ("", "owed", "unknown")) == []
        assert sum(charge.amount_captured for charge in charges) == intent.amount_received
        assert house.rows(Refund, lambda row: row.status != "succeeded") == []
        given_back = sum(row.amount for row in house.rows(Refund))
        assert house.acquirer.refunded == sum(charge.amount_refunded for charge in charges) == given_back
        standing = [payment for payment in house.acquirer.payments.values() if payment.held or payment.captured]
        assert len(standing) <= 1
