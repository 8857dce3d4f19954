"""Real processes: killed without mercy, started again on the same data, one process per node or one for all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import stripe

from node.clock import BusinessClock
from node.control import ControlClient, ControlError
from node.core.faults import Fault
from tests.support.books import held_minor, totals
from tests.support.processes import ProcessHouse, process_house
from tests.support.waiting import eventually

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK writes its telemetry id below the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))


def pay(client: stripe.StripeClient, amount: int, method: str = "pm_card_visa") -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(
        {"amount": amount, "currency": "usd", "payment_method": method, "confirm": True}
    )


def books(house: ProcessHouse) -> dict[str, object]:
    control = house.control()
    state = {issuer: control.state(issuer) for issuer in ("issuer-a", "issuer-b")}
    control.close()
    return {
        issuer: (sorted(map(str, found["accounts"])), sorted(map(str, found["holds"])))
        for issuer, found in state.items()
    }


class TestRestart:
    """After kill -9 the same data directory shows the same payments, balances, holds and pending reversals."""

    def test_payments_balances_and_holds_are_the_same(self, tmp_path: Path) -> None:
        with process_house(tmp_path) as house:
            paid = [pay(house.stripe(), 1000), pay(house.stripe(), 2500, "pm_card_mastercard")]
            before = books(house)

            house.kill()
            house.start()

            assert [house.stripe().v1.payment_intents.retrieve(intent.id).status for intent in paid] == [
                "succeeded"
            ] * 2
            assert books(house) == before
            control = house.control()
            assert held_minor(control) == 3500
            assert set(totals(control).values()) == {0}
            assert pay(house.stripe(), 700).status == "succeeded"
            control.close()

    def test_an_idempotency_key_is_honoured_over_a_restart(self, tmp_path: Path) -> None:
        with process_house(tmp_path) as house:
            params: stripe.params.PaymentIntentCreateParams = {
                "amount": 900,
                "currency": "usd",
                "payment_method": "pm_card_visa",
                "confirm": True,
            }
            first = house.stripe().v1.payment_intents.create(params, {"idempotency_key": "order-1"})

            house.kill()
            house.start()
            again = house.stripe().v1.payment_intents.create(params, {"idempotency_key": "order-1"})

            assert again.id == first.id
            control = house.control()
            assert held_minor(control) == 900
            control.close()


class TestOneProcessPerNode:
    """The house runs as six processes from the same topology file, and each may die alone."""

    def test_the_house_pays_and_survives_the_death_of_each_process(self, tmp_path: Path) -> None:
        with process_house(tmp_path, one_process=False) as house:
            assert eventually(lambda: _all_ready(house))
            paid = 1
            assert pay(house.stripe(max_network_retries=0), 100).status == "succeeded"

            for name in ("issuer-a", "switch", "acquirer", "hsm", "gateway"):
                house.kill(name)
                house.start(name)
                assert eventually(lambda: _all_ready(house)), name
                assert pay(house.stripe(max_network_retries=0), 100).status == "succeeded", name
                paid += 1

            control = house.control()
            assert held_minor(control) == 100 * paid
            assert set(totals(control).values()) == {0}
            control.close()

    def test_a_reversal_waits_while_the_issuer_is_dead_and_the_switch_restarts(self, tmp_path: Path) -> None:
        with process_house(tmp_path, one_process=False) as house:
            assert eventually(lambda: _all_ready(house))
            control = house.control()
            control.add_fault("issuer-a", Fault("network", "out", "0110", "close"))
            # The issuer may be back on its link before it is killed: the reversal has to wait all the same.
            control.add_fault("issuer-a", Fault("network", "in", "0420", "drop", times=1000))

            with pytest.raises(stripe.CardError) as caught:
                pay(house.stripe(), 4200)
            house.kill("issuer-a", "switch")
            house.start("switch", until_ready=False)
            assert eventually(lambda: is_up(control, "switch"))
            waiting = control.state("switch")["saf"]
            house.start("issuer-a")

            assert caught.value.http_status == 402
            assert len(waiting) == 1
            assert eventually(lambda: not control.state("switch")["saf"])
            assert held_minor(control) == 0
            assert set(totals(control).values()) == {0}
            control.close()

    def test_a_payment_in_flight_when_the_acquirer_dies_is_reversed_days_later(self, tmp_path: Path) -> None:
        with process_house(tmp_path, one_process=False) as house:
            assert eventually(lambda: _all_ready(house))
            control = house.control()
            control.add_fault("gateway", Fault("acquirer", "in", "0110", "close"))
            control.add_fault("gateway", Fault("acquirer", "out", "0420", "close", times=1000))

            intent = pay(house.stripe(), 5000, "pm_card_mastercard")
            held = held_minor(control)
            house.kill("acquirer", "switch", "gateway")
            _three_days_later(house, control)
            house.start("acquirer", "switch", "gateway")

            assert intent.status == "processing"
            assert held == 5000
            assert eventually(lambda: held_minor(control) == 0)
            assert eventually(
                lambda: house.stripe().v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"
            )
            assert set(totals(control).values()) == {0}
            control.close()


def _all_ready(house: ProcessHouse) -> bool:
    control = house.control()
    try:
        return all(control.ready(node) for node in control.nodes)
    finally:
        control.close()


def is_up(control: ControlClient, node: str) -> bool:
    try:
        control.state(node)
    except ControlError:
        return False
    return True


def _three_days_later(house: ProcessHouse, control: ControlClient) -> None:
    """Let business time pass at the nodes that are up, and in the clock files of those that are down."""
    for node in control.nodes:
        if is_up(control, node):
            control.advance(node, timedelta(days=3))
        else:
            BusinessClock(file=house.data_dir / f"{node}.clock").advance(timedelta(days=3))
