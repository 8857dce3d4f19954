"""What a topology may say about stand-in."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from switch.stand_in_settings import StandInSection


class TestRules:
    """A rule that could not mean what it says is refused with the reason."""

    def test_currencies_are_letters_and_become_numbers(self) -> None:
        rule = StandInSection.model_validate({"bins": ["4"], "floor": {"USD": 5000}, "amount_max": {"JPY": 0}}).rule()

        assert (rule.floors, rule.amounts_max) == ({"840": 5000}, {"392": 0})

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"floor": {"USD": -5}}, "USD = -5 must not be negative"),
            ({"amount_max": {"EUR": -1}}, "EUR = -1 must not be negative"),
            ({"floor": {"ABC": 5}}, "ISO 4217"),
            ({"bins": ["4x"]}, "digits"),
            ({"needs_cvv2": True}, "wants a cvk"),
            ({"count_max": -1}, "greater than or equal to 0"),
        ],
    )
    def test_a_rule_that_cannot_be(self, wrong: dict[str, Any], words: str) -> None:
        with pytest.raises(ValidationError, match=words):
            StandInSection.model_validate({"bins": ["4"], **wrong})
