"""A link dies at each point of a payment: the shop gets an answer, and no money stays held on one side only."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import stripe

from tests.support.books import held_minor, totals, waiting_reversals
from tests.support.house import HouseHandle

pytestmark = pytest.mark.house


class Point(NamedTuple):
    """Where an exchange is cut: at which node, on which of its links, in which direction, at which message."""

    node: str
    link: str
    direction: str
    mti: str


POINTS = {
    "gateway - acquirer": {
        "before the write": Point("gateway", "acquirer", "out", "0100"),
        "after the write": Point("acquirer", "gateway", "in", "0100"),
        "after the commit": Point("acquirer", "gateway", "out", "0110"),
        "after the answer": Point("gateway", "acquirer", "in", "0110"),
    },
    "acquirer - switch": {
        "before the write": Point("acquirer", "network", "out", "0100"),
        "after the write": Point("switch", "acquirer", "in", "0100"),
        "after the commit": Point("switch", "acquirer", "out", "0110"),
        "after the answer": Point("acquirer", "network", "in", "0110"),
    },
    "switch - issuer": {
        "before the write": Point("switch", "{issuer}", "out", "0100"),
        "after the write": Point("{issuer}", "network", "in", "0100"),
        "after the commit": Point("{issuer}", "network", "out", "0110"),
        "after the answer": Point("switch", "{issuer}", "in", "0110"),
    },
}
CASES = [(link, moment) for link, points in POINTS.items() for moment in points]
NO_ISSUER = ("card_declined", "issuer_not_available")
CARDS = {"issuer-a": "pm_card_visa", "issuer-b": "pm_card_mastercard"}


def sequences(house: HouseHandle) -> dict[str, int]:
    return {
        node: max((message["sequence"] for message in house.control.messages(node, limit=10_000)), default=0)
        for node in house.control.nodes
    }


def reversals_since(house: HouseHandle, start: dict[str, int]) -> list[dict[str, Any]]:
    return [
        message
        for node in house.control.nodes
        for message in house.control.messages(node, after=start[node], limit=10_000)
        if message.get("mti", "")[1:3] == "42" and message["direction"] == "out"
    ]


def is_settled(house: HouseHandle, held_before: int) -> bool:
    return held_minor(house.control) == held_before and not any(waiting_reversals(house.control).values())


def confirmed_status(client: stripe.StripeClient, intent: str) -> str:
    try:
        return client.v1.payment_intents.confirm(intent).status
    except stripe.CardError as error:
        return str(error.error.payment_intent.status)  # type: ignore[union-attr]


class TestALinkDies:
    """Only a cut before the write leaves nothing to reverse; every other one is undone at the issuer."""

    @pytest.mark.parametrize("issuer", CARDS)
    @pytest.mark.parametrize(("link", "moment"), CASES)
    def test_the_payment_is_approved_on_neither_side(
        self, house: HouseHandle, link: str, moment: str, issuer: str
    ) -> None:
        point = Point(*(part.format(issuer=issuer) for part in POINTS[link][moment]))
        client = house.stripe()
        assert house.eventually(lambda: all(house.control.ready(node) for node in house.control.nodes))
        held_before, start = held_minor(house.control), sequences(house)
        intent = client.v1.payment_intents.create({"amount": 4321, "currency": "usd", "payment_method": CARDS[issuer]})
        house.add_fault(*point)

        status = confirmed_status(client, intent.id)
        settled = house.eventually(
            lambda: (
                is_settled(house, held_before)
                and client.v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"
            )
        )

        sent = reversals_since(house, start)
        unknown_to_the_gateway = link == "gateway - acquirer" and moment != "before the write"
        assert house.control.faults_fired(point.node)[-1].mti == point.mti
        assert status == ("processing" if unknown_to_the_gateway else "requires_payment_method")
        assert settled
        assert bool(sent) is (moment != "before the write")
        assert set(totals(house.control).values()) == {0}
        last_error = client.v1.payment_intents.retrieve(intent.id).last_payment_error
        assert last_error is not None
        told = ("processing_error", "processing_error") if link == "gateway - acquirer" else NO_ISSUER
        assert (last_error.code, last_error.decline_code) == told

    def test_the_house_takes_payments_again(self, house: HouseHandle) -> None:
        assert house.eventually(lambda: all(house.control.ready(node) for node in house.control.nodes))

        paid = house.stripe().v1.payment_intents.create(
            {"amount": 100, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )

        assert paid.status == "succeeded"
