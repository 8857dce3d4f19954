"""Check values and migration: BU, KA, BW."""

from __future__ import annotations

import pytest

from hsm_sim.core import indexes
from hsm_sim.core.crypto.checks import aes_check_value, tdes_check_value
from hsm_sim.requests.keys import CheckKey
from tests.hsm_sim.commands.opened import block_key, code_of, variant_key
from tests.support.hsm import Hsm

KEY = "0123456789ABCDEFFEDCBA9876543210"
TRIPLE = KEY + "89E88CF7931444F2"


def answer(command: str) -> str:
    """Send a command to the open port; return the answer behind its code."""
    return Hsm().frame("open", command.encode())[2:].decode("ascii")


def code(command: str) -> str:
    """Return the error code of a command at the open port."""
    return code_of(Hsm(), command.encode())


class TestCheckValues:
    """Sixteen digits, or six if the type of check value is 1."""

    @pytest.mark.parametrize(("flag", "material"), [("0", KEY[:16]), ("1", KEY), ("2", TRIPLE)])
    def test_every_length(self, flag: str, material: str) -> None:
        field, whole = variant_key("00A", material), tdes_check_value(bytes.fromhex(material), 16)

        assert answer(f"BU0A{flag}{field}") == f"00{whole}"
        assert answer(f"BUFF{flag}{field};00A;001") == f"00{whole[:6]}"
        assert answer(f"KA{field}0A") == f"00{whole}"

    def test_a_bare_pair(self) -> None:
        pair = variant_key("002", KEY, "0")

        assert len(pair) == 32
        assert answer(f"BU021{pair};001") == "0008D7B4"

    def test_an_aes_key(self) -> None:
        block = block_key("D0", "9B" * 32, "A", lmk="02")

        assert answer(f"BUFFF{block};FFF;001%02") == f"00{aes_check_value(bytes([0x9B]) * 32)}"

    def test_a_key_of_the_partys_own_table(self) -> None:
        hsm = Hsm()

        checked = hsm.ask("issuer-a", CheckKey(indexes.CVK, whole=True))

        assert len(checked.kcv) == 16
        assert hsm.ask("issuer-a", CheckKey(indexes.CVK)).kcv == checked.kcv[:6]
        assert hsm.engine.check_values()["issuer-a"][indexes.CVK] == checked.kcv[:6]
        assert hsm.ask("issuer-b", CheckKey(indexes.CVK)).kcv != checked.kcv[:6]
        assert hsm.ask("acquirer", CheckKey(indexes.CVK)).code == "12"

    @pytest.mark.parametrize(
        ("tail", "refusal"),
        [
            (f"0F1{variant_key('001', KEY)}", "04"),
            (f"991{variant_key('001', KEY)}", "04"),
            (f"FF1{variant_key('001', KEY)};90F", "28"),
            (f"FF1{variant_key('001', KEY)};FFF", "28"),
            (f"010{variant_key('001', KEY)}", "05"),
            (f"012{variant_key('001', KEY)}", "05"),
            (f"01F{variant_key('001', KEY)}", "05"),
            (f"013{variant_key('001', KEY)}", "05"),
            (f"FF1{block_key('P0', KEY)};FFF%01", "05"),
            (f"FFF{block_key('P0', KEY)};001%01", "28"),
            (f"FFF{block_key('P0', KEY)};FFF", "28"),
            (f"011{variant_key('001', KEY)};002", "15"),
            (f"011{variant_key('001', KEY)};0", "80"),
            (f"011{variant_key('003', KEY)}", "10"),
            (f"FF1{variant_key('001', KEY)}", "15"),
            (f"011Q{KEY}", "26"),
        ],
    )
    def test_what_bu_refuses(self, tail: str, refusal: str) -> None:
        assert code(f"BU{tail}") == refusal

    def test_what_ka_refuses(self) -> None:
        assert code(f"KA{variant_key('001', KEY)}99") == "04"
        assert code(f"KA{variant_key('001', KEY)}FF") == "28"
        assert code(f"KA{variant_key('001', KEY)}01;002") == "15"


class TestMigration:
    """BW writes a key again, under the LMK that `%LL` names."""

    def test_within_one_lmk_nothing_changes(self) -> None:
        field = variant_key("001", KEY)

        assert answer(f"BW011{field}") == f"00{field}"
        assert answer(f"BW011{field};0X0") == f"00{variant_key('001', KEY, 'X')}"
        assert answer(f"BW011{field}!11") == f"00{field}08D7B4"
        assert answer(f"BW011{field}!10") == f"00{field}08D7B4FB629D0885"

    def test_a_bare_pair_stays_bare(self) -> None:
        pair = variant_key("002", KEY, "0")

        assert answer(f"BW021{pair}") == f"00{pair}"

    @pytest.mark.parametrize("lmk", ["01", "02"])
    def test_a_cryptogram_becomes_a_key_block(self, lmk: str) -> None:
        field = variant_key("001", KEY)

        plain, chosen = answer(f"BW011{field}%{lmk}"), answer(f"BW011{field};0S0!11%{lmk}#P0D04N00")

        assert plain[8:15] == "P0TB00S"
        assert chosen[8:15] == "P0TD04N"
        assert answer(f"BUFFF{plain[2:]};FFF;001%{lmk}") == answer(f"BUFFF{chosen[2:-6]};FFF;001%{lmk}") == "0008D7B4"
        assert chosen[-6:] == "08D7B4"

    def test_between_key_block_lmks_the_header_stays(self) -> None:
        old = block_key("V2", KEY, mode="C")

        moved = answer(f"BWFFF{old};FFF%02")[2:]
        back = answer(f"BWFFF{moved};FFF%01")[2:]

        assert moved[6:13] == back[6:13] == "V2TC00N"
        assert back[:48] == old[:48]

    def test_a_key_block_never_becomes_a_cryptogram(self) -> None:
        assert code(f"BWFFF{block_key('P0', KEY)};FFF") == "A1"
        assert code(f"BWFFF{block_key('P0', KEY, lmk='02')};FFF;0U0%00") == "A1"

    def test_a_house_party_has_one_lmk_and_cannot_move_anothers_key(self) -> None:
        hsm = Hsm()
        foreign = block_key("P0", KEY, lmk="02")

        assert code_of(hsm, f"BWFFF{foreign};FFF".encode(), "switch") == "A4"
        assert code_of(hsm, f"BWFFF{indexes.DATA};FFF;0S0!11".encode(), "switch") == "00"

    @pytest.mark.parametrize(
        ("tail", "refusal"),
        [
            (f"0F1{variant_key('001', KEY)}", "04"),
            (f"014{variant_key('001', KEY)}", "05"),
            (f"010{variant_key('001', KEY)}", "05"),
            (f"011{variant_key('001', KEY)}!12", "82"),
            (f"011{variant_key('001', KEY)};0S0", "26"),
            (f"011{variant_key('001', KEY)};0T0", "27"),
            (f"011{variant_key('001', KEY)}%01#C0C00N00", "A6"),
            (f"FF1{variant_key('001', KEY)};00F", "28"),
            (f"FFF{block_key('P0', KEY).replace('P0TN', 'D0TN')};FFF%02", "A4"),
        ],
    )
    def test_what_is_refused(self, tail: str, refusal: str) -> None:
        assert code(f"BW{tail}") == refusal
