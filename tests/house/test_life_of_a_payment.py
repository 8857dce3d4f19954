"""A payment from its first hold to its last cent, by the official SDK, with both banks' books looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from node.bank_client import BankClient
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house

CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
OPTIONS: Any = {
    "card": {"request_multicapture": "if_available", "request_incremental_authorization": "if_available"},
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseHandle]:
    with running_house(tmp_path_factory.mktemp("life")) as handle:
        yield handle


class Shop:
    """A shop and an auditor in one."""

    def __init__(self, house: HouseHandle) -> None:
        self.house = house
        self.api = house.stripe().v1.payment_intents
        self.banks = BankClient(house.control)
        self.before = len(self.captured())

    def pay(self, amount: int = 1000, number: str = CARD["number"], **form: Any) -> stripe.PaymentIntent:
        """Pay, or hold, on a card of issuer A."""
        method: Any = {"type": "card", "card": {**CARD, "number": number}, **form.pop("method", {})}
        options: Any = {"amount": amount, "currency": "usd", "payment_method_data": method, "confirm": True, **form}
        return self.api.create({**options, "expand": ["latest_charge"]})

    def hold(self, amount: int = 1000) -> stripe.PaymentIntent:
        """Hold an amount."""
        return self.pay(amount, capture_method="manual", payment_method_options=OPTIONS)

    def held(self) -> int:
        """Return what is on hold on the cardholder's account."""
        (account,) = self.banks.accounts("issuer-a", last4="4242", currency="840")
        held: int = account["held_minor"]
        return held

    def captured(self) -> list[int]:
        """Return the captures that the acquirer has booked and the issuer will be presented with."""
        return [row["amount_minor"] for row in self.banks.unpresented("acquirer") if row["kind"] == "capture"]

    def comes_to(self, held: int, captured: list[int]) -> bool:
        """Whether hold and captures come to this, once everything has arrived."""
        return self.house.eventually(
            lambda: (
                self.house.state("gateway")["duties_open"] == 0
                and (self.held(), self.captured()[self.before :]) == (held, captured)
            )
        )


@pytest.fixture
def shop(running: HouseHandle) -> Shop:
    return Shop(running)


class TestLife:
    """What the shop is told and what the banks have come to the same."""

    def test_an_automatic_payment_is_captured_at_both_banks(self, shop: Shop) -> None:
        held = shop.held()

        intent = shop.pay(2000)

        assert (intent.status, intent.amount_received) == ("succeeded", 2000)
        # A capture fixes what is held; only its presentment posts it.
        assert shop.comes_to(held + 2000, [2000])

    def test_a_hold_is_captured_in_part_and_the_rest_let_go(self, shop: Shop) -> None:
        held = shop.held()

        intent = shop.hold()
        on_hold = shop.held() - held
        done = shop.api.capture(intent.id, {"amount_to_capture": 400})

        assert (on_hold, done.status, done.amount_received) == (1000, "succeeded", 400)
        assert shop.comes_to(held + 400, [400])

    def test_a_hold_is_captured_in_parts(self, shop: Shop) -> None:
        held, intent = shop.held(), shop.hold()

        shop.api.capture(intent.id, {"amount_to_capture": 300, "final_capture": False})
        done = shop.api.capture(intent.id)

        assert (done.status, done.amount_received) == ("succeeded", 1000)
        assert shop.comes_to(held + 1000, [300, 700])

    def test_a_hold_grows_and_is_captured_whole(self, shop: Shop) -> None:
        held, intent = shop.held(), shop.hold()

        grown = shop.api.increment_authorization(intent.id, {"amount": 1500})
        on_hold = shop.held() - held
        shop.api.capture(intent.id)

        assert (grown.amount, grown.amount_capturable, on_hold) == (1500, 1500, 1500)
        assert shop.comes_to(held + 1500, [1500])

    def test_a_hold_that_has_grown_is_given_up(self, shop: Shop) -> None:
        held, intent = shop.held(), shop.hold()
        shop.api.increment_authorization(intent.id, {"amount": 1500})

        canceled = shop.api.cancel(intent.id)

        assert (canceled.status, canceled.amount_capturable) == ("canceled", 0)
        assert shop.comes_to(held, [])

    def test_what_is_left_after_a_part_is_given_up(self, shop: Shop) -> None:
        held, intent = shop.held(), shop.hold()
        shop.api.increment_authorization(intent.id, {"amount": 1500})
        shop.api.capture(intent.id, {"amount_to_capture": 1200, "final_capture": False})

        shop.api.cancel(intent.id)

        assert shop.comes_to(held + 1200, [1200])

    @pytest.mark.parametrize(
        ("number", "line1", "postcode"),
        [
            ("4242424242424242", "pass", "pass"),
            ("4000000000000028", "fail", "pass"),
            ("4000000000000036", "pass", "fail"),
            ("4000000000000010", "fail", "fail"),
        ],
    )
    def test_the_issuer_checks_the_address(self, shop: Shop, number: str, line1: str, postcode: str) -> None:
        address = {"line1": "510 Townsend St", "postal_code": "94107"}

        intent = shop.pay(number=number, method={"billing_details": {"address": address}})

        charge: Any = intent.latest_charge
        checks = charge.payment_method_details.card.checks
        assert intent.status == "succeeded"
        assert (checks.address_line1_check, checks.address_postal_code_check) == (line1, postcode)
