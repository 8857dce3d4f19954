"""Whatever happens in whatever order, refunds never exceed captures, and the figures agree with a naive model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.books import Store
from gateway.core.errors import ApiError
from gateway.core.records import Charge, Obligation
from gateway.core.records_account import Event
from gateway.core.records_money import BalanceTransaction, Refund
from gateway.handlers import balance, capturing, payments, refunds
from gateway.memory import MemoryStore
from gateway.store import SqliteStore
from node.core.steps import NOT_SENT, UNKNOWN
from tests.support.duties import work_one
from tests.support.gateway import CARD, Gateway, accepted, call, declined, fees_of
from tests.support.oracle import Oracle

T = TypeVar("T")

AMOUNT = 2000
FORM = {
    "amount": AMOUNT,
    "currency": "usd",
    "payment_method_data": {"type": "card", "card": CARD},
    "payment_method_options": {"card": {"request_multicapture": "if_available"}},
    "capture_method": "manual",
    "confirm": True,
}
MOODS = {
    "accepts": accepted,
    "declines": declined("05"),
    "is silent": lambda _message: UNKNOWN,
    "is away": lambda _message: NOT_SENT,
}
"""What the acquirer does with refunds."""
CAPTURE_MOODS = {"takes captures": accepted, "refuses captures": declined("64")}

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("refund"), st.integers(1, 1200)),
        st.tuples(st.just("refund the rest"), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.tuples(st.just("capture a part"), st.integers(1, 900)),
        st.tuples(st.just("capture"), st.just(0)),
        st.tuples(st.just("work"), st.integers(0, 90)),
        st.tuples(st.sampled_from(sorted([*MOODS, *CAPTURE_MOODS])), st.just(0)),
    ),
    max_size=14,
)


class Model:
    """What a bookkeeper with a pencil would know."""

    def __init__(self) -> None:
        self.captured: dict[str, int] = {}
        self.refunds: dict[str, int] = {}

    @property
    def left(self) -> int:
        """What can still be refunded."""
        return sum(self.captured.values()) - sum(self.refunds.values())


class World:
    """A gateway on one of the stores, with one payment that is held."""

    def __init__(self, store: Store, portal: BlockingPortal) -> None:
        self.portal = portal
        self.gateway = Gateway(store)
        portal.call(self.gateway.seed)
        self.model = Model()
        held = self.do(payments.create, FORM)
        self.intent, self.charge = held["id"], held["latest_charge"]

    def do(self, handler: Callable[..., Any], form: dict[str, Any], *names: str) -> Any:
        """Let a handler answer; None if it refuses."""
        try:
            answer = self.portal.call(handler, self.gateway.ports, call(form, *names))
        except ApiError:
            return None
        return json.loads(answer.body)

    def rows(self, kind: Any) -> list[Any]:
        """Return all rows of a kind."""
        found: list[Any] = self.portal.call(self.gateway.store.read, lambda books: books.find(kind, {}))
        return found

    def act(self, verb: str, number: int) -> None:
        """Do one thing, here and in the model."""
        if verb in MOODS:
            self.gateway.acquirer.refund_script = MOODS[verb]
        elif verb in CAPTURE_MOODS:
            self.gateway.acquirer.capture_script = CAPTURE_MOODS[verb]
        elif verb == "work":
            self.gateway.pass_time(number)
            self.work()
        elif verb == "cancel":
            self.cancel(number)
        elif verb.startswith("capture"):
            self.capture(number)
        else:
            self.refund({} if verb == "refund the rest" else {"amount": number})
        self.learn()

    def refund(self, form: dict[str, Any]) -> None:
        """Ask for a refund: it is refused exactly if the model has not so much left."""
        left = self.model.left
        made = self.do(refunds.create, {"charge": self.charge, **form})
        wanted = form.get("amount", left)
        assert (made is not None) == (0 < wanted <= left)
        if made is not None:
            self.model.refunds[made["id"]] = wanted

    def capture(self, amount: int) -> None:
        """Capture a part, or all that is left, for good."""
        form: dict[str, Any] = {"amount_to_capture": amount, "final_capture": False} if amount else {}
        before = sum(self.model.captured.values())
        made = self.do(capturing.capture, form, self.intent)
        if made is not None and made["amount_received"] > before:
            (charge,) = self.rows(Charge)
            self.model.captured[f"{charge.id}/capture/{charge.captures}"] = made["amount_received"] - before

    def cancel(self, number: int) -> None:
        """Cancel one of the refunds, if it can be."""
        names = list(self.model.refunds)
        if names:
            self.do(refunds.cancel, {}, names[number % len(names)])

    def work(self) -> None:
        """Let a worker do everything that is due."""
        while self.portal.call(work_one, self.gateway.ports, "worker") is not None:
            pass

    def learn(self) -> None:
        """Strike what has come to nothing from the model, and compare."""
        for row in self.rows(Refund):
            if row.status in ("failed", "canceled"):
                self.model.refunds.pop(row.id, None)
        for duty in self.rows(Obligation):
            if duty.state == "refused":
                self.model.captured.pop(duty.send, None)
        (charge,) = self.rows(Charge)
        assert charge.amount_refunded == sum(self.model.refunds.values()) <= charge.amount_captured
        assert charge.amount_captured == sum(self.model.captured.values()) <= AMOUNT

    def settle(self) -> None:
        """Let everything arrive."""
        self.gateway.acquirer.refund_script = accepted
        while any(row.state == "open" for row in self.rows(Obligation)):
            self.gateway.pass_time(61)
            self.work()
        self.learn()


@contextmanager
def world(kind: str) -> Iterator[World]:
    """Open a world on a store."""
    with TemporaryDirectory() as folder, start_blocking_portal() as portal:
        store: Store = MemoryStore() if kind == "memory" else SqliteStore(Path(folder) / "gateway.db")
        try:
            made = World(store, portal)
            yield made
            oracle = Oracle()
            oracle.see_events(made.rows(Event))
            oracle.verdict()
        finally:
            portal.call(store.aclose)


@pytest.mark.parametrize(("kind", "examples"), [("memory", 60), ("sqlite", 10)])
def test_refunds_never_exceed_captures_and_the_balance_is_their_difference(kind: str, examples: int) -> None:
    @settings(max_examples=examples)
    @given(STEPS)
    def holds(steps: list[tuple[str, int]]) -> None:
        with world(kind) as at:
            for step in steps:
                at.act(*step)
            at.settle()

            given_back = {row.id for row in at.rows(Refund) if row.status == "succeeded"}
            assert given_back == set(at.model.refunds)
            entries = at.rows(BalanceTransaction)
            assert {row.send: row.amount for row in entries if row.type == "charge"} == at.model.captured
            amounts = {row.source: -row.amount for row in entries if row.type == "refund"}
            assert amounts == at.model.refunds
            net = at.model.left - sum(sum(fees_of(amount)) for amount in at.model.captured.values())
            shown = at.do(balance.retrieve, {})
            assert shown["pending"][0]["amount"] == net
            listed = at.do(balance.list_transactions, {"limit": 100})
            assert sum(entry["net"] for entry in listed["data"]) == net

    holds()
