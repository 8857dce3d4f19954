"""Key management as devices and open simulators answered it, character by character.

The commands under the variant LMK are those of an open simulator's published tests, the key blocks those of a device's
captured answers (shared vectors; facts 2.2). A key block is padded with random bytes, so that two answers agree up
to the padding only.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.hsm_sim.commands.opened import block_key, variant_key
from tests.hsm_sim.oracles import check_value
from tests.support.hsm import Hsm, vectors

ZMK = "S00072K0TB00E0001DB045F29C053EEFF7B9425B3A88C7258EB7EA7E40E2C47878647072A"
ZPK = "S00072P0TB00E0001EA421618B34F5FA1A77F7CF6480111B97CF0FAE7BD77D589EC921EF9"
ZPK_UNDER_ZMK = "S00072P0TB00N00FFE1D89671C973C7F0DAF91CB2EBF379493C08975679001172C89A0AF8"
TAK = "S00072M1TN00E0001FFE01E95CF21BDD0D74B6BEB70E3D90842C137DCA39C1B162C6238D5"
SHOWN = 48
"""Characters of the captured blocks that do not depend on the padding: the header and two cipher blocks."""

HSM = Hsm()
SHARED = "U1457FF6ADF6250C66C368416B4C9D383"
COMPONENTS = (
    "2EC8A0412B5D0E86E3C1E5ABFA19B3F5",
    "FF43378ED5D85B1BC465BF000335FBF1",
    "A235EDF4C58A2CB0C84641D07319CF21",
)


def answer(command: str) -> str:
    """Send a command to the open port; return the answer behind its code."""
    return HSM.frame("open", command.encode())[2:].decode("ascii")


class TestVariantLmk:
    """Cryptograms under the public test pairs."""

    @pytest.mark.parametrize("vector", vectors("import_key_A6"))
    def test_the_vectors_of_an_import(self, vector: dict[str, dict[str, str]]) -> None:
        assert answer("A6" + vector["inputs"]["host_data"]) == f"00{vector['expected']}"

    @pytest.mark.parametrize("vector", vectors("lmk_variant_unwrap_kcv"))
    def test_the_vectors_of_check_values(self, vector: dict[str, dict[str, str]]) -> None:
        field, key_type, kcv = vector["inputs"]["cryptogram"], vector["inputs"]["key_type"], vector["expected"]["kcv"]
        flag = "1" if field[0] == "U" else "0"

        assert answer(f"BUFF{flag}{field};{key_type};00{'1' if len(kcv) == 6 else '0'}") == f"00{kcv}"
        assert answer(f"BU{key_type[1:]}{flag}{field}").startswith(f"00{kcv}")
        assert answer(f"KA{field}{key_type[1:]};ZZ1") == f"00{kcv[:6]}"

    @pytest.mark.parametrize(
        ("command", "expected"),
        [
            ("A6001U1457FF6ADF6250C66C368416B4C9D3832B930A07119F93A8Z", "BAB32D775A38E4AB73936E"),
            ("A80024ED06495741C280C0406FBB23A5214DFZ", "35ED0C0EA7F7D0FA0035BB"),
            (f"A8002{SHARED}7BB126F2BE631486Z", "16224FDAA779AFB31FFD3C"),
            (f"A8002;0{SHARED}7BB126F2BE631486Z", "16224FDAA779AFB31FFD3C"),
            (f"A8002{SHARED}U8463435FC4B4DAA0C49025272C29B12CU", "U2C62A23D001B97412950CD8BE66C7639070753"),
            ("A43002Z3B723AF4CF00A7A6954111D254A90D17EAAF49979FA95742", "FE018240022A76DCA192FE"),
            ("A43000X" + "".join("X" + part for part in COMPONENTS), "XC0BC1DFFC449A402DAB71250CA5869CC8CE396"),
            ("BU000ACE9B8A0BE50C09B", "4BD5E2482582C2C4"),
            ("BU011U1EF828AA8F6B80EB83E19FBC373F3A85", "6F1E3F74F826B7EB"),
            ("KAU1EF828AA8F6B80EB83E19FBC373F3A8501", "6F1E3F74F826B7EB"),
            (f"FA{SHARED}2B930A07119F93A8", "BAB32D775A38E4AB73936E441E46819D"),
            (f"FA{SHARED}2B930A07119F93A8;XZ1", "BAB32D775A38E4AB73936E"),
            (f"GC{SHARED}BAB32D775A38E4AB", "2B930A07119F93A873936E441E46819D"),
            (f"GC{SHARED}BAB32D775A38E4AB;ZZ1", "2B930A07119F93A873936E"),
        ],
    )
    def test_the_tests_of_an_open_simulator(self, command: str, expected: str) -> None:
        assert answer(command) == f"00{expected}"


class TestKeyBlockLmk:
    """Thales key blocks under the public TDES key block LMK."""

    @pytest.mark.parametrize("vector", [v for v in vectors("thales_keyblock_unwrap_v0") if "name" in v["inputs"]])
    def test_check_values(self, vector: dict[str, dict[str, str]]) -> None:
        kcv = vector["expected"]["kcv"]

        assert answer(f"BUFFF{vector['inputs']['block']};FFF;001%01") == f"00{kcv}"
        assert answer(f"KA{vector['inputs']['block']}FF;001%01") == f"00{kcv}"

    def test_a_zpk_leaves_as_not_exportable(self) -> None:
        for asked in ("%01&N", "&N%01", "%01"):
            left = answer(f"A8FFF{ZMK}{ZPK}S{asked}")

            assert left[2 : 2 + SHOWN] == ZPK_UNDER_ZMK[:SHOWN]
            assert left[-6:] == "4FE9FD"

    def test_a_zpk_is_taken_in(self) -> None:
        taken = answer(f"A6FFF{ZMK}{ZPK_UNDER_ZMK}S%01")

        assert taken[2:14] == ZPK[:12]
        assert taken[14] == "N"
        assert taken[15 : 2 + SHOWN] == ZPK[13:SHOWN]
        assert taken[-6:] == "4FE9FD"

    def test_a_key_is_made(self) -> None:
        made = answer("A00FFFS%01#K0T2B00E00")

        assert made[:18] == "00S00072K0TB00E000"
        assert len(made) == 2 + 73 + 6

    def test_a_key_is_made_under_a_zmk_too(self) -> None:
        made = answer(f"A01FFFS0{ZMK}S%01#K0T2B00E00")

        assert made[:19] == "00S00072K0TB00E0001"
        assert made[75 : 75 + 17] == "S00072K0TB00E00FF"
        assert len(made) == 2 + 2 * 73 + 6

    def test_a_key_is_moved_to_the_aes_lmk(self) -> None:
        moved = answer(f"BWFFF{TAK};FFF;0S0!11%02")

        assert moved[:19] == "00S10096M1TN00E0002"
        assert moved[-6:] == "F808C2"
        assert answer(f"BUFFF{moved[2:-6]};FFF;001%02") == "00F808C2"


TR31 = [vector for version in "ABCDE" for vector in vectors(f"tr31_unwrap_{version}")]


class TestKeysOfOthers:
    """Keys and key blocks that somebody else published or made: the check value says that the key inside is theirs."""

    @pytest.mark.parametrize("vector", TR31, ids=[vector["inputs"]["block"][:16] for vector in TR31])
    def test_tr31_blocks_are_taken_in(self, vector: dict[str, Any]) -> None:
        kbpk, block = vector["inputs"]["kbpk"], vector["inputs"]["block"]
        zmk = block_key("K1", kbpk, "A", "B", "02") if block[0] in "DE" else block_key("K0", kbpk, "T", "B", "02")

        taken = answer(f"A6FFF{zmk}R{block}S%02")

        assert taken[:2] in ("00", "01")  # 01: the key has no odd parity, which is put right
        assert taken[8:12] == block[5:9]
        assert taken[-6:] == check_value(bytes.fromhex(vector["expected"]), block[7])

    @pytest.mark.parametrize("vector", vectors("thales_keyblock_unwrap_v1"))
    def test_a_block_under_the_aes_lmk(self, vector: dict[str, Any]) -> None:
        block, kcv = vector["inputs"]["block"], check_value(bytes.fromhex(vector["expected"]), "T")

        assert answer(f"BUFFF{block};FFF;001%02") == f"00{kcv}"
        assert answer(f"KA{block}FF;001%02") == f"00{kcv}"

    @pytest.mark.parametrize("vector", vectors("kcv_tdes"))
    def test_the_check_value_of_a_tdes_key(self, vector: dict[str, Any]) -> None:
        key, block = variant_key("002", vector["inputs"]["key"]), block_key("K0", vector["inputs"]["key"])

        assert answer(f"BU021{key};001") == f"00{vector['expected']}"
        assert answer(f"KA{key}02;001") == f"00{vector['expected']}"
        assert answer(f"BUFFF{block};FFF;001%01") == f"00{vector['expected']}"

    @pytest.mark.parametrize("vector", vectors("kcv_aes_cmac_zero_block"))
    def test_the_check_value_of_an_aes_key(self, vector: dict[str, Any]) -> None:
        block = block_key("K1", vector["inputs"]["key"], "A", "B", "02")

        assert answer(f"BUFFF{block};FFF;001%02") == f"00{vector['expected']}"
        assert answer(f"KA{block}FF;001%02") == f"00{vector['expected']}"
