"""DE, BK, EE, DG, FW, CU, DU, BA, NG, JA, JC, JE, JG, BC, BE: verification values, and PINs under the LMK."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.crypto.ciphers import Tdes
from hsm_sim.core.crypto.translation import encipher_pin
from hsm_sim.core.keys.public import public_lmks
from hsm_sim.core.policy import OPEN_POLICY, Policy
from hsm_sim.requests import (
    ChangePinIbm,
    ChangePinPvv,
    KeepPin,
    MakeOffset,
    MakePinBlock,
    MakePvv,
    MakeStoredPvv,
    RandomPin,
    VerifyPinIbm,
    VerifyPinPvv,
)
from tests.hsm_sim import oracles
from tests.hsm_sim.commands.opened import block_key, code_of
from tests.hsm_sim.commands.pins import (
    ACCOUNT,
    AES_ZPK,
    CLEAR,
    IBM_PVK,
    OTHER_PAN,
    PAN,
    PVK,
    SHORT_PVK,
    TABLE,
    TPK,
    VALIDATION,
    VISA_PVK,
    ZPK,
    block,
    injected,
    pin_of,
)
from tests.support.hsm import Hsm, seeded

HSM = Hsm()
LMKS = ("00", "01", "02")
PINS = st.text("0123456789", min_size=4, max_size=12)
PVK_CLEAR = bytes.fromhex(CLEAR["pvk"])
TDES_BLOCK_PVK = block_key("V1", CLEAR["pvk"])
BLOCK_DATA = VALIDATION.replace("N", ACCOUNT[-5:])


def _answer(frame: str, lmk: str = "00") -> str:
    return HSM.frame("open", f"{frame}%{lmk}".encode()).decode()


def _sealed(pin: str, lmk: str = "00", account: str = ACCOUNT) -> str:
    """Return a PIN under one of the public LMKs, as BA answers it."""
    answer = _answer(f"BA{pin}F{account}", lmk)
    assert answer[:4] == "BB00"
    return answer[4:]


class TestUnderTheLmk:
    """A PIN under the LMK opens under the same LMK for the same account, and is of use nowhere else."""

    @given(PINS, st.sampled_from(LMKS))
    def test_in_and_out(self, pin: str, lmk: str) -> None:
        sealed = _sealed(pin, lmk)

        assert len(sealed) == (33 if lmk == "02" else len(pin) + 1)
        assert _answer(f"NG{ACCOUNT}{sealed}", lmk) == f"NH00{pin}F"

    def test_the_field_of_one_account_is_another_pin_or_none_for_another(self) -> None:
        opened = [_answer(f"NG{'1' * 12}{_sealed('135790', lmk)}", lmk) for lmk in LMKS]

        assert opened[2] == "NH14"
        assert "NH00135790F" not in opened

    def test_another_lmk_s_form_is_14(self) -> None:
        assert _answer(f"NG{ACCOUNT}{_sealed('1234', '02')}", "00") == "NH14"
        assert _answer(f"NG{ACCOUNT}{_sealed('1234', '00')}", "02") == "NH14"

    def test_clear_pins_move_only_in_the_authorised_state(self) -> None:
        house = Hsm(policies={"issuer-b": Policy(authorised=True)})

        codes = [house.frame(party, f"BA1234F{ACCOUNT}".encode())[2:4] for party in ("issuer-a", "issuer-b")]
        shown = [house.frame(party, f"NG{ACCOUNT}J{'0' * 32}".encode())[2:4] for party in ("issuer-a", "issuer-b")]

        assert codes == [b"17", b"00"]
        assert shown == [b"17", b"14"]

    @pytest.mark.parametrize(
        ("field", "code"), [("1234", "80"), ("12345", "15"), ("12F4F", "15"), ("FFFFF", "15"), ("123FF", "24")]
    )
    def test_a_clear_pin_that_is_not_filled_with_f_is_refused(self, field: str, code: str) -> None:
        assert _answer(f"BA{field}{ACCOUNT}")[2:4] == code

    @pytest.mark.parametrize(("request_", "key", "code"), [("JC", TPK, "01"), ("JE", ZPK, "47"), ("JE", ZPK, "05")])
    def test_from_a_block_and_back(self, request_: str, key: str, code: str) -> None:
        data = block("tpk" if request_ == "JC" else "zpk", "135790", code)

        sealed = _answer(f"{request_}{key}{data}{code}{ACCOUNT}")[4:]
        back = _answer(f"JG{ZPK}47{ACCOUNT}{sealed}")[4:]

        assert pin_of("zpk", back, "47") == "135790"

    def test_format_4_both_ways(self) -> None:
        sealed = _answer(f"JE{AES_ZPK}{block('aes', '135790', '48')}48{PAN};", "02")[4:]
        back = _answer(f"JG{AES_ZPK}48{PAN};{sealed}", "02")[4:]

        assert pin_of("aes", back, "48") == "135790"

    def test_comparison(self) -> None:
        terminal, zone, sealed = block("tpk", "1234"), block("zpk", "1234"), _sealed("1234")

        assert _answer(f"BC{TPK}{terminal}01{ACCOUNT}{sealed}") == "BD00"
        assert _answer(f"BE{ZPK}{zone}01{ACCOUNT}{sealed}") == "BF00"
        assert _answer(f"BE{ZPK}{block('zpk', '1235')}01{ACCOUNT}{sealed}") == "BF01"
        assert _answer(f"BE{ZPK}{block('zpk', '12345')}01{ACCOUNT}{sealed}") == "BF01"


class TestRandomPins:
    """JA draws PINs of the length that is asked for, and none that an excluded table names."""

    @pytest.mark.parametrize(("field", "digits"), [("", 4), ("04", 4), ("06", 6), (";05", 5), ("12", 12), (";12", 12)])
    def test_the_length_with_and_without_delimiter(self, field: str, digits: int) -> None:
        assert len(_answer(f"JA{ACCOUNT}{field}")) == 4 + digits + 1

    @pytest.mark.parametrize(("field", "code"), [("03", "24"), ("13", "24"), (";", "80"), ("6", "80"), ("0A", "15")])
    def test_another_length_is_refused(self, field: str, code: str) -> None:
        assert code_of(HSM, f"JA{ACCOUNT}{field}".encode()) == code

    def test_excluded_pins_are_not_drawn(self) -> None:
        excluded = "".join(f"{number:04d}" for number in range(99))

        drawn = {_answer(f"NG{ACCOUNT}" + _answer(f"JA{ACCOUNT}04*9904{excluded}")[4:])[4:] for _ in range(50)}

        assert all(int(pin[:4]) >= 99 for pin in drawn)

    def test_a_table_shorter_than_it_says_is_80_and_one_of_empty_pins_24(self) -> None:
        assert code_of(HSM, f"JA{ACCOUNT}04*02041234".encode()) == "80"
        assert code_of(HSM, f"JA{ACCOUNT}04*0200".encode()) == "24"


class TestOffsets:
    """DE and BK make the offset with which DA and EA then accept the PIN; EE leads back to it."""

    @given(PINS, st.sampled_from((("00", PVK), ("01", TDES_BLOCK_PVK), ("02", IBM_PVK))))
    def test_of_a_pin_under_the_lmk_as_the_oracle_says(self, pin: str, under: tuple[str, str]) -> None:
        lmk, pvk = under
        frame = f"{len(pin):02d}{ACCOUNT}{TABLE}{VALIDATION}"

        offset = _answer(f"DE{pvk}{_sealed(pin, lmk)}{frame}", lmk)[4:]
        sealed = _answer(f"EE{pvk}{offset}{frame}", lmk)[4:]

        assert offset == oracles.ibm_offset(PVK_CLEAR, pin, TABLE, BLOCK_DATA).ljust(12, "F")
        assert _answer(f"NG{ACCOUNT}{sealed}", lmk) == f"NH00{pin}F"

    @pytest.mark.parametrize(("key_type", "name", "key"), [("001", "zpk", ZPK), ("002", "tpk", TPK)])
    def test_of_a_block_under_a_key_of_either_type(self, key_type: str, name: str, key: str) -> None:
        frame = f"BK{key_type}{key}{PVK}{block(name, '4321')}0104{ACCOUNT}{TABLE}{VALIDATION}"

        assert _answer(frame) == f"BL00{oracles.ibm_offset(PVK_CLEAR, '4321', TABLE, BLOCK_DATA)}FFFFFFFF"

    def test_a_single_length_pvk_is_a_warning_with_the_offset(self) -> None:
        tail = f"04{ACCOUNT}{TABLE}{VALIDATION}"
        offset = oracles.ibm_offset(PVK_CLEAR[:8] * 3, "4321", TABLE, BLOCK_DATA)

        assert _answer(f"BK001{ZPK}{SHORT_PVK}{block('zpk', '4321')}01{tail}") == f"BL02{offset}FFFFFFFF"
        assert _answer(f"DE{SHORT_PVK}{_sealed('4321')}{tail}") == f"DF02{offset}FFFFFFFF"

    def test_a_check_length_longer_than_the_pin_is_24(self) -> None:
        assert code_of(HSM, f"DE{PVK}{_sealed('4321')}05{ACCOUNT}{TABLE}{VALIDATION}".encode()) == "24"

    @pytest.mark.parametrize("key_type", ["000", "009", "402"])
    def test_a_key_type_that_holds_no_pin_keys_is_15(self, key_type: str) -> None:
        frame = f"{ZPK}{PVK}{block('zpk', '4321')}01"

        assert code_of(HSM, f"BK{key_type}{frame}04{ACCOUNT}{TABLE}{VALIDATION}".encode()) == "15"
        assert code_of(HSM, f"FW{key_type}{frame}{ACCOUNT}1".encode()) == "15"

    def test_changing_a_pin(self) -> None:
        offset = oracles.ibm_offset(PVK_CLEAR, "4321", TABLE, BLOCK_DATA)
        new = oracles.ibm_offset(PVK_CLEAR, "9876", TABLE, BLOCK_DATA)
        frame = f"0104{ACCOUNT}{TABLE}{VALIDATION}{offset}FFFFFFFF{block('zpk', '9876')}"

        assert _answer(f"DU001{ZPK}{PVK}{block('zpk', '4321')}{frame}") == f"DV00{new}FFFFFFFF"
        assert _answer(f"DU001{ZPK}{PVK}{block('zpk', '4322')}{frame}") == "DV01"

    def test_format_4(self) -> None:
        offset = oracles.ibm_offset(PVK_CLEAR, "4321", TABLE, BLOCK_DATA)
        old, new = block("aes", "4321", "48"), block("aes", "9876", "48")
        tail = f"4804{PAN};{TABLE}{VALIDATION}"

        assert _answer(f"BKFFF{AES_ZPK}{IBM_PVK}{old}{tail}", "02") == f"BL00{offset}FFFFFFFF"
        assert _answer(f"DUFFF{AES_ZPK}{IBM_PVK}{old}{tail}{offset}FFFFFFFF{new}", "02")[:4] == "DV00"


class TestTables:
    """A decimalisation table travels clear, or encrypted under the LMK where the settings say so."""

    @pytest.mark.parametrize(("lmk", "pvk"), [("00", PVK), ("01", TDES_BLOCK_PVK), ("02", IBM_PVK)])
    def test_an_encrypted_table_is_the_clear_one(self, lmk: str, pvk: str) -> None:
        table = public_lmks()[lmk].encrypt_table(TABLE)
        head, tail = f"DE{pvk}{_sealed('4321', lmk)}04{ACCOUNT}", VALIDATION

        assert _answer(f"{head}{table}{tail}", lmk) == _answer(f"{head}{TABLE}{tail}", lmk)

    def test_with_the_setting_a_clear_table_is_25(self) -> None:
        strict = Hsm(policies={"open": OPEN_POLICY._replace(encrypted_tables=True)})
        encrypted = public_lmks()["00"].encrypt_table(TABLE)
        head = f"BK001{ZPK}{PVK}{block('zpk', '4321')}0104{ACCOUNT}"

        assert code_of(strict, f"{head}{TABLE}{VALIDATION}".encode()) == "25"
        assert code_of(strict, f"{head}{encrypted}{VALIDATION}".encode()) == "00"


class TestPvvs:
    """DG and FW make the PVV with which DC and EC then accept the PIN; CU changes it."""

    @given(PINS)
    def test_as_the_oracle_says(self, pin: str) -> None:
        pvv = oracles.pvv(PVK_CLEAR, pin, PAN)

        assert _answer(f"DG{PVK}{_sealed(pin)}{ACCOUNT}1") == f"DH00{pvv}"
        assert _answer(f"FW001{ZPK}{PVK}{block('zpk', pin, '47')}47{ACCOUNT}1") == f"FX00{pvv}"
        assert _answer(f"DG{VISA_PVK}{_sealed(pin, '02')}{ACCOUNT}1", "02") == f"DH00{pvv}"

    def test_changing_a_pin(self) -> None:
        pvv, new = (oracles.pvv(PVK_CLEAR, pin, PAN) for pin in ("4321", "9876"))
        frame = f"01{ACCOUNT}1{pvv}{block('tpk', '9876')}"

        assert _answer(f"CU002{TPK}{PVK}{block('tpk', '4321')}{frame}") == f"CV00{new}"
        assert _answer(f"CU002{TPK}{PVK}{block('tpk', '1111')}{frame}") == "CV01"

    def test_changing_a_pin_in_format_4(self) -> None:
        pvv, new = (oracles.pvv(PVK_CLEAR, pin, PAN) for pin in ("4321", "9876"))
        frame = f"CUFFF{AES_ZPK}{VISA_PVK}{block('aes', '4321', '48')}48{PAN};1{pvv}{block('aes', '9876', '48')}"

        assert _answer(frame, "02") == f"CV00{new}"

    def test_a_changed_pin_is_bound_to_the_same_account(self) -> None:
        pvv = oracles.pvv(PVK_CLEAR, "4321", PAN)
        frame = f"CU001{ZPK}{PVK}{block('zpk', '4321')}01{ACCOUNT}1{pvv}{block('zpk', '9876', pan=OTHER_PAN)}"

        assert _answer(frame) == "CV20"


class TestAtTheHouse:
    """An issuer issues PINs by the typed requests, with keys by index; nobody else may."""

    def test_from_a_random_pin_to_its_pvv(self) -> None:
        house, zpk = Hsm(), indexes.zpk("switch")

        pin = house.ask("issuer-a", RandomPin(PAN, 6)).pin
        pvv = house.ask("issuer-a", MakeStoredPvv(indexes.PVK, pin, PAN)).pvv
        sealed = house.ask("issuer-a", MakePinBlock(zpk, pin, "01", PAN)).block

        assert house.ask("issuer-a", MakePvv(zpk, indexes.PVK, sealed, "01", PAN)).pvv == pvv
        assert house.ask("issuer-a", VerifyPinPvv(zpk, indexes.PVK, sealed, "01", PAN, "1", pvv)).code == "00"
        kept = house.ask("issuer-a", KeepPin(zpk, sealed, "01", PAN)).pin
        assert house.ask("issuer-a", MakeStoredPvv(indexes.PVK, kept, PAN)).pvv == pvv

    def test_changing_a_pin_changes_both_values(self) -> None:
        house, zpk = Hsm(), indexes.zpk("switch")
        key = Tdes(injected(house, "issuer-a", zpk))
        old, new = (encipher_pin(key, "01", pin, ACCOUNT, seeded()).hex().upper() for pin in ("1234", "9876"))
        pvv = house.ask("issuer-a", MakePvv(zpk, indexes.PVK, old, "01", PAN)).pvv
        offset = house.ask("issuer-a", MakeOffset(zpk, indexes.PVK_IBM, old, "01", PAN, 4, TABLE, VALIDATION)).offset

        changed = house.ask("issuer-a", ChangePinPvv(zpk, indexes.PVK, old, new, "01", PAN, pvv))
        moved = house.ask(
            "issuer-a", ChangePinIbm(zpk, indexes.PVK_IBM, old, new, "01", PAN, offset, TABLE, VALIDATION)
        )

        assert house.ask("issuer-a", VerifyPinPvv(zpk, indexes.PVK, new, "01", PAN, "1", changed.pvv)).code == "00"
        ibm = VerifyPinIbm(zpk, indexes.PVK_IBM, new, "01", PAN, moved.offset, TABLE, VALIDATION)
        assert house.ask("issuer-a", ibm).code == "00"

    def test_only_issuers(self) -> None:
        house = Hsm()

        codes = {
            house.ask(party, request).code
            for party in ("gateway", "acquirer", "switch")
            for request in (RandomPin(PAN), MakePvv("K000", "K000", "0" * 16, "01", PAN))
        }

        assert codes == {"68"}

    def test_no_text_shows_a_pan_a_block_a_pin_or_a_value(self) -> None:
        secret = "0123456789ABCDEF"
        requests = (
            MakePvv("KA00", "KF05", secret, "01", PAN),
            MakeStoredPvv("KF05", "98765", PAN),
            ChangePinPvv("KA00", "KF05", secret, secret, "01", PAN, "9876"),
            MakeOffset("KA00", "KF06", secret, "01", PAN, 4, TABLE, VALIDATION),
            ChangePinIbm("KA00", "KF06", secret, secret, "01", PAN, "9876", TABLE, VALIDATION),
            KeepPin("KA00", secret, "01", PAN),
            MakePinBlock("KA00", "98765", "01", PAN),
        )
        answers = (b"FX009876", b"DH009876", b"CV009876", b"BL009876FFFFFFFF", b"DV009876FFFFFFFF", b"JF0098765")

        shown = [repr(request) for request in requests]
        shown += [repr(request.parse(answer)) for request, answer in zip(requests, answers, strict=False)]

        assert not any(value in text for text in shown for value in (secret, PAN, ACCOUNT, "9876", TABLE))
