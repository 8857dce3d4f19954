"""CA, CC, G0, CI: PIN blocks from key to key."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.crypto.ciphers import Tdes
from hsm_sim.core.crypto.translation import decipher_pin, encipher_pin
from hsm_sim.core.policy import Policy
from hsm_sim.requests import TranslateDukptPin, TranslatePin, TranslateTerminalPin
from tests.hsm_sim.commands.opened import block_key, code_of, variant_key
from tests.hsm_sim.commands.pins import (
    ACCOUNT,
    AES_BDK,
    AES_KSN,
    AES_ZPK,
    BDK,
    BDK_2,
    BLOCK_BDK,
    CLEAR,
    KSN,
    OTHER_AES_ZPK,
    OTHER_PAN,
    OTHER_ZPK,
    PAN,
    TDES_ZPK,
    TPK,
    ZPK,
    block,
    dukpt_block,
    injected,
    pin_of,
)
from tests.support.hsm import Hsm, seeded

HSM = Hsm()
ISO_FORMATS = ("01", "05", "47")
STATIC_FORMATS = ("01", "02", "03", "04", "05", "34", "35", "47")
PINS = st.text("0123456789", min_size=4, max_size=12)
PANS = st.text("0123456789", min_size=13, max_size=19)


def _cc(
    data: str, source: str = "01", destination: str = "01", account: str = ACCOUNT, keys: str = ZPK + OTHER_ZPK
) -> str:
    return HSM.frame("open", f"CC{keys}12{data}{source}{destination}{account}".encode()).decode()


@cache
def _house(**settings: object) -> Hsm:
    policy = Policy(**settings)  # type: ignore[arg-type]
    return Hsm(policies=dict.fromkeys(("acquirer", "switch", "issuer-a"), policy))


class TestFormats:
    """A PIN keeps its digits, whatever the formats and keys on both sides."""

    @given(PINS, st.sampled_from(STATIC_FORMATS), st.sampled_from(STATIC_FORMATS))
    def test_between_any_two_formats_without_pci_rules(self, pin: str, source: str, destination: str) -> None:
        pin = pin[:6] if "02" in (source, destination) else pin
        keys = [Tdes(bytes.fromhex(CLEAR[name])) for name in ("zpk", "other")]
        data = encipher_pin(keys[0], source, pin, ACCOUNT, seeded(pin)).hex().upper()

        answer = _cc(data, source, destination)

        assert answer[:6] == f"CD00{len(pin):02d}"
        assert answer[22:] == destination
        assert decipher_pin(keys[1], destination, bytes.fromhex(answer[6:22]), ACCOUNT) == pin

    @given(PINS, PANS, st.sampled_from(ISO_FORMATS))
    def test_from_a_static_format_to_format_4_and_back(self, pin: str, pan: str, code: str) -> None:
        there = HSM.frame(
            "open", f"CC{TDES_ZPK}{AES_ZPK}12{block('zpk', pin, code, pan)}{code}48{pan};%02".encode()
        ).decode()
        assert there[:6] == f"CD00{len(pin):02d}"
        assert pin_of("aes", there[6:38], "48", pan) == pin

        back = HSM.frame("open", f"CC{AES_ZPK}{TDES_ZPK}12{there[6:38]}48{code}{pan};%02".encode()).decode()

        assert pin_of("zpk", back[6:22], code, pan) == pin
        assert back[22:] == code

    @given(PINS, PANS)
    def test_between_two_aes_keys(self, pin: str, pan: str) -> None:
        frame = f"CC{AES_ZPK}{OTHER_AES_ZPK}12{block('aes', pin, '48', pan)}4848{pan};%02"

        answer = HSM.frame("open", frame.encode()).decode()

        assert pin_of("other", answer[6:38], "48", pan) == pin

    def test_digits_48_where_a_longer_block_would_end_do_not_make_it_longer(self) -> None:
        pan = "400000123456481234"

        answer = HSM.frame("open", f"CC{TDES_ZPK}{AES_ZPK}12{block('zpk', '1234', pan=pan)}0148{pan};%02".encode())

        assert pin_of("aes", answer[6:38].decode(), "48", pan) == "1234"


class TestRefusals:
    """A block that cannot be read, or must not be translated, is refused with the code that says why."""

    def test_a_wrong_key_or_account_is_20_and_never_another_pin(self) -> None:
        codes = {
            _cc(block("other", "1234"))[2:4],
            _cc(block("zpk", "1234"), account="000000000001")[2:4],
            _cc(block("zpk", "1234", "47"))[2:4],
        }

        assert codes == {"20"}

    @pytest.mark.parametrize("code", ["00", "06", "33", "99"])
    def test_an_unknown_format_is_23(self, code: str) -> None:
        assert _cc(block("zpk", "1234"), code)[2:4] == "23"
        assert _cc(block("zpk", "1234"), "01", code)[2:4] == "23"

    @pytest.mark.parametrize("code", ["41", "42"])
    def test_formats_for_the_chip_are_never_translated(self, code: str) -> None:
        assert _cc(block("zpk", "1234"), "01", code)[2:4] == "69"

    def test_a_pin_longer_than_the_maximum_is_24_and_a_maximum_out_of_range_15(self) -> None:
        data = block("zpk", "123456")

        frames = [f"CC{ZPK}{OTHER_ZPK}{maximum}{data}0101{ACCOUNT}" for maximum in ("06", "05", "03", "13")]

        assert [code_of(HSM, frame.encode()) for frame in frames] == ["00", "24", "15", "15"]

    def test_parity_of_the_source_key_is_10_and_of_the_destination_key_11(self) -> None:
        even = "U" + "0" * 32
        data = f"12{block('zpk', '1234')}0101{ACCOUNT}"

        assert code_of(HSM, f"CC{even}{ZPK}{data}".encode()) == "10"
        assert code_of(HSM, f"CC{ZPK}{even}{data}".encode()) == "11"

    def test_format_4_needs_an_aes_key_and_an_aes_key_format_4(self) -> None:
        aes_to = f"CC{TDES_ZPK}{AES_ZPK}12{block('zpk', '1234')}0101{ACCOUNT}%02"
        tdes_to = f"CC{TDES_ZPK}{TDES_ZPK}12{block('zpk', '1234')}0148{PAN};%02"

        assert code_of(HSM, aes_to.encode()) == "23"
        assert code_of(HSM, tdes_to.encode()) == "23"

    def test_format_4_without_a_whole_pan_is_22(self) -> None:
        assert code_of(HSM, f"CC{TDES_ZPK}{AES_ZPK}12{block('zpk', '1234')}0148{ACCOUNT}%02".encode()) == "22"

    def test_a_command_that_ends_early_is_80_and_one_that_goes_on_15(self) -> None:
        whole = f"CC{ZPK}{OTHER_ZPK}12{block('zpk', '1234')}0101{ACCOUNT}"

        assert code_of(HSM, whole[:-1].encode()) == "80"
        assert code_of(HSM, f"{whole}1".encode()) == "15"
        assert code_of(HSM, whole.replace("12" + block("zpk", "1234"), "12" + "G" * 16).encode()) == "15"


class TestPciRules:
    """With the PCI settings a PIN goes between formats 0, 3 and 4, and into them from format 1."""

    @pytest.mark.parametrize(
        ("source", "destination", "code"),
        [
            ("01", "47", "00"),
            ("47", "01", "00"),
            ("05", "01", "00"),
            ("05", "47", "00"),
            ("01", "05", "69"),
            ("47", "05", "69"),
            ("01", "03", "69"),
            ("03", "01", "69"),
            ("04", "01", "69"),
            ("34", "01", "69"),
        ],
    )
    def test_only_some_translations_are_allowed(self, source: str, destination: str, code: str) -> None:
        house = _house()
        zpk = indexes.zpk("switch")
        data = encipher_pin(Tdes(injected(house, "acquirer", zpk)), source, "1234", ACCOUNT, seeded()).hex().upper()

        assert house.ask("acquirer", TranslatePin(zpk, zpk, data, source, destination, PAN)).code == code

    def test_a_format_that_the_settings_forbid_is_69_on_both_sides(self) -> None:
        house = _house(formats_disabled=frozenset(("47",)))
        zpk = indexes.zpk("switch")
        zone = Tdes(injected(house, "acquirer", zpk))
        made = {code: encipher_pin(zone, code, "1234", ACCOUNT, seeded()).hex().upper() for code in ("01", "47")}

        codes = [
            house.ask("acquirer", TranslatePin(zpk, zpk, made[source], source, destination, PAN)).code
            for source, destination in (("01", "01"), ("01", "47"), ("47", "01"))
        ]

        assert codes == ["00", "69", "69"]

    def test_pins_outside_the_lengths_of_the_settings_are_24(self) -> None:
        house = _house(pin_length_min=5, pin_length_max=6)
        zpk = indexes.zpk("switch")
        zone = Tdes(injected(house, "acquirer", zpk))

        codes = [
            house.ask("acquirer", TranslatePin(zpk, zpk, sealed.hex().upper(), "01", "01", PAN)).code
            for sealed in (encipher_pin(zone, "01", pin, ACCOUNT, seeded()) for pin in ("1234", "12345", "1234567"))
        ]

        assert codes == ["24", "00", "24"]

    def test_the_account_stays_what_it_was(self) -> None:
        house = _house()
        sealed = dukpt_block(injected(house, "acquirer", indexes.BDK), KSN, "1234")
        frame = f"G0{indexes.BDK}{indexes.zpk('switch')}A05{KSN}{sealed}0101{ACCOUNT};"

        assert house.frame("acquirer", f"{frame}{ACCOUNT}".encode())[2:4] == b"00"
        assert house.frame("acquirer", f"{frame}{PAN}".encode())[2:4] == b"00"
        assert house.frame("acquirer", f"{frame}{OTHER_PAN}".encode())[2:4] == b"69"


class TestTerminals:
    """CA brings a PIN from a terminal's static key to a zone, or to a DUKPT key of another terminal."""

    def test_to_a_zone(self) -> None:
        answer = HSM.frame("open", f"CA{TPK}{ZPK}12{block('tpk', '1234')}0147{ACCOUNT}".encode()).decode()

        assert pin_of("zpk", answer[6:22], "47") == "1234"

    @pytest.mark.parametrize("key", [f"*{BDK}", f"~{BDK_2}"])
    def test_to_a_base_key_behind_its_mark(self, key: str) -> None:
        frame = f"CA{TPK}{key}609{KSN}12{block('tpk', '1234')}0101{ACCOUNT}"

        assert (
            HSM.frame("open", frame.encode()).decode()
            == f"CB0004{dukpt_block(bytes.fromhex(CLEAR['bdk']), KSN, '1234')}01"
        )

    def test_the_mark_says_which_base_key_it_is(self) -> None:
        frame = f"609{KSN}12{block('tpk', '1234')}0101{ACCOUNT}"

        assert code_of(HSM, f"CA{TPK}~{BDK}{frame}".encode()) == "11"

    def test_a_pair_without_scheme_letter_behind_the_mark_has_32_digits(self) -> None:
        bare = variant_key("009", CLEAR["bdk"], "0")
        frame = f"CA{TPK}*{bare}609{KSN}12{block('tpk', '1234')}0101{ACCOUNT}"

        assert code_of(HSM, frame.encode()) == "00"


class TestDukpt:
    """G0 and CI bring a PIN from a transaction's key."""

    @given(PINS, st.integers(1, 0x1FFFFF).filter(lambda counter: counter.bit_count() <= 10))
    def test_from_any_transaction(self, pin: str, counter: int) -> None:
        ksn = f"{0xFFFF9876543210E00000 | counter:020X}"
        sealed = dukpt_block(bytes.fromhex(CLEAR["bdk"]), ksn, pin)

        answer = HSM.frame("open", f"G0{BDK}{ZPK}A05{ksn}{sealed}0101{ACCOUNT}".encode()).decode()

        assert pin_of("zpk", answer[6:22]) == pin

    def test_marks_before_both_keys(self) -> None:
        material = bytes.fromhex(CLEAR["bdk"])
        sealed = dukpt_block(material, KSN, "1234")
        later = KSN[:-1] + "4"

        answer = HSM.frame("open", f"G0~{BDK_2}*{BDK}A05{KSN}609{later}{sealed}0101{ACCOUNT}".encode()).decode()

        assert answer == f"G10004{dukpt_block(material, later, '1234')}01"

    @pytest.mark.parametrize(("descriptor", "ksn"), [("605", "9876543210E00003"), ("605", "FFFF9876543210E00003")])
    def test_short_serial_numbers_are_filled_with_f(self, descriptor: str, ksn: str) -> None:
        sealed = dukpt_block(bytes.fromhex(CLEAR["bdk"]), "FFFF9876543210E00003", "1234")

        assert code_of(HSM, f"G0{BDK}{ZPK}{descriptor}{ksn}{sealed}0101{ACCOUNT}".encode()) == "00"

    def test_a_counter_that_no_device_uses_is_15(self) -> None:
        frame = f"G0{BDK}{ZPK}A05FFFF98765432{0x107FF | 0xE00000:08X}{block('zpk', '1234')}0101{ACCOUNT}"

        assert code_of(HSM, frame.encode()) == "15"

    def test_to_another_account_without_pci_rules(self) -> None:
        sealed = dukpt_block(bytes.fromhex(CLEAR["bdk"]), KSN, "1234")

        answer = HSM.frame("open", f"G0{BDK}{ZPK}A05{KSN}{sealed}0101{ACCOUNT};{OTHER_PAN}".encode()).decode()

        assert pin_of("zpk", answer[6:22], pan=OTHER_PAN) == "1234"

    def test_aes_dukpt_to_an_aes_zone_and_to_a_tdes_zone(self) -> None:
        sealed = dukpt_block(bytes.fromhex(CLEAR["aes"]), AES_KSN, "1234", "48")

        aes = HSM.frame("open", f"G0{AES_BDK}{AES_ZPK}A09{AES_KSN}{sealed}4848{PAN};%02".encode()).decode()
        tdes = HSM.frame("open", f"G0{AES_BDK}{TDES_ZPK}A05{AES_KSN}{sealed}4801{PAN};%02".encode()).decode()

        assert pin_of("aes", aes[6:38], "48") == "1234"
        assert pin_of("zpk", tdes[6:22]) == "1234"

    def test_tdes_dukpt_to_aes_dukpt(self) -> None:
        sealed = dukpt_block(bytes.fromhex(CLEAR["bdk"]), KSN, "1234")
        frame = f"G0{BLOCK_BDK}{AES_BDK}A05{KSN}A09{AES_KSN}{sealed}0148{PAN};%02"

        answer = HSM.frame("open", frame.encode()).decode()

        assert answer[:6] == "G10004"
        assert answer[-2:] == "48"

    def test_another_account_for_format_4_is_a_whole_pan(self) -> None:
        sealed = dukpt_block(bytes.fromhex(CLEAR["bdk"]), KSN, "1234")
        frame = f"G0{BLOCK_BDK}{AES_ZPK}A05{KSN}{sealed}0148{PAN};;"

        assert code_of(HSM, f"{frame}{ACCOUNT}%02".encode()) == "22"
        answer = HSM.frame("open", f"{frame}{OTHER_PAN}%02".encode()).decode()
        assert pin_of("aes", answer[6:38], "48", OTHER_PAN) == "1234"

    def test_format_4_takes_the_pan_also_as_the_destination_account_alone(self) -> None:
        sealed = dukpt_block(bytes.fromhex(CLEAR["bdk"]), KSN, "1234")
        frame = f"G0{BLOCK_BDK}{AES_ZPK}A05{KSN}{sealed}0148{ACCOUNT};{PAN}%02"

        answer = HSM.frame("open", frame.encode()).decode()

        assert pin_of("aes", answer[6:38], "48") == "1234"

    def test_ci_reads_format_0_and_writes_the_format_that_it_names(self) -> None:
        sealed = dukpt_block(bytes.fromhex(CLEAR["bdk"]), KSN, "1234")

        answer = HSM.frame("open", f"CI{BDK}{ZPK}605{KSN}{sealed}47{ACCOUNT}".encode()).decode()

        assert answer[:6] == "CJ0004"
        assert pin_of("zpk", answer[6:22], "47") == "1234"


class TestRequests:
    """The typed requests bring what the command needs of the PAN."""

    def test_by_index_at_the_house(self) -> None:
        house = _house()
        tpk = Tdes(injected(house, "acquirer", indexes.TPK))
        sealed = encipher_pin(tpk, "01", "1234", ACCOUNT, seeded()).hex().upper()
        zpk, aes = indexes.zpk("switch"), indexes.zpk("switch", aes=True)

        first = house.ask("acquirer", TranslateTerminalPin(indexes.TPK, zpk, sealed, "01", "47", PAN))
        second = house.ask("acquirer", TranslatePin(zpk, aes, first.block, "47", "48", PAN))
        third = house.ask("acquirer", TranslatePin(aes, aes, second.block, "48", "48", PAN))

        assert [(made.code, made.length, made.format) for made in (first, second, third)] == [
            ("00", 4, "47"),
            ("00", 4, "48"),
            ("00", 4, "48"),
        ]
        assert (len(first.block), len(third.block)) == (16, 32)

    def test_both_kinds_of_dukpt(self) -> None:
        house = _house()
        tdes = dukpt_block(injected(house, "acquirer", indexes.BDK), KSN, "1234")
        aes = dukpt_block(injected(house, "acquirer", indexes.BDK_AES), AES_KSN, "1234", "48")
        zpk, aes_zpk = indexes.zpk("switch"), indexes.zpk("switch", aes=True)

        answers = (
            house.ask("acquirer", TranslateDukptPin(indexes.BDK, zpk, KSN, tdes, "01", "01", PAN)),
            house.ask("acquirer", TranslateDukptPin(indexes.BDK_AES, aes_zpk, AES_KSN, aes, "48", "48", PAN)),
        )

        assert [answer.code for answer in answers] == ["00", "00"]

    def test_no_text_of_theirs_shows_a_pan_a_block_or_a_key_block(self) -> None:
        sealed = block("zpk", "1234")
        shown = [
            repr(TranslatePin(TDES_ZPK, TDES_ZPK, sealed, "01", "01", PAN)),
            repr(TranslateTerminalPin(TDES_ZPK, TDES_ZPK, sealed, "01", "01", PAN)),
            repr(TranslateDukptPin(BLOCK_BDK, TDES_ZPK, KSN, sealed, "01", "01", PAN)),
            repr(TranslatePin(ZPK, ZPK, sealed, "01", "01", PAN).parse(f"CD0004{sealed}01".encode())),
        ]

        assert not any(secret in text for text in shown for secret in (sealed, PAN, ACCOUNT, TDES_ZPK, ZPK))

    def test_a_key_that_is_for_something_else_is_a6(self) -> None:
        data = f"12{block('zpk', '1234')}0101{ACCOUNT}%02"

        assert code_of(HSM, f"CC{block_key('C0', CLEAR['zpk'], lmk='02')}{TDES_ZPK}{data}".encode()) == "A6"
