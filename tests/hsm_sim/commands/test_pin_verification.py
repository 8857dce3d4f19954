"""DA, EA, DC, EC: verifying PINs, and the limit on wrong ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.crypto.ciphers import Aes, Tdes
from hsm_sim.core.crypto.translation import encipher_pin
from hsm_sim.core.policy import Policy
from hsm_sim.requests import VerifyPinIbm, VerifyPinPvv
from tests.hsm_sim import oracles
from tests.hsm_sim.commands.opened import AES_BLOCK, block_key, code_of
from tests.hsm_sim.commands.pins import (
    ACCOUNT,
    AES_ZPK,
    CLEAR,
    IBM_PVK,
    OTHER_PAN,
    PAN,
    PVK,
    TABLE,
    TDES_ZPK,
    TPK,
    VALIDATION,
    VISA_PVK,
    ZPK,
    account_of,
    block,
    injected,
)
from tests.support.hsm import Hsm, seeded

HSM = Hsm()
PVK_CLEAR = bytes.fromhex(CLEAR["pvk"])
PINS = st.text("0123456789", min_size=4, max_size=12)
BLOCK_DATA = VALIDATION.replace("N", ACCOUNT[-5:])


def pvv_of(pin: str, pan: str = PAN, key: bytes = PVK_CLEAR) -> str:
    """Return the PVV that the oracle makes, with key index 1."""
    return oracles.pvv(key, pin, pan)


def offset_of(pin: str, key: bytes = PVK_CLEAR, table: str = TABLE) -> str:
    """Return the offset that the oracle makes, as long as the PIN, filled with F."""
    return oracles.ibm_offset(key, pin, table, BLOCK_DATA).ljust(12, "F")


def _dc(data: str, pvv: str, account: str = ACCOUNT, keys: str = TPK + PVK, code: str = "01", pvki: str = "1") -> str:
    return code_of(HSM, f"DC{keys}{data}{code}{account}{pvki}{pvv}".encode())


def _da(data: str, offset: str, check: int, keys: str = TPK + PVK, table: str = TABLE, maximum: str = "12") -> str:
    return code_of(HSM, f"DA{keys}{maximum}{data}01{check:02d}{ACCOUNT}{table}{VALIDATION}{offset}".encode())


class TestVisa:
    """DC and EC accept a PIN exactly if its PVV is the stored one."""

    @given(PINS, PINS)
    def test_as_the_oracle_says(self, pin: str, other: str) -> None:
        expected = "00" if pvv_of(pin) == pvv_of(other) else "01"

        assert _dc(block("tpk", pin), pvv_of(pin)) == "00"
        assert _dc(block("tpk", other), pvv_of(pin)) == expected
        assert code_of(HSM, f"EC{ZPK}{PVK}{block('zpk', pin)}01{ACCOUNT}1{pvv_of(pin)}".encode()) == "00"

    def test_format_4_brings_the_whole_pan(self) -> None:
        frame = f"EC{AES_ZPK}{VISA_PVK}{block('aes', '1234', '48')}48{PAN};1{pvv_of('1234')}%02"

        assert code_of(HSM, frame.encode()) == "00"
        assert code_of(HSM, frame.replace(PAN, OTHER_PAN).encode()) == "20"

    def test_format_04_of_ec_brings_a_token_of_18_digits(self) -> None:
        token = PAN[:-1].rjust(18, "0")

        frame = f"EC{ZPK}{PVK}{block('zpk', '1234', '04')}04{token}1{pvv_of('1234')}"

        assert code_of(HSM, frame.encode()) == "00"

    def test_a_block_under_another_key_is_20_not_a_wrong_pin(self) -> None:
        assert _dc(block("zpk", "1234"), pvv_of("1234")) == "20"

    def test_an_index_above_six_is_21(self) -> None:
        assert _dc(block("tpk", "1234"), pvv_of("1234"), pvki="7") == "21"

    def test_a_single_length_pvk_is_27(self) -> None:
        pvk = block_key("V2", CLEAR["pvk"][:16], "D", lmk=AES_BLOCK)

        assert code_of(HSM, f"EC{TDES_ZPK}{pvk}{block('zpk', '1234')}01{ACCOUNT}10000%02".encode()) == "27"


class TestIbm:
    """DA and EA accept a PIN exactly if its offset is the stored one."""

    @given(PINS, PINS)
    def test_as_the_oracle_says(self, pin: str, other: str) -> None:
        offset = offset_of(pin)
        expected = "00" if other == pin else "01"

        assert _da(block("tpk", pin), offset, len(pin)) == "00"
        assert (
            code_of(
                HSM,
                f"EA{ZPK}{PVK}12{block('zpk', pin)}01{len(pin):02d}{ACCOUNT}{TABLE}{VALIDATION}{offset}".encode(),
            )
            == "00"
        )
        if len(other) == len(pin):
            assert _da(block("tpk", other), offset, len(pin)) == expected

    def test_a_pin_shorter_than_the_check_length_is_wrong(self) -> None:
        assert _da(block("tpk", "1234"), offset_of("123456"), 6) == "01"

    def test_format_4_brings_the_whole_pan(self) -> None:
        frame = f"EA{AES_ZPK}{IBM_PVK}12{block('aes', '1234', '48')}4804{PAN};{TABLE}{VALIDATION}%s%%02"

        assert code_of(HSM, (frame % offset_of("1234")).encode()) == "00"
        assert code_of(HSM, (frame % offset_of("1235")).encode()) == "01"

    def test_a_table_that_is_none_is_25(self) -> None:
        assert _da(block("tpk", "1234"), offset_of("1234"), 4, table="0123456789ABCDEF") == "25"

    def test_without_strict_tables_a_table_of_one_digit_will_do(self) -> None:
        offset = offset_of("1234", table="0" * 16)

        assert _da(block("tpk", "1234"), offset, 4, table="0" * 16) == "00"

    def test_lengths_outside_their_limits(self) -> None:
        data = block("tpk", "123456")

        assert _da(data, offset_of("123456"), 6, maximum="05") == "24"
        assert _da(data, offset_of("123456"), 6, maximum="13") == "15"
        assert _da(data, offset_of("123456"), 3) == "24"
        assert _da(data, "F" * 12, 6) == "15"

    def test_validation_data_without_n_is_15(self) -> None:
        frame = f"DA{TPK}{PVK}12{block('tpk', '1234')}0104{ACCOUNT}{TABLE}123456789012{offset_of('1234')}"

        assert code_of(HSM, frame.encode()) == "15"


class TestTheLimit:
    """After ten wrong PINs an account of a house party is answered 39, whatever the PIN, until the window is over."""

    def _house(self) -> Hsm:
        return Hsm(policies={"issuer-a": Policy(strict_tables=False)})

    def _ask(self, house: Hsm, pin: str, pvv: str, pan: str = PAN, code: str = "01") -> str:
        index = indexes.zpk("switch", aes=code == "48")
        material = injected(house, "issuer-a", index)
        cipher = Aes(material) if code == "48" else Tdes(material)
        sealed = encipher_pin(cipher, code, pin, account_of(pan, code), seeded()).hex().upper()
        return house.ask("issuer-a", VerifyPinPvv(index, indexes.PVK, sealed, code, pan, "1", pvv)).code

    def test_ten_wrong_pins_block_the_account_and_no_other(self) -> None:
        house = self._house()
        key = injected(house, "issuer-a", indexes.PVK)
        right, other = pvv_of("1234", key=key), pvv_of("1234", OTHER_PAN, key)

        wrong = [self._ask(house, f"{5000 + number}", right) for number in range(10)]

        assert wrong == ["01"] * 10
        assert self._ask(house, "1234", right) == "39"
        assert self._ask(house, "1234", other, OTHER_PAN) == "00"
        house.pass_time(3600.0)
        assert self._ask(house, "1234", right) == "00"

    def test_another_format_is_not_another_account(self) -> None:
        house = self._house()
        right = pvv_of("1234", key=injected(house, "issuer-a", indexes.PVK))

        for number in range(10):
            self._ask(house, f"{5000 + number}", right, code="48" if number % 2 else "01")

        assert self._ask(house, "1234", right, code="48") == "39"
        assert self._ask(house, "1234", right, code="47") == "39"

    def test_an_unreadable_block_is_no_try(self) -> None:
        house = self._house()
        right = pvv_of("1234", key=injected(house, "issuer-a", indexes.PVK))
        zpk = indexes.zpk("switch")

        for _ in range(11):
            answer = house.ask("issuer-a", VerifyPinPvv(zpk, indexes.PVK, "0" * 16, "01", PAN, "1", right))
            assert answer.code == "20"

        assert self._ask(house, "1234", right) == "00"

    def test_the_open_port_counts_nothing(self) -> None:
        assert {_dc(block("tpk", f"{5000 + number}"), pvv_of("1234")) for number in range(12)} == {"01"}


class TestPciRules:
    """With the PCI settings only formats that bind the PIN to its account are verified: 0, 3 and 4."""

    @pytest.mark.parametrize(
        ("code", "expected"), [("01", "00"), ("47", "00"), ("05", "69"), ("03", "69"), ("34", "69"), ("99", "23")]
    )
    def test_a_format_without_the_account_is_69(self, code: str, expected: str) -> None:
        house, zpk = Hsm(), indexes.zpk("switch")
        key = Tdes(injected(house, "issuer-a", zpk))
        sealed = encipher_pin(key, "01" if code == "99" else code, "1234", ACCOUNT, seeded()).hex().upper()
        pvv = pvv_of("1234", key=injected(house, "issuer-a", indexes.PVK))

        assert house.ask("issuer-a", VerifyPinPvv(zpk, indexes.PVK, sealed, code, PAN, "1", pvv)).code == expected


class TestSettings:
    """Weak decimalisation tables are refused where the settings ask for strict ones, as the house does."""

    @pytest.mark.parametrize(
        ("table", "code"), [(TABLE, "00"), ("0123456701234567", "00"), ("0" * 16, "25"), ("0123456" * 2 + "01", "25")]
    )
    def test_strict_tables(self, table: str, code: str) -> None:
        house = Hsm()
        key = Tdes(injected(house, "issuer-a", indexes.zpk("switch")))
        sealed = encipher_pin(key, "01", "1234", ACCOUNT, seeded()).hex().upper()
        pvk = injected(house, "issuer-a", indexes.PVK_IBM)
        offset = offset_of("1234", pvk, table).rstrip("F")

        answer = house.ask(
            "issuer-a",
            VerifyPinIbm(indexes.zpk("switch"), indexes.PVK_IBM, sealed, "01", PAN, offset, table, VALIDATION),
        )

        assert answer.code == code

    def test_no_text_of_the_requests_shows_a_pan_a_block_or_a_value(self) -> None:
        shown = [
            repr(VerifyPinPvv("KA00", "KF05", "0123456789ABCDEF", "01", PAN, "1", "9876")),
            repr(VerifyPinIbm("KA00", "KF05", "0123456789ABCDEF", "01", PAN, "9876", TABLE, VALIDATION)),
        ]

        assert not any(
            secret in text for text in shown for secret in (PAN, "0123456789ABCDEF", "9876", TABLE, "4567899")
        )
