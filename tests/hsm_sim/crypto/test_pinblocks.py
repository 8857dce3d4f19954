"""PIN blocks: known answers, psec and pyemv as oracles, and every malformed block refused with its code."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import psec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyemv import sm

from hsm_sim.core.crypto import pinblocks
from hsm_sim.core.crypto.ciphers import Aes, Tdes, xor
from hsm_sim.core.crypto.dukpt_tdes import PIN, TdesDukpt
from hsm_sim.core.crypto.pin_change import format_pin_change, read_pin_change
from hsm_sim.core.crypto.pinblocks import account_field, decipher_iso4, encipher_iso4, format_pin, read_pin
from hsm_sim.core.crypto.translation import (
    check_translation,
    decipher_pin,
    encipher_pin,
    translate_pin,
    translation_allowed,
)
from hsm_sim.core.errors import HsmError
from tests.support.hsm import seeded, vectors

P = ParamSpec("P")
T = TypeVar("T")

PINS = st.text("0123456789", min_size=4, max_size=12)
PANS = st.text("0123456789", min_size=13, max_size=19)
ACCOUNTS = st.text("0123456789", min_size=12, max_size=12)
KEYS = st.binary(min_size=16, max_size=16)
CLEAR_FORMATS = ("01", "02", "03", "04", "05", "34", "35", "47")
ACCOUNT = "111111111111"


def hexed(value: str) -> bytes:
    return bytes.fromhex(value)


def quietly(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call an oracle that still imports TripleDES from its deprecated place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def code_of(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> str:
    """Return the code of the refusal."""
    with pytest.raises(HsmError) as refused:
        function(*args, **kwargs)
    return refused.value.code


def refusal(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> HsmError | None:
    """Return the refusal, or None if there was none."""
    try:
        function(*args, **kwargs)
    except HsmError as refused:
        return refused
    return None


def fitting(code: str, pin: str) -> str:
    """Return the PIN, cut to what the format can hold."""
    return pin[:6] if code == "02" else pin


class TestKnownAnswers:
    """Every block that a standard's example, a device or another implementation published comes out the same."""

    @pytest.mark.parametrize("vector", vectors("pinblock_iso0_encode"))
    def test_iso_0(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        account = inputs["account12"] if "account12" in inputs else account_field(inputs["pan"])

        block = format_pin("01", inputs["pin"], account, seeded())

        assert block == hexed(vector["expected"])
        assert read_pin("01", block, account) == inputs["pin"]

    @pytest.mark.parametrize(
        ("operation", "code"), [("pinblock_iso2_encode", "34"), ("pinblock_thales03_diebold_encode", "03")]
    )
    def test_forms_without_an_account(self, operation: str, code: str) -> None:
        for vector in vectors(operation):
            block = format_pin(code, vector["inputs"]["pin"], ACCOUNT, seeded())

            assert block == hexed(vector["expected"])

    @pytest.mark.parametrize("vector", vectors("pinblock_iso4_decipher"))
    def test_iso_4(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]

        pin = decipher_iso4(Aes(hexed(inputs["key"])), hexed(inputs["block"]), inputs["pan"])

        assert pin == vector["expected"]

    @pytest.mark.parametrize("vector", vectors("pin_translate_zpk_zpk"))
    def test_translation_between_zone_keys(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        source, destination = Tdes(hexed(inputs["src_key"])), Tdes(hexed(inputs["dst_key"]))
        account = inputs["account12"]

        length, block = translate_pin(
            source, destination, hexed(inputs["block"]), "01", "01", account, account, seeded()
        )

        assert block == hexed(vector["expected"])
        assert length == 6

    @pytest.mark.parametrize("vector", vectors("pin_translate_tpk_bdk") + vectors("pin_translate_bdk_bdk"))
    def test_translation_to_a_transaction_key(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        ksn = hexed(inputs["ksn"])
        if "src_key" in inputs:
            source, base = Tdes(hexed(inputs["src_key"])), inputs["bdk"]
        else:
            source, base = Tdes(TdesDukpt(hexed(inputs["src_bdk"])).working_key(ksn, PIN)), inputs["dst_bdk"]
        destination = Tdes(TdesDukpt(hexed(base)).working_key(ksn, PIN))
        account = "600000000000"  # of the capture's other commands: the PIN block opens with it

        _, block = translate_pin(source, destination, hexed(inputs["block"]), "01", "01", account, account, seeded())

        assert block == hexed(vector["expected"])

    @pytest.mark.parametrize("vector", vectors("pin_translate_format03_to_01"))
    def test_translation_from_diebold_to_iso_0(self, vector: dict[str, Any]) -> None:
        data = vector["inputs"]["host_data"]
        lmk = hexed("61616161616161617070707070707070")
        source = Tdes(Tdes(lmk).decrypt(hexed(data[:16])))
        halves = [
            Tdes(xor(lmk, bytes(8) + bytes((variant,)) + bytes(7))).decrypt(hexed(data[at : at + 16]))
            for at, variant in ((17, 0xA6), (33, 0x5A))
        ]
        block, formats, account = hexed(data[51:67]), (data[67:69], data[69:71]), data[71:83]

        _, translated = translate_pin(
            source, Tdes(b"".join(halves)), block, formats[0], formats[1], account, account, seeded()
        )

        assert formats == ("03", "01")
        assert translated == hexed(vector["expected"])

    @pytest.mark.parametrize("vector", vectors("pin_verify_ibm3624_DA"))
    def test_a_captured_block_opens_to_its_pin(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]

        pin = decipher_pin(Tdes(hexed(inputs["tpk"])), inputs["fmt"], hexed(inputs["block"]), inputs["account12"])

        assert pin == vector["expected"].partition(":")[0]


class TestAgainstOtherImplementations:
    """psec and pyemv write and read the same blocks."""

    @given(PINS, PANS)
    def test_iso_0_is_psecs(self, pin: str, pan: str) -> None:
        expected = psec.pinblock.encode_pinblock_iso_0(pin, pan)

        assert format_pin("01", pin, account_field(pan), seeded()) == expected
        assert read_pin("01", expected, account_field(pan)) == pin

    @given(PINS)
    def test_iso_2_is_psecs(self, pin: str) -> None:
        expected = psec.pinblock.encode_pinblock_iso_2(pin)

        assert format_pin("34", pin, ACCOUNT, seeded()) == expected
        assert read_pin("34", expected, ACCOUNT) == pin

    @given(PINS, PANS, st.integers())
    def test_iso_3_is_understood_in_both_directions(self, pin: str, pan: str, seed: int) -> None:
        ours = format_pin("47", pin, account_field(pan), seeded(str(seed)))
        theirs = psec.pinblock.encode_pinblock_iso_3(pin, pan)

        assert psec.pinblock.decode_pinblock_iso_3(ours, pan) == pin
        assert read_pin("47", theirs, account_field(pan)) == pin

    @given(PINS, st.text("0123456789", min_size=1, max_size=19), st.sampled_from((16, 24, 32)), st.data())
    def test_iso_4_is_understood_in_both_directions(self, pin: str, pan: str, length: int, data: st.DataObject) -> None:
        key = data.draw(st.binary(min_size=length, max_size=length))

        ours = encipher_iso4(Aes(key), pin, pan, seeded(pan))
        theirs = psec.pinblock.encipher_pinblock_iso_4(key, pin, pan)

        assert psec.pinblock.decipher_pinblock_iso_4(key, ours, pan) == pin
        assert decipher_iso4(Aes(key), theirs, pan) == pin

    @given(PINS, PINS, KEYS)
    def test_the_blocks_for_a_visa_chip_are_pyemvs(self, pin: str, old_pin: str, card_key: bytes) -> None:
        new_only = quietly(sm.format_vis_pin_block, card_key, pin)
        new_and_old = quietly(sm.format_vis_pin_block, card_key, pin, old_pin)

        assert format_pin_change(pin, card_key) == new_only
        assert format_pin_change(pin, card_key, old_pin) == new_and_old
        assert read_pin_change(new_only, card_key) == pin
        assert read_pin_change(new_and_old, card_key, old_pin) == pin

    @given(PINS, PANS, KEYS, KEYS)
    def test_a_translated_block_is_the_one_that_psec_would_make(
        self, pin: str, pan: str, source: bytes, destination: bytes
    ) -> None:
        block = quietly(psec.des.encrypt_tdes_ecb, source, psec.pinblock.encode_pinblock_iso_0(pin, pan))
        expected = quietly(psec.des.encrypt_tdes_ecb, destination, psec.pinblock.encode_pinblock_iso_0(pin, pan))
        account = account_field(pan)

        translated = translate_pin(Tdes(source), Tdes(destination), block, "01", "01", account, account, seeded())

        assert translated == (len(pin), expected)


class TestForms:
    """What a format writes it reads, and nothing else passes for it."""

    @pytest.mark.parametrize("code", CLEAR_FORMATS)
    @given(PINS, ACCOUNTS, st.integers())
    def test_what_is_written_can_be_read(self, code: str, pin: str, account: str, seed: int) -> None:
        pin = fitting(code, pin)

        block = format_pin(code, pin, account, seeded(str(seed)))

        assert len(block) == 8
        assert read_pin(code, block, account) == pin

    @pytest.mark.parametrize("code", CLEAR_FORMATS)
    @given(st.binary(min_size=8, max_size=8), ACCOUNTS)
    def test_any_eight_bytes_are_a_pin_or_refused(self, code: str, block: bytes, account: str) -> None:
        refused = refusal(read_pin, code, block, account)

        if refused:
            assert refused.code in {"20", "24"}
        else:
            pin = read_pin(code, block, account)
            assert 4 <= len(pin) <= 12
            assert pin.isdigit()

    @given(PANS)
    def test_format_04_binds_the_leftmost_digits(self, pan: str) -> None:
        block = format_pin("04", "1234", pinblocks.leftmost_account_field(pan), seeded())

        assert block == format_pin("01", "1234", pan[:-1][:12], seeded())
        assert read_pin("04", block, pan[:-1]) == "1234"

    def test_format_02_is_length_pin_and_the_first_nine_digits_of_the_account(self) -> None:
        assert format_pin("02", "12345", "987654321012", seeded()) == hexed("5123450987654321")

    def test_format_35_is_iso_2_bound_to_the_account(self) -> None:
        assert format_pin("35", "9876", "550000025321", seeded()) == hexed("249823FFFFFDACDE")

    def test_the_fill_of_iso_3_is_drawn_and_uses_every_letter(self) -> None:
        entropy = seeded()
        fills = {format_pin("47", "1234", "000000000000", entropy).hex()[6:] for _ in range(50)}

        assert len(fills) == 50
        assert set("".join(fills)) == set("abcdef")

    def test_bytes_that_would_favour_a_letter_are_not_used(self) -> None:
        draws = [bytes(range(252, 256)) * 4, bytes(range(16))]

        block = format_pin("47", "1234", "000000000000", lambda _: draws.pop(0))

        assert block == hexed("341234ABCDEFABCD")
        assert draws == []

    def test_an_account_longer_than_the_field_counts_from_its_end_except_for_format_04(self) -> None:
        assert format_pin("01", "1234", "99" + ACCOUNT, seeded()) == format_pin("01", "1234", ACCOUNT, seeded())
        assert format_pin("04", "1234", ACCOUNT + "99", seeded()) == format_pin("04", "1234", ACCOUNT, seeded())


class TestRefusals:
    """A malformed request or block is refused with the code for what is wrong with it."""

    @pytest.mark.parametrize(
        ("code", "block", "refusal"),
        [
            ("01", "141234FFFFFFFFFF", "20"),
            ("01", "031234FFFFFFFFFF", "24"),
            ("01", "0D1234567890123F", "24"),
            ("01", "04123AFFFFFFFFFF", "20"),
            ("01", "041234FFFFFFFFF0", "20"),
            ("02", "312300000000000F", "20"),
            ("02", "3123000000000000", "24"),
            ("02", "7123456000000000", "24"),
            ("02", "4123405000000000", "20"),
            ("03", "123FFFFFFFFFFFFF", "24"),
            ("03", "1234567890123FFF", "24"),
            ("03", "12A4FFFFFFFFFFFF", "20"),
            ("03", "12F4FFFFFFFFFFFF", "20"),
            ("03", "FFFFFFFFFFFFFFFF", "20"),
            ("05", "041234FFFFFFFFFF", "20"),
            ("05", "131234FFFFFFFFFF", "24"),
            ("05", "14123AFFFFFFFFFF", "20"),
            ("34", "041234FFFFFFFFFF", "20"),
            ("34", "241234FFFFFFFFAF", "20"),
            ("47", "341234FFFFFFFFF9", "20"),
            ("47", "3E1234FFFFFFFFFF", "24"),
            ("47", "34123BFFFFFFFFFF", "20"),
            ("47", "041234FFFFFFFFFF", "20"),
        ],
    )
    def test_a_malformed_block(self, code: str, block: str, refusal: str) -> None:
        assert code_of(read_pin, code, hexed(block), "000000000000") == refusal

    @pytest.mark.parametrize("code", ["00", "06", "41", "42", "48", "99", ""])
    def test_a_code_without_a_clear_form(self, code: str) -> None:
        assert code_of(read_pin, code, bytes(8), ACCOUNT) == "23"
        assert code_of(format_pin, code, "1234", ACCOUNT, seeded()) == "23"

    @pytest.mark.parametrize("code", CLEAR_FORMATS)
    @pytest.mark.parametrize(
        ("pin", "refusal"), [("123", "24"), ("1234567890123", "24"), ("12a4", "20"), ("١٢٣٤", "20")]
    )
    def test_a_pin_that_is_none(self, code: str, pin: str, refusal: str) -> None:
        assert code_of(format_pin, code, pin, ACCOUNT, seeded()) == refusal

    def test_a_pin_too_long_for_format_02(self) -> None:
        assert code_of(format_pin, "02", "1234567", ACCOUNT, seeded()) == "24"

    @pytest.mark.parametrize("code", ["01", "02", "04", "35", "47"])
    @pytest.mark.parametrize("account", ["", "12345678901", "12345678901_", "12345678901A", "١٢٣٤٥٦٧٨٩٠١٢"])
    def test_an_account_that_is_none(self, code: str, account: str) -> None:
        assert code_of(format_pin, code, "1234", account, seeded()) == "22"

    @pytest.mark.parametrize("length", [0, 7, 9, 16])
    def test_a_block_of_another_length(self, length: int) -> None:
        assert code_of(read_pin, "01", bytes(length), ACCOUNT) == "20"
        assert (
            code_of(
                translate_pin, Tdes(bytes(16)), Tdes(bytes(16)), bytes(length), "01", "01", ACCOUNT, ACCOUNT, seeded()
            )
            == "20"
        )

    def test_the_cipher_and_the_format_must_fit(self) -> None:
        aes, tdes = Aes(bytes(16)), Tdes(bytes(16))

        assert code_of(encipher_pin, aes, "01", "1234", ACCOUNT, seeded()) == "23"
        assert code_of(encipher_pin, tdes, "48", "1234", ACCOUNT, seeded()) == "23"
        assert code_of(decipher_pin, aes, "01", bytes(16), ACCOUNT) == "23"
        assert code_of(decipher_pin, tdes, "48", bytes(8), ACCOUNT) == "23"

    @pytest.mark.parametrize(
        ("field", "refusal"),
        [
            ("341234AAAAAAAAAA", "20"),
            ("431234AAAAAAAAAA", "24"),
            ("4D1234AAAAAAAAAA", "24"),
            ("44123BAAAAAAAAAA", "20"),
            ("441234AAAAAAAAAB", "20"),
        ],
    )
    def test_a_malformed_field_inside_iso_4(self, field: str, refusal: str) -> None:
        cipher = Aes(bytes(16))
        pan_field = hexed("4" + "4111111111111111" + "0" * 15)
        block = cipher.encrypt(xor(cipher.encrypt(hexed(field) + bytes(8)), pan_field))

        assert code_of(decipher_iso4, cipher, block, "4111111111111111") == refusal

    @pytest.mark.parametrize("pan", ["", "1" * 20, "411111111111111x"])
    def test_iso_4_needs_a_pan(self, pan: str) -> None:
        assert code_of(encipher_iso4, Aes(bytes(16)), "1234", pan, seeded()) == "22"

    @given(PINS, PANS, PANS)
    def test_iso_4_opens_for_its_own_pan_alone(self, pin: str, pan: str, other: str) -> None:
        cipher = Aes(bytes(16))
        block = encipher_iso4(cipher, pin, pan, seeded(pan + pin))

        if pan != other:
            assert code_of(decipher_iso4, cipher, block, other) in {"20", "24"}

    def test_a_chip_refuses_a_pin_change_for_another_card_or_another_old_pin(self) -> None:
        block = format_pin_change("1234", bytes(range(16)), "4321")

        assert code_of(read_pin_change, block, bytes(range(1, 17)), "4321") == "20"
        assert code_of(read_pin_change, block, bytes(range(16)), "8321") in {"20", "24"}
        assert code_of(read_pin_change, block[:7], bytes(range(16)), "4321") == "20"

    @given(PINS, ACCOUNTS, ACCOUNTS)
    def test_no_error_says_what_was_in_the_block(self, pin: str, account: str, other: str) -> None:
        block = format_pin("01", pin, account, seeded())

        refused = refusal(read_pin, "34", block, other)

        assert refused
        assert pin not in str(refused)
        assert account not in str(refused)


class TestTranslation:
    """A translation keeps the PIN, and the rules say between which formats there may be one."""

    @given(PINS, PANS, st.sampled_from(CLEAR_FORMATS), st.sampled_from(CLEAR_FORMATS), KEYS, KEYS)
    def test_the_pin_stays_the_same(
        self, pin: str, pan: str, source_code: str, destination_code: str, source: bytes, destination: bytes
    ) -> None:
        pin, account = pin[:6], account_field(pan)
        block = encipher_pin(Tdes(source), source_code, pin, account, seeded(pan))

        length, translated = translate_pin(
            Tdes(source), Tdes(destination), block, source_code, destination_code, account, account, seeded(pin)
        )

        assert length == len(pin)
        assert decipher_pin(Tdes(destination), destination_code, translated, account) == pin

    @given(PINS, PANS, KEYS, KEYS)
    def test_the_pin_crosses_from_tdes_to_aes_and_back(self, pin: str, pan: str, tdes: bytes, aes: bytes) -> None:
        account = account_field(pan)
        block = encipher_pin(Tdes(tdes), "01", pin, account, seeded())

        _, wide = translate_pin(Tdes(tdes), Aes(aes), block, "01", "48", account, pan, seeded(pan))
        _, back = translate_pin(Aes(aes), Tdes(tdes), wide, "48", "01", pan, account, seeded(pan))

        assert len(wide) == 16
        assert back == block

    @given(PINS, ACCOUNTS, ACCOUNTS)
    def test_the_pin_is_bound_to_the_destinations_account(self, pin: str, account: str, other: str) -> None:
        cipher = Tdes(bytes(range(16)))
        block = encipher_pin(cipher, "01", pin, account, seeded())

        _, translated = translate_pin(cipher, cipher, block, "01", "01", account, other, seeded())

        assert decipher_pin(cipher, "01", translated, other) == pin

    def test_random_fill_is_drawn_anew(self) -> None:
        cipher = Tdes(bytes(range(16)))
        block = encipher_pin(cipher, "05", "1234", ACCOUNT, seeded("one"))

        _, translated = translate_pin(cipher, cipher, block, "05", "05", ACCOUNT, ACCOUNT, seeded("two"))

        assert translated != block

    @pytest.mark.parametrize("source", ["01", "47", "48"])
    @pytest.mark.parametrize("destination", ["01", "47", "48"])
    def test_forms_that_bind_the_account_go_to_each_other_for_the_same_account(
        self, source: str, destination: str
    ) -> None:
        assert translation_allowed(source, destination)
        assert not translation_allowed(source, destination, same_account=False)

    @pytest.mark.parametrize("account_bound", ["01", "47", "48"])
    def test_a_bound_form_never_becomes_an_unbound_one_but_the_other_way_it_may(self, account_bound: str) -> None:
        assert not translation_allowed(account_bound, "05")
        assert translation_allowed("05", account_bound)
        assert translation_allowed("05", account_bound, same_account=False)
        assert translation_allowed("05", "05")

    @pytest.mark.parametrize("legacy", sorted(pinblocks.LEGACY))
    def test_older_forms_need_a_setting(self, legacy: str) -> None:
        assert not translation_allowed("01", legacy)
        assert not translation_allowed(legacy, "01")
        assert translation_allowed("01", legacy, legacy=frozenset((legacy,)))
        assert translation_allowed(legacy, "01", legacy=frozenset((legacy,)))
        assert translation_allowed(legacy, "01", pci=False)

    @pytest.mark.parametrize("code", ["41", "42"])
    def test_forms_for_the_chip_are_never_translated(self, code: str) -> None:
        assert not translation_allowed("01", code, pci=False)
        assert not translation_allowed(code, "01", pci=False)

    def test_the_refusals_have_codes(self) -> None:
        check_translation("01", "47")

        assert code_of(check_translation, "01", "05") == "69"
        assert code_of(check_translation, "01", "99", pci=False) == "23"
        assert not translation_allowed("01", "99", pci=False)
