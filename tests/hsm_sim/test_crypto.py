"""Card cryptography against published values and against an independent implementation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core import crypto
from tests.hsm_sim import oracles
from tests.support.hsm import vectors

KEYS = st.binary(min_size=16, max_size=16).filter(lambda key: key[:8] != key[8:])
DIGITS = st.text("0123456789", min_size=1)


def hexed(value: str) -> bytes:
    return bytes.fromhex(value)


class TestKnownAnswers:
    """Every value that a card network, a standard or another implementation published comes out the same."""

    @pytest.mark.parametrize("vector", vectors("cvv_generate") + vectors("cvv_generate_second_pass"))
    def test_cvv(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        key = crypto.CardKey(hexed(inputs["cvk"]))

        made = crypto.card_verification_value(key, inputs["pan"], inputs["expiry"], inputs["service_code"])

        assert made == vector["expected"]

    @pytest.mark.parametrize(
        ("operation", "padding"),
        [("mac_iso9797_alg3_pad1", "1"), ("mac_iso9797_alg3_pad2", "2"), ("mac_x919_retail", "1")],
    )
    def test_retail_mac(self, operation: str, padding: str) -> None:
        for vector in vectors(operation):
            inputs = vector["inputs"]
            data = inputs["data_ascii"].encode() if "data_ascii" in inputs else hexed(inputs["data"])

            mac = crypto.mac_algorithm_3(crypto.CardKey(hexed(inputs["key"])), crypto.pad(data, padding))

            assert mac.hex().upper().startswith(vector["expected"])

    def test_cbc_mac(self) -> None:
        (vector,) = vectors("mac_iso9797_alg1_tdes_pad2")
        data = crypto.pad(vector["inputs"]["data_ascii"].encode(), "2")

        mac = crypto.mac_algorithm_1(crypto.Tdes(hexed(vector["inputs"]["key"])), data)

        assert mac.hex().upper().startswith(vector["expected"])

    def test_aes_cmac(self) -> None:
        (vector,) = vectors("cmac_aes")

        mac = crypto.cmac(crypto.keyed_cmac(hexed(vector["inputs"]["key"])), hexed(vector["inputs"]["data"]))

        assert mac.hex().upper() == vector["expected"]

    @pytest.mark.parametrize(
        ("operation", "function"),
        [
            ("kcv_tdes", crypto.tdes_check_value),
            ("kcv_aes_cmac_zero_block", crypto.aes_check_value),
            ("kcv_thales_aes_keyblock_lmk", lambda key: crypto.lmk_check_value(key)[:6]),
        ],
    )
    def test_check_values(self, operation: str, function: Any) -> None:
        (vector,) = vectors(operation)

        assert function(hexed(vector["inputs"]["key"])) == vector["expected"]

    def test_emv_keys(self) -> None:
        for vector in vectors("emv_icc_mk_option_a"):
            inputs = vector["inputs"]
            derived = crypto.emv_card_key(crypto.Tdes(hexed(inputs["imk"])), inputs["pan"], inputs["psn"])
            assert derived.hex().upper() == vector["expected"]
        (vector,) = vectors("emv_common_session_key")
        session = crypto.emv_session_key(hexed(vector["inputs"]["icc_mk"]), hexed(vector["inputs"]["r"])[:2])
        assert crypto.odd_parity(session).hex().upper() == vector["expected"]

    def test_emv_cryptogram(self) -> None:
        (vector,) = vectors("arqc_visa_cvn22")
        inputs = vector["inputs"]
        card_key = crypto.emv_card_key(crypto.Tdes(hexed(inputs["imk_ac"])), inputs["pan"], inputs["psn"])
        session = crypto.emv_session_key(card_key, hexed(inputs["9F36"]))
        tags = ("9F02", "9F03", "9F1A", "95", "5F2A", "9A", "9C", "9F37", "82", "9F36", "9F10")

        made = crypto.emv_cryptogram(session, hexed("".join(inputs[tag] for tag in tags)))

        assert made.hex().upper() == vector["expected"]


class TestAgainstPsec:
    """An independent implementation gives the same values, except where it is known to be wrong."""

    @given(KEYS, st.text("0123456789", min_size=12, max_size=19), st.from_regex(r"\A[0-9]{4}\Z"))
    def test_cvv_is_equal_wherever_psec_finds_three_digits(self, key: bytes, pan: str, expiry: str) -> None:
        ours = crypto.card_verification_value(crypto.CardKey(key), pan, expiry, "201")

        theirs = oracles.cvv(key, pan, expiry, "201")

        assert len(ours) == 3
        assert ours.startswith(theirs)

    def test_psec_does_not_make_the_second_decimalisation_scan_and_we_do(self) -> None:
        for vector in vectors("cvv_generate_second_pass"):
            inputs = vector["inputs"]
            card = (inputs["pan"], inputs["expiry"], inputs["service_code"])
            key = hexed(inputs["cvk"])

            ours = crypto.card_verification_value(crypto.CardKey(key), *card)

            assert len(oracles.cvv(key, *card)) < 3
            assert ours == vector["expected"]

    @given(KEYS, st.binary(min_size=1, max_size=200), st.sampled_from([1, 2]))
    def test_macs_are_equal(self, key: bytes, data: bytes, padding: int) -> None:
        padded = crypto.pad(data, str(padding))

        assert crypto.mac_algorithm_3(crypto.CardKey(key), padded) == oracles.retail_mac(key, data, padding)
        assert crypto.mac_algorithm_1(crypto.Tdes(key), padded) == oracles.cbc_mac(key, data, padding)


class TestParity:
    """TDES keys have odd parity in every byte."""

    @given(st.binary(min_size=16, max_size=16))
    def test_every_byte_has_an_odd_number_of_ones_and_its_upper_bits_stay(self, key: bytes) -> None:
        adjusted = crypto.odd_parity(key)

        assert all(byte.bit_count() % 2 == 1 for byte in adjusted)
        assert [byte >> 1 for byte in adjusted] == [byte >> 1 for byte in key]


class TestFingerprints:
    """A fingerprint depends on key, scope and the whole PAN, and on nothing else."""

    @given(st.text("0123456789", min_size=12, max_size=19), st.text(max_size=10), st.text(max_size=10))
    def test_two_scopes_cannot_be_joined(self, pan: str, one: str, other: str) -> None:
        key = bytes(32)

        left, right = crypto.fingerprint(key, one, pan), crypto.fingerprint(key, other, pan)

        assert (left == right) == (one == other)
        assert len(left) == 29
        assert pan not in left
