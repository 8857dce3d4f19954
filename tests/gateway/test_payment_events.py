"""Every change of a payment is told by events, in the order in which a shop expects them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.records_account import Event
from gateway.handlers import intents
from node.core.steps import UNKNOWN
from tests.gateway.test_captures import cancel, capture, held, increment, pay, settle
from tests.support.gateway import Gateway, call, declined, step
from tests.support.oracle import check


def told(gateway: Gateway) -> list[str]:
    return [row.type for row in gateway.rows() if isinstance(row, Event) and row.type.startswith(("pay", "charge"))]


def last(gateway: Gateway, kind: str) -> Any:
    rows = [row for row in gateway.rows() if isinstance(row, Event) and row.type == kind]
    return json.loads(rows[-1].data)


CREATED = "payment_intent.created"


class TestEvents:
    """The charge is told before its payment, and each snapshot is the object as it was then."""

    def test_a_payment_that_is_captured_at_once(self, gateway: Gateway) -> None:
        intent = pay(gateway)

        assert told(gateway) == [CREATED, "charge.succeeded", "payment_intent.succeeded"]
        assert last(gateway, "payment_intent.succeeded") == intent
        assert last(gateway, CREATED)["status"] == "requires_confirmation"
        assert last(gateway, "charge.succeeded")["captured"] is True

    def test_a_payment_that_is_captured_later(self, gateway: Gateway) -> None:
        name = held(gateway)
        increment(gateway, name, 1500)
        capture(gateway, name, amount_to_capture=500, final_capture=False)
        capture(gateway, name)

        assert told(gateway) == [
            CREATED,
            "charge.succeeded",
            "payment_intent.amount_capturable_updated",
            "charge.updated",
            "payment_intent.amount_capturable_updated",
            "charge.captured",
            "payment_intent.amount_capturable_updated",
            "charge.captured",
            "payment_intent.succeeded",
        ]

    def test_a_payment_that_is_declined(self, gateway: Gateway) -> None:
        gateway.acquirer.script = declined("05")

        pay(gateway)

        assert told(gateway) == [CREATED, "charge.failed", "payment_intent.payment_failed"]
        assert last(gateway, "payment_intent.payment_failed")["last_payment_error"]["decline_code"] == "generic_decline"

    def test_a_payment_in_doubt(self, gateway: Gateway) -> None:
        gateway.acquirer.script = lambda _message: UNKNOWN

        pay(gateway)
        before = told(gateway)
        settle(gateway)

        assert before == [CREATED, "charge.pending", "payment_intent.processing"]
        assert told(gateway)[3:] == ["charge.failed", "payment_intent.payment_failed"]
        assert last(gateway, "charge.failed")["outcome"]["network_status"] == "reversed_after_approval"

    def test_a_payment_that_is_given_up(self, gateway: Gateway) -> None:
        name = held(gateway)
        cancel(gateway, name)

        assert told(gateway)[3:] == ["charge.refunded", "payment_intent.canceled"]
        charge = last(gateway, "charge.refunded")
        assert (charge["refunded"], charge["amount_refunded"], charge["captured"]) == (True, 1000, False)

    def test_a_refused_request_tells_nothing(self, gateway: Gateway) -> None:
        held(gateway)
        before = told(gateway)

        with pytest.raises(Exception, match="could not be updated"):
            step(intents.update(gateway.ports, call({"amount": 50}, last(gateway, CREATED)["id"])))

        assert told(gateway) == before

    def test_every_snapshot_is_what_the_client_expects(self, gateway: Gateway) -> None:
        name = held(gateway)
        increment(gateway, name, 1500)
        capture(gateway, name, amount_to_capture=500, final_capture=False)
        cancel(gateway, name)

        shapes = [json.loads(row.data) for row in gateway.rows() if isinstance(row, Event)]
        assert [check(shape) for shape in shapes] == [[]] * len(shapes)
