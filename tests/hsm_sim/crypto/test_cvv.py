"""Values printed on or sent by a card."""

from __future__ import annotations

from typing import Any

import pyemv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.crypto import cvv
from hsm_sim.core.crypto.ciphers import CardKey, Tdes
from hsm_sim.core.crypto.emv import emv_card_key
from tests.hsm_sim import oracles
from tests.hsm_sim.crypto.emv_oracle import quiet
from tests.support.vectors import vectors

KEYS = st.binary(min_size=16, max_size=16)
PANS = st.text("0123456789", min_size=12, max_size=19)
FOUR_DIGITS = st.from_regex(r"\A[0-9]{4}\Z")
THREE_DIGITS = st.from_regex(r"\A[0-9]{3}\Z")
TEST_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


class TestCvv:
    """CVV, CVV2 and iCVV are the published ones, and need a second scan when the first finds too few digits."""

    @pytest.mark.parametrize("vector", vectors("cvv_generate") + vectors("cvv_generate_second_pass"))
    def test_known_answers(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        key = CardKey(bytes.fromhex(inputs["cvk"]))

        made = cvv.card_verification_value(key, inputs["pan"], inputs["expiry"], inputs["service_code"])

        assert made == vector["expected"]

    @given(KEYS, PANS, FOUR_DIGITS, THREE_DIGITS)
    def test_it_is_equal_to_psec_wherever_psec_finds_three_digits(
        self, key: bytes, pan: str, expiry: str, service_code: str
    ) -> None:
        ours = cvv.card_verification_value(CardKey(key), pan, expiry, service_code)

        theirs = oracles.cvv(key, pan, expiry, service_code)

        assert len(ours) == 3
        assert ours.startswith(theirs)

    def test_psec_does_not_make_the_second_decimalisation_scan_and_we_do(self) -> None:
        for vector in vectors("cvv_generate_second_pass"):
            inputs = vector["inputs"]
            card = (inputs["pan"], inputs["expiry"], inputs["service_code"])
            key = bytes.fromhex(inputs["cvk"])

            ours = cvv.card_verification_value(CardKey(key), *card)

            assert len(oracles.cvv(key, *card)) < 3
            assert ours == vector["expected"]


class TestCavv:
    """A CAVV is a CVV over other fields: a number for the expiry, two results for the service code."""

    @pytest.mark.parametrize(
        ("key", "pan", "number", "result", "second_factor", "expected"),
        [
            (TEST_KEY.hex(), "4123456789012345", "7993", "7", "00", "972"),
            ("00112233445566778899AABBCCDDEEFF", "5432109876543210", "0047", "1", "40", "439"),
        ],
    )
    def test_the_answers_of_an_open_implementation(
        self, key: str, pan: str, number: str, result: str, second_factor: str, expected: str
    ) -> None:
        made = cvv.cardholder_authentication_value(CardKey(bytes.fromhex(key)), pan, number, result, second_factor)

        assert made == expected


class TestDynamicCvv:
    """A dCVV is a CVV under the card's own key with the counter in the first four digits of the PAN."""

    @given(KEYS, PANS, FOUR_DIGITS, THREE_DIGITS, st.integers(0, 0xFFFF))
    def test_it_changes_with_the_counter_as_the_cvv_of_another_pan_would(
        self, key: bytes, pan: str, expiry: str, service_code: str, atc: int
    ) -> None:
        card_key = CardKey(emv_card_key(Tdes(key), pan))

        made = cvv.dynamic_cvv(card_key, pan, expiry, service_code, atc)

        altered = atc.to_bytes(2, "big").hex() + pan[4:]
        assert made == cvv.card_verification_value(card_key, altered, expiry, service_code)

    @given(KEYS, PANS, FOUR_DIGITS)
    def test_the_first_four_digits_of_the_pan_matter_for_the_key_only(self, key: bytes, pan: str, expiry: str) -> None:
        card_key = CardKey(key)

        assert cvv.dynamic_cvv(card_key, pan, expiry, "000", 7) == cvv.dynamic_cvv(
            card_key, "9999" + pan[4:], expiry, "000", 7
        )


class TestCvc3:
    """CVC3 comes from the track, the counter and the terminal's number."""

    @pytest.mark.parametrize("vector", vectors("cvc3_track1") + vectors("cvc3_track2"))
    def test_known_answers(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        track = inputs["track1_ascii"].encode("ascii") if "track1_ascii" in inputs else bytes.fromhex(inputs["track2"])
        issuer_key = Tdes(bytes.fromhex(inputs["imk_cvc3"]))
        card_key = CardKey(emv_card_key(issuer_key, inputs["pan"], inputs["psn"]))

        made = cvv.dynamic_cvc3(
            card_key, cvv.cvc3_vector(card_key, track), bytes.fromhex(inputs["un"]), bytes.fromhex(inputs["atc"])
        )

        assert made.endswith(vector["expected"])

    @given(
        KEYS, st.binary(min_size=1, max_size=80), st.binary(min_size=4, max_size=4), st.binary(min_size=2, max_size=2)
    )
    def test_it_is_equal_to_pyemv(self, key: bytes, track: bytes, unpredictable: bytes, atc: bytes) -> None:
        card_key = CardKey(key)

        made = cvv.dynamic_cvc3(card_key, cvv.cvc3_vector(card_key, track), unpredictable, atc)

        assert len(made) == 5
        assert int(made) == int(quiet(pyemv.cvv.generate_cvc3, key, track, atc, unpredictable))


class TestAmexSecurityCodes:
    """The three codes are cut from one number; what it is made of is our reading, so only its shape is held."""

    @given(KEYS, st.from_regex(r"\A3[47][0-9]{13}\Z"), FOUR_DIGITS, THREE_DIGITS)
    def test_five_four_and_three_digits_that_depend_on_the_version(
        self, key: bytes, account: str, expiry: str, service_code: str
    ) -> None:
        first = cvv.amex_security_codes(CardKey(key), account, expiry)
        second = cvv.amex_security_codes(CardKey(key), account, expiry, service_code)

        assert [len(code) for code in first] == [5, 4, 3]
        assert "".join(first + second).isdecimal()
        assert (first == second) == (service_code == "000")
