"""An issuer dies: the switch approves in its place, and the issuer books that once it is back."""

from __future__ import annotations

from pathlib import Path

import pytest
import stripe

from tests.support.books import held_minor, totals
from tests.support.processes import process_house
from tests.support.waiting import eventually

pytestmark = pytest.mark.process

RULES = """
[[nodes.switch.stand_in]]
bins = ["4"]
floor = { USD = 2000 }
count_max = 1
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK writes its telemetry id below the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))


def pay(client: stripe.StripeClient, amount: int) -> str:
    try:
        intent = client.v1.payment_intents.create(
            {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
    except stripe.CardError as error:
        return str(error.error.decline_code)  # type: ignore[union-attr]
    return intent.status


class TestADeadIssuer:
    """What stand-in promises while the issuer is dead is held there, once, after its return."""

    def test_the_promise_is_kept_even_if_the_switch_dies_too(self, tmp_path: Path) -> None:
        with process_house(tmp_path, one_process=False, more=RULES) as house:
            house.kill("issuer-a")

            paid = pay(house.stripe(), 2_500), pay(house.stripe(), 1_500)
            house.kill("switch")
            house.start("issuer-a", until_ready=False)
            house.start("switch")

            control = house.control()
            assert paid[0] != "succeeded"
            assert paid[1] == "succeeded"
            assert eventually(lambda: not control.state("switch")["saf"])
            assert held_minor(control) == 1_500
            assert set(totals(control).values()) == {0}
            assert control.state("switch")["legs"]["in flight"] == 0
            control.close()
