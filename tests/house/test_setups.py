"""Cards are set up by the official SDK: the issuer is really asked, about an amount of nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.support.books import held_minor
from tests.support.house import HouseHandle, hasty, running_house

pytestmark = pytest.mark.house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseHandle]:
    with running_house(tmp_path_factory.mktemp("setups"), hasty()) as handle:
        yield handle


@pytest.fixture
def client(house: HouseHandle) -> stripe.StripeClient:
    return house.stripe()


def set_up(client: stripe.StripeClient, name: str, **form: Any) -> stripe.SetupIntent:
    customer = client.v1.customers.create().id
    options: Any = {"payment_method": name, "customer": customer, "confirm": True, **form}
    return client.v1.setup_intents.create(options)


class TestSetup:
    """The issuer of each card says what it thinks of it; nothing is held."""

    @pytest.mark.parametrize("name", ["pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_cvcCheckFail"])
    def test_a_good_card_is_kept_and_pays_later(
        self, house: HouseHandle, client: stripe.StripeClient, name: str
    ) -> None:
        held = held_minor(house.control)

        setup = set_up(client, name, usage="off_session", expand=["latest_attempt"])
        after = held_minor(house.control)
        paid = client.v1.payment_intents.create(
            {
                "amount": 1000,
                "currency": "usd",
                "customer": str(setup.customer),
                "payment_method": str(setup.payment_method),
                "off_session": True,
                "confirm": True,
            }
        )

        assert (setup.status, after, paid.status) == ("succeeded", held, "succeeded")
        assert setup.latest_attempt.status == "succeeded"  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("pm_card_chargeDeclined", "card_declined"),
            ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
            ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"),
            ("pm_card_chargeDeclinedProcessingError", "processing_error"),
            ("pm_card_visa_chargeDeclinedStolenCard", "card_declined"),
        ],
    )
    def test_a_bad_card_is_not(self, client: stripe.StripeClient, name: str, code: str) -> None:
        with pytest.raises(stripe.CardError) as caught:
            set_up(client, name)

        setup = caught.value.error.setup_intent  # type: ignore[union-attr]
        assert (caught.value.code, setup["status"]) == (code, "requires_payment_method")
        assert client.v1.setup_intents.retrieve(setup["id"]).last_setup_error.code == code  # type: ignore[union-attr]

    def test_a_card_may_be_good_to_keep_and_not_to_charge(self, client: stripe.StripeClient) -> None:
        setup = set_up(client, "pm_card_chargeCustomerFail")
        form: Any = {
            "amount": 1000,
            "currency": "usd",
            "customer": setup.customer,
            "payment_method": setup.payment_method,
            "confirm": True,
        }

        with pytest.raises(stripe.CardError) as caught:
            client.v1.payment_intents.create(form)

        assert (setup.status, caught.value.code) == ("succeeded", "card_declined")

    def test_silence_is_undone_and_the_card_not_kept(self, house: HouseHandle, client: stripe.StripeClient) -> None:
        house.add_fault("acquirer", "gateway", "out", "0110", "drop")

        setup = set_up(client, "pm_card_visa")

        assert setup.status == "processing"
        assert house.eventually(lambda: client.v1.setup_intents.retrieve(setup.id).status == "requires_payment_method")
        assert house.eventually(lambda: house.state("gateway")["duties_open"] == 0)

    def test_a_token_of_a_browser_is_set_up_once(self, house: HouseHandle, client: stripe.StripeClient) -> None:
        browser = stripe.StripeClient(
            house.ready["publishable_key"], base_addresses={"api": house.ready["gateway_url"]}
        )
        card: Any = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2034", "cvc": "123"}
        token = browser.v1.tokens.create({"card": card})
        data: Any = {"type": "card", "card": {"token": token.id}}

        setup = client.v1.setup_intents.create({"payment_method_data": data, "confirm": True})

        assert setup.status == "succeeded"
        with pytest.raises(stripe.InvalidRequestError, match="more than once"):
            client.v1.payment_methods.create(data)
