"""A gateway's settings say at the start what would fail later."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config import GatewayConfig, GatewayMerchant
from gateway.virtual import is_virtual_name, virtual_card
from iso.pan import luhn_valid
from tests.support.gateway import EPOCH, PUBLISHABLE_KEY, SECRET_KEY

MERCHANT: dict[str, Any] = {
    "account": "acct_rails",
    "name": "Rails Coffee",
    "merchant": "RAILSCOFFEE0001",
    "terminal": "RAILS001",
    "country": "US",
    "currency": "usd",
    "secret_key": SECRET_KEY,
    "publishable_key": PUBLISHABLE_KEY,
}


class TestMerchants:
    """A merchant fits the elements that will carry it, and its keys are not shown."""

    @pytest.mark.parametrize(
        "change",
        [
            {"merchant": "X" * 16},
            {"terminal": "X" * 9},
            {"account": "rails"},
            {"secret_key": "sk_live_1"},
            {"extra": 1},
        ],
    )
    def test_what_does_not_fit_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            GatewayMerchant.model_validate(MERCHANT | change)

    def test_keys_are_not_in_the_repr(self) -> None:
        shown = repr(GatewayConfig(acquirer_address="memory://a", merchants=(GatewayMerchant(**MERCHANT),)))

        assert SECRET_KEY not in shown
        assert PUBLISHABLE_KEY not in shown


class TestTerms:
    """What is set is what handlers go by."""

    def test_cards_may_be_verified_before_they_are_attached(self) -> None:
        config = GatewayConfig(acquirer_address="memory://a", merchants=(GatewayMerchant(**MERCHANT),))

        careful = config.model_copy(update={"verify_attached_cards": True})

        assert (config.terms().verifies_attached, careful.terms().verifies_attached) == (False, True)


class TestVirtualCards:
    """A virtual name is a card that can be typed."""

    @pytest.mark.parametrize("name", ["pm_card_visa", "tok_visa", "pm_card_amex", "pm_card_chargeDeclinedExpiredCard"])
    def test_it_has_a_number_an_expiry_in_the_future_and_a_cvc(self, name: str) -> None:
        card = virtual_card(name, EPOCH)

        assert card is not None
        assert luhn_valid(card["number"])
        assert card["exp_year"] > EPOCH.year
        assert len(card["cvc"]) == (4 if len(card["number"]) == 15 else 3)

    @pytest.mark.parametrize("name", ["", "visa", "pm_card_", "pm_visa", "pm_1abc", "tok_nope"])
    def test_other_names_are_not_virtual(self, name: str) -> None:
        assert not is_virtual_name(name)
        assert virtual_card(name, EPOCH) is None
