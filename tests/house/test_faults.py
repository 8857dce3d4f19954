"""Faults on the links of a running house: every payment gets an answer, and the house recovers."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from node.core.faults import Fault
from tests.support.books import held_minor, totals, waiting_reversals
from tests.support.house import HouseHandle

pytestmark = pytest.mark.house


def paid(house: HouseHandle) -> str:
    try:
        intent = house.stripe().v1.payment_intents.create(
            {"amount": 4321, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
    except stripe.CardError as error:
        return str(error.code)
    return intent.status


def is_settled(house: HouseHandle, held_before: int) -> bool:
    return held_minor(house.control) == held_before and not any(waiting_reversals(house.control).values())


class TestFaultsInAHouse:
    """A line that spoils a message makes a payment fail or wait; it never leaves money on one side only."""

    @pytest.mark.parametrize(
        ("node", "fault"),
        [
            ("acquirer", Fault("network", "out", "0100", "wrong-mac")),
            ("switch", Fault("acquirer", "in", "0100", "wrong-mac")),
            ("switch", Fault("issuer-a", "out", "0100", "garbage", value="FF" * 30)),
            ("issuer-a", Fault("network", "in", "0100", "garbage", value="FF" * 30)),
            ("switch", Fault("issuer-a", "in", "0110", "reset")),
        ],
        ids=lambda value: value if isinstance(value, str) else f"{value.action} {value.direction}",
    )
    def test_it_is_declined_and_undone(self, house: HouseHandle, node: str, fault: Fault) -> None:
        assert house.eventually(lambda: all(house.control.ready(name) for name in house.control.nodes))
        held_before, bad_macs = held_minor(house.control), bad_macs_at(house, "switch")
        house.control.add_fault(node, fault)

        outcome = paid(house)

        assert outcome == "card_declined"
        assert house.control.faults_fired(node)[-1].action == fault.action
        assert bad_macs_at(house, "switch") - bad_macs == (fault.action == "wrong-mac")
        assert house.eventually(lambda: is_settled(house, held_before))
        assert set(totals(house.control).values()) == {0}

    @pytest.mark.parametrize(
        ("node", "fault"),
        [
            ("gateway", Fault("acquirer", "out", "0100", "dribble", delay_s=0.001)),
            ("switch", Fault("issuer-a", "in", "0110", "dribble", delay_s=0.001)),
            ("acquirer", Fault("network", "out", "0100", "coalesce", delay_s=0.2)),
            ("issuer-a", Fault("network", "out", "0110", "duplicate")),
            ("switch", Fault("issuer-a", "out", "0100", "delay", delay_s=0.1, in_order=True)),
        ],
        ids=lambda value: value if isinstance(value, str) else f"{value.action} {value.direction}",
    )
    def test_it_is_approved_all_the_same(self, house: HouseHandle, node: str, fault: Fault) -> None:
        assert house.eventually(lambda: all(house.control.ready(name) for name in house.control.nodes))
        house.control.add_fault(node, fault)

        outcome = paid(house)

        assert outcome == "succeeded"
        assert house.control.faults_fired(node)[-1].action == fault.action
        assert house.eventually(lambda: "fault" in kinds(house, node))

    def test_two_requests_in_one_segment_are_two_payments(self, house: HouseHandle) -> None:
        assert house.eventually(lambda: all(house.control.ready(name) for name in house.control.nodes))
        house.control.add_fault("acquirer", Fault("network", "out", "0100", "coalesce", delay_s=5.0))
        outcomes: list[Any] = []

        house.run(lambda: _both(house, outcomes))

        assert outcomes == ["succeeded", "succeeded"]


async def _both(house: HouseHandle, outcomes: list[Any]) -> None:
    import anyio
    import anyio.to_thread

    async def one() -> None:
        outcomes.append(await anyio.to_thread.run_sync(paid, house))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(one)


def bad_macs_at(house: HouseHandle, node: str) -> int:
    text = house.control.metrics(node)
    return sum(
        int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("cardrails_link_bad_macs_total{")
    )


def kinds(house: HouseHandle, node: str) -> set[str]:
    return {str(row.get("kind")) for row in house.control.messages(node, limit=10_000)}
