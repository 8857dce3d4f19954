"""Refunds, charges and the balance by the official SDK, with the acquirer's books beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from node.bank_client import BankClient
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house

MERCHANT = "RAILSCOFFEE0001"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseHandle]:
    with running_house(tmp_path_factory.mktemp("refunds")) as handle:
        yield handle


class Shop:
    """A shop that looks at its bank's books, too."""

    def __init__(self, house: HouseHandle) -> None:
        self.house = house
        self.api = house.stripe().v1
        self.banks = BankClient(house.control)

    def pay(self, amount: int = 2000, **form: Any) -> stripe.PaymentIntent:
        """Pay."""
        form = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True, **form}
        return self.api.payment_intents.create(form)  # type: ignore[arg-type]

    def pending(self) -> int:
        """Return what the acquirer's ledger holds for the merchant."""
        account = f"merchant/{self.merchant}/pending/840"
        return sum(row["posted_minor"] for row in self.banks.accounts("acquirer", prefix=account))

    @property
    def merchant(self) -> str:
        """DE 42 of the first merchant."""
        name: str = self.house.house.topology.merchants[0].merchant
        return name.strip()


@pytest.fixture
def shop(running: HouseHandle) -> Shop:
    return Shop(running)


class TestRefund:
    """What is given back is given back at every bank."""

    def test_a_refund_succeeds_at_once_and_has_the_acquirers_reference(self, shop: Shop) -> None:
        paid = shop.pay(2000)

        refund = shop.api.refunds.create(
            {"payment_intent": paid.id, "amount": 700, "expand": ["balance_transaction", "charge"]}
        )

        assert (refund.status, refund.amount) == ("succeeded", 700)
        charge: Any = refund.charge
        entry: Any = refund.balance_transaction
        assert (charge.amount_refunded, charge.refunded) == (700, False)
        assert (entry.amount, entry.fee, entry.net, entry.type) == (-700, 0, -700, "refund")
        again = shop.api.refunds.retrieve(refund.id)
        card: Any = again.destination_details
        open_rows = shop.banks.unpresented("acquirer")
        assert card.card.reference in [row["arn"] for row in open_rows if row["kind"] == "refund"]

    def test_the_rest_and_no_more(self, shop: Shop) -> None:
        paid = shop.pay(2000)
        shop.api.refunds.create({"payment_intent": paid.id, "amount": 1999})

        with pytest.raises(stripe.InvalidRequestError, match=r"Refund amount \(\$0\.02\) is greater than"):
            shop.api.refunds.create({"payment_intent": paid.id, "amount": 2})
        shop.api.refunds.create({"payment_intent": paid.id, "amount": 1})

        with pytest.raises(stripe.InvalidRequestError) as caught:
            shop.api.refunds.create({"payment_intent": paid.id})
        assert caught.value.code == "charge_already_refunded"
        listed = shop.api.refunds.list({"payment_intent": paid.id})
        assert [refund.amount for refund in listed.data] == [1, 1999]


class TestBalance:
    """Every figure is the acquirer's ledger."""

    def test_balance_transactions_sum_to_the_balance_and_that_is_the_ledger(self, shop: Shop) -> None:
        paid = shop.pay(5000)
        shop.api.refunds.create({"payment_intent": paid.id, "amount": 1234})

        balance = shop.api.balance.retrieve()
        entries = list(shop.api.balance_transactions.list({"currency": "usd", "limit": 100}).auto_paging_iter())

        (pending,) = [part.amount for part in balance.pending if part.currency == "usd"]
        assert pending == shop.pending() == sum(entry.net for entry in entries)
        assert {entry.status for entry in entries} == {"pending"}

    def test_a_charge_expands_to_its_fees(self, shop: Shop) -> None:
        paid = shop.pay(4200)

        charge: Any = shop.api.charges.retrieve(str(paid.latest_charge), {"expand": ["balance_transaction"]})

        entry = charge.balance_transaction
        assert (entry.source, entry.amount, entry.net) == (charge.id, 4200, 4200 - entry.fee)
        assert entry.fee == sum(part.amount for part in entry.fee_details) > 0
        assert [part.description for part in entry.fee_details] == ["Interchange fee", "Scheme fee", "Acquirer fee"]
        found = shop.api.balance_transactions.retrieve(entry.id, {"expand": ["source"]})
        source: Any = found.source
        assert (source.object, source.id) == ("charge", charge.id)
        assert found.available_on > found.created


class TestCharges:
    """A charge can be read, described and searched."""

    def test_a_charge_is_described(self, shop: Shop) -> None:
        paid = shop.pay()

        changed = shop.api.charges.update(
            str(paid.latest_charge), {"description": "Beans", "fraud_details": {"user_report": "safe"}}
        )

        details: Any = changed.fraud_details
        assert (changed.description, details.user_report) == ("Beans", "safe")

    def test_a_charge_is_captured_in_the_old_way(self, shop: Shop) -> None:
        held = shop.pay(capture_method="manual")

        charge = shop.api.charges.capture(str(held.latest_charge), {"amount": 1500})

        assert (charge.captured, charge.amount_captured) == (True, 1500)
        assert shop.api.payment_intents.retrieve(held.id).status == "succeeded"
