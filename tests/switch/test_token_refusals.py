"""What the switch answers when the HSM does not open a token."""

from __future__ import annotations

import pytest

from hsm_sim.core import errors
from switch.core.elements import refusal_code


class TestRefusals:
    """A refusal that says something about the token reaches the acquirer as its own code, never as a malfunction."""

    @pytest.mark.parametrize("code", sorted(errors.CRYPTOGRAM_REFUSALS | errors.TOKEN_REFUSALS))
    def test_no_refusal_of_the_vault_looks_like_a_malfunction(self, code: str) -> None:
        assert refusal_code(code) != "96"

    @pytest.mark.parametrize(
        ("code", "answer"),
        [
            (errors.TOKEN_SUSPENDED, "62"),
            (errors.TOKEN_DELETED, "14"),
            (errors.TOKEN_EXPIRED, "54"),
            (errors.AMOUNT_REFUSED, "61"),
            (errors.MERCHANT_REFUSED, "57"),
            (errors.CRYPTOGRAM_REPLAYED, "63"),
            (errors.INTERNAL_ERROR, "96"),
        ],
    )
    def test_a_code(self, code: str, answer: str) -> None:
        assert refusal_code(code) == answer
