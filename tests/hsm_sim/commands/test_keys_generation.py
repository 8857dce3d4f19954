"""Keys are made: lengths, attributes, components, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.crypto.checks import tdes_check_value
from hsm_sim.core.crypto.ciphers import odd_parity
from hsm_sim.core.keys import schemes
from hsm_sim.core.keys.public import PUBLIC
from hsm_sim.requests.keys import CheckKey, MakeKey
from tests.hsm_sim.commands.opened import block_key, code_of, variant_key
from tests.support.hsm import Hsm

BDK = "0123456789ABCDEFFEDCBA9876543210"
OTHER = "1F" * 8 + "2C" * 8
IPEK = "6AC292FAA1315B4D858AB3A3D7D5933A"
"""The initial key of the public DUKPT examples, device FFFF9876543210E."""

ALGORITHMS = {"T2": 16, "T3": 24, "A1": 16, "A2": 24, "A3": 32}
USAGES = (("P0", "B"), ("K1", "B"), ("D0", "N"), ("B0", "X"), ("E2", "X"), ("M6", "C"), ("V2", "C"))


def answer(command: str) -> str:
    """Send a command to the open port; return the answer behind its code."""
    return Hsm().frame("open", command.encode())[2:].decode("ascii")


def code(command: str) -> str:
    """Return the error code of a command at the open port."""
    return code_of(Hsm(), command.encode())


class TestUnderTheVariantLmk:
    """The scheme says how long the key is; the key type says what it is for."""

    @pytest.mark.parametrize(("scheme", "length"), [("U", 33), ("X", 33), ("T", 49), ("Y", 49), ("Z", 16)])
    def test_a_key_has_the_length_of_its_scheme(self, scheme: str, length: int) -> None:
        made = answer(f"A00001{scheme}")

        key, kcv = made[2 : 2 + length], made[2 + length :]
        flag = {16: "0", 33: "1", 49: "2"}[length]
        assert made[:2] == "00"
        assert answer(f"BU01{flag}{key};001") == f"00{kcv}"

    def test_the_same_key_stands_under_the_zmk(self) -> None:
        zmk = variant_key("000", BDK)

        made = answer(f"A01001U;0{zmk}X")

        under_lmk, under_zmk, kcv = made[2:35], made[35:68], made[68:]
        assert answer(f"A6001{zmk}{under_zmk}U") == f"00{under_lmk}{kcv}"

    def test_a_tmk_is_named_by_the_flag(self) -> None:
        tmk = variant_key("002", BDK)

        assert answer(f"A01001U;1{tmk}X")[:2] == "00"
        assert answer(f"A01001U;0{tmk}X")[:2] == "10"

    def test_a_block_for_the_peer_gets_the_attributes_that_were_asked_for(self) -> None:
        made = answer(f"A01001U;0{variant_key('000', BDK)}R#P0T2E00N00")

        assert made[35:51] == "RB0080P0TE00N000"

    @pytest.mark.parametrize(
        ("command", "refusal"),
        [
            ("A00FFFU", "28"),
            ("A0000FU", "28"),
            ("A00001S", "26"),
            ("A000010", "26"),
            ("A02001U", "15"),
            ("A00001", "80"),
            ("A00001U#P0T2B00E0", "AB"),
            ("A00001U#P0T2B00E01KS03X", "AC"),
            (f"A01001U;2{'U' + '0' * 32}X", "15"),
        ],
    )
    def test_what_is_refused(self, command: str, refusal: str) -> None:
        assert code(command) == refusal


class TestUnderAKeyBlockLmk:
    """The attributes say everything, and must make sense."""

    @given(st.sampled_from(USAGES), st.sampled_from(sorted(ALGORITHMS)), st.sampled_from("ENS"))
    def test_a_key_has_its_attributes(self, usage: tuple[str, str], algorithm: str, exportability: str) -> None:
        hsm = Hsm()

        made = hsm.ask("switch", MakeKey(usage[0], algorithm, usage[1], exportability, "S", version="07"))
        assert made.code == "00"
        assert made.key[6:13] == f"{usage[0]}{algorithm[0]}{usage[1]}07{exportability}"
        assert hsm.ask("switch", CheckKey(made.key)).kcv == made.kcv

    def test_optional_blocks_stay_with_the_key(self) -> None:
        made = answer("A00FFFS%02#P0A3B00E01TS1320260314150926Z")

        assert made[:2] == "00"
        assert "TS1320260314150926Z" in made

    @pytest.mark.parametrize(
        ("tail", "refusal"),
        [
            ("001U%01#P0T2B00E00", "28"),
            ("FFFU%01#P0T2B00E00", "26"),
            ("FFFR%01#P0T2B00E00", "26"),
            ("FFFS%01", "15"),
            ("FFFS%01#P0X2B00E00", "A7"),
            ("FFFS%01#P0A3B00E00", "A7"),
            ("FFFS%02#P0T2C00E00", "A8"),
            ("FFFS%02#C0A3C00E00", "A7"),
            ("FFFS%02#ZZT2B00E00", "A6"),
            ("FFFS%02#P0T2B-0E00", "A9"),
            ("FFFS%02#P0T2B00X00", "AA"),
            ("FFFS%03#P0T2B00E00", "13"),
        ],
    )
    def test_what_is_refused(self, tail: str, refusal: str) -> None:
        assert code(f"A00{tail}") == refusal

    def test_a_single_length_key_is_the_policys_business(self) -> None:
        assert answer("A00FFFS%01#P0D1B00E00")[:2] == "00"
        assert Hsm().ask("switch", MakeKey("P0", "D1", "B")).code == "27"

    def test_a_key_that_may_not_leave_is_not_made_under_a_zmk(self) -> None:
        assert Hsm().ask("switch", MakeKey("P0", "A3", "B", "N", zmk="K300")).code == "29"


class TestInitialKeys:
    """Modes A and B derive a device's initial DUKPT key instead of making a random one."""

    def test_under_the_variant_lmk_and_a_zmk(self) -> None:
        zmk, bdk = variant_key("000", BDK[::-1]), variant_key("009", BDK)

        made = answer(f"A0B302U01{bdk}FFFF9876543210E;0{zmk}X")

        under_zmk = schemes.unwrap(odd_parity(bytes.fromhex(BDK[::-1])), made[35:68])
        assert under_zmk.hex().upper() == IPEK
        assert made[68:] == tdes_check_value(under_zmk)

    def test_it_is_the_initial_key_of_the_base_key(self) -> None:
        bdk = block_key("B0", BDK, mode="X")

        made = answer(f"A0AFFFS01{bdk}FFFF9876543210E%01#B1T2X00E00")

        key = PUBLIC["01"].read(made[2:75], ())
        assert key.derive(bytes.hex).upper() == IPEK

    def test_an_aes_device_has_sixteen_digits(self) -> None:
        bdk = block_key("B0", "FEDCBA9876543210F1F1F1F1F1F1F1F1", "A", "X", "02")

        made = answer(f"A0AFFFS01{bdk}1234567890123456%02#B1A1X00E00")

        key = PUBLIC["02"].read(made[2:-6], ())
        assert key.derive(bytes.hex).upper() == "1273671EA26AC29AFA4D1084127652A1"

    def test_a_derived_key_is_nothing_but_an_initial_key(self) -> None:
        bdk = block_key("B0", BDK, mode="X")

        assert code(f"A0AFFFS01{bdk}FFFF9876543210E%01#P0T2B00E00") == "A6"
        assert code(f"A0AFFFS01{bdk}FFFF9876543210E%01#B1T3X00E00") == "A7"
        assert code(f"A0AFFFS91{bdk}FFFF9876543210E%01#B1T2X00E00") == "15"
        assert code(f"A0AFFFS05{bdk}FFFF9876543210E%01#B1T2X00E00") == "15"


class TestComponents:
    """A4 adds components (exclusive or) and corrects the parity."""

    def test_components_of_a_key_block(self) -> None:
        first, second = (block_key("K0", half, mode="B") for half in (BDK, OTHER))

        formed = answer(f"A42FFFS{first}{second}%01#0700")

        key = PUBLIC["01"].read(formed[2:-6], ())
        assert key.header.version == "07"
        assert key.kcv == formed[-6:]
        assert key.odd_parity

    def test_components_that_do_not_belong_together(self) -> None:
        first, second = block_key("K0", BDK), block_key("P0", OTHER)

        assert code(f"A42FFFS{first}{second}%01") == "B5"

    def test_equal_components_make_no_key(self) -> None:
        component = variant_key("001", BDK)

        assert code(f"A42001U{component}{component}") == "11"

    @pytest.mark.parametrize("count", "01")
    def test_two_are_needed(self, count: str) -> None:
        assert code(f"A4{count}001U{variant_key('001', BDK)}") == "03"

    def test_a_component_with_wrong_parity(self) -> None:
        component, damaged = variant_key("001", BDK), "U" + "0" * 32

        assert code(f"A42001U{component}{damaged}") == "10"


class TestOlderCommands:
    """AS, HC and IA answer keys that the newer commands can read."""

    def test_a_pair_of_card_keys(self) -> None:
        pair = answer("AS")
        assert len(pair) == 2 + 32 + 12

        for asked in (";0U1", ";0X1"):
            made = answer(f"AS{asked}")
            assert answer(f"BUFF1{made[2:-6]};402;001") == f"00{made[-6:]}"
        block = answer("AS;0S1%01")
        assert block[2:19] == "S00072C0TC00E0001"

    def test_the_pair_makes_card_values(self) -> None:
        pair = answer("AS")[2:34]

        assert answer(f"CW{pair}4242424242424242;3012201")[:2] == "00"

    def test_a_terminal_key_stands_under_the_tmk_and_the_lmk(self) -> None:
        tmk = variant_key("002", BDK)

        for asked, length in (("", 33), (";XU0", 33), (";YT0", 49)):
            made = answer(f"HC{tmk}{asked}")
            assert len(made) == 2 + 2 * length
            kcv = answer(f"BU02{'1' if length == 33 else '2'}{made[2 + length :]};001")
            assert kcv[:2] == "00"

    def test_a_zone_pin_key_crosses_to_the_peer(self) -> None:
        zmk = variant_key("000", BDK)

        made = answer(f"IA{zmk};XU1")

        assert answer(f"FA{zmk}{made[2:35]};0U1") == f"00{made[35:]}"

    def test_under_a_key_block_lmk_they_are_pin_keys(self) -> None:
        zmk = block_key("K0", BDK, mode="B")

        made = answer(f"IA{zmk}%01")

        assert made[2:17] == "S00072P0TB00E00"
        assert made[75:92] == "S00072P0TB00E0001"
        assert answer(f"FA{zmk}{made[2:75]};0S1%01")[-6:] == made[148:154]

    def test_bare_keys_are_of_single_length(self) -> None:
        assert code(f"IA{variant_key('000', BDK)};0U1") == "27"
        assert answer(f"IA{variant_key('000', BDK)};ZZ1")[:2] == "00"
