"""Key check values and fingerprints."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.crypto import checks
from hsm_sim.core.crypto.ciphers import Aes, Tdes, xor
from hsm_sim.core.crypto.fingerprints import fingerprint
from hsm_sim.core.crypto.macs import KeyedHmac
from tests.support.vectors import vectors

TEST_PAIRS = """
01010101010101017902CD1FD36EF8BA 20202020202020203131313131313131 40404040404040405151515151515151
61616161616161617070707070707070 80808080808080809191919191919191 A1A1A1A1A1A1A1A1B0B0B0B0B0B0B0B0
C1C1010101010101D0D0010101010101 E0E0010101010101F1F1010101010101 1C587F1C13924FEF0101010101010101
01010101010101010101010101010101 02020202020202020404040404040404 07070707070707071010101010101010
13131313131313131515151515151515 16161616161616161919191919191919 1A1A1A1A1A1A1A1A1C1C1C1C1C1C1C1C
23232323232323232525252525252525 26262626262626262929292929292929 2A2A2A2A2A2A2A2A2C2C2C2C2C2C2C2C
2F2F2F2F2F2F2F2F3131313131313131 01010101010101010101010101010101
"""


class TestKnownAnswers:
    """Check values are the published ones."""

    @pytest.mark.parametrize(
        ("operation", "function"),
        [
            ("kcv_tdes", checks.tdes_check_value),
            ("kcv_aes_cmac_zero_block", checks.aes_check_value),
            ("kcv_thales_aes_keyblock_lmk", lambda key: checks.lmk_check_value(key)[:6]),
        ],
    )
    def test_check_values(self, operation: str, function: Any) -> None:
        (vector,) = vectors(operation)

        assert function(bytes.fromhex(vector["inputs"]["key"])) == vector["expected"]

    def test_a_single_des_encryption(self) -> None:
        (vector,) = vectors("des_ecb_encrypt")
        inputs = vector["inputs"]

        made = Tdes(bytes.fromhex(inputs["key"])).encrypt(bytes.fromhex(inputs["data"]))

        assert made.hex().upper() == vector["expected"]

    def test_the_public_variant_lmk(self) -> None:
        (vector,) = vectors("lmk_checksum_nc")
        pairs = [bytes.fromhex(pair) for pair in TEST_PAIRS.split()]

        assert len(pairs) == 20
        assert checks.variant_lmk_check_value(pairs) == vector["expected"]


class TestShapes:
    """A check value is the left of something longer, and says nothing else."""

    @given(st.sampled_from([8, 16, 24]).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
    def test_the_short_tdes_value_is_the_left_of_the_long_one(self, key: bytes) -> None:
        short, long = checks.tdes_check_value(key), checks.tdes_check_value(key, 16)

        assert len(short) == 6
        assert bytes.fromhex(long) == Tdes(key).encrypt(bytes(8))
        assert long.startswith(short)

    @given(st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
    def test_the_old_aes_value_is_an_encrypted_zero_block_and_the_new_one_is_not(self, key: bytes) -> None:
        assert bytes.fromhex(checks.aes_legacy_check_value(key)) == Aes(key).encrypt(bytes(16))[:3]
        assert len(checks.aes_check_value(key)) == len(checks.hmac_check_value(key)) == 6

    @given(st.lists(st.binary(min_size=16, max_size=16), max_size=5), st.binary(min_size=16, max_size=16))
    def test_the_lmk_value_adds_up_pair_by_pair(self, pairs: list[bytes], more: bytes) -> None:
        before, after = checks.variant_lmk_check_value(pairs), checks.variant_lmk_check_value([*pairs, more])

        assert xor(bytes.fromhex(before), bytes.fromhex(after)) == xor(more[:8], more[8:])


class TestFingerprints:
    """A fingerprint depends on key, scope and the whole PAN, and on nothing else."""

    @given(st.text("0123456789", min_size=12, max_size=19), st.text(max_size=10), st.text(max_size=10))
    def test_two_scopes_cannot_be_joined(self, pan: str, one: str, other: str) -> None:
        key = bytes(32)

        left, right = fingerprint(KeyedHmac(key), one, pan), fingerprint(KeyedHmac(key), other, pan)

        assert (left == right) == (one == other)
        assert len(left) == 29
        assert pan not in left
