"""Every doubt ends in a reversal that the acquirer has accepted, whoever dies on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.records import Charge, Claim, Intent, Obligation, SendRecord
from gateway.handlers import payments
from gateway.handlers.duties import recover
from iso import Message
from iso.original import OriginalData
from node.core.duty import DutyRules
from node.core.steps import NOT_SENT, UNKNOWN
from tests.support.duties import owed, work_one
from tests.support.gateway import CARD, Gateway, approved, call, declined, step
from tests.support.oracle import check

RULES = DutyRules(lease_s=60, backoff_first_s=1, backoff_max_s=8)
FORM = {"amount": 2000, "currency": "usd", "payment_method_data": {"type": "card", "card": CARD}, "confirm": True}


def doubtful(gateway: Gateway, key: str | None = None) -> None:
    """Leave one payment in doubt."""
    gateway.acquirer.script = lambda _message: UNKNOWN
    step(payments.create(gateway.ports, call(FORM, key=key)))


def died(gateway: Gateway, key: str | None = None) -> None:
    """Leave one payment as a gateway does that dies while it waits for the answer."""

    def die() -> None:
        raise KeyboardInterrupt

    gateway.acquirer.meanwhile = die
    with pytest.raises(KeyboardInterrupt):
        step(payments.create(gateway.ports, call(FORM, key=key)))
    gateway.acquirer.meanwhile = lambda: None


def work(gateway: Gateway, holder: str = "worker") -> Obligation | None:
    return step(work_one(gateway.ports._replace(rules=RULES), holder))


def one(gateway: Gateway, kind: type) -> Any:
    rows = [row for row in gateway.rows() if isinstance(row, kind)]
    assert len(rows) == 1, rows
    return rows[0]


class TestReversal:
    """The 0420 is sent until it is accepted; then the payment has failed."""

    @pytest.mark.parametrize("code", ["00", "25"])
    def test_an_accepted_reversal_ends_the_doubt(self, gateway: Gateway, code: str) -> None:
        doubtful(gateway)
        gateway.acquirer.reversal_script = declined(code)

        work(gateway)

        intent, charge = one(gateway, Intent), one(gateway, Charge)
        error = json.loads(intent.last_error)
        assert (intent.status, intent.method, error["code"]) == ("requires_payment_method", None, "processing_error")
        assert (charge.status, charge.network_status) == ("failed", "reversed_after_approval")
        results = {row.kind: row.result for row in gateway.rows() if isinstance(row, SendRecord)}
        assert (one(gateway, Obligation).state, results) == ("done", {"authorise": "reversed", "void": code})

    def test_the_reversal_names_what_was_sent(self, gateway: Gateway) -> None:
        doubtful(gateway)

        work(gateway)

        original, reversal = gateway.acquirer.seen
        named = OriginalData.from_de90(reversal[90])
        assert (reversal.mti, reversal.pan, reversal[4]) == ("0420", original.pan, original[4])
        assert (named.stan, named.transmitted) == (original.stan, original.transmitted)
        assert reversal.stan != original.stan

    @pytest.mark.parametrize("answer", [UNKNOWN, "91", "96"])
    def test_without_acceptance_it_is_repeated_later_and_unchanged(self, gateway: Gateway, answer: Any) -> None:
        doubtful(gateway)
        gateway.acquirer.reversal_script = lambda message: message.reply(answer) if isinstance(answer, str) else answer

        first = work(gateway)
        too_early = work(gateway)
        gateway.pass_time(1)
        work(gateway)

        messages = [message for message in gateway.acquirer.seen if message.mti_class == "4"]
        assert first is not None
        assert too_early is None
        assert [message.mti for message in messages] == ["0420", "0421"]
        assert messages[0].fields == messages[1].fields
        assert one(gateway, Intent).status == "processing"

    def test_a_reversal_that_never_left_is_still_the_first(self, gateway: Gateway) -> None:
        doubtful(gateway)
        gateway.acquirer.reversal_script = lambda _message: NOT_SENT

        work(gateway)
        gateway.pass_time(1)
        work(gateway)

        assert {message.mti for message in gateway.acquirer.seen[1:]} == {"0420"}

    def test_pauses_double_up_to_their_limit(self, gateway: Gateway) -> None:
        doubtful(gateway)
        gateway.acquirer.reversal_script = lambda _message: UNKNOWN
        pauses = []

        for _ in range(6):
            work(gateway)
            pauses.append(step(owed(gateway.ports)).next_due_s)
            gateway.pass_time(pauses[-1] or 0)

        assert pauses == [1, 2, 4, 8, 8, 8]

    def test_nothing_owed_means_nothing_due(self, gateway: Gateway) -> None:
        step(payments.create(gateway.ports, call({**FORM, "capture_method": "manual"})))

        assert work(gateway) is None
        assert step(owed(gateway.ports)).next_due_s is None


class TestLease:
    """A duty is worked by whoever holds its lease, and comes back if the holder dies."""

    def test_a_dead_workers_duty_comes_back_when_its_lease_has_run_out(self, gateway: Gateway) -> None:
        doubtful(gateway)

        def die() -> None:
            raise KeyboardInterrupt

        gateway.acquirer.meanwhile = die
        with pytest.raises(KeyboardInterrupt):
            work(gateway, "first")
        gateway.acquirer.meanwhile = lambda: None

        held = work(gateway, "second")
        wait_s = step(owed(gateway.ports)).next_due_s
        gateway.pass_time(60)
        work(gateway, "second")

        assert (held, wait_s) == (None, 60)
        assert gateway.acquirer.seen[-1].mti == "0421"
        assert one(gateway, Obligation).state == "done"

    def test_a_worker_that_comes_late_changes_nothing(self, gateway: Gateway) -> None:
        doubtful(gateway)

        def overtake() -> None:
            gateway.acquirer.meanwhile = lambda: None
            gateway.pass_time(61)
            work(gateway, "second")

        gateway.acquirer.meanwhile = overtake
        ended = work(gateway, "first")

        assert ended is not None
        assert ended.state == "done"
        assert one(gateway, Intent).status == "requires_payment_method"


class TestRestart:
    """A request that was sent and has no result was sent by somebody who is dead: it is in doubt."""

    def test_what_was_in_flight_becomes_a_duty_and_is_reversed(self, gateway: Gateway) -> None:
        died(gateway)

        count = step(recover(gateway.ports))
        work(gateway)

        assert count == 1
        assert [message.mti for message in gateway.acquirer.seen] == ["0100", "0420"]
        assert one(gateway, Intent).status == "requires_payment_method"

    def test_the_shop_that_asks_again_under_its_key_hears_that_it_is_processing(self, gateway: Gateway) -> None:
        died(gateway, key="key")
        step(recover(gateway.ports))

        answer = step(payments.create(gateway.ports, call(FORM, key="key")))

        assert (answer.status, json.loads(answer.body)["status"], answer.original) == (200, "processing", "req_1")
        assert check(json.loads(answer.body)) == []
        assert len(gateway.acquirer.seen) == 1
        assert one(gateway, Claim).status == 200

    def test_recovering_twice_changes_nothing(self, gateway: Gateway) -> None:
        died(gateway)
        step(recover(gateway.ports))
        before = gateway.rows()

        assert step(recover(gateway.ports)) == 0
        assert gateway.rows() == before

    def test_a_payment_that_somebody_waits_for_is_left_alone(self, gateway: Gateway) -> None:
        counts: list[int] = []
        gateway.acquirer.meanwhile = lambda: counts.append(step(recover(gateway.ports)))

        step(payments.create(gateway.ports, call(FORM)))

        assert counts == [0]
        assert one(gateway, Intent).status == "succeeded"

    def test_a_late_approval_never_becomes_a_success(self, gateway: Gateway) -> None:
        late: list[Message] = []

        def silent(message: Message) -> Any:
            late.append(approved(message))
            return UNKNOWN

        gateway.acquirer.script = silent
        step(payments.create(gateway.ports, call(FORM)))
        work(gateway)

        assert len(late) == 1
        assert one(gateway, Intent).status == "requires_payment_method"
        assert one(gateway, Intent).amount_received == 0
