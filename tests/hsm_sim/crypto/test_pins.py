"""PVV, IBM 3624 and PINs under the LMK: known answers, psec as an oracle, and the refusals."""

from __future__ import annotations

from typing import Any

import psec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.crypto.ciphers import Aes, Tdes
from hsm_sim.core.crypto.lmk_pins import pin_from_aes_lmk, pin_from_lmk, pin_under_aes_lmk, pin_under_lmk
from hsm_sim.core.crypto.pinblocks import account_field
from hsm_sim.core.crypto.pins import (
    check_decimalisation_table,
    excluded,
    ibm_offset,
    ibm_pin,
    natural_pin,
    random_pin,
    validation_block,
    verify_ibm_offset,
    verify_pvv,
    visa_pvv,
    weak,
)
from tests.hsm_sim.crypto.test_pinblocks import ACCOUNT, ACCOUNTS, KEYS, PANS, PINS, code_of, hexed, quietly, refusal
from tests.support.hsm import seeded, vectors

TABLE = "0123456789012345"
TABLES = st.text("0123456789", min_size=16, max_size=16)
KEY = Tdes(hexed("0123456789ABCDEFFEDCBA9876543210"))
BLOCK = hexed("1122334455667788")


class TestPvv:
    """A PVV is four digits from the PAN, the key index and the first four digits of the PIN."""

    @pytest.mark.parametrize("vector", vectors("visa_pvv_generate"))
    def test_known_answers(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]

        pvv = visa_pvv(Tdes(hexed(inputs["pvk"])), inputs["pin4"], account_field(inputs["pan"]), inputs["pvki"])

        assert pvv == vector["expected"]

    @given(KEYS, PINS, PANS, st.sampled_from("0123456"))
    def test_psec_computes_the_same(self, key: bytes, pin: str, pan: str, pvki: str) -> None:
        expected = quietly(psec.pin.generate_visa_pvv, key, pvki, pin[:4], pan)

        assert visa_pvv(Tdes(key), pin, account_field(pan), pvki) == expected

    def test_letters_stand_in_when_the_result_has_too_few_digits(self) -> None:
        # One result in about 2,200 has fewer than four digits: search one whose first letter does not become a zero.
        def scanned_twice(account: str) -> bool:
            result = KEY.encrypt(hexed(account[1:] + "11234")).hex()
            return sum(map(str.isdigit, result)) < 4 and result.strip("0123456789")[0] != "a"

        account = next(filter(scanned_twice, (f"{number:012d}" for number in range(100_000))))

        pvv = visa_pvv(KEY, "1234", account, "1")

        assert pvv == quietly(
            psec.pin.generate_visa_pvv, hexed("0123456789ABCDEFFEDCBA9876543210"), "1", "1234", account + "0"
        )

    def test_a_pin_verifies_against_its_own_pvv_alone(self) -> None:
        pvv = visa_pvv(KEY, "1234", ACCOUNT, "1")

        assert verify_pvv(KEY, "1234", ACCOUNT, "1", pvv)
        assert verify_pvv(KEY, "123499", ACCOUNT, "1", pvv)
        assert not verify_pvv(KEY, "1235", ACCOUNT, "1", pvv)
        assert not verify_pvv(KEY, "1234", ACCOUNT, "1", pvv[:3])

    @pytest.mark.parametrize(
        ("pin", "account", "pvki", "refusal"),
        [
            ("123", ACCOUNT, "1", "24"),
            ("12x4", ACCOUNT, "1", "20"),
            ("1234", ACCOUNT[1:], "1", "22"),
            ("1234", ACCOUNT[1:] + "x", "1", "22"),
            ("1234", ACCOUNT, "7", "21"),
            ("1234", ACCOUNT, "", "21"),
            ("1234", ACCOUNT, "12", "21"),
        ],
    )
    def test_refusals(self, pin: str, account: str, pvki: str, refusal: str) -> None:
        assert code_of(visa_pvv, KEY, pin, account, pvki) == refusal


class TestIbm3624:
    """The natural PIN comes from the account, and an offset leads from it to the PIN that the cardholder chose."""

    @pytest.mark.parametrize("vector", vectors("ibm3624_derive_pin"))
    def test_known_pins(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        block = validation_block(inputs["validation"], ACCOUNT)

        pin = ibm_pin(Tdes(hexed(inputs["pvk"])), inputs["dectab"], block, inputs["offset"])

        assert pin == vector["expected"]

    @pytest.mark.parametrize("vector", vectors("ibm3624_offset"))
    def test_known_offsets(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        key, length = Tdes(hexed(inputs["pvk"])), inputs["check_length"]
        block = validation_block(inputs["validation_data"], inputs["account12"])

        offset = ibm_offset(key, inputs["dectab"], block, inputs["pin"], length)

        assert offset == vector["expected"]
        assert ibm_pin(key, inputs["dectab"], block, offset.ljust(12, "F"), length) == inputs["pin"]

    @pytest.mark.parametrize("vector", vectors("pin_verify_ibm3624_DA"))
    def test_the_captured_verification_succeeds(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        pin, _, _ = vector["expected"].partition(":")
        block = validation_block(inputs["validation_data"], inputs["account12"])
        key, length = Tdes(hexed(inputs["pvk"])), inputs["check_length"]

        assert verify_ibm_offset(key, inputs["dectab"], block, pin, inputs["offset"], length)
        assert not verify_ibm_offset(key, inputs["dectab"], block, pin[::-1], inputs["offset"], length)

    @given(st.sampled_from((8, 16, 24)), TABLES, PINS, PANS, st.data())
    def test_psec_computes_the_same(self, size: int, table: str, pin: str, pan: str, data: st.DataObject) -> None:
        key = data.draw(st.binary(min_size=size, max_size=size))
        block = validation_block(pan[:12].ljust(16, "F"), ACCOUNT)

        expected_pin = quietly(psec.pin.generate_ibm3624_pin, key, table, pin, pan, 0, 12, "F")
        expected_offset = quietly(psec.pin.generate_ibm3624_offset, key, table, pin, pan, 0, 12, "F")

        assert ibm_pin(Tdes(key), table, block, pin) == expected_pin
        assert ibm_offset(Tdes(key), table, block, pin, len(pin)) == expected_offset

    @given(PINS, TABLES, st.integers(4, 12))
    def test_a_pin_verifies_against_its_own_offset_and_of_a_longer_one_the_last_digits_count(
        self, pin: str, table: str, check_length: int
    ) -> None:
        if len(pin) < check_length:
            assert not verify_ibm_offset(KEY, table, BLOCK, pin, "0" * check_length, check_length)
            assert code_of(ibm_offset, KEY, table, BLOCK, pin, check_length) == "24"
            return

        offset = ibm_offset(KEY, table, BLOCK, pin, check_length)

        assert verify_ibm_offset(KEY, table, BLOCK, pin, offset.ljust(12, "F"), check_length)
        assert ibm_offset(KEY, table, BLOCK, pin, len(pin)).endswith(offset)

    def test_the_natural_pin_has_offset_zero(self) -> None:
        natural = natural_pin(KEY, TABLE, BLOCK, 6)

        assert ibm_offset(KEY, TABLE, BLOCK, natural, 6) == "000000"

    @pytest.mark.parametrize(
        ("validation", "expected"),
        [
            ("N12345678901", "6789012345678901"),
            ("12345678901N", "1234567890167890"),
            ("0000000000N0", "0000000000678900"),
            ("1234567890ABCDEF", "1234567890ABCDEF"),
        ],
    )
    def test_the_last_five_digits_of_the_account_stand_for_n(self, validation: str, expected: str) -> None:
        assert validation_block(validation, "000000067890") == hexed(expected)

    @pytest.mark.parametrize("validation", ["", "123456789012", "NN3456789012", "12345678901n", "1234567890123456N"])
    def test_other_validation_data_is_refused(self, validation: str) -> None:
        assert code_of(validation_block, validation, ACCOUNT) == "15"

    def test_refusals(self) -> None:
        assert code_of(validation_block, "12345678901N", "x" * 12) == "22"
        assert code_of(ibm_offset, KEY, TABLE, BLOCK, "1234", 3) == "24"
        assert code_of(ibm_offset, KEY, TABLE[1:], BLOCK, "1234", 4) == "25"
        assert code_of(ibm_pin, KEY, TABLE, BLOCK, "12F4FFFFFFFF") == "15"
        assert code_of(ibm_pin, KEY, TABLE, BLOCK, "FFFFFFFFFFFF") == "15"
        assert code_of(ibm_pin, KEY, TABLE, BLOCK, "123FFFFFFFFF") == "24"
        assert code_of(ibm_pin, KEY, TABLE, BLOCK, "1234FFFFFFFF", 6) == "15"

    @pytest.mark.parametrize("table", ["", TABLE[1:], TABLE + "0", "012345678901234A", "\u0660" * 16])
    def test_a_table_that_is_none(self, table: str) -> None:
        assert code_of(check_decimalisation_table, table) == "25"

    @pytest.mark.parametrize("table", ["0" * 16, "0123456012345601", "0000012345678901"])
    def test_a_weak_table_is_refused_where_that_is_asked_for(self, table: str) -> None:
        assert check_decimalisation_table(table) == table
        assert check_decimalisation_table(TABLE, strict=True) == TABLE
        assert code_of(check_decimalisation_table, table, strict=True) == "25"


class TestChoosing:
    """Some PINs may not be chosen."""

    @pytest.mark.parametrize("pin", ["0000", "1234", "8901", "4321", "777777"])
    def test_the_first_that_anybody_tries_are_weak(self, pin: str) -> None:
        assert weak(pin)

    @pytest.mark.parametrize("pin", ["1122", "2580", "1235", "1357"])
    def test_others_are_not(self, pin: str) -> None:
        assert not weak(pin)

    @given(st.integers(4, 12), st.integers())
    def test_a_drawn_pin_has_the_length_asked_for(self, length: int, seed: int) -> None:
        pin = random_pin(length, seeded(str(seed)))

        assert len(pin) == length
        assert pin.isdigit()

    def test_bytes_that_would_favour_a_digit_are_not_used(self) -> None:
        draws = [bytes(range(250, 254)), bytes((255, 13, 24, 35)), bytes((46, 7, 8, 9))]

        assert random_pin(4, lambda _: draws.pop(0)) == "3456"

    def test_a_drawn_pin_is_not_in_the_table(self) -> None:
        first = random_pin(4, seeded())

        second = random_pin(4, seeded(), {first})

        assert first != second
        assert excluded(first, {first})
        assert not excluded(second, {first})

    def test_a_table_that_leaves_nothing_is_refused(self) -> None:
        everything = {f"{number:04d}" for number in range(10_000)}

        assert code_of(random_pin, 4, seeded(), everything) == "15"
        assert code_of(random_pin, 3, seeded()) == "24"


class TestUnderTheLmk:
    """A PIN at rest opens under its own key for its own account, and has the shape of the LMK's kind."""

    @given(PINS, ACCOUNTS, st.integers(0, 8))
    def test_digits_open_to_the_pin(self, pin: str, account: str, spare: int) -> None:
        digits = min(len(pin) + 1 + spare, 13)

        field = pin_under_lmk(bytes(32), pin, account, digits)

        assert len(field) == digits
        assert field.isdigit()
        assert pin_from_lmk(bytes(32), field, account) == pin

    def test_the_field_has_one_digit_more_than_the_pin_and_is_another_for_another_account(self) -> None:
        field = pin_under_lmk(bytes(32), "300672", ACCOUNT)

        assert len(field) == 7
        assert field != pin_under_lmk(bytes(32), "300672", "222222222222")
        assert field != pin_under_lmk(bytes(31) + b"\x01", "300672", ACCOUNT)

    @given(st.text("0123456789", min_size=5, max_size=13), ACCOUNTS)
    def test_any_digits_are_a_pin_or_refused(self, field: str, account: str) -> None:
        refused = refusal(pin_from_lmk, bytes(32), field, account)

        if refused:
            assert refused.code == "14"
        else:
            assert pin_under_lmk(bytes(32), pin_from_lmk(bytes(32), field, account), account, len(field)) == field

    @given(PINS, ACCOUNTS)
    def test_the_aes_form_opens_to_the_pin(self, pin: str, account: str) -> None:
        cipher = Aes(bytes(32))

        field = pin_under_aes_lmk(cipher, pin, account, seeded(account))

        assert len(field) == 33
        assert field[0] == "J"
        assert pin_from_aes_lmk(cipher, field, account) == pin

    def test_equal_pins_rest_as_different_fields_under_an_aes_lmk(self) -> None:
        entropy = seeded()

        fields = {pin_under_aes_lmk(Aes(bytes(32)), "1234", ACCOUNT, entropy) for _ in range(10)}

        assert len(fields) == 10

    def test_refusals(self) -> None:
        cipher = Aes(bytes(32))
        field = pin_under_aes_lmk(cipher, "1234", ACCOUNT, seeded())

        assert code_of(pin_from_aes_lmk, cipher, field, "222222222222") == "14"
        assert code_of(pin_from_aes_lmk, Aes(bytes(16)), field, ACCOUNT) == "14"
        assert code_of(pin_from_aes_lmk, cipher, "K" + field[1:], ACCOUNT) == "14"
        assert code_of(pin_from_aes_lmk, cipher, field[:-1], ACCOUNT) == "14"
        assert code_of(pin_from_aes_lmk, cipher, field[:-1] + "x", ACCOUNT) == "14"
        assert code_of(pin_from_aes_lmk, cipher, field, "") == "22"
        assert code_of(pin_from_lmk, bytes(32), "1234", ACCOUNT) == "14"
        assert code_of(pin_from_lmk, bytes(32), "1234x", ACCOUNT) == "14"
        assert code_of(pin_from_lmk, bytes(32), "12345", "") == "22"
        assert code_of(pin_under_lmk, bytes(32), "1234", ACCOUNT, 4) == "24"
        assert code_of(pin_under_lmk, bytes(32), "1234", ACCOUNT, 14) == "24"
