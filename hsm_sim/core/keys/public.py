"""The public test LMKs: known to everybody, so that test data of other tools opens here.

Keys under these LMKs protect nothing. They serve the open port only; the house's own LMKs are derived from its master
secret and are never among these.

Source
------
Shared facts, hsm 2.3: every open simulator has them.
"""

from typing import Final

from hsm_sim.core.keys.lmk import AesBlockLmk, Lmk, TdesBlockLmk, VariantLmk

TEST_PAIRS: Final = tuple(
    bytes.fromhex(pair)
    for pair in (
        "01010101010101017902CD1FD36EF8BA",
        "20202020202020203131313131313131",
        "40404040404040405151515151515151",
        "61616161616161617070707070707070",
        "80808080808080809191919191919191",
        "A1A1A1A1A1A1A1A1B0B0B0B0B0B0B0B0",
        "C1C1010101010101D0D0010101010101",
        "E0E0010101010101F1F1010101010101",
        "1C587F1C13924FEF0101010101010101",
        "01010101010101010101010101010101",
        "02020202020202020404040404040404",
        "07070707070707071010101010101010",
        "13131313131313131515151515151515",
        "16161616161616161919191919191919",
        "1A1A1A1A1A1A1A1A1C1C1C1C1C1C1C1C",
        "23232323232323232525252525252525",
        "26262626262626262929292929292929",
        "2A2A2A2A2A2A2A2A2C2C2C2C2C2C2C2C",
        "2F2F2F2F2F2F2F2F3131313131313131",
        "01010101010101010101010101010101",
    )
)
"""Pairs 00-01, 02-03, ... 38-39 of the variant test LMK."""

TEST_TDES_KEY: Final = bytes.fromhex("0123456789ABCDEF8080808080808080FEDCBA9876543210")
TEST_AES_KEY: Final = bytes.fromhex("9B71333A13F9FAE72F9D0E2DAB4AD6784718012F9244033F3F26A2DE0C8AA11A")


def public_lmks(single_length: bool = True) -> dict[str, Lmk]:
    """Return the test LMKs by LMK identifier: "00" variant, "01" TDES key block, "02" AES key block."""
    return {
        "00": VariantLmk(TEST_PAIRS, single_length=single_length),
        "01": TdesBlockLmk(TEST_TDES_KEY, "01", single_length=single_length),
        "02": AesBlockLmk(TEST_AES_KEY, "02", single_length=single_length),
    }


PUBLIC: Final = public_lmks()
"""The test LMKs with single-length keys allowed."""
